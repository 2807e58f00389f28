"""Where does the gradient die? A part of a report on what `gradient_reach` measured."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis import probed, tables
from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.probed import AFTER, BEFORE, PLACE
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table

NOTE = (
    "The gradient of the loss at the last scored step with respect to what the state carries from "
    "one step to the next (the lowest layer's, all of its tensors together), its norm averaged "
    "over examples, in float64 and as a logarithm: nothing underflows. Each line is divided by its "
    "own value one step back. A fall of one is a tenth of the gradient. Slope: fitted between a "
    "quarter and three quarters of the way back, natural logarithm a step; half-life: the steps in "
    "which half of the norm is lost. A gradient that arrives says that what is far back can be "
    "learned from; not that it is learned, nor that it is held."
)
PER_TEN = float(np.log(10))


def compose(evidence: Evidence) -> Section | None:
    """Tell how far the gradient reaches, where it was measured."""
    frames = evidence.frames
    profiles = probed.lowest(probed.measured(frames, "gradient_reach", "state"))
    profiles = profiles[(profiles["part"] == "") & profiles["arm"].isin(evidence.looks)]
    if profiles["value"].notna().sum() == 0:
        return None
    curves = probed.curves_of(_relative(profiles))
    slopes = _slopes(evidence)
    return Section(
        name="reach",
        title="Where does the gradient die?",
        lead=_lead(slopes),
        tables=[_table(slopes)],
        figures=[_figure(curves[curves["when"] == when], when, evidence.looks)
                 for when in (BEFORE, AFTER) if (curves["when"] == when).any()],
        note=NOTE,
        data={"reach_slopes": slopes},
    )  # fmt: skip


def _relative(profiles: pd.DataFrame) -> pd.DataFrame:
    """Divide each profile by its value one step back; powers of ten."""
    keys = ["trial", "step"]
    first = profiles[profiles["index"] == 1].set_index(keys)["value"]
    base = profiles.join(first.rename("first"), on=keys)["first"]
    return profiles.assign(value=(profiles["value"] - base) / PER_TEN)


def _slopes(evidence: Evidence) -> pd.DataFrame:
    """Give the slope over seeds: a row per task, lag, arm and when."""
    rows = probed.lowest(probed.measured(evidence.frames, "gradient_reach", "slope"))
    rows = rows[rows["part"] == ""]
    grouped = rows.groupby([*PLACE, "arm", "when"], sort=False)["value"]
    found = grouped.agg(["median", "min", "max", "size"]).reset_index()
    order = {name: number for number, name in enumerate([*evidence.looks, *probed.WHEN])}
    found = found[found["arm"].isin(order)]
    return found.sort_values(
        [*PLACE, "arm", "when"],
        key=lambda column: column.map(order) if column.name in ("arm", "when") else column,
        ignore_index=True,
    )


def _lead(slopes: pd.DataFrame) -> list[str]:
    before = slopes[slopes["when"] == BEFORE]
    longest = before[before["lag"] == before.groupby("task")["lag"].transform("max")]
    told = []
    for (task, lag), here in longest.groupby(PLACE, sort=False):
        left = np.exp(np.clip(here["median"] * here["lag"], -700, 700))
        ordered = sorted(zip(left, here["arm"], strict=True))
        words = "; ".join(f"{plain(arm, 60)} {share:.2g}" for share, arm in ordered)
        told.append(
            f"What is left of the gradient after {lag} steps back, before training, on "
            f"{plain(task)} (1: all of it; by the median slope): {words}."
        )
    return told


def _table(slopes: pd.DataFrame) -> Table:
    cells = pd.DataFrame(
        {
            "arm": slopes["arm"],
            "task": slopes["task"],
            "lag": slopes["lag"].map(str),
            "when": slopes["when"],
            "slope: median (range)": [
                f"{r['median']:.3f} ({r['min']:.3f} to {r['max']:.3f})"
                for r in slopes.to_dict("records")
            ],
            "half-life, steps": [_half_life(m) for m in slopes["median"]],
            "trials": slopes["size"].map(tables.whole),
        }
    )
    return Table(
        "reach_table",
        "How fast the gradient fades on its way back",
        cells,
        headers=4,
        numbers=["lag", "slope: median (range)", "half-life, steps", "trials"],
    )


def _half_life(slope: float) -> str:
    if slope >= 0:
        return NOTHING
    steps = np.log(2) / -slope
    return f"{steps:,.0f}" if steps >= 100 else f"{steps:.3g}"


def _figure(curves: pd.DataFrame, when: str, looks: Looks) -> Shown:
    name = "reach_before" if when == BEFORE else "reach_after"
    return Shown(
        name=name,
        title=f"Gradient against steps back, {when}",
        caption=(
            "The norm of the gradient at each step before the answer, relative to one step before, "
            "as powers of ten: the median over seeds, with quartiles. The dotted line is the lag: "
            "a curve that has fallen by several powers there has little to learn from."
        ),
        alternative=f"Lines of {len(set(curves['arm']))} arms, {when}; their slopes are in the "
        "table of this section.",
        data=curves,
        figure=draw(curves, looks),
    )


def draw(curves: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the gradient's norm against the steps back, a panel for each task and lag."""
    with styled():
        figure, axes = probed.panels(curves)
        for (task, lag), ax in axes.items():
            here = curves[(curves["task"] == task) & (curves["lag"] == lag)]
            probed.mark_lag(ax, lag)
            for _ in probed.draw(ax, here, looks):
                pass
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.set_xlabel("steps back from the answer")
            ax.set_ylabel("gradient, powers of ten")
        return figure.finish(looks, probed.lag_handle())
