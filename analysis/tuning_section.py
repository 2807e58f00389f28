"""The tuning of a study, as a part of its report: what it cost, what it chose, how much hung on it.

It reads the folder of the tuning, a study of its own within the study's. Nothing of it is among the
trials that are compared.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import sources, tables, tuning
from analysis.answer import listed
from analysis.escaping import plain
from analysis.figures import draw_line
from analysis.gallery import Looks, Shown
from analysis.json_file import StudyFileError, inside
from analysis.looks import SOFT, styled
from analysis.panels import Panels
from analysis.section import Evidence, Section
from analysis.study_file import Study
from analysis.study_file import Tuning as Declared
from analysis.tables import NOTHING, Table

CHOICES = "tuning_choices"
NOTE = (
    "Where trials stop when solved, the rate with which more tuning trials solve is chosen; of "
    "equals the one that takes fewer steps (a trial that did not solve takes all of its budget), "
    "then the one with the higher last validation score. Where every trial runs to the end, the "
    "score comes first. A trial that diverged scores 0. No test row is looked at, and the trials "
    "that are compared have seeds that tuning never saw: what was best of several is better there "
    "than it is."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell of the tuning, where the study has one."""
    study, folder = evidence.frames.study, evidence.frames.ledger.folder
    if study.tuning is None:
        return None
    lead = [_budget(study, study.tuning)]
    try:
        frames = sources.load(inside(folder, "tuning"))
    except StudyFileError as error:
        lead.append(f"Its trials cannot be read here: {plain(error, 300)}.")
        return Section("tuning", "Tuning", lead, place="method")
    if frames.ledger.open:
        states = listed(f"{n} {s}" for s, n in frames.ledger.states.items() if n and s != "done")
        lead.append(f"Of its trials some have no result: {states}.")
    tried = tuning.tried(tuning.validated(frames))
    rows = _choices(tried, study.tuning)
    lead += _remarks(rows, study)
    shown = tried[(tried["trials"] > 0) & tried["arm"].isin(evidence.looks)]
    return Section(
        name="tuning",
        title="Tuning",
        lead=lead,
        tables=[_table(rows)] if len(rows) else [],
        figures=_figures(shown, rows, evidence.looks) if len(shown) else [],
        note=NOTE,
        data={"tuning_tried": tried.drop(columns="stop")},
        place="method",
    )


def _budget(study: Study, declared: Declared) -> str:
    rates = listed(f"{rate:g}" for rate in declared.learning_rates)
    arms, lags = len(study.arms), sum(len(axis.lags) for axis in study.tasks)
    seeds = len(declared.seeds)
    return (
        f"Every arm had the same tuning: the learning rates {rates}, each with {seeds} "
        f"seed{'s' * (seeds > 1)} at every lag of every task, which is "
        f"{declared.trials // max(1, arms):,} trials an arm and {declared.trials:,} in all "
        f"({arms} arms, {lags} pairs of task and lag). One rate is chosen for each arm on each "
        "task, by validation alone; the trials that are compared have other seeds."
    )


def _choices(tried: pd.DataFrame, declared: Declared) -> pd.DataFrame:
    """Give a row per choice: what was chosen, what its trials came to, and what they say now."""
    now = {
        (row["arm"], row["task"]): row["learning_rate"]
        for row in tuning.choose(tried).to_dict("records")
    }
    rows: list[dict[Any, Any]] = []
    rates = declared.learning_rates
    for choice in declared.choices:
        pair = tried[(tried["arm"] == choice.arm) & (tried["task"] == choice.task)]
        found = pair[pair["learning_rate"] == choice.learning_rate].to_dict("records")
        row: dict[Any, Any] = dict.fromkeys(("trials", "solved", "steps", "score"))
        row |= found[0] if found else {}
        edge = {min(rates): "smallest", max(rates): "largest"}.get(choice.learning_rate, "")
        is_same = now.get((choice.arm, choice.task), choice.learning_rate) == choice.learning_rate
        row |= {"arm": choice.arm, "task": choice.task, "learning_rate": choice.learning_rate}
        rows.append({**row, "edge": edge, "is_same": is_same})
    return pd.DataFrame(rows)


def _remarks(rows: pd.DataFrame, study: Study) -> list[str]:
    told = []
    lacking = len(study.arms) * len(study.tasks) - len(rows)
    if lacking:
        told.append(f"For {lacking} pairs of arm and task no rate is chosen yet.")
    if not len(rows):
        return told
    if len(edges := rows[rows["edge"] != ""]):
        where = listed(
            f"{plain(row['arm'], 60)} on {plain(row['task'])} ({row['learning_rate']:g}, the "
            f"{row['edge']})"
            for row in edges.to_dict("records")
        )
        told.append(
            f"At the edge of what was tried: {where}. A better rate may lie beyond, so an arm may "
            "be better than it is shown here."
        )
    if len(moved := rows[~rows["is_same"]]):
        where = listed(f"{plain(r['arm'], 60)} on {plain(r['task'])}" for r in
                       moved.to_dict("records"))  # fmt: skip
        told.append(
            f"The tuning trials in the folder would choose another rate now for {where}: they "
            "have been run again since the choice was made."
        )
    return told


