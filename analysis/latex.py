"""Tables as LaTeX, for a two-column paper: booktabs, a float each, every text escaped."""

from collections.abc import Sequence
from itertools import repeat

from analysis import escaping
from analysis.panels import wrapped
from analysis.tables import Table

PREAMBLE = "% Needs \\usepackage{array,booktabs}."

COLUMN, PAGE = 64, 122
"""How many letters of the table's type a line of a column and of the page hold."""

GAP = 2
"""What the space between two columns takes, in letters."""

LONGEST = 18
"""A column of text is set in lines where it is longer and the table is too wide."""

HEAD = 12
"""A column's head is broken into lines of about this many letters, where its cells are short."""


def write(tables: Sequence[Table]) -> str:
    """Write tables, a float each: in a column where it fits there, else over the page."""
    return "\n\n".join([PREAMBLE, *map(_float, tables)]) + "\n"


def _float(table: Table) -> str:
    rows = [[_cell(value) for value in row] for row in table.cells.itertuples(index=False)]
    lengths = _lengths(table)
    is_column = sum(lengths) + GAP * len(lengths) <= COLUMN
    star = "" if is_column else "*"
    head = " & ".join(map(_head, table.cells.columns, repeat(table)))
    body = []
    for number, row in enumerate(rows):
        if number in table.breaks:
            body.append("\\midrule")
        body.append(" & ".join(row) + " \\\\")
    return "\n".join(
        [
            f"\\begin{{table{star}}}",
            f"\\caption{{{escaping.latex(table.caption, 300)}}}",
            "\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}",
            f"\\begin{{tabular}}{{@{{}}{_columns(table, lengths)}@{{}}}}",
            "\\toprule",
            f"{head} \\\\",
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular}",
            f"\\end{{table{star}}}",
        ]
    )


def _cell(value: object) -> str:
    return escaping.latex(value, 300) if value != "" else ""


def _head(name: str, table: Table) -> str:
    """Give the head of a column, its lines stacked."""
    lines = " \\\\ ".join(map(_cell, _head_lines(name, table)))
    side = "r" if name in table.numbers else "l"
    return f"\\shortstack[{side}]{{{lines}}}"


def _head_lines(name: str, table: Table) -> list[str]:
    width = max(HEAD, min(LONGEST, _longest(table, name)))
    return [line.strip() for line in wrapped(escaping.plain(name, 300), width).split("\n")]


def _longest(table: Table, name: str) -> int:
    return max((len(escaping.plain(value, 300)) for value in table.cells[name]), default=0)


def _lengths(table: Table) -> list[int]:
    """Give the longest line of each column, in letters."""
    return [
        max(_longest(table, name), *map(len, _head_lines(name, table)))
        for name in table.cells.columns
    ]


def _columns(table: Table, lengths: list[int]) -> str:
    """Give each column its kind: right, left, or lines of a width, where the table is too wide."""
    names = list(table.cells.columns)
    room = PAGE - GAP * len(names)
    flexible = [
        place
        for place, name in enumerate(names)
        if name not in table.numbers and lengths[place] > LONGEST
    ]
    kinds = ["r" if name in table.numbers else "l" for name in names]
    if sum(lengths) <= room or not flexible:
        return "".join(kinds)
    # Each gets what its longest word needs, and of the rest a share that grows with its text.
    words = {place: _longest_word(table, names[place]) + 1 for place in flexible}
    wishes = {place: max(1, lengths[place] - words[place]) for place in flexible}
    fixed = sum(length for place, length in enumerate(lengths) if place not in words)
    needed = sum(words.values())
    # Words that are too long for any line run over, in their own column.
    part = min(1.0, max(0.2 * room, room - fixed) / needed)
    rest = max(0, room - fixed - needed)
    for place in flexible:
        width = (part * words[place] + rest * wishes[place] / sum(wishes.values())) / PAGE
        kinds[place] = f">{{\\raggedright\\arraybackslash}}p{{{width:.3f}\\textwidth}}"
    return "".join(kinds)


def _longest_word(table: Table, name: str) -> int:
    """Give the longest part of a column that no line may break, in letters."""
    words = wrapped(escaping.plain(" ".join(table.cells[name]), 10_000), 1).split("\n")
    return max(map(len, [*words, *_head_lines(name, table)]))
