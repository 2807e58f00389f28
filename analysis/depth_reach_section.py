"""How much of the gradient reaches the lowest layer? Shown where arms have several layers."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis import probed
from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.probed import BEFORE, PLACE
from analysis.section import Evidence, Section
from analysis.tables import Table

SHARES = np.array([0.25, 0.5, 0.75])
NOTE = (
    "At initialisation: the gradient of the loss at the last scored step with respect to what each "
    "layer gives at that step to those above it and to the read-out, its norm averaged over "
    "examples, and divided by that of the arm's highest layer. Layers are counted from the bottom; "
    "of two directions, the forward one is shown."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell what of the gradient reaches the lowest layer, where arms have several."""
    layers = by_layer(evidence)
    if layers.empty:
        return None
    ends = layers[layers["layer"] == 1]
    return Section(
        name="depth_reach",
        title="How much of the gradient reaches the lowest layer?",
        lead=_lead(ends),
        tables=[_table(ends)],
        figures=[_figure(layers, evidence.looks)],
        note=NOTE,
        data={"depth_reach_layers": layers},
    )


def by_layer(evidence: Evidence) -> pd.DataFrame:
    """Give the gradient at each layer's output: a row per task, lag, arm and layer.

    `layers` is the arm's depth; 0.25, 0.5 and 0.75 are quantiles over seeds of log10 of the norm,
    relative to the highest layer.
    """
    rows = probed.measured(evidence.frames, "gradient_reach", "output")
    rows = rows[(rows["when"] == BEFORE) & (rows["index"] == 0) & rows["arm"].isin(evidence.looks)]
    rows = rows[rows["layer"].str.fullmatch(r"[0-9]{1,3}")].dropna(subset="value")
    if rows.empty:
        return rows
    rows = rows.assign(layer=rows["layer"].astype("int64"))
    highest = rows.groupby("trial")["layer"].transform("max")
    top = rows[rows["layer"] == highest].set_index("trial")["value"]
    relative = (rows["value"] - rows["trial"].map(top)) / np.log(10)
    rows = rows.assign(layers=highest, value=relative)
    keys = [*PLACE, "arm", "layers", "layer"]
    return rows.groupby(keys, sort=False)["value"].quantile(SHARES).unstack().reset_index()


def _lead(ends: pd.DataFrame) -> list[str]:
    longest = ends[ends["lag"] == ends.groupby("task")["lag"].transform("max")]
    told = []
    for (task, lag), here in longest.groupby(PLACE, sort=False):
        words = "; ".join(
            f"{plain(r['arm'], 60)} {10 ** r[0.5]:.2g} times" for r in here.to_dict("records")
        )
        told.append(
            f"{plain(task)}, lag {lag}: of the highest layer's gradient the lowest has {words}."
        )
    return told


def _table(ends: pd.DataFrame) -> Table:
    cells = pd.DataFrame(
        {
            "arm": ends["arm"],
            "layers": ends["layers"].map(str),
            "task": ends["task"],
            "lag": ends["lag"].map(str),
            "lowest over highest, powers of ten": [
                f"{r[0.5]:.2f} ({r[0.25]:.2f} to {r[0.75]:.2f})" for r in ends.to_dict("records")
            ],
        }
    )
    return Table(
        "depth_reach_table",
        "The gradient at the lowest layer, of that at the highest: median (quartiles)",
        cells,
        headers=4,
        numbers=["layers", "lag", "lowest over highest, powers of ten"],
    )


def _figure(layers: pd.DataFrame, looks: Looks) -> Shown:
    return Shown(
        name="depth_reach_layers",
        title="Gradient against layer, before training",
        caption=(
            "The norm of the gradient at each layer's output at the answer's step, of that at the "
            "highest layer, as powers of ten: the median over seeds. A line that falls to the left "
            "means that the lower layers are told little of the error."
        ),
        alternative=(
            "A line an arm: the gradient that reaches each layer, from the top one down, as powers "
            "of ten. The lowest layer's values are in the table of this section."
        ),
        data=layers,
        figure=draw(layers, looks),
    )


def draw(layers: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the gradient against the layer, a panel for each task and lag."""
    with styled():
        figure, axes = probed.panels(layers)
        for (task, lag), ax in axes.items():
            here = layers[(layers["task"] == task) & (layers["lag"] == lag)]
            for _ in probed.draw(ax, here.rename(columns={"layer": "index"}), looks):
                pass
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            ax.set_xlabel("layer, from the bottom")
            ax.set_ylabel("gradient, powers of ten")
        return figure.finish({a: k for a, k in looks.items() if (layers["arm"] == a).any()})
