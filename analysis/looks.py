"""How figures look: one colour, dash and marker per arm, the type, and files that never differ.

The first five colours stay apart (CIE76 distance of 17 and more) for readers with protanopia,
deuteranopia and tritanopia, and all have a contrast of at least 3 on white. Dash and marker tell
the arms apart in grey. From the ninth arm on colours are grey: no reader tells more apart.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
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


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """Give each arm its look. The order decides: hold it still throughout a study."""
    return {
        arm: Look(
            label=label,
            color=COLORS[number] if number < len(COLORS) else GREY,
            dash=DASHES[number % len(DASHES)],
            marker=MARKERS[number % len(MARKERS)],
        )
        for number, (arm, label) in enumerate(short(arms).items())
    }


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Make figures, and draw them, in our style; leave nothing of it behind.

    Formulas are off in every text that is made here, wherever it is drawn: `$` is a dollar.
    """
    import seaborn as sns

    with mpl.rc_context({**sns.axes_style("ticks"), **sns.plotting_context("paper"), **STYLE}):
        yield


def handles(arms: dict[str, Look], *, has_markers: bool = True) -> list[Line2D]:
    """Give the entries of a legend."""
    return [
        Line2D(
            [],
            [],
            color=look.color,
            linestyle=look.dash,
            linewidth=1.8,
            marker=look.marker if has_markers else "",
            markersize=5,
            label=look.label,
        )
        for look in arms.values()
    ]


def svg(figure: Figure) -> str:
    """Give a figure as SVG: the same bytes for the same data, with no date and no font needed."""
    buffer = io.StringIO()
    with styled(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
