"""Figures of a study: frames in, a matplotlib Figure out, which a notebook shows by itself.

Here stand those against the lag and the cost, one panel per task; those over training steps are in
`analysis.curves`, and importable from here. `arms` is the order of the study's arms, which decides
their looks, or the looks; without it, the order is that of the frame.

Longer than a file should be: each figure is a function, and what they share stands below.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from analysis.curves import free_axis
from analysis.curves import gradient_norm as gradient_norm
from analysis.curves import learning_curves as learning_curves
from analysis.curves import survival as survival
from analysis.looks import INK, SOFT, Arms, Look, given, styled
from analysis.panels import Panels, chance_handle, draw_chance

APART = 1.6
"""Arms are drawn this far apart in height, in points, so that none hides another."""

BAND = "#E4E7EA"
"""Behind what is marked of an axis."""

Group = tuple[str, str, int]


def solve_rate_by_lag(rates: pd.DataFrame, arms: Arms | None = None) -> Panels:
    """Draw solve rate against lag, with Wilson intervals (frame of `estimate.solve_rates`)."""
    with styled():
        look = given(arms, rates["arm"])
        figure = Panels(list(dict.fromkeys(rates["task"])))
        for (task, _), ax in figure.panels.items():
            here = rates[rates["task"] == task]
            places = _dodged(here, look)
            for (arm, x), height in zip(places, _heights(places), strict=True):
                points = here[here["arm"] == arm].sort_values("lag")
                moved = ax.transData + ScaledTranslation(0, height / 72, figure.dpi_scale_trans)
                if look[arm].is_highlighted:
                    _bars(ax, x, points["low"], points["high"], look[arm], transform=moved)
                draw_line(ax, x, points["rate"], look[arm], transform=moved)
            lag_axis(ax, here)
            _share_axis(ax, "solve rate", margin=0.05)
        return figure.finish(look)


def test_score_by_lag(runs: pd.DataFrame, arms: Arms | None = None) -> Panels:
    """Draw test score against lag: the median, each seed as a dot, and the chance level."""
    with styled():
        look = given(arms, runs["arm"])
        figure = Panels(list(dict.fromkeys(runs["task"])))
        for (task, _), ax in figure.panels.items():
            here = runs[runs["task"] == task]
            draw_chance(ax, here)
            for arm, x in _dodged(here, look):
                scores = here[here["arm"] == arm].sort_values("lag").groupby("lag")["test/score"]
                if look[arm].is_highlighted:
                    _bars(ax, x, scores.min(), scores.max(), look[arm], alpha=0.25)
                    for place, (_, seeds) in zip(x, scores, strict=True):
                        _dots(ax, np.full(len(seeds), place), seeds, look[arm])
                draw_line(ax, x, scores.median(), look[arm])
            lag_axis(ax, here)
            _share_axis(ax, "test score", as_percent=False)
            free_axis(ax, here["test/score"])
        return figure.finish(look, chance_handle())


def score_by_test_lag(
    scores: pd.DataFrame,
    arms: Arms | None = None,
    measure: str = "test score",
    *,
    has_lags: bool = True,
) -> Panels:
    """Draw score against the lag of the test, a panel for each lag trained at.

    `scores` is of `extrapolation.tested`; a band marks the lags that were trained. With `has_lags`
    the titles name the longest of them.
    """
    with styled():
        look = given(arms, scores["arm"])
        groups = {(str(t), lag): g for (t, lag), g in scores.groupby(["task", "lag"], sort=False)}
        titles = {
            f"{task} {lag}": f"{task}, trained at lag {lag}" if has_lags else task
            for task, lag in groups
        }
        figure = Panels(titles)
        for (_, ax), group in zip(figure.panels.items(), groups.values(), strict=True):
            trained = group["shortest"].min(), group["lag"].max()
            here = group.drop(columns="lag").rename(columns={"test_lag": "lag"})
            # As wide as the arms stand apart.
            side = np.exp(0.6 * _span(here)[2])
            ax.axvspan(trained[0] / side, trained[1] * side, color=BAND, linewidth=0, zorder=0)
            level = here.groupby("lag")["chance_score"].first().dropna()
            ax.plot(level.index, level, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
            for arm, x in _dodged(here, look):
                seeds = here[here["arm"] == arm].groupby("lag")["score"]
                if look[arm].is_highlighted:
                    for place, (_, found) in zip(x, seeds, strict=True):
                        _dots(ax, np.full(len(found), place), found, look[arm])
                draw_line(ax, x, seeds.median(), look[arm])
            lag_axis(ax, here)
            ax.set_xlabel("lag of the test")
            _share_axis(ax, measure, as_percent=False)
        band = Line2D([], [], color=BAND, linewidth=7, label="lags trained")
        chance = [chance_handle()] if scores["chance_score"].notna().any() else []
        return figure.finish(look, *chance, band)


def score_by_cost(runs: pd.DataFrame, arms: Arms | None = None) -> Panels:
    """Draw test score against what the training cost, at the longest lag of each task.

    The cost of a trial is its matrix-product FLOPs for one position of a sequence, times the batch,
    times the steps it was trained for: counted, so that it hangs on no machine and no kernel.
    """
    with styled():
        look = given(arms, runs["arm"])
        figure = Panels(list(dict.fromkeys(runs["task"])))
        longest = runs[runs["lag"] == runs.groupby("task")["lag"].transform("max")]
        for (task, _), ax in figure.panels.items():
            here = cost(longest[longest["task"] == task])
            draw_chance(ax, here)
            for arm in sorted(look, key=lambda arm: look[arm].is_highlighted):
                mine = here[here["arm"] == arm]
                for solved, group in mine.groupby(mine["outcome"] == "solved"):
                    _dots(ax, group["cost"], group["test/score"], look[arm], is_filled=bool(solved))
                middle = mine[["cost", "test/score"]].median()
                draw_line(ax, middle["cost"], middle["test/score"], look[arm])
            _cost_axis(ax, here["cost"])
            _share_axis(ax, "test score", as_percent=False)
        hollow = Line2D([], [], color=SOFT, linestyle="", marker="o", markersize=4,
                        markerfacecolor="white", label="seed, not solved")  # fmt: skip
        return figure.finish(look, chance_handle(), hollow)


def cost(runs: pd.DataFrame) -> pd.DataFrame:
    """Give the runs with their `cost`: FLOPs for one position of a sequence, to the end."""
    flops = runs["flops_per_step"].astype("float64")
    found = runs.assign(cost=flops * runs["batch"] * runs["steps"])
    return found[(found["cost"] > 0) & found["test/score"].notna()]


def heat_map(
    rates: pd.DataFrame, arms: Arms | None = None, groups: Sequence[Group] | None = None
) -> Panels:
    """Draw the solve rate of every arm at every task and lag, "solved of n" in each cell.

    Planned `groups` without a finished trial are hatched.
    """
    import seaborn as sns

    with styled():
        planned = groups or list(rates[["arm", "task", "lag"]].itertuples(index=False, name=None))
        look = given(arms, (arm for arm, _, _ in planned))
        rows = {arm: row for row, arm in enumerate(look)}
        figure = Panels(list(dict.fromkeys(task for _, task, _ in planned)), arms=list(look))
        for (task, _), ax in figure.panels.items():
            lags = sorted({lag for _, of, lag in planned if of == task})
            shares = np.full((len(look), len(lags)), np.nan)
            told = np.full(shares.shape, "", dtype=object)
            for row in rates[rates["task"] == task].to_dict("records"):
                cell = rows[row["arm"]], lags.index(row["lag"])
                shares[cell], told[cell] = row["rate"], f"{row['solved']}/{row['n']}"
            ax.patch.set(facecolor="#F3F4F5", hatch="////", edgecolor="#C9CED3")
            sns.heatmap(
                shares,
                annot=told,
                fmt="",
                vmin=0,
                vmax=1,
                cmap=sns.light_palette("#1B4F8F", as_cmap=True),
                linewidths=1.5,
                linecolor="white",
                ax=ax,
                annot_kws={"fontsize": 9 if len(lags) < 7 else 7},
                cbar=False,
            )
            ax.set_yticks(np.arange(len(look)) + 0.5, [""] * len(look), rotation=0)
            ax.set_xticks(np.arange(len(lags)) + 0.5, [str(lag) for lag in lags], rotation=0)
            ax.tick_params(length=0, labelcolor=INK)
            ax.set_xlabel("lag")
            ax.grid(False)
        return figure.finish(look)


def _span(here: pd.DataFrame) -> tuple[Any, float, float]:
    """Give the lags, how wide their logarithms spread, and how far apart the arms are drawn."""
    lags = np.sort(here["lag"].unique()).astype(float)
    if len(lags) < 2:
        return lags, np.log(4), 0.25 * np.log(4)
    span = float(np.log(lags[-1] / lags[0]))
    return lags, span, min(0.2 * span, 0.6 * float(np.log(lags[1:] / lags[:-1]).min()))


def _dodged(here: pd.DataFrame, look: dict[str, Look]) -> list[tuple[str, Any]]:
    """Give each arm's places on the lag axis, slightly apart so that no point hides another.

    Arms that are not highlighted come first, and stand at the lag itself.
    """
    _, _, spread = _span(here)
    arms = [arm for arm in look if (here["arm"] == arm).any()]
    front = [arm for arm in arms if look[arm].is_highlighted]
    offsets = (np.linspace(-0.5, 0.5, len(front)) if len(front) > 1 else np.zeros(1)) * spread
    apart = dict(zip(front, offsets, strict=False))
    return [
        (
            arm,
            np.sort(here.loc[here["arm"] == arm, "lag"].unique()) * np.exp(apart.get(arm, 0.0)),
        )
        for arm in sorted(arms, key=lambda arm: look[arm].is_highlighted)
    ]


def _heights(places: list[tuple[str, Any]]) -> Any:
    """Give how far each arm is moved up, in points; those in the middle stay."""
    return (np.arange(len(places)) - (len(places) - 1) / 2) * min(APART, 14 / max(1, len(places)))


def draw_line(ax: Axes, x: Any, y: Any, look: Look, **more: Any) -> None:
    """Draw an arm's line, a marker at each point."""
    ax.plot(
        x,
        y,
        color=look.color,
        linestyle=look.dash,
        linewidth=1.5 * look.width,
        marker=look.marker or ".",
        markersize=5.5 * look.width,
        markeredgecolor="white",
        markeredgewidth=0.7 * look.width,
        clip_on=False,
        zorder=3 if look.is_highlighted else 2,
        **more,
    )