def _table(rows: pd.DataFrame) -> Table:
    records = rows.to_dict("records")
    has_trials = [not pd.isna(row["trials"]) for row in records]
    cells = {
        "arm": [row["arm"] for row in records],
        "task": [row["task"] for row in records],
        "learning rate": [f"{row['learning_rate']:g}" for row in records],
        "edge of the grid": [row["edge"] or "no" for row in records],
        "solved in tuning": [
            f"{row['solved']:.0f}/{row['trials']:.0f}" if has else NOTHING
            for row, has in zip(records, has_trials, strict=True)
        ],
        "mean steps": [
            f"{row['steps']:,.0f}" if has else NOTHING
            for row, has in zip(records, has_trials, strict=True)
        ],
        "mean validation score": [
            tables.score(row["score"]) if has else NOTHING
            for row, has in zip(records, has_trials, strict=True)
        ],
    }
    return Table(
        CHOICES,
        "The learning rates that were chosen",
        pd.DataFrame(cells),
        headers=2,
        numbers=[name for name in cells if name not in ("arm", "task", "edge of the grid")],
    )


def _figures(tried: pd.DataFrame, rows: pd.DataFrame, looks: Looks) -> list[Shown]:
    chosen = {(r["arm"], r["task"]): r["learning_rate"] for r in rows.to_dict("records")}
    spent = tuning.expected(tried)
    rates = Shown(
        name="tuning_rates",
        title="Validation against learning rate",
        caption=(
            "What the tuning trials of an arm came to at each learning rate: above, the mean over "
            "seeds and lags of their last validation score; below, of the steps that they took, "
            "those of the budget where they did not solve. A ring marks the rate that was chosen. "
            "A flat line means that the rate matters little to an arm, a narrow peak that it had "
            "to be found; a line that still rises at an edge, that the best rate lies beyond."
        ),
        alternative="Chosen: "
        + "; ".join(f"{plain(a, 60)} on {plain(t)}: {rate:g}" for (a, t), rate in chosen.items())
        + ".",
        data=tried.drop(columns="stop"),
        figure=draw(tried, chosen, looks),
    )
    last = spent.groupby(["arm", "task"], sort=False).last().reset_index().to_dict("records")
    return [
        rates,
        Shown(
            name="tuning_expected",
            title="Expected best against tuning spent",
            caption=(
                "The best mean validation score that an arm may be expected to reach, had only so "
                "many of the tuning trials been spent: rates drawn without putting back, the best "
                "kept (Dodge 2019). Where lines cross, which arm looks better hangs on how much "
                "tuning each had; a line that still rises was not tuned to its end. Here the score "
                "decides, also where the choice itself was by trials solved."
            ),
            alternative="A line an arm: the expected best validation score against trials spent. "
            "With all of them: "
            + "; ".join(
                f"{plain(r['arm'], 60)} on {plain(r['task'])} {r['expected']:.2f} after "
                f"{r['spent']:.0f}"
                for r in last
            )
            + ".",
            data=spent,
            figure=draw_expected(spent, looks),
        ),
    ]


def draw(tried: pd.DataFrame, chosen: dict[tuple[str, str], float], looks: Looks) -> Panels:
    """Draw score and steps against the learning rate, a panel of each a task."""
    with styled():
        figure = Panels(list(dict.fromkeys(tried["task"])), rows=2, is_shared=False)
        for (task, row), ax in figure.panels.items():
            here = tried[tried["task"] == task]
            value = ("score", "steps")[row]
            for arm in sorted(looks, key=lambda arm: looks[arm].is_highlighted):
                mine, look = here[here["arm"] == arm].sort_values("learning_rate"), looks[arm]
                draw_line(ax, mine["learning_rate"], mine[value], look)
                at = mine[mine["learning_rate"] == chosen.get((arm, task))]
                ax.plot(
                    at["learning_rate"], at[value], linestyle="", marker="o", markersize=11,
                    markerfacecolor="none", markeredgecolor=look.color,
                    markeredgewidth=1.2 * look.width, clip_on=False, zorder=4,
                )  # fmt: skip
            rates = np.sort(here["learning_rate"].unique())
            ax.set_xscale("log")
            ax.set_xticks(rates, _labels(rates))
            ax.set_xticks([], minor=True)
            ax.set_xlabel("learning rate")
            if row == 0:
                ax.set_ylim(-0.02, 1.02)
                ax.set_ylabel("validation score")
            else:
                ax.set_ylim(0, 1.04 * max(1.0, float(here["steps"].max())))
                ax.set_ylabel("steps")
        ring = Line2D([], [], color=SOFT, linestyle="", marker="o", markersize=9,
                      markerfacecolor="none", label="chosen")  # fmt: skip
        return figure.finish({arm: look for arm, look in looks.items()}, ring)


def draw_expected(spent: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the expected best score against the tuning trials spent (frame of `tuning.expected`)."""
    with styled():
        figure = Panels(list(dict.fromkeys(spent["task"])))
        for (task, _), ax in figure.panels.items():
            here = spent[spent["task"] == task]
            for arm in sorted(looks, key=lambda arm: looks[arm].is_highlighted):
                mine, look = here[here["arm"] == arm], looks[arm]
                draw_line(ax, mine["spent"], mine["expected"], look)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.set_xlim(0, 1.05 * here["spent"].max())
            ax.set_ylim(-0.02, 1.02)
            ax.set_xlabel("tuning trials spent")
            ax.set_ylabel("expected best validation score")
        return figure.finish(dict(looks))


def _labels(rates: Any) -> list[str]:
    """Name the rates, but those whose name would run into the one before; the ends always."""
    span = float(np.log(rates[-1] / rates[0])) or 1.0
    labels, last = [], -np.inf
    for number, rate in enumerate(rates):
        at = float(np.log(rate / rates[0])) / span
        is_end = number == len(rates) - 1
        is_kept = is_end or (at - last > 0.22 and (1 - at > 0.22))
        labels.append(f"{rate:g}" if is_kept else "")
        last = at if is_kept else last
    return labels
