"""Figures over training steps, one panel per task and lag: frames in, a matplotlib Figure out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.escaping import figure as shown
from analysis.figures import chance_handle, draw_chance, is_leftmost, legend, panels, wrapped
from analysis.looks import SOFT, Look, handles, looks, styled

MOST_PANELS = 24
"""With more, the lags between the shortest and the longest are left out."""

MOST_POINTS = 40_000
"""With more, the thin lines are a picture inside the drawing: lines would fill megabytes."""

DODGE = 0.013
"""Survival curves are drawn apart by this much, in shares of seeds; by less where they are many."""


def learning_curves(
    runs: pd.DataFrame, history: pd.DataFrame, arms: Sequence[str] | None = None
) -> Figure:
    """Draw validation score against step: a thin line a seed, their median, and the chance level.

    A trial that stopped early is carried forward at its last score, dashed; a median is faint where
    all of its seeds have stopped.
    """
    import seaborn as sns

    with styled():
        look = looks(arms or list(dict.fromkeys(runs["arm"])))
        figure, axes = _grid(runs)
        is_picture = len(history) > MOST_POINTS
        for (task, lag), ax in axes.items():
            here = runs[(runs["task"] == task) & (runs["lag"] == lag)]
            rows = history[history["trial"].isin(here["trial"])]
            draw_chance(ax, here)
            sns.lineplot(
                data=rows[rows["validation/score"].notna()],
                x="step",
                y="validation/score",
                hue="arm",
                palette={arm: each.color for arm, each in look.items()},
                units="trial",
                estimator=None,
                errorbar=None,
                linewidth=0.7,
                alpha=0.4,
                legend=False,
                ax=ax,
                rasterized=is_picture,
            )
            for arm, group in here.groupby("arm", sort=False):
                _median(ax, group, rows, look[str(arm)], is_picture)
            _axes(ax, here, "validation score", ["0", "0.5", "1"])
        carried = Line2D([], [], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        carried.set_label("carried forward")
        legend(figure, [*handles(look), chance_handle(), carried])
        return figure


def survival(curves: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw the share of seeds that have not solved yet (frame of `survival.curves`)."""
    with styled():
        look = looks(arms or list(dict.fromkeys(curves["arm"])))
        figure, axes = _grid(curves)
        for (task, lag), ax in axes.items():
            here = curves[(curves["task"] == task) & (curves["lag"] == lag)]
            present = [arm for arm in look if (here["arm"] == arm).any()]
            apart = min(0.025, DODGE * (len(present) - 1) / 2)
            shifts = np.linspace(-apart, apart, len(present)) if apart else [0.0]
            for arm, shift in zip(present, shifts, strict=True):
                curve = here[here["arm"] == arm]
                ax.step(
                    curve["step"],
                    curve["unsolved"] + shift,
                    where="post",
                    color=look[arm].color,
                    linestyle=look[arm].dash,
                    linewidth=1.6,
                    marker=look[arm].marker,
                    # The first point is step 0, the last the budget: no seed solved there.
                    markevery=slice(1, max(1, len(curve) - 1)),
                    markersize=4.5,
                    markeredgecolor="white",
                    markeredgewidth=0.6,
                    clip_on=False,
                )
            _axes(ax, here, "not yet solved", ["0%", "50%", "100%"])
        legend(figure, handles(look))
        return figure


def carried_forward(scores: pd.DataFrame, budget: int) -> pd.DataFrame:
    """Give scores as a frame step x trial up to the budget; after its last row a trial keeps it."""
    wide = scores.pivot(index="step", columns="trial", values="validation/score")
    if budget not in wide.index:
        wide.loc[budget] = float("nan")
    return wide.sort_index().ffill()


def lags_shown(frame: pd.DataFrame) -> dict[str, list[int]]:
    """Give the lags of each task that have a panel."""
    lags = {
        str(task): sorted(int(lag) for lag in group["lag"].unique())
        for task, group in frame.groupby("task", sort=False)
    }
    if sum(map(len, lags.values())) > MOST_PANELS:
        return {task: sorted({each[0], each[-1]}) for task, each in lags.items()}
    return lags


def _grid(frame: pd.DataFrame) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """Make a panel per task and lag: a column a task, its lags under one another.

    The lags of an only task stand beside one another.
    """
    lags = lags_shown(frame)
    places = {(task, lag): (task, row) for task in lags for row, lag in enumerate(lags[task])}
    if len(lags) == 1:
        places = {(task, lag): (f"{task} {lag}", 0) for task, lag in places}
    columns = list(dict.fromkeys(title for title, _ in places.values()))
    rows = 1 + max((row for _, row in places.values()), default=0)
    figure, axes = panels(columns, rows=rows, title_pad=20)
    for (_, lag), place in places.items():
        at: Any = {"xycoords": "axes fraction", "textcoords": "offset points"}
        axes[place].annotate(f"lag {lag}", (0, 1), (0, 6), **at)
    for place in axes.keys() - set(places.values()):
        axes[place].remove()
    if len(lags) == 1:
        for (task, _), (title, _) in places.items():
            axes[title, 0].set_title(
                wrapped(shown(task), 30) if title == columns[0] else "", pad=20
            )
    return figure, {key: axes[place] for key, place in places.items()}


def _median(
    ax: Axes, group: pd.DataFrame, rows: pd.DataFrame, look: Look, is_picture: bool
) -> None:
    mine = rows[rows["trial"].isin(group["trial"])]
    if mine.empty:
        return
    budget = int(group["budget_steps"].max())
    wide = carried_forward(mine, budget)
    last = mine.groupby("trial")["step"].max()
    for trial, step in last.items():
        tail = wide.loc[wide.index >= step, str(trial)]
        ax.plot(
            tail.index,
            tail,
            color=look.color,
            linewidth=0.8,
            alpha=0.5,
            linestyle=(0, (4, 3)),
            rasterized=is_picture,
        )
    median, end = wide.median(axis=1), int(last.max())
    parts: list[tuple[Any, float]] = [(median[median.index <= end], 1.0)]
    if end < budget:
        parts.append((median[median.index >= end], 0.35))
    for part, alpha in parts:
        ax.plot(
            part.index,
            part,
            color=look.color,
            linestyle=look.dash,
            linewidth=1.9,
            alpha=alpha,
            marker=look.marker if alpha == 1.0 else "",
            markevery=(0.12, 0.25),
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )


def _axes(ax: Axes, here: pd.DataFrame, label: str, ticks: list[str]) -> None:
    last = float(here["budget_steps" if "budget_steps" in here else "step"].max())
    ax.set_xlim(0, last)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1], ticks)
    ax.set_ylabel(label if is_leftmost(ax) else "")
    ax.set_xlabel("training step")
