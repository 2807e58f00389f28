"""A study's folder to frames: what is in them, and which trials are kept out of them and why."""

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from log_writer import log
from planted_quick import QUICK, quick
from planting import ENVIRONMENT, Fate, identity, plant

import analysis
from analysis import sources

TASK = "adding/x"
ROWS = [
    {
        "step": step,
        "train/loss": 1 / step,
        "train/gradient_norm": 2.0,
        "validation/loss": 0.5,
        "validation/score": step / 100,
        "seconds": step / 1000,
    }
    for step in (25, 50, 75)
]


def trial(seed: int = 0) -> str:
    return identity("plain", TASK, 5, seed)


def rewrite_log(folder: Path, write: Callable[[bytes], bytes], seed: int = 0) -> None:
    """Change a trial's log and commit the change, so that its hash fits."""
    path = folder / trial(seed) / "result.json"
    result = json.loads(path.read_text())
    log_path = path.parent / result["log"]
    log_path.write_bytes(write(log_path.read_bytes()))
    result["log_sha256"] = hashlib.sha256(log_path.read_bytes()).hexdigest()
    path.write_text(json.dumps(result))


def commit(folder: Path, **changes: Any) -> None:
    path = folder / trial() / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_frames_hold_what_was_logged_with_the_types_that_are_stated(tmp_path: Path) -> None:
    fate = Fate("solved", solved_step=50, test_score=0.98, rows=ROWS)
    frames = sources.load(plant(tmp_path, lambda *_: fate, arms=["plain"], seeds=2))
    assert dict(frames.runs.dtypes.astype(str)) == sources.RUNS
    assert dict(frames.history.dtypes.astype(str)) == sources.HISTORY
    run = frames.runs.set_index("trial").loc[trial()]
    assert (run["arm"], run["task"], run["lag"], run["seed"]) == ("plain", TASK, 5, 0)
    assert (run["outcome"], run["solved_step"], run["steps"], run["rows"]) == ("solved", 50, 75, 3)
    assert run["test/score"] == pytest.approx(0.98)
    assert run["chance_score"] == pytest.approx(0.05)
    assert (run["budget_of"], run["budget_amount"], run["budget_steps"]) == (
        "parameters",
        5000,
        1000,
    )
    assert run["seconds_per_step"] == pytest.approx(0.001)
    assert (run["distance_least"], run["distance_most"]) == (5, 10)
    assert {key: run[key] for key in ENVIRONMENT} == {k: str(v) for k, v in ENVIRONMENT.items()}
    mine = frames.history[frames.history["trial"] == trial()]
    assert mine[list(ROWS[0])].to_dict("records") == ROWS
    assert len(frames.history) == 6


def test_the_quick_study_loads_whole(tmp_path: Path) -> None:
    frames = sources.load(plant(tmp_path, quick(), **QUICK))
    assert len(frames.runs) == frames.ledger.planned == 200
    assert not frames.ledger.open
    assert frames.runs.groupby(["arm", "task", "lag"]).size().eq(5).all()
    assert frames.history.groupby("trial").size().sum() == frames.runs["rows"].sum()


def test_nan_and_infinity_of_a_diverged_trial_come_through(tmp_path: Path) -> None:
    frames = sources.load(plant(tmp_path, lambda *_: "diverged", arms=["plain"], seeds=1))
    last = frames.history.iloc[-1]
    assert math.isnan(last["train/loss"])
    assert math.isinf(last["train/gradient_norm"])
    assert frames.runs["outcome"].tolist() == ["diverged"]
    assert frames.runs["solved_step"].isna().all()


def test_only_done_trials_are_in_the_frames(tmp_path: Path) -> None:
    states = ("solved", "failed", "interrupted", "missing", "unsolved")
    frames = sources.load(plant(tmp_path, lambda a, t, lag, seed: states[seed], arms=["plain"]))
    assert set(frames.runs["trial"]) == {trial(0), trial(4)}
    assert set(frames.history["trial"]) == {trial(0), trial(4)}


def test_a_folder_where_nothing_is_done_gives_empty_frames_of_the_same_types(
    tmp_path: Path,
) -> None:
    frames = sources.load(plant(tmp_path, lambda *_: "missing"))
    assert len(frames.runs) == len(frames.history) == 0
    assert dict(frames.runs.dtypes.astype(str)) == sources.RUNS
    assert dict(frames.history.dtypes.astype(str)) == sources.HISTORY


def _other_trial(_: bytes) -> bytes:
    run = {"id": trial(1), "project": "planted", "group": "g"}
    return log(run, {"task": "adding", "dialect": "x", "lag": 5, "seed": 1}, ROWS, {})


