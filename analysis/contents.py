"""What a report holds, before it is HTML or Markdown: the answer, the tables, the figures."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from analysis import (
    claims_table,
    compare,
    comparison,
    conditions,
    drawings,
    estimate,
    sections,
)
from analysis.answer import Answer, compose
from analysis.escaping import plain
from analysis.gallery import Shown, hang
from analysis.highlight import highlighted
from analysis.ledger import Ledger
from analysis.looks import Look
from analysis.section import Evidence, Section
from analysis.sources import Frames, Progress
from analysis.study_file import Study
from analysis.tables import MANY_TASKS, NOTHING, Table

LATEX = ("comparison", "glance", "claims", "arms", "sizes", "tasks", "environments")
"""The tables that are written as LaTeX too, beside those of the sections."""


@dataclass(frozen=True)
class Contents:
    """A report's parts. `data` are the CSV files beside it, by name."""

    frames: Frames
    looks: list[Look]
    answer: Answer
    glance: Table | None
    warnings: list[str]
    problems: Table | None
    remarks: Table | None
    comparison: list[Table]
    figures: list[Shown]
    sections: list[Section]
    claims: Table | None
    claims_note: str
    recipe: str
    inequalities: list[str]
    arms: Table
    sizes: Table
    tasks: Table
    environments: Table
    trials: Table
    data: dict[str, pd.DataFrame]

    @property
    def tables(self) -> dict[str, list[Table]]:
        """The tables of `LATEX`, by name, as far as the report has them."""
        found = {name: getattr(self, name) for name in LATEX}
        lists = {name: t if isinstance(t, list) else [t] for name, t in found.items() if t}
        for section in self.sections:
            lists |= {table.name: [table] for table in section.tables}
        return {name: tables for name, tables in lists.items() if tables}

    @property
    def all_figures(self) -> list[Shown]:
        """The figures of the report and of its sections."""
        return [*self.figures, *(shown for each in self.sections for shown in each.figures)]


def gather(frames: Frames, progress: Progress | None = None) -> Contents:
    """Compute everything that a report says."""
    ledger, study = frames.ledger, frames.study
    rates = estimate.solve_rates(frames.runs)
    verdicts = compare.judge(
        rates,
        study.claims,
        is_complete=not ledger.open,
        runs=frames.runs_with_tests,
        probes=frames.probes,
    )
    if progress is not None:
        progress("claims judged", len(verdicts), len(verdicts))
    groups = comparison.estimates(frames, rates)
    looks = highlighted(study, rates)
    look = list(looks.values())
    sizes, sizes_data = conditions.sizes(frames)
    tasks, tasks_data = conditions.tasks(frames)
    environments, environments_data = conditions.environments(frames)
    figures = hang(frames, rates, looks, progress)
    further = sections.compose(Evidence(frames, rates, verdicts, looks), progress)
    return Contents(
        frames=frames,
        looks=look,
        answer=compose(rates, verdicts, ledger),
        glance=_glance(rates, study, look) if not ledger.open and len(rates) else None,
        warnings=_warnings(frames),
        problems=_problems(ledger),
        remarks=_remarks(ledger),
        comparison=[
            comparison.table(str(task), group, study.labels, look)
            for task, group in groups.groupby("task", sort=False)
        ],
        figures=figures,
        sections=further,
        claims=claims_table.table(verdicts, _numbers(study)) if len(verdicts) else None,
        claims_note=claims_table.note(verdicts),
        recipe=conditions.recipe(study),
        inequalities=conditions.inequalities(study),
        arms=conditions.arms(study),
        sizes=sizes,
        tasks=tasks,
        environments=environments,
        trials=_trials(ledger),
        data={
            "comparison": groups,
            "claims": verdicts,
            "trials": frames.runs,
            "ledger": _counts(ledger),
            "sizes": sizes_data,
            "tasks": tasks_data,
            "environments": environments_data,
            **{name: data for section in further for name, data in section.data.items()},
        },
    )


