"""How deep may a stack be? A part of the report where arms differ in how many layers they have."""

import dataclasses
from typing import Any

import pandas as pd

from analysis.escaping import plain
from analysis.estimate import score_medians
from analysis.figures import solve_rate_by_lag, test_score_by_lag
from analysis.gallery import Shown
from analysis.looks import looks
from analysis.panels import Panels
from analysis.section import Evidence, Section
from analysis.study_file import Arm, Study
from analysis.tables import NOTHING, Table, score

FREE = {"label": "", "layers": 1, "wiring": "plain", "budget": "", "recipe": None}
"""What stacks of one kind may differ in: a rate that was tuned for each arm, too."""
NOTE = (
    "A line is a kind of stack: one way of joining layers over one architecture. With a single "
    "layer there is nothing to join, so that arm begins every line of its kind. Arms of other "
    "depths differ in width too, where the study holds parameters or state equal."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell what depth does, where some kind of stack comes in several depths."""
    lines = kinds(evidence.frames.study)
    if lines.empty:
        return None
    rates, runs = (_placed(each, lines) for each in (evidence.rates, evidence.frames.runs))
    if rates.empty:
        return None
    medians = score_medians(runs)
    found = rates.merge(medians[["arm", "task", "lag", "median"]], how="left").rename(
        columns={"arm": "kind", "lag": "layers", "median": "median_score"}
    )
    names = looks(list(dict.fromkeys(lines["kind"])))
    return Section(
        name="layers",
        title="How deep?",
        lead=_lead(found, bool(evidence.frames.ledger.open)),
        tables=[_table(found)],
        figures=[
            _figure(
                "rates", "Solve rate against depth", "The share of seeds that solve",
                "bars are 95% Wilson intervals", found, _by_depth(solve_rate_by_lag(rates, names)),
            ),
            _figure(
                "scores", "Test score against depth", "The median test score",
                "dots are single seeds", found, _by_depth(test_score_by_lag(runs, names)),
            ),
        ],
        note=NOTE,
        data={"layers": found},
    )  # fmt: skip


def kinds(study: Study) -> pd.DataFrame:
    """Give the arms of each kind of stack that comes in several depths: kind, label, layers."""
    families: dict[Any, list[Arm]] = {}
    for arm in study.arms:
        rest = dataclasses.replace(arm, **FREE)  # type: ignore[arg-type]
        families.setdefault(repr(rest), []).append(arm)
    found: list[tuple[str, Arm]] = []
    for family in families.values():
        for wiring in dict.fromkeys(arm.wiring for arm in family if arm.layers > 1):
            of_kind = [arm for arm in family if arm.layers == 1 or arm.wiring == wiring]
            if len({arm.layers for arm in of_kind}) > 1:
                found += [(wiring, arm) for arm in of_kind]
    pairs = {(wiring, arm.architecture) for wiring, arm in found}
    several = len(pairs) > len({wiring for wiring, _ in pairs})
    return pd.DataFrame(
        [
            (f"{arm.architecture}, {wiring}" if several else wiring, arm.label, arm.layers)
            for wiring, arm in found
        ],
        columns=["kind", "label", "layers"],
    )


def _placed(frame: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Give rows by kind and depth, where the figures have arm and lag; the lag joins the task."""
    joined = lines.merge(frame, left_on="label", right_on="arm", how="inner")
    places = [f"{t}, lag {lag}" for t, lag in zip(joined["task"], joined["lag"], strict=True)]
    return joined.assign(task=places, arm=joined["kind"], lag=joined["layers"]).drop(
        columns=["kind", "label", "layers"]
    )


def _lead(found: pd.DataFrame, is_open: bool) -> list[str]:
    told = []
    for task, here in found.groupby("task", sort=False):
        words = []
        for kind, line in here.groupby("kind", sort=False):
            most = line[line["rate"] > 0.5]["layers"].max()
            most = "at no depth" if pd.isna(most) else f"up to {_layers(int(most))}"
            words.append(f"{plain(kind, 60)} {most}")
        told.append(f"{plain(task)}: more than half of the seeds solve with {'; '.join(words)}.")
    late = ["Trials are missing: all of this may change."] if is_open else []
    return [*told, *late]


def _table(found: pd.DataFrame) -> Table:
    depths = sorted(found["layers"].unique())
    rows = []
    for (task, kind), line in found.groupby(["task", "kind"], sort=False):
        at = {row["layers"]: row for row in line.to_dict("records")}
        counts = {
            _layers(n): f"{r['solved']}/{r['n']}, "
            f"{score(r['median_score'])}" if (r := at.get(n)) else NOTHING
            for n in depths
        }  # fmt: skip
        rows.append({"task": plain(task), "wiring": plain(kind, 60), **counts})
    cells = pd.DataFrame(rows)
    return Table("layers", "Seeds that solve, and median test score, by depth", cells,
                 headers=2, numbers=list(cells.columns[2:]))  # fmt: skip


def _figure(
    name: str, title: str, shows: str, marks: str, found: pd.DataFrame, figure: Panels
) -> Shown:
    value = {"rates": "rate", "scores": "median_score"}[name]
    told = "; ".join(
        f"{plain(kind, 60)} on {plain(task)}: "
        + ", ".join(f"{_layers(r['layers'])} {r[value]:.2f}" for r in line.to_dict("records"))
        for (task, kind), line in found.groupby(["task", "kind"], sort=False)
    )
    return Shown(
        name=f"layers_{name}",
        title=title,
        caption=(
            f"{shows} against the number of layers, a line for each way of joining them; {marks}. "
            "A line that falls to the right is of stacks that cannot be made deep."
        ),
        alternative=f"{title}, a line for each way of joining layers. {told}.",
        data=found,
        figure=figure,
    )


def _by_depth(figure: Panels) -> Panels:
    for ax in figure.panels.values():
        ax.set_xlabel("layers")
    return figure


def _layers(n: int) -> str:
    return "1 layer" if n == 1 else f"{n} layers"
