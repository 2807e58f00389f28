"""What sections about probes share: measured before and after, where lines are drawn, and which."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.curves import grid
from analysis.looks import SOFT, Look
from analysis.panels import Panels
from analysis.sources import Frames

PLACE = ["task", "lag"]
BEFORE, AFTER = "before training", "after training"
WHEN = (BEFORE, AFTER)


def measured(frames: Frames, probe: str, quantity: str) -> pd.DataFrame:
    """Give the rows of a quantity with `when`: before a trial's first step, or after its last.

    A trial of no steps has its rows before training.
    """
    probes = frames.probes
    rows = probes[(probes["probe"] == probe) & (probes["quantity"] == quantity)]
    last = frames.runs.set_index("trial")["steps"]
    steps = rows["trial"].map(last)
    when = pd.Series(pd.NA, index=rows.index, dtype="str")
    when[rows["step"] == steps] = AFTER
    when[rows["step"] == 0] = BEFORE
    return rows.assign(when=when).dropna(subset="when")


def lowest(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the lowest layer, the one that the gradient has furthest to go to."""
    return rows[rows["layer"] == "1"]


def curves_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Give median and quartiles over seeds: a row per task, lag, when, arm, part and index."""
    keys = [*PLACE, "when", "arm", "part", "index"]
    grouped = rows.dropna(subset="value").groupby(keys, sort=False)["value"]
    return grouped.quantile(np.array([0.25, 0.5, 0.75])).unstack().reset_index()


def panels(rows: pd.DataFrame) -> tuple[Panels, dict[tuple[str, int], Axes]]:
    """Give a figure with a panel for each task and lag, the lag written over it."""
    return grid(rows, is_shared=False)


def draw(ax: Axes, rows: pd.DataFrame, looks: dict[str, Look]) -> Iterator[tuple[str, Any]]:
    """Draw a line an arm, with the quartiles over its seeds; give each arm and its rows."""
    for arm in sorted(looks, key=lambda arm: looks[arm].is_highlighted):
        mine, look = rows[rows["arm"] == arm].sort_values("index"), looks[arm]
        if mine.empty:
            continue
        x = mine["index"].astype("float64")
        ax.plot(
            x, mine[0.5], color=look.color, linestyle=look.dash, linewidth=1.6 * look.width,
            marker=look.marker, markevery=0.2, markersize=4.5 * look.width,
            markeredgecolor="white", markeredgewidth=0.6, zorder=3 if look.is_highlighted else 2,
        )  # fmt: skip
        if look.is_highlighted:
            ax.fill_between(x, mine[0.25], mine[0.75], color=look.color, alpha=0.15, linewidth=0)
        yield arm, mine


def mark_lag(ax: Axes, lag: float) -> None:
    """Draw a line where the lag is."""
    ax.axvline(lag, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)


def lag_handle() -> Line2D:
    """Give the legend's entry for the lag."""
    return Line2D([], [], color=SOFT, linewidth=1, linestyle=(0, (1, 2)), label="the lag")
