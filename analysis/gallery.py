"""The figures of a report, each with its caption, its text for who cannot see it, and its data."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis import curves, figures, survival
from analysis.answer import listed, tally
from analysis.escaping import plain
from analysis.estimate import GROUP, judged
from analysis.sources import Frames, Progress

NAMES = ("solve_rate", "heat_map", "test_score", "learning_curves", "survival")
"""Every figure that a report may have; their files are called so."""


@dataclass(frozen=True)
class Shown:
    """A figure as a report shows it. `alternative` says in words what is to be seen."""

    name: str
    title: str
    caption: str
    alternative: str
    data: pd.DataFrame
    figure: Figure


def hang(frames: Frames, rates: pd.DataFrame, progress: Progress | None = None) -> list[Shown]:
    """Draw every figure that the data allow, in the order of the report."""
    study, runs, history = frames.study, frames.runs, frames.history
    arms = study.labels
    has_rates, has_scores = len(rates) > 0, bool(runs["test/score"].notna().any())
    has_curves = bool(history["validation/score"].notna().any())
    drawn: list[tuple[bool, Callable[[], Shown]]] = [
        (has_rates, lambda: _solve_rate(rates, arms)),
        (has_rates, lambda: _heat_map(rates, arms, study.groups)),
        (has_scores, lambda: _test_score(runs, arms)),
        (has_curves, lambda: _learning_curves(runs, history, arms)),
        (has_rates, lambda: _survival(runs, arms)),
    ]
    shown = []
    for number, (has_data, draw) in enumerate(drawn, start=1):
        if has_data:
            shown.append(draw())
        if progress is not None:
            progress("figures drawn", number, len(drawn))
    return shown


def _solve_rate(rates: pd.DataFrame, arms: list[str]) -> Shown:
    return Shown(
        name="solve_rate",
        title="Solve rate against lag",
        caption=(
            "The share of seeds that solve the task, with its 95% Wilson interval, one panel a "
            "task; the arms of one lag stand slightly apart. A line that stays up means that the "
            "arm still carries what the answer needs over the longer lag; one that falls, that it "
            "no longer does. The intervals are those of single groups: whether two arms differ is "
            "judged under Claims."
        ),
        alternative=_told("Share of seeds that solve the task.", rates),
        data=rates,
        figure=figures.solve_rate_by_lag(rates, arms),
    )


def _heat_map(rates: pd.DataFrame, arms: list[str], groups: list[tuple[str, str, int]]) -> Shown:
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
        figure=figures.heat_map(rates, arms, groups),
    )


def _test_score(runs: pd.DataFrame, arms: list[str]) -> Shown:
    medians = runs.groupby(GROUP, sort=False)["test/score"].median().reset_index()
    return Shown(
        name="test_score",
        title="Test score against lag",
        caption=(
            "Score on the test split at the end of training: small dots are seeds, the marker is "
            "their median, the bar reaches from the lowest to the highest. Dotted: the score of "
            "the best strategy without memory. Dots at both ends of a bar and none between them "
            "are seeds that either found the solution or did not; a mean would show neither. "
            "Trials that stop when solved stop at different steps, so scores above the threshold "
            "are not to be ranked."
        ),
        alternative=_measured("Median test score.", medians, "test/score"),
        data=runs[["trial", *GROUP, "seed", "outcome", "test/score", "chance_score"]],
        figure=figures.test_score_by_lag(runs, arms),
    )


def _learning_curves(runs: pd.DataFrame, history: pd.DataFrame, arms: list[str]) -> Shown:
    last = history.dropna(subset="validation/score").groupby(["trial", *GROUP], sort=False)
    ends = last["validation/score"].last().groupby(GROUP, sort=False).median().reset_index()
    lags = curves.lags_shown(runs)
    left_out = runs[["task", "lag"]].drop_duplicates().shape[0] - sum(map(len, lags.values()))
    note = " Of each task the shortest and the longest lag are shown." if left_out else ""
    return Shown(
        name="learning_curves",
        title="Learning curves",
        caption=(
            "Validation score by training step: a thin line is a seed, a thick one the median of "
            "an arm's seeds. A trial stops once it has solved its task; from there on it is "
            "carried forward at its last score, thin and dashed, and a median is faint once all "
            "its seeds have stopped. A curve that lies on the dotted chance line has learnt "
            f"nothing that needs memory; a late, steep rise is a solution found late.{note}"
        ),
        alternative=_measured("Median of the last validation score.", ends, "validation/score"),
        data=history[["trial", *GROUP, "seed", "step", "validation/score"]],
        figure=curves.learning_curves(runs, history, arms),
    )


def _survival(runs: pd.DataFrame, arms: list[str]) -> Shown:
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
            f"validations ({every} steps). Curves are drawn slightly apart."
        ),
        alternative=_measured("Median steps to solve.", medians, "median", "{:.0f}"),
        data=data,
        figure=curves.survival(data, arms),
    )


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
