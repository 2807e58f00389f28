"""The JSON files of a study's folder: what is read, and what is refused in one line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_quick import QUICK, quick
from planting import identity, plant

from analysis.json_file import StudyFileError, inside, read_bytes
from analysis.study_file import read_study
from analysis.trial_file import read_failure, read_result
from experiments.folder import record
from experiments.studies.quick import STUDY

TRIAL = identity("plain", "adding/x", 5, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plant(tmp_path / "study", seeds=2, claims=[("gated", "plain", None, 5)])


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_planted_study_reads_back_as_it_was_planted(tmp_path: Path) -> None:
    study = read_study(plant(tmp_path, quick(), has_logs=False, **QUICK))
    assert study.name == "quick"
    assert study.labels == list(QUICK["arms"])
    assert {axis.task: axis.lags for axis in study.tasks} == QUICK["tasks"]
    assert [(c.arm, c.than, c.task, c.lag) for c in study.claims] == list(QUICK["claims"])
    assert len(study.trials) == 5 * 8 * 5
    assert len(study.groups) == 5 * 8
    assert study.groups[:2] == [
        ("rnn", "temporal_order/pascanu", 10),
        ("lstm", "temporal_order/pascanu", 10),
    ]
    assert study.arm("lstm").recipe.learning_rate == pytest.approx(0.01)


def test_what_the_experiments_write_is_what_is_read_here(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps(record(STUDY)))
    study = read_study(tmp_path)
    assert (study.name, study.question) == (STUDY.name, STUDY.question)
    assert study.labels == [arm.label for arm in STUDY.resolved_arms]
    assert [c.text for c in study.claims] == [c.text for c in STUDY.resolved_claims]
    assert {trial.id for trial in study.trials} == {trial.id for trial in STUDY.trials()}
    assert all(arm.paper and arm.summary for arm in study.arms)
    assert all(axis.lag_means for axis in study.tasks)


MALFORMED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "newer": (lambda s: s.update(schema=2), "schema 2; this version reads up to 1"),
    "no schema": (lambda s: s.pop("schema"), "schema: missing"),
    "no name": (lambda s: s.pop("name"), "name: missing"),
    "number as name": (lambda s: s.update(name=3), "name: text expected, got 3"),
    "arms no list": (lambda s: s.update(arms={}), "arms: a list expected"),
    "arm no object": (lambda s: s["arms"].append(1), "arms.2: an object expected"),
    "no recipe": (lambda s: s["arms"][1].pop("recipe"), "arms.1.recipe: missing"),
    "true as steps": (
        lambda s: s["arms"][0]["recipe"].update(steps=True),
        "arms.0.recipe.steps: a whole number expected, got True",
    ),
    "arm twice": (lambda s: s["arms"].append(s["arms"][0]), "arms: one is given twice"),
    "lag no number": (lambda s: s["tasks"][0].update(lags=["5"]), "tasks.0.lags: whole numbers"),
    "other claim": (lambda s: s["claims"][0].update(on="score"), "claims.0.on: 'score'; known"),
    "claim of nobody": (lambda s: s["claims"][0].update(arm="grru"), "no arm 'grru'"),
    "reference of nobody": (lambda s: s.update(reference="x"), "no arm 'x'"),
    "id no id": (lambda s: s["trials"].update({"../..": s["trials"][TRIAL]}), "no trial id"),
    "trial off the grid": (lambda s: s["trials"][TRIAL].update(lag=6), "not in the grid"),
    "trial twice": (lambda s: s["trials"].update({"0" * 16: s["trials"][TRIAL]}), "planned twice"),
    "number of 400 digits": (lambda s: s["trials"][TRIAL].update(seed=10**400), "so large"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_study_is_refused_in_one_line_that_names_the_place(
    folder: Path, name: str
) -> None:
    change, message = MALFORMED[name]
    edit(folder / "study.json", change)
    with pytest.raises(StudyFileError) as refused:
        read_study(folder)
    line = str(refused.value)
    assert line.startswith(str(folder / "study.json"))
    assert message in line
    assert "\n" not in line


NOT_JSON = {
    "empty": (b"", "not valid JSON"),
    "cut": (b'{"schema": 1, "na', "not valid JSON"),
    "binary": (b"\x80\x81\x82", "not valid JSON"),
    "a list": (b"[1]", "the top: an object expected"),
    "NaN": (b'{"schema": NaN}', "NaN is no JSON"),
    "a key twice": (b'{"schema": 1, "schema": 1}', "'schema' is given twice"),
    "nested too deeply": (b"[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_object_is_refused_in_one_line(folder: Path, name: str) -> None:
    content, message = NOT_JSON[name]
    (folder / "study.json").write_bytes(content)
    with pytest.raises(StudyFileError, match=rf"study\.json: .*{message}") as refused:
        read_study(folder)
    assert "\n" not in str(refused.value)


def test_a_missing_study_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="no such file"):
        read_study(tmp_path)


def test_unknown_fields_are_passed_over(folder: Path) -> None:
    before = read_study(folder)
    edit(folder / "study.json", lambda s: s.update(colour="blue"))
    edit(folder / "study.json", lambda s: s["arms"][0].update(wiring="plain"))
    assert read_study(folder) == before


def test_half_a_surrogate_pair_becomes_a_mark_that_a_file_can_hold(folder: Path) -> None:
    edit(folder / "study.json", lambda s: s.update(question="a \ud800 b"))
    assert read_study(folder).question == "a \ufffd b"


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(bytes(1001))
    for name, message in (
        ("pipe", "not a regular file"),
        ("zero", "not a regular file"),
        ("large", "1,001 bytes; at most 1,000"),
        ("none", "No such file"),
    ):
        with pytest.raises(StudyFileError, match=message):
            read_bytes(tmp_path / name, 1000)
    assert len(read_bytes(tmp_path / "large", 1001)) == 1001


def test_a_result_is_read_and_its_absence_means_not_done(folder: Path) -> None:
    result = read_result(folder / TRIAL, TRIAL)
    assert result is not None
    assert (result.outcome, result.attempts, result.bit_exact) == ("solved", 1, True)
    (folder / TRIAL / "result.json").unlink()
    assert read_result(folder / TRIAL, TRIAL) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "won"}, "'won'; known: solved"),
        ({"schema": 9}, "schema 9"),
        ({"trial": "0" * 16}, f"in the folder of {TRIAL}"),
        ({"rows": None}, "rows: a whole number expected"),
        ({"bit_exact": 1}, "bit_exact: true or false expected"),
    ],
)
def test_a_malformed_result_is_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    edit(folder / TRIAL / "result.json", lambda r: r.update(change))
    with pytest.raises(StudyFileError, match=message):
        read_result(folder / TRIAL, TRIAL)


def test_a_failure_keeps_its_line_and_its_traceback(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "failed", seeds=1)
    failure = read_failure(tmp_path / TRIAL, TRIAL)
    assert failure is not None
    assert failure.error == "RuntimeError: the disk is full"
    assert failure.traceback == "Traceback ..."


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "link", "a/../../secret", "x\0y"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "trial"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "own").write_text("o")
    assert inside(folder, "own") == (folder / "own").resolve()
    with pytest.raises(StudyFileError, match=r"outside the trial's folder|no such file"):
        inside(folder, name)