def _glance(rates: pd.DataFrame, study: Study, look: list[Look]) -> Table:
    """Show solved of n for every arm and task, at the task's longest lag.

    A column a task; where the tasks are many, a column an arm, so that all of them can be seen.
    """
    arms, numbers = study.labels, _numbers(study)
    longest = rates[rates["lag"] == rates.groupby("task")["lag"].transform("max")]
    present = [arm for arm in arms if (longest["arm"] == arm).any()]
    groups = [
        (str(task), int(group["lag"].iloc[0]), {r["arm"]: r for r in group.to_dict("records")})
        for task, group in longest.groupby("task", sort=False)
    ]
    looks = {arm: drawings.swatch(arms.index(arm), look[arms.index(arm)]) for arm in present}
    names = {arm: plain(arm, 60) for arm in present}
    places = [f"{plain(task)}, lag {lag}" for task, lag, _ in groups]

    def told(arm: str, group: tuple[str, int, dict[str, Any]]) -> tuple[str, Markup]:
        row = group[2].get(arm)
        if row is None:
            return NOTHING, Markup(NOTHING)
        drawn = drawings.heat(row["solved"], row["n"], numbers[arm, group[0], group[1]])
        return f"{row['solved']}/{row['n']}", drawn

    both: dict[str, list[tuple[str, Markup]]]
    if len(groups) > max(MANY_TASKS, len(present)):
        both = {"task": [(place, Markup(escape(place))) for place in places]}
        both |= {names[arm]: [told(arm, group) for group in groups] for arm in present}
    else:
        both = {"arm": [(arm, looks[arm] + " " + names[arm]) for arm in present]}
        both |= {
            place: [told(arm, group) for arm in present]
            for place, group in zip(places, groups, strict=True)
        }
    return Table(
        name="glance",
        caption="Seeds that solve, at the longest lag",
        cells=pd.DataFrame({name: [text for text, _ in cells] for name, cells in both.items()}),
        drawn={name: [drawn for _, drawn in cells] for name, cells in both.items()},
    )


def _numbers(study: Study) -> dict[tuple[str, str, int], int]:
    """Give each group its number in the study, under which its trials are listed."""
    return {group: number for number, group in enumerate(study.groups, start=1)}


def _warnings(frames: Frames) -> list[str]:
    """Say what a reader should know before any number: mixed code, what nobody looked at."""
    ledger, runs = frames.ledger, frames.runs
    lines = []
    if ledger.stale:
        files = sorted({plain(name) for entry in ledger.stale for name in entry.stale})
        lines.append(
            f"{len(ledger.stale)} finished trials are stale: {', '.join(files)} changed since they "
            "ran. The numbers below mix versions of the code."
        )
    elif not ledger.is_stale_checked and len(runs) and frames.foreign is None:
        lines.append("Whether the code has changed since the trials ran was not checked.")
    if mixed := conditions.mixed_code(runs):
        lines.append(f"The trials ran on more than one version of {', '.join(mixed)}.")
    if moved := int((~runs["bit_exact"]).sum()):
        lines.append(
            f"{moved} {'trial' if moved == 1 else 'trials'} went on in another environment than "
            "begun in, and cannot be repeated bit for bit; a table below names each."
        )
    if again := int((runs["attempts"] > 1).sum()):
        told = "trial needed" if again == 1 else "trials needed"
        lines.append(f"{again} finished {told} more than one attempt.")
    return lines


def _problems(ledger: Ledger) -> Table | None:
    """List the trials without a result, and why; the missing ones are told as a number."""
    entries = [entry for entry in ledger.open if entry.state != "missing"]
    if not entries:
        return None
    cells = {
        "trial": [entry.trial.id for entry in entries],
        "group": [_group(*entry.trial.group) for entry in entries],
        "seed": [str(entry.trial.seed) for entry in entries],
        "state": [entry.state for entry in entries],
        "why": [entry.note or NOTHING for entry in entries],
    }
    return Table("problems", "Trials that were begun and have no result", pd.DataFrame(cells),
                 numbers=["seed"])  # fmt: skip


def _remarks(ledger: Ledger) -> Table | None:
    """List the finished trials that noted something, or that moved while they trained."""
    rows = []
    for entry in ledger.done:
        assert entry.result is not None
        moved = [] if entry.result.bit_exact else ["bit_exact: false"]
        if told := "; ".join([*moved, *entry.result.notes]):
            trial = entry.trial
            rows.append((trial.id, _group(*trial.group), str(trial.seed), entry.outcome, told))
    if not rows:
        return None
    cells = pd.DataFrame(rows, columns=["trial", "group", "seed", "outcome", "note"])
    return Table("remarks", "Finished trials with a note", cells, numbers=["seed"])


def _counts(ledger: Ledger) -> pd.DataFrame:
    rows = [
        {"arm": arm, "task": task, "lag": lag, "planned": sum(states.values()), **states}
        for (arm, task, lag), states in ledger.groups.items()
    ]
    return pd.DataFrame(rows)


def _trials(ledger: Ledger) -> Table:
    """List the trials behind every group, with what became of each."""
    entries: dict[tuple[str, str, int], list[tuple[int, str, str]]] = {}
    for entry in ledger:
        told = entry.outcome or entry.state
        trial = entry.trial
        entries.setdefault(trial.group, []).append((trial.seed, trial.id, told))
    groups = ledger.study.groups
    return Table(
        name="trials",
        caption="The trials of each group, by seed",
        cells=pd.DataFrame(
            {
                "group": [_group(*group) for group in groups],
                "trials": [
                    ", ".join(f"{seed}: {trial} {told}" for seed, trial, told in entries[group])
                    for group in groups
                ],
            }
        ),
        anchors=[f"g{number}" for number in range(1, len(groups) + 1)],
        is_fixed=True,
    )


def _group(arm: str, task: str, lag: int) -> str:
    return f"{plain(arm, 60)} | {plain(task, 60)} | {lag}"
