"""Tables sort and filter, by mouse and by keyboard; without scripts they are whole."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from visiting import Visit

UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
COMPARISON = "table.comparison"


@pytest.fixture
def seen(visit: Callable[..., Visit], pages: dict[str, Path]) -> Iterator[Visit]:
    """Give a fresh window on the planted quick study."""
    window = visit(pages["quick"])
    yield window
    window.close()


def column(seen: Visit, name: str) -> list[str]:
    """Give what the first comparison table shows in a column, row by row."""
    heads = seen.texts(f"{COMPARISON} >> nth=0 >> thead th")
    place = [re.sub(r"\W+$", "", head) for head in heads].index(name) + 1
    return seen.texts(f"{COMPARISON} >> nth=0 >> tbody tr > :nth-child({place})")


def button(seen: Visit, name: str) -> object:
    return seen.page.locator(COMPARISON).first.get_by_role("button", name=name, exact=True)


def order(seen: Visit) -> dict[str, str]:
    """Give the column headers by which the first comparison table is sorted, and how."""
    heads = seen.page.locator(f"{COMPARISON} >> nth=0 >> thead th").all()
    told = {head.inner_text(): head.get_attribute("aria-sort") for head in heads}
    assert None not in told.values()
    return {name: how for name, how in told.items() if how != "none"}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def seconds(text: str) -> tuple[str, float]:
    """Read a time with its path: times of two paths are not ranked, so each path stands alone."""
    value, unit, path = re.fullmatch(r"([\d.]+) (s|ms|µs), (\w+)", text).groups()
    return path, float(value) * UNITS[unit]


KEYS: dict[str, Callable[[str], object]] = {
    "arm": str,
    "lag": number,
    "parameters": number,
    "time per step": seconds,
}


def misplaced(seen: Visit, name: str) -> list[str]:
    """Give the orders in which a column does not stand where its header says that it does."""
    before = column(seen, name)
    rows = sorted(seen.texts(f"{COMPARISON} >> nth=0 >> tbody tr"))
    found = []
    for how in ("ascending", "descending", None):
        button(seen, name).click()
        if list(order(seen).values()) != ([how] if how else []):
            found.append(f"{how} is not told: {order(seen)}")
        keys = [KEYS[name](text) for text in column(seen, name)]
        if how and keys != sorted(keys, reverse=how == "descending"):
            found.append(f"not {how}: {keys}")
        if sorted(seen.texts(f"{COMPARISON} >> nth=0 >> tbody tr")) != rows:
            found.append("rows came or went")
    return found if column(seen, name) == before else [*found, "the study's order is lost"]


@pytest.mark.parametrize("name", KEYS)
def test_a_table_sorts_by_a_click_on_a_header(seen: Visit, name: str) -> None:
    assert len(set(column(seen, name))) > 1
    assert misplaced(seen, name) == []
    assert seen.noise() == []


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_table_sorts_by_the_keyboard(seen: Visit, key: str) -> None:
    button(seen, "arm").focus()
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press(key)
    assert list(order(seen).values()) == ["ascending"]
    lags = [int(text) for text in column(seen, "lag")]
    assert lags == sorted(lags)
    assert seen.page.evaluate("() => document.activeElement.tagName") == "BUTTON"


def test_a_filter_keeps_the_rows_that_hold_every_word(seen: Visit) -> None:
    box = seen.page.get_by_role("searchbox").first
    rows = seen.page.locator(f"{COMPARISON} tbody tr")
    everything = rows.count()
    box.focus()
    seen.page.keyboard.type("Highway adding")
    shown = [row.inner_text() for row in rows.all() if row.is_visible()]
    assert 0 < len(shown) < everything
    assert all("highway" in text for text in shown)
    told = f"{len(shown)} of {everything} rows"
    assert seen.texts("output")[0] == told
    assert told in seen.aloud()["StaticText"]
    for _ in "Highway adding":
        seen.page.keyboard.press("Backspace")
    assert all(row.is_visible() for row in rows.all())
    seen.page.keyboard.type("no such row")
    assert not any(row.is_visible() for row in rows.all())
    assert seen.overflow("light", 360) == []
    assert seen.noise() == []


def test_a_link_to_a_row_that_is_filtered_away_shows_it(seen: Visit) -> None:
    trials = seen.page.locator("table.trials")
    filters = seen.page.get_by_role("searchbox", name="trials of each group")
    filters.fill("no such row")
    assert not trials.locator("tbody tr").first.is_visible()
    link = seen.page.locator(f"{COMPARISON} a[href^='#']").first
    target = link.get_attribute("href")
    link.click()
    seen.page.locator(f"{target}").wait_for(state="visible", timeout=2000)
    assert filters.input_value() == ""


def test_without_scripts_the_tables_are_whole(
    visit: Callable[..., Visit], pages: dict[str, Path], seen: Visit
) -> None:
    plain = visit(pages["quick"], java_script_enabled=False)
    assert plain.page.locator("thead button, .filter").count() == 0
    assert plain.texts("tbody tr") == seen.texts("tbody tr")
    assert plain.texts("thead th") == seen.texts("thead th")
    plain.close()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (".sort(compared(column,", ".sort(((column) => () => 0)(column,"),
        ("numberOf(a) - numberOf(b)", "numberOf(b) - numberOf(a)"),
        ("append(...sorted)", "append(...sorted.slice(0, -1))"),
        ('head.setAttribute("aria-sort", order)', "head.dataset.order = order"),
    ],
)
def test_the_check_of_an_order_finds_a_fault(
    visit: Callable[..., Visit], pages: dict[str, Path], tmp_path: Path, good: str, bad: str
) -> None:
    html = re.sub(r"<meta http-equiv[^>]*>", "", pages["quick"].read_text())
    assert html.count(good) == 1
    path = tmp_path / "index.html"
    path.write_text(html.replace(good, bad))
    seen = visit(path)
    assert misplaced(seen, "parameters") != []
    seen.close()
