"""Tables and text, escaped for each place they go to."""

import csv
import io
from html.parser import HTMLParser

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markupsafe import Markup

from analysis import drawings, escaping, looks, tables
from analysis.tables import Table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
    "[x](javascript:alert(1))",
    "![x](http://example.org/y.png)",
    "<http://example.org>",
    "a|b\nc\r\nd",
    "`code` *em* _em_ ~~del~~ # head",
    "$\\frac{1}{2}$ $$x$$",
    "{{7*7}} {% raw %}",
    "=HYPERLINK(1)",
    "\u202egnp.exe\u2066",
    "\x00\x1b[31m\x7f",
    "\ud800",
    "\u2028line\u2029",
    "_hidden",
    "\\",
    "\\|",
    "x" * 5000,
]


class Reader(HTMLParser):
    """Collects the tags, the attributes and the text of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(str(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def cells_of(columns: dict[str, list[object]]) -> pd.DataFrame:
    """Give a frame of objects: a column of text takes no half of a surrogate pair."""
    frame = pd.DataFrame(dict(enumerate(columns.values())), dtype=object)
    return frame.set_axis(pd.Index(list(columns), dtype=object), axis=1)


def table(**more: object) -> Table:
    cells = pd.DataFrame({"arm": ["a", "b"], "solved": ["1/5", "5/5"], "note": ["", "x"]})
    return Table("some", "A table", cells, **({"numbers": ["solved"]} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_becomes_one_line_without_controls_and_is_cut(text: str) -> None:
    shown = escaping.plain(text)
    assert shown.isprintable()
    assert 0 < len(shown) <= escaping.LIMIT
    shown.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_html_holds_hostile_text_as_text(text: str) -> None:
    cells = cells_of({text: [text, "x"], "solved": [text, "x"]})
    read = Reader(tables.html(Table("t", text, cells, anchors=[text, "b"])))
    allowed = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "wbr"}
    assert set(read.tags) <= allowed
    names = {name for _, name, _ in read.attributes}
    assert names <= {"class", "role", "tabindex", "aria-label", "scope", "id"}
    assert escaping.plain(text, 400)[:100] in read.text


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_holds_hostile_text_as_text(text: str) -> None:
    cells = cells_of({"arm": [text, "last"], "solved": ["1/5", "5/5"]})
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(tables.markdown(cells))
    flat = [child for token in tokens for child in (token.children or [token])]
    assert {t.tag for t in flat} <= {"table", "thead", "tbody", "tr", "th", "td", ""}
    assert {t.type for t in flat if t.tag == ""} <= {"text", "text_special", "inline"}
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert sum(token.type == "td_open" for token in tokens) == 4
    first = next(t for t in tokens if t.type == "inline" and t.map and t.map[0] == 2)
    told = "".join(child.content for child in first.children or [])
    assert told == escaping.plain(text, 1000)


@pytest.mark.parametrize("text", [*HOSTILE, "+1", "-x", "@SUM(1)", "\t=1", " =1"])
def test_a_spreadsheet_takes_no_text_for_a_formula_and_no_row_breaks(text: str) -> None:
    written = tables.csv(cells_of({"a": [text], "b": [-1.5]}))
    head, row = list(csv.reader(io.StringIO(written)))
    assert head == ["a", "b"]
    assert row[0][:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert row[1] == "-1.5"


def test_csv_gives_numbers_in_full_and_nothing_for_what_is_not_there() -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", "", None],
            "float": [0.1 + 0.2, float("nan"), float("inf")],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
        }
    )
    assert tables.csv(frame).splitlines() == [
        "text,float,whole,flag",
        "a,0.30000000000000004,1,True",
        ",,,False",
        ",inf,3,True",
    ]


def test_rows_and_columns_have_headers_with_a_scope() -> None:
    html = tables.html(table(headers=2))
    assert html.count('<th scope="col"') == 3
    assert html.count('<th scope="row"') == 4
    assert html.count("<td") == 2
    assert '<th scope="row" class="number">1/5</th>' in html
    assert "<caption>A table</caption>" in html


def test_a_row_may_have_an_anchor_and_a_line_above_it() -> None:
    html = tables.html(table(anchors=["g1", "g2"], breaks=[1]))
    assert '<tr id="g1"><th' in html
    assert '<tr id="g2" class="begins"><th' in html


def test_drawn_cells_replace_text_in_html_and_leave_markdown_alone() -> None:
    drawn = table(drawn={"solved": [Markup("<b>one</b>"), Markup("<b>five</b>")]})
    assert "<b>five</b>" in drawn.html
    assert "5/5" not in drawn.html
    assert "5/5" in drawn.markdown


def test_long_names_may_break_and_counts_may_not() -> None:
    html = tables.html(Table("t", "c", pd.DataFrame({"task": ["a_b/c"], "solved": ["5/5"]})))
    assert "a_<wbr>b/<wbr>c" in html
    assert "5/5" in html


@pytest.mark.parametrize(
    ("p", "told"),
    [(0.5, "0.5"), (0.04999, "0.05"), (0.00195, "0.0019"), (1e-5, "< 0.0001"), (1.0, "1"),
     (float("nan"), tables.NOTHING)],
)  # fmt: skip
def test_p_values_are_told_with_two_digits(p: float, told: str) -> None:
    assert tables.p_value(p) == told


@pytest.mark.parametrize(
    ("time", "told"),
    [(2.5, "2.5 s"), (0.00123, "1.23 ms"), (0.000822, "822 µs"), (2e-7, "0.2 µs")],
)
def test_times_are_told_in_a_readable_unit(time: float, told: str) -> None:
    assert tables.seconds(time) == told


def test_missing_numbers_are_told_as_nothing() -> None:
    nan = float("nan")
    told = {tables.percent(nan), tables.score(nan), tables.whole(pd.NA), tables.seconds(nan)}
    assert told == {tables.NOTHING}
    assert tables.whole(12345) == "12,345"
    assert tables.percent(0.57) == "57%"


def test_a_drawing_takes_nothing_but_numbers_and_its_own_words() -> None:
    look = looks.looks(["<b>"])["<b>"]
    for drawn in (
        drawings.swatch(0, look),
        drawings.interval(0, -1, 0.5, 2),
        drawings.heat(3, 5, 1),
    ):
        assert isinstance(drawn, Markup)
        assert "<b>" not in drawn
    assert 'd="M4.0 6H76.0"' in drawings.interval(0, -1, 0.5, 2)
    levels = [str(drawings.heat(k, 5, 1)).partition("heat-")[2][0] for k in range(6)]
    assert levels == ["0", "1", "2", "2", "3", "4"]
