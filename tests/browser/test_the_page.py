"""The report in a browser: quiet, whole at every width, readable in every mode and aloud.

Every check is also shown a page with the fault it looks for.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planted_pages import PAGES
from visiting import MODES, PAPER, WIDTHS, Visit

Opened = Callable[[str], Visit]


@pytest.fixture(scope="module")
def opened(visit: Callable[..., Visit], pages: dict[str, Path]) -> Iterator[Opened]:
    """Give a page by name, opened once for all tests."""
    visits: dict[str, Visit] = {}

    def one(name: str) -> Visit:
        if name not in visits:
            visits[name] = visit(pages[name])
        return visits[name]

    yield one
    for each in visits.values():
        each.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk_without_a_request_or_a_word(opened: Opened, name: str) -> None:
    seen = opened(name)
    for mode in MODES:
        seen.see(mode)
    assert seen.noise() == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_page(opened: Opened, name: str) -> None:
    for width in WIDTHS:
        assert opened(name).overflow("light", width) == [], width
    assert opened(name).overflow("print", PAPER) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAGES)
def test_every_text_stands_out_from_its_ground(opened: Opened, name: str, mode: str) -> None:
    assert opened(name).pale(mode) == []


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(opened: Opened, axe: str, name: str, mode: str) -> None:
    assert opened(name).axe(axe, mode) == []


def unread(seen: Visit) -> list[str]:
    """Give what stands on the page and is missing from the accessibility tree, or has no name."""
    said = seen.aloud()
    wanted = {
        "heading": seen.texts("h1, h2, h3, h4"),
        "columnheader": seen.texts("thead th"),
        "rowheader": seen.texts("tbody th"),
        "image": seen.texts("img", "alt"),
        "table": seen.texts("caption"),
    }
    # A place where a long name may break is a space to the tree.
    heard = {role: {name.replace(" ", "") for name in names} for role, names in said.items()}
    missing = [
        f"{role}: {text}"
        for role, texts in wanted.items()
        for text in texts
        if not text or text.replace(" ", "") not in heard.get(role, set())
    ]
    counts = {"img": "image", "table": "table", "thead tr > *": "columnheader"}
    for selector, role in counts.items():
        if len(seen.texts(selector)) != len(said.get(role, [])):
            missing.append(f"{selector} is not always a {role}")
    return missing


@pytest.mark.parametrize("name", PAGES)
def test_headings_tables_and_pictures_are_in_the_accessibility_tree(
    opened: Opened, name: str
) -> None:
    assert unread(opened(name)) == []


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["policy", "no policy"])
@pytest.mark.parametrize("name", ["hostile", "two hostile studies"])
def test_hostile_names_run_nothing(
    visit: Callable[..., Visit],
    opened: Opened,
    pages: dict[str, Path],
    name: str,
    bypass_csp: bool,
) -> None:
    seen = visit(pages[name], bypass_csp=bypass_csp)
    for _ in range(30):
        seen.page.keyboard.press("Tab")
    for role in ("h1", "caption", "th", "td"):
        seen.page.locator(role).first.hover()
    assert seen.noise() == []
    kinds = "(all) => [...new Set(all.map(e => e.tagName))]"
    known = {tag for name in PAGES for tag in opened(name).page.eval_on_selector_all("*", kinds)}
    assert set(seen.page.eval_on_selector_all("*", kinds)) <= known
    scripts = "(all) => all.map(e => e.textContent)"
    written = opened("quick").page.eval_on_selector_all("script", scripts)
    assert seen.page.eval_on_selector_all("script", scripts) == written
    handlers = "(all) => all.flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    assert seen.page.eval_on_selector_all("*", handlers) == []
    assert "<img src=x onerror=alert(1)>" in seen.page.inner_text("main")
    seen.close()


# --- each check finds its fault ------------------------------------------------------------------

HAS_NO_POLICY = (r"<meta http-equiv[^>]*>", "")
PICTURE = ("</main>", '<img src="http://127.0.0.1:9/x.png" alt="A picture from elsewhere."></main>')
PALE = ("</main>", '<p style="color:#8a8a8a;background:#fff">Pale.</p></main>')
ON_PAPER = ("</main>", "<style>@media print{h2{color:#fff;background:#000}}</style></main>")
IN_THE_DARK = (
    "</main>",
    "<style>@media (prefers-color-scheme:dark){p{color:#444!important}}</style></main>",
)
WIDE = ("</main>", '<div style="width:2000px">Wide.</div></main>')
CUT = (
    "</main>",
    '<p style="width:4em;overflow:hidden;white-space:nowrap">A line that is cut.</p></main>',
)
NO_HEADER = (r"<th scope=\"col\"([^>]*)>(.*?)</th>", r"<td\1>\2</td>")
NO_TEXT = (r' alt="[^"]*"', ' alt=""')
NO_LANGUAGE = ('<html lang="en">', "<html>")
SCRIPT = ("</main>", "<img src=x onerror=alert(1) alt=x></main>")

FAULTS: dict[str, tuple[tuple[str, str], Callable[[Visit], list[str]]]] = {
    "a request": (PICTURE, lambda seen: [s for s in seen.noise() if s.startswith("request http")]),
    "a script": (SCRIPT, lambda seen: [s for s in seen.noise() if s.startswith("dialog")]),
    "a wide box at 360": (WIDE, lambda seen: seen.overflow("light", 360)),
    "a wide box at 1440": (WIDE, lambda seen: seen.overflow("light", 1440)),
    "a wide box on paper": (WIDE, lambda seen: seen.overflow("print", PAPER)),
    "a cut line": (CUT, lambda seen: seen.overflow("light", 768)),
    "pale text": (PALE, lambda seen: seen.pale("light")),
    "pale text in the dark": (IN_THE_DARK, lambda seen: seen.pale("dark")),
    "pale text on paper": (ON_PAPER, lambda seen: seen.pale("print")),
    "a header that is none": (NO_HEADER, unread),
    "a picture without words": (NO_TEXT, unread),
}


def faulty(tmp_path: Path, page: Path, *changes: tuple[str, str]) -> Path:
    """Write a page again with a fault in it."""
    html = page.read_text()
    for pattern, replacement in changes:
        changed = re.sub(pattern, replacement, html, count=1)
        assert changed != html, pattern
        html = changed
    path = tmp_path / "index.html"
    path.write_text(html)
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_each_check_finds_its_fault(
    visit: Callable[..., Visit], pages: dict[str, Path], tmp_path: Path, fault: str
) -> None:
    change, check = FAULTS[fault]
    seen = visit(faulty(tmp_path, pages["worries"], HAS_NO_POLICY, change))
    seen.page.wait_for_timeout(100)
    assert check(seen) != []
    seen.close()


def test_axe_finds_a_fault(
    visit: Callable[..., Visit], axe: str, pages: dict[str, Path], tmp_path: Path
) -> None:
    seen = visit(faulty(tmp_path, pages["worries"], NO_LANGUAGE))
    assert any(found.startswith("html-has-lang") for found in seen.axe(axe, "light"))
    seen.close()


def test_what_the_policy_stops_is_said_aloud(
    visit: Callable[..., Visit], pages: dict[str, Path], tmp_path: Path
) -> None:
    for fault in (PICTURE, SCRIPT):
        seen = visit(faulty(tmp_path, pages["worries"], fault))
        assert any("Content Security Policy" in message for message in seen.messages)
        assert seen.dialogs == []
        seen.close()
