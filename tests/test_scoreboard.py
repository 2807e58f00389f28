"""Paper says, we get: verdicts of planted folders, and what no folder says."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from page_reader import Page
from planting import Fate, plant
from pydantic import ValidationError
from small import small_study
from typer.testing import CliRunner

from analysis import scoreboard
from analysis.json_file import StudyFileError
from analysis.scoreboard import Entry
from analysis.study_file import Reproduces, read_study
from experiments import opening
from experiments.cli import app
from experiments.folder import StudyFolder
from experiments.launching import Launch
from experiments.reproducing import Reproduces as Declared
from experiments.study import Claim, Study

ROOT = Path(__file__).resolve().parent.parent

SAID = {
    "finding": "Gates solve what plain <b>nets</b> do not",
    "says": "A loss of .001 against .1667",
    "source": "Nobody 1997, table 1",
    "tag": "R",
    "differs": "Smaller by far",
}


def entry(folder: Path, solved: dict[str, int], **more: Any) -> Entry:
    """Plant a study in which so many of five seeds of each arm solve."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate | str:
        if solved[arm] < 0:
            return "missing"
        return "solved" if seed < solved[arm] else "unsolved"

    claims = [("gated", "plain", None, None)]
    plant(folder, fate, claims=claims, reproduces=SAID, **more)
    return Entry(folder.name, Reproduces(**{**SAID, "finding": "declared later"}), folder)


CASES = {
    "reproduced": {"plain": 0, "gated": 5},
    "too little evidence": {"plain": 0, "gated": 1},
    "not reproduced": {"plain": 5, "gated": 0},
    "not complete": {"plain": 0, "gated": -1},
}


@pytest.mark.parametrize("verdict", CASES)
def test_a_finding_is_judged_by_the_claims_of_its_study(tmp_path: Path, verdict: str) -> None:
    line = scoreboard.line(entry(tmp_path / "repro_gates", CASES[verdict]))
    assert line.verdict == verdict
    assert line.reproduces.finding == SAID["finding"], "what was recorded at the start stands"


def test_a_spoilt_recipe_is_not_too_little_evidence(tmp_path: Path) -> None:
    """Where nothing learns, nothing lies on the claimed side: more seeds would not help."""
    assert scoreboard.line(entry(tmp_path / "a", {"plain": 0, "gated": 0})).verdict == (
        "not reproduced"
    )


