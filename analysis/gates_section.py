"""What do the gates do? A part of a report on what the probe of gates measured."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import probed, tables
from analysis.escaping import plain
from analysis.gallery import Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.probed import AFTER, BEFORE, PLACE
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table

MOST_PANELS = 12
FOREVER = 1e6
NOTE = (
    "A time constant is -1 / ln f in steps, f the geometric mean of what a step passes on of a "
    "unit without a matrix product: of an LSTM's cell the forget gate, of a GRU 1 - z, of a leaky "
    "or residual state the constant that it is multiplied by. A state that is rewritten has none. "
    "Quantiles are over units. In the heat maps a row is a unit (at most 24, the most open above), "
    "a column a step of the first validation example."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell what the gates do, where they were measured."""
    constants = _constants(evidence)
    traces = _traces(evidence)
    if constants.empty and traces.empty:
        return None
    return Section(
        name="gate_use",
        title="What do the gates do?",
        lead=_lead(constants),
        tables=[] if constants.empty else [_table(constants)],
        figures=[] if traces.empty else [_figure(traces, evidence)],
        note=NOTE,
        data={"gate_use_time_constants": constants},
    )


def _constants(evidence: Evidence) -> pd.DataFrame:
    """Give the median over seeds of the time constants' quantiles: a row per arm, place, when."""
    rows = probed.measured(evidence.frames, "gates", "time_constant")
    share = probed.measured(evidence.frames, "gates", "outlasting")
    keys = [*PLACE, "arm", "layer", "part", "when"]
    rows = rows[rows["arm"].isin(evidence.looks)]
    if rows.empty:
        return pd.DataFrame()
    wide = rows.groupby([*keys, "index"], sort=False)["value"].median().unstack()
    wide.columns = [f"q{number}" for number in wide.columns]
    outlasting = share.groupby(keys, sort=False)["value"].median().rename("outlasting")
    return wide.join(outlasting).reset_index()


def _lead(constants: pd.DataFrame) -> list[str]:
    told = []
    for when in (BEFORE, AFTER):
        here = constants[constants["when"] == when] if len(constants) else constants
        if here.empty:
            continue
        longest = here[here["lag"] == here.groupby("task")["lag"].transform("max")]
        words = [
            f"{plain(r['arm'], 60)} {tables.percent(r['outlasting'])} on {plain(r['task'])} at lag "
            f"{r['lag']}"
            for r in longest.to_dict("records")
            if r["outlasting"] > 0
        ]
        told.append(
            f"Units with a time constant above the lag, {when}: "
            + ("; ".join(words) if words else "none, of no arm at the longest lags")
            + "."
        )
    return told


def _table(constants: pd.DataFrame) -> Table:
    records = constants.to_dict("records")
    has_many = constants["layer"].nunique() > 1
    cells: dict[str, Any] = {
        "arm": [r["arm"] for r in records],
        "task": [r["task"] for r in records],
        "lag": [str(r["lag"]) for r in records],
        "state": [f"{r['part']}, layer {r['layer']}" if has_many else r["part"] for r in records],
        "when": [r["when"] for r in records],
        "time constant: median (5% to 95% of units)": [
            f"{_steps(r['q2'])} ({_steps(r['q0'])} to {_steps(r['q4'])})" for r in records
        ],
        "units above the lag": [
            NOTHING if pd.isna(r["outlasting"]) else tables.percent(r["outlasting"])
            for r in records
        ],
    }
    return Table(
        "gate_use_table",
        "How long units keep what they hold, in steps",
        pd.DataFrame(cells),
        headers=5,
        numbers=["lag", "time constant: median (5% to 95% of units)", "units above the lag"],
    )


def _steps(value: float) -> str:
    if pd.isna(value):
        return NOTHING
    return "without end" if value >= FOREVER else f"{value:.3g}"


def _traces(evidence: Evidence) -> pd.DataFrame:
    """Give the traces of a trained trial an arm: longest lag of the first task, least seed."""
    rows = probed.measured(evidence.frames, "gates", "trace")
    rows = rows[rows["arm"].isin(evidence.looks)]
    if rows.empty:
        return rows
    rows = rows[rows["task"] == rows["task"].iloc[0]]
    rows = rows[rows["lag"] == rows["lag"].max()]
    rows = rows[rows["seed"] == rows.groupby("arm")["seed"].transform("min")]
    is_after = rows["when"] == AFTER
    shown: pd.DataFrame = rows[is_after | ~rows["trial"].isin(rows.loc[is_after, "trial"])]
    return shown


