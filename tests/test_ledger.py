"""What has become of every planned trial."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planting import identity, plant

from analysis import ledger
from analysis.json_file import StudyFileError

TASK = "adding/x"
STATES = ("solved", "failed", "interrupted", "missing", "diverged")


def by_seed(arm: str, task: str, lag: int, seed: int) -> str:
    return STATES[seed]


def test_every_planned_trial_is_counted_once_in_the_state_it_is_in(tmp_path: Path) -> None:
    found = ledger.take(plant(tmp_path, by_seed, has_logs=False))
    assert found.planned == 10
    assert found.states == {
        "done": 4,
        "failed": 2,
        "running": 0,
        "interrupted": 2,
        "missing": 2,
        "damaged": 0,
    }
    assert sum(found.states.values()) == found.planned
    assert found.outcomes["solved"] == found.outcomes["diverged"] == 2
    assert len(found.done) == 4
    assert len(found.open) == 6
    assert found.groups["gated", TASK, 5]["done"] == 2
    assert sum(sum(states.values()) for states in found.groups.values()) == found.planned


def test_a_failed_trial_says_why(tmp_path: Path) -> None:
    found = ledger.take(plant(tmp_path, lambda *_: "failed"))
    assert {entry.note for entry in found} == {"RuntimeError: the disk is full"}


def test_a_trial_whose_lock_is_held_is_running_whatever_else_is_there(tmp_path: Path) -> None:
    plant(tmp_path, by_seed, arms=["plain"])
    failed, begun, untouched = (identity("plain", TASK, 5, seed) for seed in (1, 2, 3))
    (tmp_path / untouched).mkdir()
    handles = [
        os.open(tmp_path / trial / "lock", os.O_RDWR | os.O_CREAT)
        for trial in (failed, begun, untouched)
    ]
    for handle in handles:
        fcntl.flock(handle, fcntl.LOCK_EX)
    states = {entry.trial.id: entry.state for entry in ledger.take(tmp_path)}
    assert {states[trial] for trial in (failed, begun, untouched)} == {"running"}
    for handle in handles:
        os.close(handle)
    assert ledger.take(tmp_path).states["running"] == 0


def test_looking_leaves_the_lock_to_whoever_comes_next(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "interrupted", arms=["plain"], seeds=1)
    ledger.take(tmp_path)
    handle = os.open(tmp_path / identity("plain", TASK, 5, 0) / "lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_two_who_look_at_once_do_not_take_each_other_for_a_trial(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "interrupted", arms=["plain"], seeds=1)
    handle = os.open(tmp_path / identity("plain", TASK, 5, 0) / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    assert ledger.take(tmp_path).states["interrupted"] == 1
    os.close(handle)


@pytest.mark.parametrize("name", ["result.json", "failure.json"])
def test_a_record_that_cannot_be_read_makes_its_trial_damaged_and_no_other(
    tmp_path: Path, name: str
) -> None:
    outcome = "solved" if name == "result.json" else "failed"
    plant(tmp_path, lambda *_: outcome, arms=["plain"], has_logs=False)
    trial = identity("plain", TASK, 5, 0)
    (tmp_path / trial / name).write_text("{")
    (entry,) = [entry for entry in ledger.take(tmp_path) if entry.state == "damaged"]
    assert entry.trial.id == trial
    assert entry.outcome is None
    assert entry.note.startswith(f"{trial}/{name}: not valid JSON")


def test_a_dangling_link_as_a_result_is_damage_and_not_absence(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "missing", arms=["plain"], seeds=1)
    folder = tmp_path / identity("plain", TASK, 5, 0)
    folder.mkdir()
    (folder / "result.json").symlink_to("nowhere")
    assert ledger.take(tmp_path).states["damaged"] == 1


def test_stale_is_a_mark_on_done_trials_and_unchecked_is_told_from_none(tmp_path: Path) -> None:
    plant(tmp_path, by_seed, has_logs=False)
    done, failed = identity("plain", TASK, 5, 0), identity("plain", TASK, 5, 1)
    stale = {done: ["a.py", "b.py"], failed: ["a.py"]}
    found = ledger.take(tmp_path, stale)
    assert [(entry.trial.id, entry.stale) for entry in found.stale] == [(done, ("a.py", "b.py"))]
    assert found.states["done"] == 4
    assert found.is_stale_checked
    assert ledger.take(tmp_path, {}).is_stale_checked
    assert not ledger.take(tmp_path).is_stale_checked


def test_damage_found_in_the_logs_takes_a_trial_out_of_the_done_ones(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "solved", has_logs=False)
    trial = identity("plain", TASK, 5, 0)
    found = ledger.take(tmp_path).with_damaged({trial: "no log"})
    assert found.states["damaged"] == 1
    assert found.states["done"] == found.planned - 1
    assert [(entry.trial.id, entry.note) for entry in found.open] == [(trial, "no log")]
    assert found.outcomes["solved"] == found.planned - 1


def test_a_folder_without_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"study\.json"):
        ledger.take(tmp_path)


def test_ten_thousand_trials_are_counted_and_take_no_pandas(tmp_path: Path) -> None:
    plant(tmp_path, lambda *_: "missing", arms=list("abcde"), seeds=2000)
    for trial in json.loads((tmp_path / "study.json").read_text())["trials"]:
        folder = tmp_path / trial
        folder.mkdir()
        (folder / "result.json").write_text(
            f'{{"schema": 1, "trial": "{trial}", "outcome": "solved", "attempts": 1, "rows": 1,'
            '"steps": 1, "solved_step": 1, "log": "x", "log_sha256": "", "weights_sha256": "",'
            '"bit_exact": true}'
        )
    assert ledger.take(tmp_path).states["done"] == 10_000
    code = "import sys, analysis, analysis.ledger; assert not {'pandas', 'numpy'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