def test_a_finding_may_be_about_another_lag_of_the_test(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        score = (0.9 if arm == "gated" else 0.5) + 0.01 * seed
        return Fate("solved", config={"test_lags": [20]}, summary={"test/20/score": score})

    folder = plant(tmp_path / "a", fate, claims=[("gated", "plain", None, None)], reproduces=SAID)
    study = json.loads((folder / "study.json").read_text())
    study["claims"][0] |= {"on": "test/20/score", "relation": "at least", "threshold": 0.3}
    (folder / "study.json").write_text(json.dumps(study))
    assert scoreboard.line(Entry("a", Reproduces(**SAID), folder)).verdict == "reproduced"


def test_what_was_not_measured_speaks_neither_for_nor_against(tmp_path: Path) -> None:
    unmeasured = {"arm": "gated", "than": "plain", "on": "probe/gates/longest", "text": "longer"}
    found = entry(tmp_path / "a", CASES["reproduced"])
    study = json.loads((tmp_path / "a/study.json").read_text())
    study["claims"].append({**unmeasured, "task": None, "lag": None})
    (tmp_path / "a/study.json").write_text(json.dumps(study))
    assert scoreboard.line(found).verdict == "too little evidence"


def test_the_board_has_every_finding_with_its_source_and_what_differs(tmp_path: Path) -> None:
    run = entry(tmp_path / "repro_gates", CASES["reproduced"])
    entries = [run, Entry("repro_later", Reproduces(**{**SAID, "finding": "Unasked", "tag": "S"}))]
    page = scoreboard.write(entries, tmp_path / "repro")
    text = Page(page.read_text()).text
    assert "Of 2 published findings: 1 reproduced and 1 not run." in text
    trials = pd.read_csv(tmp_path / "repro/tables/trials.csv")
    assert len(trials) == 10 and set(trials["study"]) == {"repro_gates"}
    assert trials["weights"].str.fullmatch("[0-9a-f]{64}").all()
    assert trials["test/score"].notna().all() and (trials["seconds"] > 0).all()
    for told in (SAID["finding"], SAID["says"], SAID["source"], SAID["differs"], "Unasked"):
        assert told in text
    assert "<b>nets" not in page.read_text()
    assert "longdep run repro_later" in text and "10 of 10 trials" in text
    board = pd.read_csv(tmp_path / "repro/tables/scoreboard.csv")
    assert board["verdict"].tolist() == ["reproduced", "not run"]
    assert board["tag"].tolist() == ["R", "S"]
    claims = pd.read_csv(tmp_path / "repro/tables/claims.csv")
    assert claims["verdict"].tolist() == ["supported"]
    assert "Unasked" in (tmp_path / "repro/report.md").read_text()
    assert scoreboard.ERRORS[0][1] in text


def test_what_is_counted_are_the_first_askings_alone(tmp_path: Path) -> None:
    """What was asked besides, or again, neither adds to the twelve nor takes from them."""
    run = entry(tmp_path / "repro_gates", CASES["reproduced"])
    kinds = {"spare": {}, "again": {"like": "repro_gates"}, "large": {"needs": "9 core days."}}
    others = [
        Entry(
            f"repro_{kind}", Reproduces(**{**SAID, "finding": f"A {kind} one"}, kind=kind, **more)
        )
        for kind, more in kinds.items()
    ]
    page = scoreboard.write([run, *others], tmp_path / "repro")
    text = Page(page.read_text()).text
    assert "Of 1 published findings: 1 reproduced." in text
    assert "Of 1 at published scale: 1 not run." in text
    assert "It needs 9 core days." in text and "Asked before by repro_gates." in text
    markdown = (tmp_path / "repro/report.md").read_text()
    titles = [line for line in markdown.splitlines() if line.startswith("## ")]
    assert titles == [f"## {title}" for title, _ in scoreboard.KINDS.values()] + [
        "## Not asked",
        "## Errors and traps in print",
    ]
    assert "- needs: 9 core days." in markdown and "- asked before by: `repro_gates`" in markdown
    assert all(row[0] in text and row[3] in text for row in scoreboard.NOT_ASKED)


def test_the_collection_is_twelve_and_every_study_of_the_board_says_what_it_reproduces() -> None:
    board = opening.board()
    firsts = opening.each("repro")
    assert len(firsts) == 12 and list(board)[:12] == firsts and opening.each("quick") == ["quick"]
    pilots = {0, 1, 2, 100}
    for name, study in board.items():
        this = study.reproduces
        assert study.name == name and this is not None and study.claims
        assert not pilots & set(study.seeds), f"{name}: seeds of the pilots"
        assert len(study.seeds) >= 5
        assert not this.like or this.like in board, f"{name}: like {this.like}"
        if this.kind == "again":
            assert not set(study.seeds) & set(board[this.like].seeds), f"{name}: no fresh seeds"
            assert this.finding != board[this.like].reproduces.finding  # type: ignore[union-attr]


def test_one_study_of_the_collection_that_fails_leaves_the_others_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[tuple[str, Path]] = []

    def launched(self: Launch, study: Study, folder: StudyFolder) -> bool:
        run.append((study.name, folder.path))
        if len(run) == 2:
            raise typer.Exit(1)
        return True

    monkeypatch.setattr(Launch, "run", launched)
    done = CliRunner().invoke(app, ["run", "repro", "--out", str(tmp_path)])
    assert run == [(name, tmp_path / name) for name in opening.each("repro")]
    assert (
        done.exit_code == 1 and done.output.count("report: longdep report repro_") == len(run) - 1
    )


@pytest.mark.parametrize("line", [["run", "repro", "--only", "arm=lstm"], ["status", "repro"]])
def test_what_goes_with_one_study_is_not_asked_of_all(line: list[str]) -> None:
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 2 and "one study: repro_" in " ".join(done.output.split())


def test_what_is_reproduced_is_recorded_and_read(tmp_path: Path) -> None:
    study = small_study(
        claims=[Claim(arm="highway", than="rnn")], reproduces=Declared.model_validate(SAID)
    )
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(study)
    assert read_study(folder.path).reproduces == Reproduces(**SAID)
    assert folder.recorded() == study


def test_a_study_of_the_board_that_says_too_little_is_refused(tmp_path: Path) -> None:
    for more, message in (
        ({"kind": "again"}, "names the study that asked first"),
        ({"kind": "large"}, "says what it needs"),
        ({"kind": "huge"}, "'first', 'spare', 'again' or 'large'"),
        ({"finding": ""}, "readable text"),
    ):
        with pytest.raises(ValidationError, match=message):
            Declared.model_validate({**SAID, **more})
    folder = plant(tmp_path / "a", reproduces={**SAID, "kind": "huge"}, has_logs=False)
    with pytest.raises(StudyFileError, match="kind: 'huge'; known: first, spare, again, large"):
        read_study(folder)


@pytest.mark.slow
def test_a_trial_that_is_run_again_comes_to_what_is_written_down(tmp_path: Path) -> None:
    """The quickest of the committed trials, bit for bit where the machine is of the same kind."""
    kinds = dict.fromkeys(scoreboard.MACHINE, str)
    written = pd.read_csv(ROOT / "reports/repro/tables/trials.csv", dtype=kinds)
    trained = written[written["steps"] > 0]
    old = trained.loc[trained["seconds"].idxmin()]
    only = f"arm={old['arm']},lag={old['lag']},seed={old['seed']}"
    line = ["run", old["study"], "--only", only, "--foreground", "--out", str(tmp_path / "again")]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    found = scoreboard.line(Entry("again", Reproduces(**SAID), tmp_path / "again")).trained
    [new] = [row for _, row in found.iterrows()]
    assert (new["trial"], new["outcome"]) == (old["trial"], old["outcome"])
    if all(new[name] == old[name] for name in scoreboard.MACHINE):
        same = ["steps", "test/loss", "test/score", "weights"]
        assert new[same].tolist() == old[same].tolist(), "reports/repro is of other code"
    else:  # other kernels round otherwise, and training makes more of it
        assert new["test/score"] == pytest.approx(old["test/score"], abs=0.05)


def test_memory_is_no_source_and_without_claims_nothing_is_expected() -> None:
    with pytest.raises(ValidationError, match="a number from memory is no reference"):
        Declared.model_validate({**SAID, "tag": "M"})
    with pytest.raises(ValidationError, match="state as claims what is expected"):
        small_study(claims=None, reproduces=Declared.model_validate(SAID))


def test_the_command_writes_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry(tmp_path / "runs" / opening.each("repro")[0], CASES["reproduced"])
    done = CliRunner().invoke(app, ["report", "repro"])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "reports/repro/index.html").read_text()
    assert "Of 12 published findings: 1 reproduced and 11 not run." in Page(text).text
    assert "Of 6 at published scale: 6 not run." in Page(text).text