def _figure(traces: pd.DataFrame, evidence: Evidence) -> Shown:
    first = traces.iloc[0]
    drawn = draw(traces, _marks(evidence, traces))
    return Shown(
        name="gate_use_traces",
        title="Gates over one sequence",
        caption=(
            f"{plain(first['task'])} at lag {first['lag']}, seed {first['seed']}, "
            f"{first['when']}: each row is a unit, each column a step; dark is shut, bright is "
            "open. Triangles above mark the steps that hold evidence, squares those that are "
            "scored. A unit that is written is bright in its input or update gate at the evidence, "
            "and one that holds keeps its forget gate bright, or its update gate dark, until the "
            "answer."
        ),
        alternative="Heat maps: "
        + "; ".join(
            f"{plain(arm, 60)}, {plain(part)}: mean {here['value'].mean():.2f}"
            for (arm, part), here in traces.groupby(["arm", "part"], sort=False)
        )
        + ".",
        data=traces[
            ["arm", "task", "lag", "seed", "step", "layer", "part", "unit", "index", "value"]
        ],
        figure=drawn,
    )


def _marks(evidence: Evidence, traces: pd.DataFrame) -> dict[str, dict[str, list[float]]]:
    """Give the steps that hold evidence and those that are scored, for each arm's trial."""
    trials = set(traces["trial"])
    found: dict[str, dict[str, list[float]]] = {}
    for kind in ("evidence", "answer"):
        rows = probed.measured(evidence.frames, "gates", kind)
        for arm, here in rows[rows["trial"].isin(trials)].groupby("arm"):
            found.setdefault(str(arm), {})[kind] = sorted(set(here["value"].dropna()))
    return found


def draw(traces: pd.DataFrame, marks: dict[str, dict[str, list[float]]]) -> Panels:
    """Draw a heat map for each arm and gate."""
    keys = list(dict.fromkeys(zip(traces["arm"], traces["layer"], traces["part"], strict=True)))
    keys = keys[:MOST_PANELS]
    has_many = traces["layer"].nunique() > 1
    titles = {
        f"{arm}/{layer}/{part}": f"{arm} {part}" + (f" {layer}" if has_many else "")
        for arm, layer, part in keys
    }
    with styled():
        figure = Panels(titles, title_pad=14, is_shared=False)
        for (arm, layer, part), title in zip(keys, titles, strict=True):
            ax = figure.panels[title, 0]
            mine = traces[
                (traces["arm"] == arm) & (traces["layer"] == layer) & (traces["part"] == part)
            ]
            wide = mine.pivot(index="unit", columns="index", values="value").to_numpy("float64")
            ax.imshow(
                wide, aspect="auto", origin="lower", vmin=0, vmax=1, cmap="cividis",
                interpolation="nearest", extent=(-0.5, wide.shape[1] - 0.5, -0.5, len(wide) - 0.5),
            )  # fmt: skip
            top = len(wide) - 0.5
            for kind, marker in (("evidence", "v"), ("answer", "s")):
                at = np.array(marks.get(arm, {}).get(kind, []))
                ax.plot(
                    at, np.full(len(at), top + 0.035 * len(wide)), linestyle="", marker=marker,
                    color=_COLORS[kind], markersize=4.5, clip_on=False,
                )  # fmt: skip
            ax.set_ylim(-0.5, top)
            ax.grid(visible=False)
            ax.set_yticks([])
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.set_xlabel("step")
            ax.set_ylabel("units")
        handles = [
            Line2D([], [], linestyle="", marker=marker, color=_COLORS[kind], label=kind)
            for kind, marker in (("evidence", "v"), ("answer", "s"))
        ]
        ends = [
            Line2D([], [], linestyle="", marker="s", color=color, label=label, markersize=7)
            for label, color in (("shut, 0", "#00224E"), ("open, 1", "#FEE838"))
        ]
        return figure.finish({}, *handles, *ends)


_COLORS = {"evidence": "#AE3A0C", "answer": "#15202B"}
