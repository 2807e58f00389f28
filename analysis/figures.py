"""Figures against the lag, one panel per task: frames in, a matplotlib Figure out.

`arms` is the order of the study's arms, which decides their looks; without it, that of the frame.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.escaping import figure as shown
from analysis.looks import INK, SOFT, Look, handles, looks, styled

COLUMNS = 4
PANEL = (2.5, 2.3)
"""Width and height of a panel, in inches."""

LETTER = 0.08
"""What a letter of the legend takes, in inches."""

Group = tuple[str, str, int]


def solve_rate_by_lag(rates: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw solve rate against lag, with Wilson intervals (frame of `estimate.solve_rates`)."""
    with styled():
        look = looks(arms or list(dict.fromkeys(rates["arm"])))
        figure, axes = panels(list(dict.fromkeys(rates["task"])))
        for (task, _), ax in axes.items():
            here = rates[rates["task"] == task]
            for arm, x in _dodged(here, look):
                points = here[here["arm"] == arm].sort_values("lag")
                _bars(ax, x, points["low"], points["high"], look[arm])
                _line(ax, x, points["rate"], look[arm])
            _lag_axis(ax, here)
            _share_axis(ax, "solve rate")
        legend(figure, handles(look))
        return figure


def test_score_by_lag(runs: pd.DataFrame, arms: Sequence[str] | None = None) -> Figure:
    """Draw test score against lag: the median, each seed as a dot, and the chance level."""
    with styled():
        look = looks(arms or list(dict.fromkeys(runs["arm"])))
        figure, axes = panels(list(dict.fromkeys(runs["task"])))
        for (task, _), ax in axes.items():
            here = runs[runs["task"] == task]
            draw_chance(ax, here)
            for arm, x in _dodged(here, look):
                scores = here[here["arm"] == arm].sort_values("lag").groupby("lag")["test/score"]
                _bars(ax, x, scores.min(), scores.max(), look[arm], alpha=0.25)
                for place, (_, seeds) in zip(x, scores, strict=True):
                    ax.plot(
                        np.full(len(seeds), place),
                        seeds,
                        linestyle="",
                        marker="o",
                        markersize=3.4,
                        color=look[arm].color,
                        alpha=0.7,
                        markeredgewidth=0,
                        clip_on=False,
                        zorder=2.5,
                    )
                _line(ax, x, scores.median(), look[arm])
            _lag_axis(ax, here)
            _share_axis(ax, "test score", as_percent=False)
        legend(figure, [*handles(look), chance_handle()])
        return figure


def heat_map(
    rates: pd.DataFrame, arms: Sequence[str] | None = None, groups: Sequence[Group] | None = None
) -> Figure:
    """Draw the solve rate of every arm at every task and lag, "solved of n" in each cell.

    Planned `groups` without a finished trial are hatched.
    """
    import seaborn as sns

    with styled():
        planned = groups or list(rates[["arm", "task", "lag"]].itertuples(index=False, name=None))
        look = looks(arms or list(dict.fromkeys(arm for arm, _, _ in planned)))
        places = sorted({(t, lag) for _, t, lag in planned}, key=_order(planned))
        shares = np.full((len(look), len(places)), np.nan)
        told = np.full(shares.shape, "", dtype=object)
        for row in rates.to_dict("records"):
            cell = list(look).index(row["arm"]), places.index((row["task"], row["lag"]))
            shares[cell], told[cell] = row["rate"], f"{row['solved']}/{row['n']}"
        longest = max((len(each.label) for each in look.values()), default=0)
        width = min(14.0, 2.1 + 0.92 * len(places)) + LETTER * longest
        figure = Figure(figsize=(width, 1.15 + 0.36 * len(look)), layout="constrained")
        ax = figure.subplots()
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
            annot_kws={"fontsize": 9},
            cbar_kws={"label": "solve rate", "ticks": [0, 0.5, 1], "aspect": 12, "pad": 0.015},
        )
        ax.collections[0].colorbar.ax.set_yticklabels(["0%", "50%", "100%"])  # type: ignore[union-attr]
        ax.set_yticks(np.arange(len(look)) + 0.5, [a.label for a in look.values()], rotation=0)
        ax.set_xticks(np.arange(len(places)) + 0.5, [f"lag {lag}" for _, lag in places], rotation=0)
        ax.tick_params(length=0, labelcolor=INK)
        ax.grid(False)
        begins = [i for i, (task, _) in enumerate(places) if i == 0 or places[i - 1][0] != task]
        for begin, end in zip(begins, [*begins[1:], len(places)], strict=True):
            if begin:
                ax.axvline(begin, color="white", linewidth=7)
            name = wrapped(shown(places[begin][0]), 11 * (end - begin))
            ax.text((begin + end) / 2, -0.15, name, ha="center", va="bottom", weight="bold")
        return figure


