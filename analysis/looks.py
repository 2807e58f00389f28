"""How figures look: one colour, dash and marker per arm, the type, and files that never differ.

The first five colours stay apart (CIE76 distance of 17 and more) for readers with protanopia,
deuteranopia and tritanopia, and all have a contrast of at least 3 on white. Dash and marker tell
the arms apart in grey. At most eight arms are highlighted: no reader tells more apart. The others
are thin grey lines.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.lines import Line2D

from analysis.escaping import short

Dash = Any
"""What matplotlib takes for a line style: "solid", or (offset, (on, off, ...))."""

COLORS = ("#3578D8", "#AE3A0C", "#0F9B6C", "#6A1F8A", "#B08A00", "#E9609A", "#15202B", "#6B8898")
DASHES: tuple[Dash, ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (1.5, 1.2)),
    (0, (9, 2)),
    (0, (3, 1.2, 1, 1.2, 1, 1.2)),
    (0, (3, 3)),
    (0, (9, 2, 3, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
GREY = "#85898D"

INK = "#1D2329"
SOFT = "#59626B"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9AA2AA",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E4E7EA",
    "grid.linewidth": 0.8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 8.5,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 3.2,
    "legend.columnspacing": 1.8,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
    "svg.fonttype": "path",
    "svg.hashsalt": "longdep",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Look:
    """How an arm is drawn, and under which name."""

    label: str
    color: str
    dash: Dash
    marker: str
    is_highlighted: bool = True

    @property
    def width(self) -> float:
        """How wide its lines are, as a share of those of a highlighted arm."""
        return 1.0 if self.is_highlighted else 0.5


Arms = Sequence[str] | Mapping[str, Look]
"""The arms in the order of the study, or the look that each has there."""


def looks(arms: Sequence[str], highlighted: Sequence[str] | None = None) -> dict[str, Look]:
    """Give each arm its look. The order decides: hold it still throughout a study.

    Where there are more than eight arms, `highlighted` are those with a colour; the first eight
    unless given.
    """
    chosen = [arm for arm in arms if highlighted is None or arm in highlighted][: len(COLORS)]
    return {
        arm: Look(label, COLORS[chosen.index(arm)], DASHES[chosen.index(arm)],
                  MARKERS[chosen.index(arm)])
        if arm in chosen
        else Look(label, GREY, "solid", "", is_highlighted=False)
        for arm, label in short(arms).items()
    }  # fmt: skip


def given(arms: Arms | None, found: Iterable[str]) -> dict[str, Look]:
    """Give the looks that a figure's caller asks for; without a word, of the arms it found."""
    if isinstance(arms, Mapping):
        return dict(arms)
    return looks(arms or list(dict.fromkeys(found)))


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Make figures, and draw them, in our style; leave nothing of it behind.

    Formulas are off in every text that is made here, wherever it is drawn: `$` is a dollar.
    """
    import seaborn as sns

    with mpl.rc_context({**sns.axes_style("ticks"), **sns.plotting_context("paper"), **STYLE}):
        yield


def handles(arms: Mapping[str, Look]) -> list[Line2D]:
    """Give the entries of a legend: the highlighted arms, and one for all others."""
    entries = [
        Line2D(
            [],
            [],
            color=look.color,
            linestyle=look.dash,
            linewidth=1.8,
            marker=look.marker,
            markersize=5,
            label=look.label,
        )
        for look in arms.values()
        if look.is_highlighted
    ]
    if rest := len(arms) - len(entries):
        told = f"{rest} other arm{'s' * (rest > 1)}"
        entries.append(Line2D([], [], color=GREY, linewidth=0.9, label=told))
    return entries
