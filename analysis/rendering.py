"""Figures as files: the same bytes for the same data, with no date and no font needed."""

import io

from matplotlib.figure import Figure

from analysis.looks import styled
from analysis.panels import COLUMN, Panels


def svg(figure: Figure) -> str:
    """Give a figure as SVG, as it stands; its type is outlines."""
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def pdf(figure: Panels) -> bytes:
    """Give a figure as PDF, laid out for a column of a two-column paper; its type is embedded."""
    buffer = io.BytesIO()
    nobody = dict.fromkeys(("CreationDate", "Creator", "Producer"))
    with figure.arranged(COLUMN):
        figure.savefig(buffer, format="pdf", metadata=nobody)
    return buffer.getvalue()
