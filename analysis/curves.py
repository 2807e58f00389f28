"""Figures over training steps, one panel per task and lag: frames in, a matplotlib Figure out.

Where every trial of a panel stops before its budget, the panel ends soon after the last one.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from analysis.looks import SOFT, Arms, Look, given, styled
from analysis.panels import Panels, chance_handle, draw_chance

MOST_PANELS = 24
"""With more, the lags between the shortest and the longest are left out."""

MOST_POINTS = 40_000
"""With more, the thin lines are a picture inside the drawing: lines would fill megabytes."""

DODGE = 0.013
"""Survival curves are drawn apart by this much, in shares of seeds; by less where they are many."""

ROOM = 1.15
"""A panel whose trials have all stopped ends at this multiple of the last step."""

LEAST_SEEDS_FOR_A_BAND = 4
"""With fewer seeds, their quartiles are nearly the seeds themselves."""


def learning_curves(runs: pd.DataFrame, history: pd.DataFrame, arms: Arms | None = None) -> Panels:
    """Draw validation score against step: each seed, their median and quartiles, chance.

    A trial that stopped early is carried forward at its last score, dashed; a median is faint where
    all of its seeds have stopped.
    """
    with styled():
        look = given(arms, runs["arm"])
        figure, axes = grid(runs)
        is_picture = len(history) > MOST_POINTS
        for ax, here, groups in _groups(axes, runs, history, look):
            draw_chance(ax, here)
            _seeds(ax, groups, "validation/score", is_picture)
            for group, rows, each in groups:
                _median(ax, group, rows, each, is_picture)
            _axes(ax, _end(here), "validation score", ["0", "0.5", "1"])
            trials = here["trial"]
            free_axis(ax, history["validation/score"][history["trial"].isin(trials)])
        carried = Line2D([], [], color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        carried.set_label("carried forward")
        return figure.finish(look, chance_handle(), carried)


def gradient_norm(
    runs: pd.DataFrame,
    history: pd.DataFrame,
    arms: Arms | None = None,
    clip: float | None = None,
) -> Panels:
    """Draw the gradient's norm before clipping against step: each seed, and their median.

    A median goes on as long as half of its trials still train. `clip` is the norm from which on the
    gradient was clipped, where all arms share one. What is no positive number is left out.
    """
    with styled():
        look = given(arms, runs["arm"])
        figure, axes = grid(runs, is_shared=False)
        name = "train/gradient_norm"
        is_finite = np.isfinite(history[name]) & (history[name] > 0)
        history = history[is_finite]
        is_picture = len(history) > MOST_POINTS
        for ax, here, groups in _groups(axes, runs, history, look):
            _seeds(ax, groups, name, is_picture)
            for group, rows, each in groups:
                wide = rows.pivot(index="step", columns="trial", values=name)
                is_enough = wide.notna().sum(axis=1) * 2 >= len(group)
                _thick(ax, wide[is_enough].median(axis=1), each, is_picture)
            if clip is not None:
                ax.axhline(clip, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.set_ylabel("gradient norm")
            _step_axis(ax, _end(here))
        clipped = Line2D([], [], color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        clipped.set_label("clipped from here")
        return figure.finish(look, *([] if clip is None else [clipped]))


def survival(curves: pd.DataFrame, arms: Arms | None = None) -> Panels:
    """Draw the share of seeds that have not solved yet (frame of `survival.curves`)."""
    with styled():
        look = given(arms, curves["arm"])
        figure, axes = grid(curves)
        for (task, lag), ax in axes.items():
            here = curves[(curves["task"] == task) & (curves["lag"] == lag)]
            present = [arm for arm in _back_to_front(look) if (here["arm"] == arm).any()]
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
                    linewidth=1.6 * look[arm].width,
                    marker=look[arm].marker,
                    # The first point is step 0, the last the budget: no seed solved there.
                    markevery=slice(1, max(1, len(curve) - 1)),
                    markersize=4.5,
                    markeredgecolor="white",
                    markeredgewidth=0.6,
                )
            is_open = here.groupby("arm")["unsolved"].transform("min") > 0
            stopped = here.loc[here["unsolved"] == 0].groupby("arm")["step"].min()
            end = float(here["step"].max())
            if not is_open.any():
                end = min(end, ROOM * float(stopped.max()))
            _axes(ax, end, "not yet solved", ["0%", "50%", "100%"])
        return figure.finish(look)


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


def grid(
    frame: pd.DataFrame, *, is_shared: bool = True
) -> tuple[Panels, dict[tuple[str, int], Axes]]:
    """Make a panel per task and lag: a column a task, its lags under one another.

    The lags of an only task stand beside one another.
    """
    lags = lags_shown(frame)
    places = {(task, lag): (task, row) for task in lags for row, lag in enumerate(lags[task])}
    titles = {task: task for task in lags}
    if len(lags) == 1:
        places = {(task, lag): (f"{task} {lag}", 0) for task, lag in places}
        titles = {key: task if not row else "" for row, ((task, _), (key, _)) in
                  enumerate(places.items())}  # fmt: skip
    rows = 1 + max((row for _, row in places.values()), default=0)
    figure = Panels(titles, rows=rows, title_pad=20, is_shared=is_shared)
    axes = figure.keep(places)
    for (_, lag), ax in axes.items():
        at: Any = {"xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(f"lag {lag}", (0, 1), (0, 6), **at)
    return figure, axes


Group = tuple[pd.DataFrame, pd.DataFrame, Look]
"""The trials of an arm in a panel, their rows, and the arm's look."""


