"""The report: what it says of a study like the quick one, and of studies that hold little."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from page_reader import Page
from planted_quick import QUICK, quick
from planting import Fate, identity, plant

from analysis import gallery, report
from analysis.json_file import StudyFileError
from analysis.section import owns
from analysis.sections import SECTIONS


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a study like the quick one."""
    study = plant(tmp_path_factory.mktemp("runs") / "quick", quick(), **QUICK)
    out = tmp_path_factory.mktemp("reports")
    assert report.write(study, out, stale={}) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page((written / "index.html").read_text())


# --- what it concludes ---------------------------------------------------------------------------


def test_the_answer_is_computed(page: Page) -> None:
    assert (
        "No arm solves every task at its longest lag with every seed: highway solves 3 of 4; "
        "rnn, lstm, residual and densenet each solve 1 of 4." in page.text
    )
    assert (
        "adding/arjovsky, lag 30: lstm and highway solve it with 5 of 5 seeds; rnn, residual and "
        "densenet with 0 of 5. At lag 5 every trial solves it." in page.text
    )
    assert (
        "rnn solves more seeds than highway on copy_memory/small at lag 20 (5/5 against 0/5), and "
        "fewer on temporal_order/pascanu at lag 60 (0/5 against 5/5), adding/arjovsky at lag 30 "
        "(0/5 against 5/5) and sequential_digits/rows at lag 20 (0/5 against 5/5)." in page.text
    )
    assert "supported rnn solves more often than highway (copy_memory/small, lag 20)" in page.text
    assert "Preliminary: 5 seeds per group" in page.text


NO_ORDER = "No order among the arms is given"

EDGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing done": (
        {"fates": lambda *_: "missing", "claims": [("gated", "plain", None, None)]},
        "No trial has a result yet: there is nothing to conclude.",
        "10 missing",
    ),
    "all failed": (
        {"fates": lambda *_: "failed"},
        "No trial has a result yet: there is nothing to conclude.",
        "RuntimeError: the disk is full",
    ),
    "one seed": (
        {"fates": lambda a, t, lag, s: "solved" if a == "gated" else "unsolved", "seeds": 1},
        "gated solves the task at lag 5 with its one seed.",
        "Preliminary: 1 seed per group",
    ),
    "one arm": (
        {"arms": ["alone"], "tasks": {"a/x": [5, 30]}},
        "Every trial solves its task, at every lag.",
        "One arm was run: there is nothing to compare it with.",
    ),
    "all solved": (
        {"claims": [("gated", "plain", None, None)]},
        "these lags do not tell the arms apart",
        "no difference was seen",
    ),
    "none solved": (
        {"fates": lambda *_: "unsolved"},
        "nothing is learnt about the lag",
        "> 1,000",
    ),
    "one lag": (
        {"fates": lambda a, t, lag, s: "solved" if s else "diverged"},
        "No arm solves the task at lag 5 with every seed.",
        "what the lag does is not shown",
    ),
    "missing cells": (
        {
            "fates": lambda a, t, lag, s: "missing" if (a, lag) == ("gated", 30) else "solved",
            "tasks": {"a/x": [5, 30]},
        },
        NO_ORDER,
        "0 of 5",
    ),
    "only measured": (
        {"fates": lambda *_: Fate("measured", rows=[])},
        "No solve rate can be stated",
        "no chance level",
    ),
    "no chance level": (
        {"fates": lambda *_: Fate("unsolved", config={"chance": None})},
        "No solve rate can be stated",
        "no chance level",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EDGES)
def test_a_report_claims_nothing_that_the_data_do_not_hold(tmp_path: Path, name: str) -> None:
    given, headline, also = EDGES[name]
    path = report.write(plant(tmp_path / "study", **given), tmp_path / "out", has_pdf=False)
    page = Page(path.read_text())
    assert headline in page.text
    assert also in page.text
    # A number that there is not is told as nothing; a picture is told in words.
    assert not re.search(r"\b(nan|NaN|inf|None|<NA>)\b", page.text)
    assert all(not re.search(r"\bnan\b", str(image["alt"])) for image in page.all("img"))
    assert len(page.all("img")) == len(page.all("figcaption"))
    for tex in (tmp_path / "out/tables").glob("*.tex"):
        assert "nan" not in tex.read_text()
    if name in ("nothing done", "all failed", "missing cells"):
        assert 'class="verdict supported"' not in path.read_text()
        assert "solves it" not in page.text.replace("every trial solves it", "")


def test_trials_that_moved_or_noted_something_are_named(tmp_path: Path) -> None:
    study = plant(tmp_path / "study", seeds=2)
    moved, noted = (identity("gated", "adding/x", 5, seed) for seed in (0, 1))
    for trial, change in ((moved, {"bit_exact": False}), (noted, {"notes": ["<b>Was moved.</b>"]})):
        path = study / trial / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    page = Page(report.write(study, tmp_path / "out", has_pdf=False).read_text())
    table = page.text.partition("Finished trials with a note")[2].partition("Comparison")[0]
    assert f"{moved}gated | adding/x | 50solvedbit_exact: false" in table
    assert f"{noted}gated | adding/x | 51solved<b>Was moved.</b>" in table
    assert identity("plain", "adding/x", 5, 0) not in table
    assert "1 trials went on in another environment" not in page.text
    assert "1 trial went on in another environment" in page.text
    assert f"| {moved} | gated | adding/x | 5" in (tmp_path / "out/report.md").read_text().replace(
        "\\", ""
    )


