"""When is the evidence written, and how long is it held? What interventions on the state say."""

import pandas as pd
from matplotlib.ticker import MaxNLocator

from analysis import probed
from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.probed import AFTER, PLACE
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table

KINDS = {
    "exchanged": "the state is another sequence's from this step on",
    "held": "the state stands still from this step on",
}
NOTE = (
    "At each step tried, the state of the layer is exchanged for that of another sequence (of the "
    "same task and lag), or held as it is for the rest of the sequence; the inputs go on. The rise "
    "of the loss is causal: exchanged, it says that the state held what the answer needs and did "
    "not see it again; held, that something was still to be written, or to be worked out. The "
    "input's reach is the lag up to which 95% of the rise lies when single inputs are another "
    "example's; a linear read-out's is that up to which half of independent inputs can be "
    "recovered from the state."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell when the evidence is written and how long it is held, where that was measured."""
    frames = evidence.frames
    losses = probed.lowest(probed.measured(frames, "write_erase", "loss"))
    losses = losses[losses["part"].isin(KINDS) & losses["arm"].isin(evidence.looks)]
    reaches = _reaches(evidence)
    if losses["value"].notna().sum() == 0 and reaches.empty:
        return None
    curves = probed.curves_of(losses)
    curves = curves[curves["when"] == AFTER] if (curves["when"] == AFTER).any() else curves
    return Section(
        name="held",
        title="When is the evidence written, and how long is it held?",
        lead=_lead(reaches),
        tables=[] if reaches.empty else [_table(reaches)],
        figures=[
            _figure(curves[curves["part"] == kind], kind, evidence.looks)
            for kind in KINDS
            if (curves["part"] == kind).any()
        ],
        note=NOTE,
        data={} if reaches.empty else {"held_reaches": reaches},
    )


def _reaches(evidence: Evidence) -> pd.DataFrame:
    """Give the medians over seeds of the reach of inputs and of a read-out, after training."""
    found = []
    for probe, quantity in (
        ("occlusion", "reach"),
        ("memory_capacity", "horizon"),
        ("memory_capacity", "capacity"),
    ):
        rows = probed.measured(evidence.frames, probe, quantity)
        rows = rows[rows["layer"].isin(["", "1"]) & rows["arm"].isin(evidence.looks)]
        for when, here in rows.groupby("when"):
            if probe == "occlusion" and when != AFTER:
                continue
            grouped = here.groupby([*PLACE, "arm"], sort=False)["value"].median()
            found.append(grouped.rename(f"{quantity}, {when}"))
    return pd.concat(found, axis=1).reset_index() if found else pd.DataFrame()


def _lead(reaches: pd.DataFrame) -> list[str]:
    column = f"reach, {AFTER}"
    if column not in reaches:
        return []
    longest = reaches[reaches["lag"] == reaches.groupby("task")["lag"].transform("max")]
    told = []
    for (task, lag), here in longest.dropna(subset=column).groupby(PLACE, sort=False):
        words = "; ".join(f"{plain(r['arm'], 60)} {r[column]:.3g}" for r in here.to_dict("records"))
        told.append(
            f"Steps back within which 95% of the answer hangs, {plain(task)} at lag {lag}: {words}."
        )
    return told


def _table(reaches: pd.DataFrame) -> Table:
    names = {
        f"reach, {AFTER}": "inputs matter up to",
        "horizon, before training": "read out up to, before",
        f"horizon, {AFTER}": "read out up to, after",
        "capacity, before training": "capacity, before",
        f"capacity, {AFTER}": "capacity, after",
    }
    cells = pd.DataFrame(
        {"arm": reaches["arm"], "task": reaches["task"], "lag": reaches["lag"].map(str)}
    )
    for column, name in names.items():
        if column in reaches:
            cells[name] = [NOTHING if pd.isna(v) else f"{v:.3g}" for v in reaches[column]]
    shown = [name for name in names.values() if name in cells]
    return Table(
        "held_table",
        "How far back, in steps: medians over seeds; capacity in numbers recovered",
        cells,
        headers=3,
        numbers=["lag", *shown],
    )


def _figure(curves: pd.DataFrame, kind: str, looks: Looks) -> Shown:
    return Shown(
        name=f"held_{kind}",
        title=f"Rise of the loss when {KINDS[kind]}",
        caption=(
            f"The rise of the loss when {KINDS[kind]}, against that step: the median over seeds, "
            "with quartiles. "
            + (
                "High means that what the answer needs was in the state at that step."
                if kind == "exchanged"
                else "High means that what the answer needs had not been written by that step."
            )
        ),
        alternative="A line an arm: how far the loss rises, by the step of the intervention. "
        + "; ".join(
            f"{plain(arm, 60)}: at most {here[0.5].max():.2g}"
            for arm, here in curves.groupby("arm", sort=False)
        )
        + ".",
        data=curves,
        figure=draw(curves, looks),
    )


def draw(curves: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the rise of the loss against the step, a panel for each task and lag."""
    with styled():
        figure, axes = probed.panels(curves)
        for (task, lag), ax in axes.items():
            here = curves[(curves["task"] == task) & (curves["lag"] == lag)]
            for _ in probed.draw(ax, here, looks):
                pass
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.set_xlabel("step")
            ax.set_ylabel("rise of the loss")
        return figure.finish(looks)