def panels(
    titles: Sequence[str], rows: int = 1, title_pad: float = 8
) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """Make a figure with `rows` panels under each title, four titles to a line."""
    across = max(1, min(COLUMNS, len(titles)))
    lines = max(1, -(-len(titles) // across)) * rows
    size = (max(PANEL[0] * across, 4.6), PANEL[1] * lines + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.07, wspace=0.03, hspace=0.05)  # type: ignore[union-attr,call-arg]
    grid = figure.subplots(lines, across, squeeze=False)
    axes = {
        (title, row): grid[number // across * rows + row, number % across]
        for number, title in enumerate(titles)
        for row in range(rows)
    }
    for title in titles:
        axes[title, 0].set_title(wrapped(shown(title), 30), pad=title_pad)
    for ax in set(grid.flat) - set(axes.values()):
        ax.remove()
    return figure, axes


def legend(figure: Figure, entries: list[Line2D]) -> None:
    """Put a legend above the panels, where it hides nothing; the figure grows by it."""
    lengths = [len(str(entry.get_label())) + 8 for entry in entries]
    width, height = figure.get_size_inches()
    width = max(width, max(lengths, default=0) * LETTER)
    fitting = int(width / LETTER // max(lengths, default=1))
    columns = len(entries) if sum(lengths) * LETTER < width else max(1, fitting)
    lines = -(-len(entries) // columns)
    figure.set_size_inches(width, height + 0.2 * lines)
    # Matplotlib fills columns; we read lines.
    ordered = [entry for column in range(columns) for entry in entries[column::columns]]
    figure.legend(handles=ordered, loc="outside upper left", ncols=columns)


def draw_chance(ax: Axes, runs: pd.DataFrame) -> None:
    """Draw the chance level of a task, where it can be stated; it may differ between lags."""
    for level in sorted(set(runs["chance_score"].dropna())):
        ax.axhline(level, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)


def chance_handle() -> Line2D:
    """Give the legend's entry for the chance level."""
    return Line2D([], [], color=SOFT, linewidth=1, linestyle=(0, (1, 2)), label="chance")


def is_leftmost(ax: Axes) -> bool:
    """Tell whether a panel begins its line: the others need no label of their axis."""
    place = ax.get_subplotspec()
    return place is None or place.is_first_col()


def wrapped(text: str, width: int) -> str:
    """Break a name where it has a slash or an underscore, so that lines have about this width."""
    lines = [""]
    part = ""
    for character in text:
        part += character
        if character in "/_ -":
            lines, part = _added(lines, part, width), ""
    return "\n".join(_added(lines, part, width))


def _added(lines: list[str], part: str, width: int) -> list[str]:
    if lines[-1] and len(lines[-1]) + len(part) > width:
        return [*lines, part]
    return [*lines[:-1], lines[-1] + part]


def _span(here: pd.DataFrame) -> tuple[Any, float, float]:
    """Give the lags, how wide their logarithms spread, and how far apart the arms are drawn."""
    lags = np.sort(here["lag"].unique()).astype(float)
    if len(lags) < 2:
        return lags, np.log(4), 0.25 * np.log(4)
    span = float(np.log(lags[-1] / lags[0]))
    return lags, span, min(0.2 * span, 0.6 * float(np.log(lags[1:] / lags[:-1]).min()))


def _dodged(here: pd.DataFrame, look: dict[str, Look]) -> list[tuple[str, Any]]:
    """Give each arm's places on the lag axis, slightly apart so that no point hides another."""
    _, _, spread = _span(here)
    arms = [arm for arm in look if (here["arm"] == arm).any()]
    offsets = (np.linspace(-0.5, 0.5, len(arms)) if len(arms) > 1 else np.zeros(1)) * spread
    return [
        (arm, np.sort(here.loc[here["arm"] == arm, "lag"].unique()) * np.exp(offset))
        for arm, offset in zip(arms, offsets, strict=True)
    ]


def _line(ax: Axes, x: Any, y: Any, look: Look) -> None:
    ax.plot(
        x,
        y,
        color=look.color,
        linestyle=look.dash,
        linewidth=1.5,
        marker=look.marker,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.7,
        clip_on=False,
        zorder=3,
    )


def _bars(ax: Axes, x: Any, low: Any, high: Any, look: Look, alpha: float = 0.45) -> None:
    ax.vlines(x, low, high, color=look.color, linewidth=1.8, alpha=alpha, zorder=2)


def _lag_axis(ax: Axes, here: pd.DataFrame) -> None:
    lags, span, spread = _span(here)
    ax.set_xscale("log")
    margin = np.exp(0.08 * span + spread / 2)
    ax.set_xlim(lags[0] / margin, lags[-1] * margin)
    ax.set_xticks(lags, _labels(lags, span))
    ax.set_xticks([], minor=True)
    ax.set_xlabel("lag")


def _labels(lags: Any, span: float) -> list[str]:
    """Name the lags, but those whose name would run into another's; the ends always."""
    kept = [lags[0], lags[-1]]
    for lag in lags[1:-1]:
        if min(abs(np.log(lag / other)) for other in kept) > 0.15 * span:
            kept.append(lag)
    return [f"{lag:.0f}" if lag in kept else "" for lag in lags]


def _share_axis(ax: Axes, label: str, *, as_percent: bool = True) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    ax.set_ylim(-0.02, 1.02)
    ax.set_yticks(ticks, [f"{tick:.0%}" if as_percent else f"{tick:g}" for tick in ticks])
    ax.set_ylabel(label if is_leftmost(ax) else "")


def _order(planned: Sequence[Group]) -> Any:
    tasks = list(dict.fromkeys(task for _, task, _ in planned))
    return lambda place: (tasks.index(place[0]), place[1])