def _dots(ax: Axes, x: Any, y: Any, look: Look, *, is_filled: bool = True) -> None:
    ax.plot(
        x,
        y,
        linestyle="",
        marker="o",
        markersize=3.4,
        color=look.color,
        alpha=0.7,
        markeredgewidth=0 if is_filled else 0.8,
        markerfacecolor=look.color if is_filled else "white",
        clip_on=False,
        zorder=2.5,
    )


def _bars(
    ax: Axes, x: Any, low: Any, high: Any, look: Look, alpha: float = 0.45, **more: Any
) -> None:
    ax.vlines(x, low, high, color=look.color, linewidth=1.8, alpha=alpha, zorder=2, **more)


def lag_axis(ax: Axes, here: pd.DataFrame) -> None:
    """Give a panel a logarithmic axis of the lags of its frame, with as many names as fit."""
    lags, span, spread = _span(here)
    ax.set_xscale("log")
    margin = np.exp(0.08 * span + spread / 2)
    ax.set_xlim(lags[0] / margin, lags[-1] * margin)
    ax.set_xticks(lags, _labels(lags, span))
    ax.set_xticks([], minor=True)
    ax.set_xlabel("lag")


def _cost_axis(ax: Axes, costs: pd.Series) -> None:
    ax.set_xscale("log")
    if len(costs):
        # At least a factor of ten, so that small differences look small.
        low, high = float(costs.min()), float(costs.max())
        room = max(1.25, (10 * low / high) ** 0.5)
        ax.set_xlim(low / room, high * room)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=6))
    ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("FLOPs per position")


def _labels(lags: Any, span: float) -> list[str]:
    """Name the lags, but those whose name would run into another's; the ends always."""
    kept = [lags[0], lags[-1]]
    for lag in lags[1:-1]:
        if min(abs(np.log(lag / other)) for other in kept) > 0.15 * span:
            kept.append(lag)
    return [f"{lag:.0f}" if lag in kept else "" for lag in lags]


def _share_axis(ax: Axes, label: str, *, as_percent: bool = True, margin: float = 0.02) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    ax.set_ylim(-margin, 1 + margin)
    ax.set_yticks(ticks, [f"{tick:.0%}" if as_percent else f"{tick:g}" for tick in ticks])
    ax.set_ylabel(label)
