"""A launcher among others: what it waits for, what it takes over, and with what status it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planted_folder import plant, write
from rich.console import Console
from small import small_study, study_text

from experiments import running
from experiments.engines.base import Event
from experiments.folder import StudyFolder
from experiments.locking import claimed
from experiments.progress import Progress

LONGDEP = str(Path(sys.executable).parent / "longdep")
TRIAL, OTHER, *_ = TRIALS = small_study().trials()

STUDY = study_text(lags="[4, 8]", seeds=3, recipe='steps=300, stop="budget"')


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return plant(tmp_path / "small", small_study(), lambda trial: "missing")


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(quiet=True), len(TRIALS), 0)


@contextlib.contextmanager
def held(folder: StudyFolder, in_the_end: Callable[[], object]) -> Iterator[None]:
    """Hold a trial for a while, as another process would."""
    has_begun = threading.Event()

    def hold() -> None:
        with claimed(folder.trial(TRIAL.id)):
            has_begun.set()
            time.sleep(0.2)
            in_the_end()

    thread = threading.Thread(target=hold)
    thread.start()
    has_begun.wait()
    yield
    thread.join()


def test_a_trial_that_another_process_finishes_is_waited_for_and_counted(
    folder: StudyFolder, progress: Progress
) -> None:
    result = folder.trial(TRIAL.id) / "result.json"
    with held(folder, lambda: write(result, {"outcome": "solved"})):
        elsewhere = [Event("started", TRIAL), Event("ended", TRIAL, outcome="running elsewhere")]
        assert running._take(iter(elsewhere), folder, progress) == []
    assert (progress.done, progress.ended.total(), progress.running) == (1, 1, {})


def test_a_trial_that_another_process_leaves_unfinished_is_run_here(
    folder: StudyFolder, progress: Progress
) -> None:
    with held(folder, lambda: None):
        assert running._waited([TRIAL], folder, progress) == [TRIAL]
    assert progress.ended.total() == 0


def test_a_trial_that_fails_elsewhere_is_counted_and_not_run_once_more(
    folder: StudyFolder, progress: Progress
) -> None:
    failure = folder.trial(TRIAL.id) / "failure.json"
    with held(folder, lambda: write(failure, {"error": "RuntimeError: planted"})):
        assert running._waited([TRIAL], folder, progress) == []
    assert progress.ended == {"failed": 1}


def test_what_is_still_held_is_met_again_after_what_was_left(
    folder: StudyFolder, progress: Progress
) -> None:
    with held(folder, lambda: None):
        assert running._waited([TRIAL, OTHER], folder, progress) == [OTHER, TRIAL]


def test_a_folder_that_is_moved_away_ends_the_run(folder: StudyFolder, progress: Progress) -> None:
    folder.path.rename(folder.path.with_name("elsewhere"))
    with pytest.raises(running._Gone):
        running._take(iter([Event("ended", TRIAL, outcome="failed")]), folder, progress)


def test_a_folder_that_is_moved_away_between_two_trials_ends_the_run_too(
    folder: StudyFolder, progress: Progress
) -> None:
    folder.path.rename(folder.path.with_name("elsewhere"))
    with pytest.raises(running._Gone):
        running._take(iter([Event("ended", TRIAL, outcome="solved")]), folder, progress)


def results(folder: Path) -> int:
    return len(list(folder.glob("runs/small/*/result.json")))


def launched(folder: Path) -> "subprocess.Popen[str]":
    """Start the small study, and wait until one more trial is done and others are under way."""
    (folder / "small.py").write_text(STUDY)
    before = results(folder)
    process = subprocess.Popen(
        [LONGDEP, "run", "small.py"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while results(folder) == before:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_every_way_to_be_told_to_stop_is_met_as_ctrl_c_is(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), running._stoppable():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.slow
def test_told_to_stop_it_keeps_all_ends_with_75_and_goes_on(tmp_path: Path) -> None:
    process = launched(tmp_path)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 75, out
    assert "are done and kept in runs/small; the same command goes on from there" in out
    again = subprocess.run([LONGDEP, "run", "small.py"], cwd=tmp_path, check=False)
    assert again.returncode == 0


@pytest.mark.slow
def test_a_folder_moved_away_while_its_trials_run_is_not_made_anew(tmp_path: Path) -> None:
    process = launched(tmp_path)
    os.rename(tmp_path / "runs/small", tmp_path / "elsewhere")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert "runs/small is no longer there; nothing is made anew in its place" in out
    # W&B may have been writing a log at that moment, and makes its own folders by itself.
    ours = {"study.json", "trial.json", "result.json", "history.jsonl", "weights.pt", "lock"}
    assert not ours & {path.name for path in (tmp_path / "runs").rglob("*")}
    done = subprocess.run([LONGDEP, "run", "elsewhere"], cwd=tmp_path, check=False)
    assert done.returncode == 0
