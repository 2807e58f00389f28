"""Examples of a task as an SVG picture, without a drawing library."""

import textwrap
from html import escape

from experiments.examples import Fold, Sheet, Step, fold, number, where

INK, FAINT, PAPER = "#1f2328", "#59636e", "#ffffff"
# Blue-green and vermillion: told apart by colour-blind readers, and by shape: `^`, and a frame.
EVIDENCE, ANSWER = "#00795a", "#b34a00"
LIGHT, DARK = (246, 248, 250), (44, 82, 130)
SIZE, LINE, MARGIN, EDGE = 13, 20, 84, 16
"""Type size, height of a line of text, width of the row names, white around all; in pixels."""
ACROSS, ROWS = 960, 40
"""Pixels across and steps downwards in which an example is drawn; the rest is folded."""
CHARACTER = 0.62
"""Width of a monospaced character, as a share of its size."""


class Page:
    """An SVG page that grows downwards."""

    def __init__(self) -> None:
        self.y = float(EDGE)
        self.width = 0.0
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        fill: str = INK,
        anchor: str = "start",
        weight: str = "normal",
        size: float = SIZE,
    ) -> None:
        """Write a line with its baseline at `y`."""
        if not text:
            return
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}" font-size="{size:g}">{escape(text)}</text>'
        )
        begins = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * _width(text, size)
        self.width = max(self.width, begins + _width(text, size))

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none"
    ) -> None:
        """Draw a rectangle; a frame lies inside it."""
        inset = 1.0 if stroke != "none" else 0.0
        self._parts.append(
            f'<rect x="{x + inset:.1f}" y="{y + inset:.1f}" width="{width - 2 * inset:.1f}" '
            f'height="{height - 2 * inset:.1f}" fill="{fill}" stroke="{stroke}" '
            f'stroke-width="{2 * inset:g}"/>'
        )
        self.width = max(self.width, x + width)

    def svg(self, title: str, description: str) -> str:
        """Give the whole file."""
        width, height = self.width + EDGE, self.y + EDGE
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img" xml:space="preserve" '
            'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">'
        )
        names = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        return "\n".join([head, names, paper, *self._parts, "</svg>"]) + "\n"


def drawing(sheet: Sheet) -> str:
    """Draw a sheet of examples."""
    page = Page()
    page.text(EDGE, page.y + SIZE, sheet.title, weight="bold", size=SIZE + 3)
    page.y += LINE * 1.5
    page.text(EDGE, page.y + SIZE, sheet.summary)
    page.y += LINE * 1.5
    name_width = _width("  ", SIZE) + max(_width(name, SIZE) for name, _ in sheet.facts)
    for name, fact in sheet.facts:
        page.text(EDGE, page.y + SIZE, name, fill=FAINT)
        for line in textwrap.wrap(fact, 100) or [""]:
            page.text(EDGE + name_width, page.y + SIZE, line)
            page.y += LINE
    page.y += LINE * 0.5
    if sheet.is_tall:
        _tall(page, sheet)
    else:
        for n, steps in enumerate(sheet.examples):
            _wide(page, sheet, n, steps)
    _legend(page, sheet)
    facts = "; ".join(f"{name} {fact}".strip() for name, fact in sheet.facts)
    return page.svg(f"{sheet.title}: {sheet.summary}", facts)


