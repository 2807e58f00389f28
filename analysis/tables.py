"""Tables: a frame of cells to HTML, Markdown and CSV, each escaped for where it goes."""

import csv as csv_format
import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from analysis import escaping

MANY_TASKS = 6
"""More of them do not stand side by side on a page."""

NOTHING = "\u2013"
"""What a cell shows where there is no value."""


@dataclass(frozen=True)
class Table:
    """Cells as text, ready to be shown.

    The first `headers` columns name their row. `numbers` are set flush right. `drawn` replaces the
    cells of a column in HTML, by markup that is made in this package. `keys` say by what a column
    is sorted on the page, where it is not the text. `anchors` gives each row an id, `breaks` are
    the rows with a line above them. A table that is `fixed` keeps the order of its rows.
    """

    name: str
    caption: str
    cells: pd.DataFrame
    headers: int = 1
    numbers: Sequence[str] = ()
    drawn: Mapping[str, Sequence[Markup]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    anchors: Sequence[str] = ()
    breaks: Sequence[int] = ()
    is_fixed: bool = False

    @property
    def html(self) -> Markup:
        """The table as HTML, in a container of its own in which it scrolls."""
        return html(self)

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return markdown(self.cells, self.numbers)


def html(table: Table) -> Markup:
    """Write a table: a caption, column and row headers with their scope, everything escaped."""
    columns = list(table.cells.columns)
    kinds = [' class="number"' if column in table.numbers else "" for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{_cell(column)}</th>'
        for column, kind in zip(columns, kinds, strict=True)
    )
    body = []
    for number, row in enumerate(table.cells.itertuples(index=False, name=None)):
        cells = []
        for place, (column, value) in enumerate(zip(columns, row, strict=True)):
            shown = table.drawn[column][number] if column in table.drawn else _cell(value)
            tag = 'th scope="row"' if place < table.headers else "td"
            key = (
                f' data-key="{escape(table.keys[column][number])}"' if column in table.keys else ""
            )
            cells.append(f"<{tag}{kinds[place]}{key}>{shown}</{tag.partition(' ')[0]}>")
        anchor = f' id="{escape(table.anchors[number])}"' if table.anchors else ""
        begins = ' class="begins"' if number in table.breaks else ""
        body.append(f"<tr{anchor}{begins}>{''.join(cells)}</tr>")
    caption, fixed = escape(table.caption), " data-fixed" if table.is_fixed else ""
    return Markup(  # every part above is escaped
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">'
        f'<table class="{escape(table.name)}"{fixed}><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def markdown(cells: pd.DataFrame, numbers: Sequence[str] = ()) -> str:
    """Write a frame of text as a Markdown table."""
    rule = ["---:" if column in numbers else "---" for column in cells.columns]
    rows = [
        [escaping.markdown(value, 1000) if value != "" else "" for value in row]
        for row in [tuple(cells.columns), *cells.itertuples(index=False, name=None)]
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def csv(frame: pd.DataFrame) -> str:
    """Write a frame as CSV: numbers in full, nothing where there is no value, text escaped."""
    buffer = io.StringIO()
    writer = csv_format.writer(buffer, lineterminator="\n")
    writer.writerow([escaping.csv(column) for column in frame.columns])
    columns = [_fields(frame.iloc[:, place].tolist()) for place in range(frame.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def percent(value: float) -> str:
    """Give a share in whole percent."""
    return NOTHING if math.isnan(value) else f"{value:.0%}"


def score(value: float) -> str:
    """Give a score to three places."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"


def whole(value: Any) -> str:
    """Give a whole number with its thousands apart."""
    return NOTHING if pd.isna(value) else f"{int(value):,}"


def p_value(value: float) -> str:
    """Give a p with two significant digits, and what is below .0001 as that."""
    if math.isnan(value):
        return NOTHING
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}" if value < 0.995 else "1"


def seconds(value: float) -> str:
    """Give a short time with a unit that keeps it readable."""
    if math.isnan(value):
        return NOTHING
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.2g} µs"


def _cell(value: object) -> Markup:
    # Long names may break where a reader would break them; what has no such place, anywhere.
    parts = re.split(r"(?<=[/_])(?=[^\W\d])", escaping.plain(value, 400) if value != "" else "")
    pieces = (re.findall(r"\S{24}(?=\S{8})|(?:(?!\S{32}).)+", part) for part in parts)
    return Markup("<wbr>").join(itertools.chain.from_iterable(pieces))


def _fields(values: list[object]) -> list[str]:
    # A column of text has few different values.
    texts = {value: escaping.csv(value) for value in {v for v in values if isinstance(v, str)}}
    return [texts[value] if isinstance(value, str) else _field(value) for value in values]


def _field(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)
