"""The figures of a report, each with its caption, its text for who cannot see it, and its data."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import curves, figures, survival
from analysis.answer import listed, tally
from analysis.escaping import plain
from analysis.estimate import GROUP, judged
from analysis.highlight import note
from analysis.looks import Look
from analysis.panels import Panels
from analysis.sources import Foreign, Frames, Progress
from analysis.study_file import Study

NAMES = (
    *("solve_rate", "heat_map", "test_score", "learning_curves"),
    *("survival", "gradient_norm", "cost"),
)
"""Every figure that a report may have; their files are called so."""


@dataclass(frozen=True)
class Shown:
    """A figure as a report shows it. `alternative` says in words what is to be seen."""

    name: str
    title: str
    caption: str
    alternative: str
    data: pd.DataFrame
    figure: Panels


Looks = dict[str, Look]


def hang(
    frames: Frames, rates: pd.DataFrame, looks: Looks, progress: Progress | None = None
) -> list[Shown]:
    """Draw every figure that the data allow, in the order of the report.

    `looks` gives each arm the look that it has in all of them.
    """
    study, runs, history, foreign = frames.study, frames.runs, frames.history, frames.foreign
    has_rates, has_scores = len(rates) > 0, bool(runs["test/score"].notna().any())
    has_curves = bool(history["validation/score"].notna().any())
    norms = history["train/gradient_norm"]
    has_norms = bool((np.isfinite(norms) & (norms > 0)).any())
    has_costs = len(figures.cost(runs)) > 0
    drawn: list[tuple[bool, Callable[[], Shown]]] = [
        (has_rates, lambda: _solve_rate(rates, looks)),
        (has_rates, lambda: _heat_map(rates, looks, study.groups)),
        (has_scores, lambda: _test_score(runs, looks, foreign)),
        (has_curves, lambda: _learning_curves(runs, history, looks, foreign)),
        (has_rates, lambda: _survival(runs, looks)),
        (has_norms, lambda: _gradient_norm(runs, history, looks, study)),
        (has_costs, lambda: _cost(runs, looks)),
    ]
    shown = []
    for number, (has_data, draw) in enumerate(drawn, start=1):
        if has_data:
            shown.append(draw())
        if progress is not None:
            progress("figures drawn", number, len(drawn))
    return shown


def _solve_rate(rates: pd.DataFrame, looks: Looks) -> Shown:
    return Shown(
        name="solve_rate",
        title="Solve rate against lag",
        caption=(
            "The share of seeds that solve the task, with its 95% Wilson interval, one panel a "
            "task; the arms of one lag stand slightly apart, to the side and in height, so that "
            "none hides another. A line that stays up means that the arm still carries what the "
            "answer needs over the longer lag; one that falls, that it no longer does. The "
            "intervals are those of single groups: whether two arms differ is "
            f"judged under Claims.{note(looks)}"
        ),
        alternative=_told("Share of seeds that solve the task.", rates),
        data=rates,
        figure=figures.solve_rate_by_lag(rates, looks),
    )


def _heat_map(rates: pd.DataFrame, looks: Looks, groups: list[tuple[str, str, int]]) -> Shown:
    planned = pd.DataFrame(groups, columns=GROUP)
    data = planned.merge(rates[[*GROUP, "n", "solved", "rate"]], how="left", on=GROUP)
    hatched = " Hatched: no trial has a result." if data["n"].isna().any() else ""
    return Shown(
        name="heat_map",
        title="All groups at a glance",
        caption=(
            "In each cell, how many seeds solve the task, of how many that have a result; the "
            "darker, the more. Read a row to see what an arm can do, a column to see which arms "
            f"stand up to a lag.{hatched}"
        ),
        alternative=_told("A table in colour: solved of all seeds.", rates),
        data=data,
        figure=figures.heat_map(rates, looks, groups),
    )


def _test_score(runs: pd.DataFrame, looks: Looks, foreign: Foreign | None) -> Shown:
    what, when = "Score on the test split at the end of training", _STOPPED
    if foreign is not None:
        what, when = f"The last value of {plain(foreign.score)} of each run", ""
    medians = runs.groupby(GROUP, sort=False)["test/score"].median().reset_index()
    return Shown(
        name="test_score",
        title="Test score against lag",
        caption=(
            f"{what}: small dots are seeds, the marker is their median, the bar reaches from the "
            "lowest to the highest. Dotted: the score of the best strategy without memory. Dots at "
            "both ends of a bar and none between them are seeds that either found the solution or "
            f"did not; a mean would show neither.{when}{note(looks)}"
        ),
        alternative=_measured("Median test score.", medians, "test/score"),
        data=runs[["trial", *GROUP, "seed", "outcome", "test/score", "chance_score"]],
        figure=figures.test_score_by_lag(runs, looks),
    )


_STOPPED = (
    " Trials that stop when solved stop at different steps, so scores above the threshold are not "
    "to be ranked."
)


def _learning_curves(
    runs: pd.DataFrame, history: pd.DataFrame, looks: Looks, foreign: Foreign | None
) -> Shown:
    stops = "A trial stops once it has solved its task; from there on it is"
    if foreign is not None:
        stops = "A run that ended sooner than others of its group is"
    last = history.dropna(subset="validation/score").groupby(["trial", *GROUP], sort=False)
    ends = last["validation/score"].last().groupby(GROUP, sort=False).median().reset_index()
    return Shown(
        name="learning_curves",
        title="Learning curves",
        caption=(
            "Validation score by training step: a thin line is a seed, a thick one the median of "
            f"an arm's seeds, the band holds their middle half. {stops} carried forward at its "
            "last score, thin and dashed, and a median is faint once all its seeds have stopped. A "
            "curve that lies on the dotted chance line has learnt nothing that needs memory; a "
            "late, steep rise is a solution found late. Where all trials of a panel have stopped, "
            f"it ends: mind the steps below it.{_outer(runs)}{note(looks)}"
        ),
        alternative=_measured("Median of the last validation score.", ends, "validation/score"),
        data=history[["trial", *GROUP, "seed", "step", "validation/score"]],
        figure=curves.learning_curves(runs, history, looks),
    )


def _survival(runs: pd.DataFrame, looks: Looks) -> Shown:
    data = survival.curves(runs)
    every = listed(sorted({int(each) for each in judged(runs)["validation_every"]}))
    medians = survival.steps_to_solve(runs)
    return Shown(
        name="survival",
        title="Steps to solve",
        caption=(
            "The share of seeds that have not solved their task yet, by training step "
            "(Kaplan-Meier). A curve that drops early belongs to an arm that solves fast; one that "
            "stays up to the right edge never does, within the budget of steps. Diverged trials "
            "count as unsolved up to that edge. Steps are known up to the interval between "
            f"validations ({every} steps). Curves are drawn slightly apart; a panel whose trials "
            f"have all stopped ends: mind the steps below it.{_outer(runs)}{note(looks)}"
        ),
        alternative=_measured("Median steps to solve.", medians, "median", "{:.0f}"),
        data=data,
        figure=curves.survival(data, looks),
    )


def _gradient_norm(runs: pd.DataFrame, history: pd.DataFrame, looks: Looks, study: Study) -> Shown:
    clips = {arm.recipe.clip for arm in study.arms}
    clip = clips.pop() if len(clips) == 1 else None
    middle = history.groupby(GROUP, sort=False)["train/gradient_norm"].median().reset_index()
    dotted = (
        "" if clip is None else f"; above the dotted line, at {clip:g}, the gradient was clipped"
    )
    return Shown(
        name="gradient_norm",
        title="Gradient norm over training",
        caption=(
            "The norm of the whole gradient before it was clipped, by training step, on a "
            "logarithmic axis of its own in each panel: a thin line is a seed, a thick one the "
            f"median of an arm's seeds while at least half of them train{dotted}. A norm that "
            "jumps up tells of gradients that explode; one that stays small while the score stays "
            "at chance, of a signal that does not arrive. What was not finite is not drawn."
            f"{_outer(runs)}{note(looks)}"
        ),
        alternative=_measured(
            "Median gradient norm over all steps.", middle, "train/gradient_norm", "{:.2g}"
        ),
        data=history[["trial", *GROUP, "seed", "step", "train/gradient_norm"]],
        figure=curves.gradient_norm(runs, history, looks, clip),
    )


def _cost(runs: pd.DataFrame, looks: Looks) -> Shown:
    data = figures.cost(runs)
    columns = ["cost", "test/score"]
    longest = data[data["lag"] == data.groupby("task")["lag"].transform("max")]
    middle = longest.groupby(GROUP, sort=False)[columns].median().reset_index()
    middle["told"] = [f"{row[0]:.2g} FLOPs, score {row[1]:.2f}" for row in
                      middle[columns].itertuples(index=False, name=None)]  # fmt: skip
    return Shown(
        name="cost",
        title="Cost against result",
        caption=(
            "What a trial cost and what came of it, at the longest lag of each task: to the right, "
            "the matrix-product FLOPs that its training took for one position of a sequence "
            "(counted, times batch and steps: they hang on no machine and on no kernel); upwards, "
            "its test score. A small dot is a seed, hollow where it did not solve; the marker is "
            "the median. The best place is at the top left; a seed that neither solved nor "
            f"diverged has spent its whole budget of steps.{note(looks)}"
        ),
        alternative=_measured("Median cost and test score.", middle, "told", "{}"),
        data=data[["trial", *GROUP, "seed", "outcome", "flops_per_step", "batch", "steps",
                   *columns]],
        figure=figures.score_by_cost(runs, looks),
    )  # fmt: skip


def _outer(runs: pd.DataFrame) -> str:
    shown = sum(map(len, curves.lags_shown(runs).values()))
    is_cut = runs[["task", "lag"]].drop_duplicates().shape[0] > shown
    return " Of each task the shortest and the longest lag are shown." if is_cut else ""


def _told(begin: str, rates: pd.DataFrame) -> str:
    parts = [
        f"{plain(task)}, lag {lag}: {tally(group.assign(arm=group['arm'].map(plain)))}."
        for (task, lag), group in rates.groupby(["task", "lag"], sort=False)
    ]
    return " ".join([begin, *parts])


def _measured(begin: str, frame: pd.DataFrame, column: str, form: str = "{:.2f}") -> str:
    parts = []
    for (task, lag), group in frame.groupby(["task", "lag"], sort=False):
        values = ", ".join(
            f"{plain(arm)} {form.format(value) if pd.notna(value) else 'none'}"
            for arm, value in zip(group["arm"], group[column], strict=True)
        )
        parts.append(f"{plain(task)}, lag {lag}: {values}.")
    return " ".join([begin, *parts])