def _text_as_loss(data: bytes) -> bytes:
    run = {"id": trial(), "project": "planted", "group": "g"}
    config = {"task": "adding", "dialect": "x", "lag": 5, "seed": 0}
    summary = {"outcome": "solved", "solved_step": 50}
    return log(run, config, [*ROWS[:2], {**ROWS[2], "train/loss": "N/A"}], summary)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another hash": (lambda f: commit(f, log_sha256="0" * 64), "another SHA-256"),
    "no log": (lambda f: commit(f, log="wandb/none.wandb"), "no such file"),
    "log outside": (lambda f: commit(f, log="../study.json"), "outside the trial's folder"),
    "cut": (lambda f: rewrite_log(f, lambda data: data[:-9]), "truncated"),
    "empty": (lambda f: rewrite_log(f, lambda data: b""), "empty"),
    "one byte": (
        lambda f: rewrite_log(f, lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:]),
        "damaged at bytes 7",
    ),
    "a row less": (lambda f: commit(f, rows=4), "3 rows; 4 were committed"),
    "another outcome": (lambda f: commit(f, outcome="unsolved"), "outcome is not the one"),
    "another step": (lambda f: commit(f, solved_step=25), "outcome is not the one"),
    "another trial": (lambda f: rewrite_log(f, _other_trial), "the log of another trial"),
    "text as loss": (lambda f: rewrite_log(f, _text_as_loss), "step 75: train/loss is 'N/A'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_trial_is_left_out_and_reported_and_the_others_are_read(
    tmp_path: Path, name: str
) -> None:
    fate = Fate("solved", solved_step=50, rows=ROWS)
    plant(tmp_path, lambda *_: fate, arms=["plain"], seeds=2)
    damage, message = DAMAGE[name]
    damage(tmp_path)
    frames = sources.load(tmp_path)
    assert frames.runs["trial"].tolist() == [trial(1)]
    assert set(frames.history["trial"]) == {trial(1)}
    (entry,) = frames.ledger.open
    assert (entry.trial.id, entry.state) == (trial(), "damaged")
    assert message in entry.note
    assert str(tmp_path) not in entry.note


def test_a_log_of_several_blocks_is_read_whole(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "step": step} for step in range(1, 3001)]
    fate = Fate("unsolved", rows=rows, config={"note": "x" * 100_000})
    frames = sources.load(plant(tmp_path, lambda *_: fate, arms=["plain"], seeds=1))
    assert frames.history["step"].tolist() == list(range(1, 3001))


def test_a_step_that_was_logged_twice_counts_once_with_its_later_values(tmp_path: Path) -> None:
    rows = [ROWS[0], {**ROWS[0], "validation/score": 0.9}]
    fate = Fate("unsolved", rows=rows)
    frames = sources.load(plant(tmp_path, lambda *_: fate, arms=["plain"], seeds=1))
    assert frames.history["validation/score"].tolist() == [pytest.approx(0.9)]


def test_what_the_config_lacks_is_missing_and_no_error(tmp_path: Path) -> None:
    config = {"chance": None, "distance": 3, "parameters": "many", "environment": {}, "space": None}
    fate = Fate("unsolved", config=config)
    run = sources.load(plant(tmp_path, lambda *_: fate, seeds=1)).runs.iloc[0]
    assert math.isnan(run["chance_score"])
    assert math.isnan(run["distance_mean"])
    assert run["parameters"] is pd.NA
    assert (run["torch"], run["space"], run["chance_derivation"]) == ("", "", "")


def test_progress_is_told_for_every_log(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    sources.load(plant(tmp_path, seeds=2), progress=lambda *what: told.append(what))
    assert told == [("logs read", number, 4) for number in (1, 2, 3, 4)]


def test_load_gives_two_frames_and_warns_of_what_is_not_in_them(tmp_path: Path) -> None:
    whole = plant(tmp_path / "whole", seeds=2)
    runs, history = analysis.load(whole)
    assert set(history["trial"]) == set(runs["trial"])
    part = plant(tmp_path / "part", lambda a, t, lag, s: "missing" if s else "solved", seeds=3)
    with pytest.warns(UserWarning, match="4 of 6 planned trials are not in the frames: 4 missing"):
        runs, _ = analysis.load(part)
    assert len(runs) == 2


def test_importing_the_package_imports_no_library() -> None:
    code = "import sys, analysis; assert not {'pandas', 'numpy', 'matplotlib'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
