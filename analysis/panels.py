"""Figures made of panels: laid out for a page, and once more for a column of a paper."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.text import Text

from analysis.escaping import FIGURE_LIMIT, short
from analysis.escaping import figure as shown
from analysis.looks import SOFT, Look, handles, styled


@dataclass(frozen=True)
class Form:
    """How panels are laid out: sizes in inches, type and lines as a share of those of the page.

    `letters` is how many of a title's letters fit over a panel; names at an axis, and in the
    legend, are cut after `longest`.
    """

    across: int
    panel: tuple[float, float]
    least_width: float
    most_width: float
    most_height: float
    scale: float
    letters: int
    longest: int

    @property
    def letter(self) -> float:
        """What a letter of the legend takes."""
        return 0.08 * self.scale


PAGE = Form(4, (2.5, 2.3), least_width=4.6, most_width=14, most_height=1000, scale=1.0, letters=30,
            longest=FIGURE_LIMIT)  # fmt: skip
COLUMN = Form(2, (1.675, 1.5), least_width=3.35, most_width=3.35, most_height=9, scale=0.8,
              letters=22, longest=24)  # fmt: skip
"""A column of a two-column page is 3.35 inches wide; its type is of 6.4 points and more."""

LEAST = 1.1
"""Panels, with title and labels, are never lower, in inches: who needs more outgrows the page."""


class Panels(Figure):
    """A figure with `rows` panels under each title; it displays by itself in a notebook.

    Fill `panels`, then call `finish`.
    """

    def __init__(
        self,
        titles: Sequence[str] | Mapping[str, str],
        rows: int = 1,
        title_pad: float = 8,
        arms: Sequence[str] = (),
        is_shared: bool = True,
        larger: float = 1,
    ) -> None:
        """Make the panels, under `titles` or under keys with titles.

        `arms` are the names at the y axis, where it has names; panels with a `shared` y axis have
        its labels once a line. Panels are `larger` than others, and fewer stand side by side.
        """
        super().__init__(layout="constrained")
        self.get_layout_engine().set(w_pad=0.06, h_pad=0.07, wspace=0.03, hspace=0.05)  # type: ignore[union-attr,call-arg]
        self.form, self.rows, self.arms, self.is_shared = PAGE, rows, list(arms), is_shared
        self.larger = larger
        self.titles = dict(titles) if isinstance(titles, Mapping) else {t: t for t in titles}
        self.entries: list[Line2D] = []
        self.panels = {key: self.add_subplot(place) for key, place in self._places(PAGE).items()}
        self.headings = {
            key: self.panels[key, 0].set_title(_title(title, PAGE), loc="left", pad=title_pad)
            for key, title in self.titles.items()
        }

    def keep(self, used: Mapping[Any, tuple[str, int]]) -> dict[Any, Axes]:
        """Remove the panels that are not used, and give the others under the keys of `used`."""
        for place in self.panels.keys() - set(used.values()):
            self.panels.pop(place).remove()
        return {key: self.panels[place] for key, place in used.items()}

    def finish(self, looks: Mapping[str, Look], *more: Line2D) -> "Panels":
        """Set the size and, unless the arms are named at an axis, the legend; give the figure."""
        self.entries = [] if self.arms else [*handles(looks), *more]
        self._arrange(PAGE)
        return self

    @contextlib.contextmanager
    def arranged(self, form: Form) -> Iterator[None]:
        """Have another form for a while."""
        before = self.form
        self._arrange(form)
        try:
            yield
        finally:
            self._arrange(before)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save as `Figure.savefig` does, in our style."""
        with styled(), warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes: no reason to stop.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        """Show the figure in a notebook."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def _across(self, form: Form) -> int:
        return max(1, min(int(form.across / self.larger), len(self.titles)))

    def _places(self, form: Form) -> dict[tuple[str, int], Any]:
        across = self._across(form)
        lines = max(1, -(-len(self.titles) // across)) * self.rows
        grid = GridSpec(lines, across, figure=self)
        return {
            (title, row): grid[number // across * self.rows + row, number % across]
            for number, title in enumerate(self.titles)
            for row in range(self.rows)
        }

    def _arrange(self, form: Form) -> None:
        places = self._places(form)
        begins: dict[int, int] = {}
        for key, ax in self.panels.items():
            ax.set_subplotspec(places[key])
            line, column = places[key].rowspan.start, places[key].colspan.start
            begins[line] = min(column, begins.get(line, column))
        for key, ax in self.panels.items():
            is_first = begins[places[key].rowspan.start] == places[key].colspan.start
            ax.yaxis.label.set_visible(is_first)
            if self.is_shared:
                ax.tick_params(labelleft=is_first)
            if self.arms:
                ax.set_yticks(ax.get_yticks(), list(short(self.arms, form.longest).values()))
        for title, heading in self.headings.items():
            heading.set_text(_title(self.titles[title], form))
        self._scale(form.scale / self.form.scale)
        self.form = form
        with styled():
            self._size(form)

    def _size(self, form: Form) -> None:
        across = self._across(form)
        lines = max(1, -(-len(self.titles) // across)) * self.rows
        panel = form.panel[0] * self.larger, form.panel[1] * self.larger
        width = min(form.most_width, max(panel[0] * across, form.least_width))
        height = lines * max(LEAST, min(panel[1], form.most_height / lines)) + 0.3 * form.scale
        if self.arms:
            height = lines * (0.8 + 0.3 * len(self.arms)) * form.scale + 0.2
        for legend in self.legends:
            legend.remove()
        if self.entries:
            names = short([str(entry.get_label()) for entry in self.entries], form.longest)
            lengths = [len(name) + 8 for name in names.values()]
            width = max(width, min(form.most_width, max(lengths) * form.letter))
            columns = _columns(lengths, width / form.letter)
            height += 0.2 * form.scale * -(-len(lengths) // columns)
            # Matplotlib fills columns; we read lines.
            pairs = list(zip(self.entries, names.values(), strict=True))
            ordered = [pair for column in range(columns) for pair in pairs[column::columns]]
            self.legend(
                [entry for entry, _ in ordered],
                [name for _, name in ordered],
                loc="outside upper left",
                ncols=columns,
                fontsize=8.5 * form.scale,
                columnspacing=1.8 * form.scale,
            )
        self.set_size_inches(width, height)
        self.align_ylabels(list(self.panels.values()))

    def _scale(self, share: float) -> None:
        if share == 1:
            return
        for artist in self.findobj():
            if isinstance(artist, Text):
                artist.set_fontsize(float(artist.get_fontsize()) * share)
            elif isinstance(artist, Line2D):
                artist.set_linewidth(artist.get_linewidth() * share)
                artist.set_markersize(artist.get_markersize() * share)
            elif isinstance(artist, LineCollection):
                artist.set_linewidth([w * share for w in np.atleast_1d(artist.get_linewidth())])
        for ax in self.panels.values():
            for axis in (ax.xaxis, ax.yaxis):
                # Ticks may still be made: they take their size from here.
                size = axis.get_tick_params().get("labelsize", 8)
                axis.set_tick_params(labelsize=size * share)


def draw_chance(ax: Axes, runs: pd.DataFrame) -> None:
    """Draw the chance level of a task, where it can be stated; it may differ between lags."""
    for level in sorted(set(runs["chance_score"].dropna())):
        ax.axhline(level, color=SOFT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)


def chance_handle() -> Line2D:
    """Give the legend's entry for the chance level."""
    return Line2D([], [], color=SOFT, linewidth=1, linestyle=(0, (1, 2)), label="chance")


def _columns(lengths: list[int], letters: float) -> int:
    """Give the most columns in which entries of these lengths fit, read line by line."""
    for columns in range(len(lengths), 1, -1):
        if sum(max(lengths[column::columns]) for column in range(columns)) <= letters:
            return columns
    return 1


def wrapped(text: str, width: int) -> str:
    """Break a name where it has a slash or an underscore, so that lines have about this width."""
    lines = [""]
    part = ""
    for character in text:
        part += character
        if character in "/_ -":
            lines, part = _added(lines, part, width), ""
    return "\n".join(_added(lines, part, width))


def _title(title: str, form: Form) -> str:
    # Panels of one task stand under one title: the others have none.
    return wrapped(shown(title), form.letters) if title else ""


def _added(lines: list[str], part: str, width: int) -> list[str]:
    if lines[-1] and len(lines[-1]) + len(part) > width:
        return [*lines, part]
    return [*lines[:-1], lines[-1] + part]
