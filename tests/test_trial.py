"""A trial from declaration to outcome: repeated, disturbed, killed and resumed, it is the same."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small_trial

from analysis import wandb_log
from experiments import code, resuming
from experiments import trial as trials
from experiments.durable import read_rows
from experiments.folder import StudyFolder
from experiments.locking import claimed
from experiments.study import Trial

MEASURED = {"seconds"}

RUN = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from experiments import trial as trials
from experiments.study import Trial
trial = Trial.model_validate_json(sys.stdin.read())
trials.run(trial, Path(sys.argv[1]), checkpoint_seconds=0.0, is_debugged=True)
"""


def start(trial: Trial, folder: Path) -> "subprocess.Popen[str]":
    # W&B hands its service on to child processes by a variable; another process has its own.
    own = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)], stdin=subprocess.PIPE, text=True, env=own
    )
    assert process.stdin is not None
    process.stdin.write(trial.model_dump_json())
    process.stdin.close()
    return process


def finish(process: "subprocess.Popen[str]") -> None:
    assert process.wait(120) == 0


def rows(folder: Path) -> list[dict[str, Any]]:
    found, _ = read_rows(folder / "history.jsonl")
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in found]


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "trial"
    trials.run(small_trial(stop="budget"), folder, is_debugged=True)
    return folder


@pytest.mark.slow
def test_a_trial_is_the_same_alone_and_beside_another_in_other_processes(
    undisturbed: Path, tmp_path: Path
) -> None:
    trial = small_trial(stop="budget")
    beside = [start(trial, tmp_path / name) for name in ("one", "two")]
    for process in beside:
        finish(process)
    for name in ("one", "two"):
        assert result(tmp_path / name)["weights_sha256"] == result(undisturbed)["weights_sha256"]
        assert rows(tmp_path / name) == rows(undisturbed)


@pytest.mark.slow
def test_a_trial_killed_three_times_and_resumed_is_the_same(
    undisturbed: Path, tmp_path: Path
) -> None:
    trial, folder = small_trial(stop="budget"), tmp_path / "killed"
    for wanted in (1, 3, 5):
        process = start(trial, folder)
        deadline = time.monotonic() + 60
        while len(rows(folder)) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "result.json").exists()
    finish(start(trial, folder))
    assert result(folder)["attempts"] == 4
    assert result(folder)["weights_sha256"] == result(undisturbed)["weights_sha256"]
    assert rows(folder) == rows(undisturbed)


def test_the_log_holds_the_declaration_the_rows_and_the_outcome(undisturbed: Path) -> None:
    done = result(undisturbed)
    log = wandb_log.read(undisturbed / done["log"])
    assert log.complete and log.run is not None and log.run.id == done["trial"]
    assert log.run.project == "small"
    assert log.run.group == "highway | adding/arjovsky | 4"
    assert len(log.history) == done["rows"] == 6
    assert log.summary["outcome"] == done["outcome"]
    assert 0 <= log.summary["test/score"] <= 1
    config = log.config
    assert config["recipe"]["steps"] == 150 and config["budget"] == {"parameters": 1500}
    assert abs(config["parameters"] / 1500 - 1) <= 0.03
    assert config["state_size"] == config["hidden_size"]
    assert config["flops_per_step"] > 0 and config["path"] in {"loop", "kernel"}
    assert config["chance"]["loss"] == pytest.approx(1 / 6)
    assert config["environment"]["threads"] == 1


def test_what_wandb_captures_by_default_is_not_in_the_log(undisturbed: Path) -> None:
    log = (undisturbed / result(undisturbed)["log"]).read_bytes()
    for secret in (os.uname().nodename, os.environ.get("USER", "no user"), str(Path.home())):
        if len(secret) > 3:
            assert secret.encode() not in log


