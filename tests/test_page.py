"""The page: safe whatever the logs hold, asking nobody for anything, readable aloud."""

import base64
import csv
import hashlib
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hostile import HOSTILE
from page_reader import Page
from planting import identity, plant

from analysis import report


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a study with something of everything."""
    study = plant(
        tmp_path_factory.mktemp("study"),
        lambda arm, task, lag, seed: "failed" if (arm, seed) == ("gated", 0) else "solved",
        tasks={"a/x": [5, 30], "b/x": [5]},
        seeds=2,
        claims=[("gated", "plain", None, None)],
    )
    return report.write(study, tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page((written / "index.html").read_text())


def test_the_page_asks_the_network_for_nothing(written: Path, page: Page) -> None:
    for attributes in (attributes for _, attributes in page.tags):
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:", "tables/", "figures/")), value
    html = (written / "index.html").read_text()
    assert not re.search(r"url\(|@import|<script[ /]|<iframe|<object|<embed|<form| on\w+=", html)
    assert all("style" not in attributes for _, attributes in page.tags)
    for attributes in page.all("a"):
        href = str(attributes["href"])
        assert href.startswith("#") or (written / href).is_file()


def test_the_policy_allows_this_style_sheet_this_script_and_nothing_else(
    written: Path, page: Page
) -> None:
    policy = next(
        str(meta["content"])
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    html = (written / "index.html").read_text()
    digests = {}
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digests[tag] = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        # Nothing in it was escaped, or it would not be what was written.
        assert text.count("&") == text.count("&&") * 2
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; "
        f"script-src 'sha256-{digests['script']}'; base-uri 'none'; form-action 'none'"
    )


def test_headings_tables_and_pictures_can_be_read_aloud(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.all("a"):
        href = str(attributes["href"])
        assert not href.startswith("#") or href[1:] in ids
    assert all(header.get("scope") in ("row", "col") for header in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(len(str(image["alt"])) > 100 for image in page.all("img"))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("main")) == 1
    assert all(svg.get("aria-hidden") == "true" for svg in page.all("svg"))


def test_hostile_names_run_nothing_and_break_nothing(tmp_path: Path) -> None:
    study = plant(
        tmp_path / "study",
        lambda arm, task, lag, seed: "failed" if arm == "_hidden" and seed else "solved",
        arms=HOSTILE,
        tasks={"</td>/<b>": [5]},
        seeds=2,
        name="</title><script>alert(1)</script>; rm -rf ~",
        question="<!-- " + "q" * 5000,
        claims=[(HOSTILE[0], HOSTILE[1], None, None)],
    )
    html = report.write(study, tmp_path / "out", has_pdf=False).read_text()
    page = Page(html)
    assert not {"b", "iframe", "form", "link"} & {tag for tag, a in page.tags if "rel" not in a}
    # The page's own script has no attributes; it is the last element, and the only one.
    assert page.all("script") == [{}]
    assert page.tags[-1][0] == "script"
    assert {tag for tag, a in page.tags if a.get("src")} == {"img"}
    assert all(str(image["src"]).startswith("data:image/svg") for image in page.all("img"))
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert "{{7*7}}" in page.text
    for forbidden in ("\u202e", "\x00", "x" * 500, "q" * 1100):
        assert forbidden not in html
    assert "longdep run '</title><script>alert(1)</script>; rm -rf ~'" in page.text
    for path in (tmp_path / "out").rglob("*.csv"):
        for row in csv.reader(path.read_text().splitlines()):
            assert not any(cell.startswith(("=", "+", "@")) for cell in row)


def test_no_path_of_the_machine_is_told(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> str:
        return ("solved", "damaged", "solved")[seed]

    study = plant(tmp_path / "study", fate, seeds=3)
    (study / identity("plain", "adding/x", 5, 0) / "result.json").write_text("{")
    report.write(study, tmp_path / "out", has_pdf=False)
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    told = "".join(written).replace("<wbr>", "").replace("\\", "")
    assert "result.json: not valid JSON" in told
    assert str(tmp_path) not in told
