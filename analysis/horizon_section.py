"""How far back each arm remembers, as a part of the report: a table, and a figure if it helps."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from analysis import horizons
from analysis.escaping import plain
from analysis.figures import lag_axis
from analysis.gallery import Looks, Shown
from analysis.looks import SOFT, styled
from analysis.panels import Panels
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table

APART = 0.045
"""Horizons are drawn this far apart in height, in shares of seeds."""


MEANING = (
    "The memory horizon of an arm is the lag at which half of its seeds solve a task. What lies "
    "outside the lags that were tried is not known: there the horizon is a bound."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell the memory horizons, where a task has at least two lags."""
    found = horizons.horizons(evidence.frames.runs)
    if found.empty:
        return None
    grown = horizons.growth(evidence.frames.runs)
    # With two lags a fall has no shape: the table says what can be said.
    drawn = found[found["lags"] >= horizons.LEAST_LAGS]
    data = {"horizon": found} | ({"horizon_growth": grown} if len(grown) else {})
    lead = [MEANING]
    if drawn.empty:
        lead.append(
            "No task has more than two lags, so a horizon lies between them or outside: more lags, "
            "not more seeds, would place it."
        )
    return Section(
        name="horizon",
        title="How far back?",
        lead=lead,
        tables=[_table(found, grown)],
        figures=[_figure(evidence.rates, drawn, evidence.looks)] if len(drawn) else [],
        note=(
            "Fitted: a solve rate that falls with the logarithm of the lag as a logistic curve. "
            "The interval holds the horizons that the likelihood ratio does not reject at 5%, cut "
            "as Student's t asks for few seeds; from 10 seeds on also those of a bootstrap over "
            "seeds."
            + (
                " The exponent e says that steps to solve grow as lag^e; trials that did not solve "
                "count with more than their budget, the others with the interval between "
                "validations in which they solved."
                if len(grown)
                else ""
            )
        ),
        data=data,
    )


def has_any(evidence: Evidence) -> bool:
    """Tell whether a task has two lags."""
    return bool((evidence.rates.groupby("task")["lag"].nunique() > 1).any())


def _table(found: pd.DataFrame, grown: pd.DataFrame) -> Table:
    exponents = {(row["arm"], row["task"]): row for row in grown.to_dict("records")}
    rows = sorted(found.to_dict("records"), key=_place(found))
    cells = {
        "task": [plain(row["task"]) for row in rows],
        "arm": [plain(row["arm"], 60) for row in rows],
        "lags": [f"{row['shortest']} to {row['longest']}" for row in rows],
        "solved": [row["solved"] for row in rows],
        "memory horizon (95% interval)": [row["says"] for row in rows],
    }
    if len(grown):
        cells["exponent of steps (95%)"] = [
            _exponent(exponents.get((row["arm"], row["task"]))) for row in rows
        ]
    tasks = cells["task"]
    return Table(
        name="horizon",
        caption="Memory horizon of each arm",
        cells=pd.DataFrame(cells),
        headers=2,
        numbers=["lags", "solved"],
        breaks=[i for i in range(1, len(tasks)) if tasks[i] != tasks[i - 1]],
    )


def _place(found: pd.DataFrame) -> Any:
    tasks, arms = (list(dict.fromkeys(found[name])) for name in ("task", "arm"))
    return lambda row: (tasks.index(row["task"]), arms.index(row["arm"]))


def _exponent(row: dict[Any, Any] | None) -> str:
    if row is None:
        return NOTHING
    bounds = [f"{b:.2f}" if np.isfinite(b) else "?" for b in (row["low"], row["high"])]
    return f"{row['exponent']:.2f} ({bounds[0]} to {bounds[1]})"


def _figure(rates: pd.DataFrame, found: pd.DataFrame, looks: Looks) -> Shown:
    told = "; ".join(
        f"{plain(row['arm'], 60)} on {plain(row['task'])}: {row['says']}"
        for row in found.to_dict("records")
    )
    return Shown(
        name="horizon",
        title="Memory horizons",
        caption=(
            "The share of seeds that solve, against the lag, and where each arm's curve falls "
            "through one half: the marker near the dashed line is the memory horizon, the bar its "
            "95% interval, an arrow a bound. The marks of several arms stand above one another; "
            "only their place from left to right counts."
        ),
        alternative=f"Memory horizons. {told}.",
        data=found,
        figure=draw(rates, found, looks),
    )


def draw(rates: pd.DataFrame, found: pd.DataFrame, looks: Looks) -> Panels:
    """Draw solve rate against lag with the horizon of each arm marked, a panel a task."""
    with styled():
        figure = Panels(list(dict.fromkeys(found["task"])))
        for (task, _), ax in figure.panels.items():
            here = rates[rates["task"] == task]
            marks = {row["arm"]: row for row in found[found["task"] == task].to_dict("records")}
            ax.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            arms = [arm for arm in looks if arm in marks and looks[arm].is_highlighted]
            for place, arm in enumerate(arms):
                look, points = looks[arm], here[here["arm"] == arm].sort_values("lag")
                ax.plot(
                    points["lag"], points["rate"], color=look.color, linestyle=look.dash,
                    linewidth=1.1, alpha=0.45, zorder=2, clip_on=False,
                )  # fmt: skip
                row = marks[arm]
                height = 0.5 + ((len(arms) - 1) / 2 - place) * min(APART, 0.4 / len(arms))
                ends = float(row["shortest"]), float(row["longest"])
                low, high = (float(np.clip(row[name], *ends)) for name in ("low", "high"))
                ax.hlines(height, low, high, color=look.color, linewidth=1.6, zorder=3)
                for at, is_open, marker in (
                    (low, row["low"] == 0, "<"),
                    (high, np.isinf(row["high"]), ">"),
                ):
                    if is_open:
                        ax.plot(at, height, marker=marker, markersize=4.5, color=look.color,
                                linestyle="", clip_on=False, zorder=3)  # fmt: skip
                if 0 < row["horizon"] < np.inf:
                    ax.plot(
                        row["horizon"], height, marker=look.marker, markersize=6.5,
                        color=look.color, linestyle="", markeredgecolor="white",
                        markeredgewidth=0.8, zorder=4,
                    )  # fmt: skip
            lag_axis(ax, here)
            ax.set_ylim(-0.05, 1.05)
            ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
            ax.set_ylabel("solve rate")
        half = Line2D([], [], color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), label="one half")
        return figure.finish(looks, half)