def test_an_exploding_learning_rate_ends_as_diverged_with_finite_weights(tmp_path: Path) -> None:
    trial = small_trial("rnn", learning_rate=1e30, clip=None, optimizer="sgd")
    done = trials.run(trial, tmp_path / "t", is_debugged=True)
    assert done["outcome"] == "diverged"
    weights = torch.load(tmp_path / "t" / "weights.pt", weights_only=True)
    assert all(bool(w.isfinite().all()) for w in weights.values())
    *_, last = rows(tmp_path / "t")
    assert not math.isfinite(last["train/loss"] + last["train/gradient_norm"])
    assert wandb_log.read(tmp_path / "t" / done["log"]).summary["outcome"] == "diverged"


def test_a_solved_trial_stops_and_says_when_it_was_solved(tmp_path: Path) -> None:
    done = trials.run(small_trial(steps=1000), tmp_path / "t", is_debugged=True)
    assert done["outcome"] == "solved"
    scores = {row["step"]: row["validation/score"] for row in rows(tmp_path / "t")}
    assert done["steps"] == max(scores) == done["solved_step"] + 25
    assert min(scores[done["solved_step"]], scores[done["steps"]]) >= 0.94
    assert all(score < 0.94 for step, score in scores.items() if step < done["solved_step"] - 25)


def test_a_finished_trial_is_not_run_again(undisturbed: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in undisturbed.rglob("*"))
    trials.run(small_trial(stop="budget"), undisturbed, is_debugged=True)
    assert sorted((p, p.stat().st_mtime_ns) for p in undisturbed.rglob("*")) == before


def test_a_trial_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "t") as is_ours:
        assert is_ours
        assert trials.run(small_trial(), tmp_path / "t")["outcome"] == "running elsewhere"
    assert sorted(os.listdir(tmp_path / "t")) == ["lock"]


def test_a_failure_keeps_its_traceback_and_the_next_run_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    failed = trials.run(small_trial(), tmp_path / "t")
    assert failed["outcome"] == "failed"
    kept = json.loads((tmp_path / "t" / "failure.json").read_text())
    assert kept["step"] > 0 and "Traceback" in kept["traceback"]
    assert not (tmp_path / "t" / "result.json").exists()
    before = rows(tmp_path / "t")
    monkeypatch.undo()
    done = trials.run(small_trial(), tmp_path / "t", is_debugged=True)
    assert done["outcome"] in {"solved", "unsolved"} and done["attempts"] == 2
    assert rows(tmp_path / "t") == before
    assert not (tmp_path / "t" / "failure.json").exists()


def test_attempts_at_a_result_that_went_stale_are_not_attempts_at_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, one = StudyFolder(tmp_path), small_trial()
    folder.trial(one.id).mkdir()

    def begun() -> tuple[int, int]:
        found = resuming.begin(one, folder.trial(one.id))
        found.history.close()
        return found.number, found.earlier

    def set_aside(attempts: int) -> None:
        result = folder.trial(one.id) / "result.json"
        result.write_text(json.dumps({"attempts": attempts}))
        folder.set_aside(one.id)

    assert [begun(), begun()] == [(1, 0), (2, 0)]
    set_aside(2)
    assert begun() == (3, 0), "set aside for another reason than its code"
    set_aside(3)
    monkeypatch.setattr(code, "of", lambda trial: {"lightning_modules/training.py": "changed"})
    assert [begun(), begun()] == [(4, 3), (5, 3)]
    set_aside(5)
    assert begun() == (6, 3)


def test_a_log_that_reads_back_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = wandb_log.read

    def one_row_short(path: Path) -> Any:
        log = read(path)
        log.history[:] = log.history[1:]
        return log

    monkeypatch.setattr(wandb_log, "read", one_row_short)
    assert "rows read back" in trials.run(small_trial(), tmp_path / "t")["error"]
    assert not (tmp_path / "t" / "result.json").exists()


def test_a_mirror_without_an_account_is_not_felt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    alone = trials.run(small_trial(), tmp_path / "alone", is_debugged=True)
    shown = trials.run(small_trial(), tmp_path / "shown", is_online=True, is_debugged=True)
    assert shown["weights_sha256"] == alone["weights_sha256"]
    assert rows(tmp_path / "shown") == rows(tmp_path / "alone")