def test_stale_trials_are_named_at_the_top_and_unchecked_ones_are_not_called_fresh(
    tmp_path: Path,
) -> None:
    study = plant(tmp_path / "study")
    stale = {identity("plain", "adding/x", 5, 0): ["lightning_modules/training.py"]}
    text = Page(report.write(study, tmp_path / "a", stale=stale, has_pdf=False).read_text()).text
    assert "1 stale" in text.partition("Answer")[0]
    assert "1 of 10 finished trials are stale" in text
    assert "lightning_modules/training.py changed since they ran" in text
    text = Page(report.write(study, tmp_path / "b", has_pdf=False).read_text()).text
    assert "not checked stale" in text
    assert "was not checked" in text


def test_an_exhaustive_space_is_called_one(page: Page) -> None:
    assert "exhaustive: training and test are the same space" in page.text


# --- that it is whole ----------------------------------------------------------------------------


def test_all_files_are_there_and_hold_the_numbers(written: Path) -> None:
    names = {
        str(path.relative_to(written))
        for path in written.rglob("*")
        if path.is_file() and not any(owns(section, path.stem) for section in SECTIONS)
    }
    tables = ("comparison", "claims", "trials", "ledger", "sizes", "tasks", "environments")
    latex = ("comparison", "glance", "claims", "arms", "sizes", "tasks", "environments")
    assert names == {
        "index.html",
        "report.md",
        *(f"tables/{name}.csv" for name in tables),
        *(f"tables/{name}.tex" for name in latex),
        *(f"figures/{name}.{kind}" for name in gallery.NAMES for kind in ("csv", "svg", "pdf")),
    }
    rows = list(csv.DictReader((written / "tables/comparison.csv").read_text().splitlines()))
    assert len(rows) == 40
    (row,) = [
        row
        for row in rows
        if (row["arm"], row["task"], row["lag"]) == ("lstm", "temporal_order/pascanu", "60")
    ]
    assert (row["solved"], row["n"], row["rate"]) == ("4", "5", "0.8")
    assert (
        len(list(csv.DictReader((written / "tables/trials.csv").read_text().splitlines()))) == 200
    )


@pytest.mark.slow
def test_the_same_logs_give_the_same_bytes(tmp_path: Path) -> None:
    study = plant(tmp_path / "study", tasks={"a/x": [5, 30]}, seeds=2)
    files: list[Mapping[str, bytes]] = []
    for name in ("a", "b"):
        report.write(study, tmp_path / name)
        found = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        files.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in found})
    assert files[0] == files[1]


def test_every_number_leads_to_its_trials(page: Page) -> None:
    links = {a["href"] for a in page.all("a") if re.match(r"#g\d", str(a["href"]))}
    rows = {row["id"] for row in page.all("tr") if "id" in row}
    assert links == {f"#{anchor}" for anchor in rows}
    assert len(rows) == 40
    for arm in QUICK["arms"]:
        for seed in range(5):
            assert identity(arm, "adding/arjovsky", 30, seed) in page.text


def test_the_markdown_says_the_same(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "**No arm solves every task at its longest lag with every seed" in text
    assert "- supported: highway solves more often than rnn" in text
    assert "200 planned, 200 done, 0 failed, 0 running, 0 interrupted, 0 missing, 0 damaged" in text
    assert "| lstm | 60 | 4/5 |" in text
    for name in re.findall(r"\((figures/[^)]*)\)", text):
        assert (written / name).is_file()


def test_a_figure_of_an_earlier_report_is_not_left_beside_a_later_one(tmp_path: Path) -> None:
    report.write(plant(tmp_path / "full", seeds=1), tmp_path / "out")
    (tmp_path / "out/figures/own.svg").write_text("mine")
    report.write(plant(tmp_path / "none", lambda *_: "missing"), tmp_path / "out", has_pdf=False)
    assert [path.name for path in (tmp_path / "out/figures").iterdir()] == ["own.svg"]


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    study = plant(tmp_path / "study", seeds=1)
    report.write(study, tmp_path / "out", None, lambda *what: told.append(what), has_pdf=False)
    assert [what for what, done, of in told if done == of] == [
        "logs read",
        "claims judged",
        "figures drawn",
        "sections written",
        "figures rendered",
        "files written",
    ]


def test_a_place_that_can_be_no_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StudyFileError, match="is no folder; the report needs one"):
            report.write(tmp_path / "no study", out)
    with pytest.raises(StudyFileError, match=r"study\.json: no such file"):
        report.write(tmp_path / "no study", tmp_path / "out")
    assert not (tmp_path / "out").exists()
