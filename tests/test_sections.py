"""The sections of a report: one entry in the list, and every form of the report has it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from page_reader import Page
from planting import plant

from analysis import contents, figures, report
from analysis.gallery import Shown
from analysis.section import Evidence, Section
from analysis.sections import SECTIONS, compose
from analysis.tables import Table

HOSTILE = "<script>alert(1)</script>"


def section(evidence: Evidence) -> Section:
    cells = pd.DataFrame({"arm": ["a_b"], "value": ["1"]})
    drawn = figures.solve_rate_by_lag(evidence.rates, evidence.looks)
    return Section(
        name="planted",
        title="What was planted?",
        lead=[f"Found: {HOSTILE}"],
        tables=[Table("planted", "Planted values", cells)],
        figures=[Shown("planted_rates", "Rates", "How to read it.", "A line.", cells, drawn)],
        note="Counted.",
        data={"planted_values": cells},
    )


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    for name in list(SECTIONS):
        monkeypatch.delitem(SECTIONS, name)
    monkeypatch.setattr(contents, "hang", lambda *_: [])
    study = plant(tmp_path / "runs" / "planted")
    return lambda: report.write(study, tmp_path / "report", stale={}, has_pdf=False)


def test_a_section_stands_in_every_form_of_the_report(
    write: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECTIONS, "planted", section)
    page = Page(write().read_text())
    out = write().parent
    assert "What was planted?" in page.text and f"Found: {HOSTILE}" in page.text
    assert '<section id="planted"' in (out / "index.html").read_text()
    assert 'href="#planted"' in (out / "index.html").read_text()
    assert HOSTILE not in (out / "index.html").read_text()
    text = (out / "report.md").read_text()
    assert "## What was planted?" in text and "![A line.](figures/planted_rates.svg)" in text
    assert (out / "tables/planted_values.csv").exists() and (out / "tables/planted.tex").exists()

    monkeypatch.setitem(SECTIONS, "planted", lambda evidence: None)
    write()
    left = [path.name for path in out.rglob("*") if path.stem.startswith("planted")]
    assert left == [], "what an earlier report had would be taken for this one's"


def test_a_section_about_method_stands_behind_the_environments(
    write: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = lambda evidence: Section("planted", "Method", lead=["So it was made."], place="method")  # noqa: E731
    monkeypatch.setitem(SECTIONS, "planted", method)
    html = write().read_text()
    assert html.index('id="environments"') < html.index('id="planted"') < html.index('id="repeat"')


def test_a_section_with_nothing_to_say_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(SECTIONS):
        monkeypatch.delitem(SECTIONS, name)
    monkeypatch.setitem(SECTIONS, "silent", lambda evidence: None)
    told: list[tuple[str, int, int]] = []
    assert compose(None, lambda *done: told.append(done)) == []  # type: ignore[arg-type]
    assert told == [("sections written", 1, 1)]


def test_the_files_of_a_section_are_called_after_it() -> None:
    with pytest.raises(ValueError, match="'other' in the section 'planted': begin it with"):
        Section("planted", "", data={"other": pd.DataFrame()})