def _groups(
    axes: dict[tuple[str, int], Axes],
    runs: pd.DataFrame,
    history: pd.DataFrame,
    look: dict[str, Look],
) -> Iterator[tuple[Axes, pd.DataFrame, list[Group]]]:
    of_runs = dict(list(runs.groupby(["task", "lag", "arm"], sort=False)))
    of_rows = dict(list(history.groupby(["task", "lag", "arm"], sort=False)))
    for (task, lag), ax in axes.items():
        keys = [(task, lag, arm) for arm in _back_to_front(look) if (task, lag, arm) in of_runs]
        yield (
            ax,
            pd.concat([of_runs[key] for key in keys]),
            [(of_runs[key], of_rows[key], look[key[2]]) for key in keys if key in of_rows],
        )


def _back_to_front(look: dict[str, Look]) -> list[str]:
    return sorted(look, key=lambda arm: look[arm].is_highlighted)


def _seeds(ax: Axes, groups: list[Group], name: str, is_picture: bool) -> None:
    """Draw a thin line for each seed of the highlighted arms."""
    import seaborn as sns

    front = [(rows, look) for _, rows, look in groups if look.is_highlighted]
    if not front:
        return
    rows = pd.concat([rows for rows, _ in front])
    sns.lineplot(
        data=rows[rows[name].notna()],
        x="step",
        y=name,
        hue="arm",
        palette={rows["arm"].iloc[0]: look.color for rows, look in front},
        units="trial",
        estimator=None,
        errorbar=None,
        linewidth=0.6,
        alpha=0.35,
        legend=False,
        ax=ax,
        rasterized=is_picture,
    )


def _median(
    ax: Axes, group: pd.DataFrame, rows: pd.DataFrame, look: Look, is_picture: bool
) -> None:
    budget = int(group["budget_steps"].max())
    wide = carried_forward(rows, budget)
    last = rows.groupby("trial")["step"].max()
    median, end = wide.median(axis=1), int(last.max())
    if look.is_highlighted:
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
        if wide.shape[1] >= LEAST_SEEDS_FOR_A_BAND:
            low, high = wide.quantile(0.25, axis=1), wide.quantile(0.75, axis=1)
            ax.fill_between(wide.index, low, high, color=look.color, alpha=0.1, linewidth=0)
    if end < budget:
        _thick(ax, median[median.index >= end], look, is_picture, alpha=0.35)
    _thick(ax, median[median.index <= end], look, is_picture)


def _thick(ax: Axes, median: pd.Series, look: Look, is_picture: bool, alpha: float = 1.0) -> None:
    ax.plot(
        median.index,
        median,
        color=look.color,
        linestyle=look.dash,
        linewidth=1.9 * look.width,
        alpha=alpha,
        marker=look.marker if alpha == 1.0 else "",
        markevery=(0.12, 0.25),
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        rasterized=is_picture and not look.is_highlighted,
    )


def _end(runs: pd.DataFrame) -> float:
    """Give where a panel ends: at the budget, or sooner where all its trials have stopped."""
    budget, last = float(runs["budget_steps"].max()), float(runs["steps"].max())
    return budget if (runs["steps"] >= runs["budget_steps"]).any() else min(budget, ROOM * last)


def _axes(ax: Axes, end: float, label: str, ticks: list[str]) -> None:
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1], ticks)
    ax.set_ylabel(label)
    _step_axis(ax, end)


def free_axis(ax: Axes, scores: pd.Series) -> None:
    """Let an axis follow scores that do not reach from 0 to 1, as those of foreign logs may not."""
    known = scores[np.isfinite(scores)]
    if len(known) and (known.min() < 0 or known.max() > 1):
        room = 0.05 * (known.max() - known.min()) or 0.5
        ax.set_ylim(known.min() - room, known.max() + room)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _step_axis(ax: Axes, end: float) -> None:
    ax.set_xlim(0, end)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(_step))
    ax.set_xlabel("training step")


def _step(step: float, _: Any) -> str:
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"
