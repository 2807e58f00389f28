"""W&B's process killed, stopped or missing: no trial waits for it, none is done without its log."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from disturbed import (
    assert_same,
    resumed,
    rows,
    tiny_trial,
    undisturbed,  # noqa: F401
    wait_until,
)

from experiments import tracking, wandb_process
from experiments import trial as trials

SECONDS = 5.0


@pytest.fixture
def core(tmp_path: Path) -> int:
    """W&B's process, as earlier trials of this process left it."""
    if wandb_process._process() is None:
        resumed(tmp_path / "first")
    process = wandb_process._process()
    assert process is not None and process.poll() is None
    return int(process.pid)


def test_a_process_that_is_gone_is_not_asked_for_again(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb_process.close(SECONDS)
    monkeypatch.setenv("WANDB_SERVICE", f"3-{os.getpid()}-unix-{tmp_path / 'gone'}")
    wandb_process.give_up()
    resumed(tmp_path / "trial")
    assert_same(tmp_path / "trial", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_trial_whose_wandb_died_or_hangs_gets_a_new_one_within_seconds(
    number: int, undisturbed: Path, core: int, tmp_path: Path
) -> None:
    began = time.monotonic()
    resumed(tmp_path / "before")
    whole = time.monotonic() - began
    os.kill(core, number)
    began = time.monotonic()
    resumed(tmp_path / "trial")
    # What it takes beyond the trial itself; on a busy machine all of it takes longer.
    assert time.monotonic() - began < SECONDS + 10 * whole
    assert_same(tmp_path / "trial", undisturbed)
    again = wandb_process._process()
    assert again is not None and again.pid != core
    wait_until(lambda: not Path(f"/proc/{core}").exists())


@pytest.mark.slow
def test_a_trial_whose_wandb_dies_again_and_again_fails_and_is_rendered_later(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = tracking._init

    def dying(*arguments: object, **options: object) -> object:
        run = init(*arguments, **options)  # type: ignore[arg-type]
        wandb_process._process().kill()
        return run

    with monkeypatch.context() as patched:
        patched.setattr(tracking, "_init", dying)
        report = trials.run(tiny_trial(), tmp_path / "trial")
    assert report["outcome"] == "failed" and "run the study again" in report["error"]
    assert not (tmp_path / "trial" / "result.json").exists()
    before = rows(tmp_path / "trial")

    def refuse(step: int) -> bool:
        raise AssertionError("it was trained again")

    resumed(tmp_path / "trial", after_step=refuse)
    assert rows(tmp_path / "trial") == before
    assert_same(tmp_path / "trial", undisturbed)


def test_a_trial_without_wandb_is_trained_and_says_what_is_missing(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "wandb", None)
        report = trials.run(tiny_trial(), tmp_path / "trial")
    assert report["outcome"] == "failed" and "pip install wandb" in report["error"]
    assert not (tmp_path / "trial" / "result.json").exists()
    assert rows(tmp_path / "trial") == rows(undisturbed)
    resumed(tmp_path / "trial")
    assert_same(tmp_path / "trial", undisturbed)


def test_a_log_that_would_lie_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "wandb").symlink_to(elsewhere)
    report = trials.run(tiny_trial(), tmp_path / "trial")
    assert report["outcome"] == "failed" and "W&B could not write" in report["error"]
    assert not (tmp_path / "trial" / "result.json").exists()