def _wide(page: Page, sheet: Sheet, n: int, steps: tuple[Step, ...]) -> None:
    """Draw an example with time from left to right, a row for each number of a step."""
    cell = max(22.0, 8 + _width("0" * sheet.widest, SIZE))
    columns = fold(steps, max(5, int(ACROSS // cell)))
    shown = [(at, steps[c]) for at, c in enumerate(columns) if isinstance(c, int)]
    left = EDGE + MARGIN

    def name(text: str, fill: str = FAINT) -> None:
        page.text(EDGE, page.y + SIZE + 2, text, fill=fill)

    page.text(EDGE, page.y + SIZE, _title(sheet, n), weight="bold")
    page.y += LINE * 1.3
    name("step")
    for at, column in enumerate(columns):
        label = "…" if isinstance(column, Fold) else str(column)
        middle = left + cell * (at + 0.5)
        page.text(middle, page.y + SIZE, label, fill=FAINT, anchor="middle", size=SIZE - 3)
    page.y += LINE
    channels = len(steps[0].inputs)
    for k in range(channels):
        name("input" if channels == 1 else f"input {k + 1}")
        for at, step in shown:
            _cell(page, left + cell * at, cell, sheet, step, k)
        page.y += LINE + 3
    name("evidence", EVIDENCE)
    for at, step in shown:
        if step.is_evidence:
            _mark(page, left + cell * (at + 0.5), "^", EVIDENCE)
    page.y += LINE
    name("answer", ANSWER)
    for at, step in shown:
        if step.answer:
            page.box(left + cell * at, page.y - 1, cell - 1, LINE, PAPER, ANSWER)
            _mark(page, left + cell * (at + 0.5) - 0.5, step.answer, ANSWER)
    page.y += LINE
    for column in columns:
        if isinstance(column, Fold):
            page.text(left, page.y + SIZE, column.text(), fill=FAINT, size=SIZE - 2)
            page.y += LINE
    page.y += LINE


def _cell(page: Page, x: float, cell: float, sheet: Sheet, step: Step, channel: int) -> None:
    value = step.inputs[channel]
    shade = sheet.shade(value)
    stroke = EVIDENCE if step.is_evidence else "none"
    page.box(x, page.y, cell - 1, LINE + 2, _colour(shade), stroke)
    # From here on the paper stands out against the shade more than the ink does.
    fill = PAPER if shade > 0.72 else INK
    weight = "bold" if step.is_evidence else "normal"
    middle, text = x + cell / 2, step.text(channel)
    page.text(middle, page.y + SIZE + 2, text, fill=fill, anchor="middle", weight=weight)


def _tall(page: Page, sheet: Sheet) -> None:
    """Draw examples side by side with time downwards, each step a row of shades."""
    cell = 16.0
    width = cell * len(sheet.examples[0][0].inputs)
    apart = 40 + width + _width(" evidence  ", SIZE)
    apart = max(apart, _width(_title(sheet, 0), SIZE) + 2 * SIZE)
    top = lowest = page.y
    across = max(1, int(ACROSS // apart))
    for n, steps in enumerate(sheet.examples):
        if n % across == 0:
            top = page.y = lowest
        left, y = EDGE + apart * (n % across), top
        page.text(left, y + SIZE, _title(sheet, n), weight="bold")
        y += LINE * 1.5
        for column in fold(steps, ROWS):
            if isinstance(column, Fold):
                page.text(left + 40, y + SIZE, column.text(), fill=FAINT, size=SIZE - 2)
                y += LINE
                continue
            step = steps[column]
            page.text(left + 32, y + SIZE, str(column), fill=FAINT, anchor="end", size=SIZE - 3)
            for k, value in enumerate(step.inputs):
                page.box(left + 40 + cell * k, y, cell - 1, cell - 1, _colour(sheet.shade(value)))
            beside = left + 40 + width + 6
            if step.is_evidence:
                page.text(beside, y + SIZE - 1, "< evidence", fill=EVIDENCE)
            if step.answer:
                asked = f"answer {step.answer}"
                page.box(beside, y - 2, _width(asked, SIZE) + 10, LINE - 1, PAPER, ANSWER)
                page.text(beside + 5, y + SIZE - 1, asked, fill=ANSWER, weight="bold")
            y += cell
        lowest = max(lowest, y + LINE)
    page.y = lowest


def _legend(page: Page, sheet: Sheet) -> None:
    mark = "<" if sheet.is_tall else "^"
    x = float(EDGE)
    for text, fill in (
        (f"{mark} evidence", EVIDENCE),
        ("holds what the answer needs", INK),
        ("answer", ANSWER),
        ("is asked for, and scored", INK),
    ):
        page.text(x, page.y + SIZE, text, fill=fill, weight="bold" if fill != INK else "normal")
        x += _width(text + " " * (3 if fill == INK else 1), SIZE)
    shades = f"shade: from {number(sheet.low)} (light) to {number(sheet.high)} (dark)"
    page.text(x, page.y + SIZE, shades, fill=FAINT)
    page.y += LINE


def _title(sheet: Sheet, n: int) -> str:
    return f"example {n + 1}, evidence {where(sheet.distances[n])}"


def _mark(page: Page, x: float, text: str, fill: str) -> None:
    page.text(x, page.y + SIZE, text, fill=fill, anchor="middle", weight="bold")


def _colour(share: float) -> str:
    mixed = (round(a + share * (b - a)) for a, b in zip(LIGHT, DARK, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _width(text: str, size: float) -> float:
    return len(text) * size * CHARACTER
