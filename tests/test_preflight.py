"""Before a run: a machine that cannot carry it is refused in one line, and nothing is created."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import small_study

from experiments import locking, preflight
from experiments.folder import StudyFolder
from experiments.loading import StudyError

Usage = namedtuple("Usage", "total used free")
TRIALS = small_study().trials()
NO_LOCKS = (
    "{place}: locks do not work on this file system, so one trial could be run twice; "
    "choose another folder with --out"
)


def raising(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "shutil.disk_usage",
            lambda path: Usage(10**12, 10**12, 12 * 10**6),
            "only 12 MB free at {place}; 4096 trials need about 531 MB",
        ),
        (
            "tempfile.NamedTemporaryFile",
            raising(errno.EACCES),
            "{place} cannot be written: Permission denied; choose another folder with --out",
        ),
        (
            "tempfile.NamedTemporaryFile",
            raising(errno.EROFS),
            "{place} cannot be written: Read-only file system; choose another folder with --out",
        ),
        (
            "fcntl.flock",
            raising(errno.ENOLCK),
            NO_LOCKS,
        ),
        (
            "fcntl.flock",
            lambda *_: None,
            NO_LOCKS,
        ),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, line: str
) -> None:
    module = {"shutil": shutil, "tempfile": tempfile, "fcntl": fcntl}[name.partition(".")[0]]
    monkeypatch.setattr(module, name.partition(".")[2], value)
    with pytest.raises(StudyError) as refused:
        preflight.check(tmp_path / "runs" / "small", TRIALS * 512, workers=2)
    assert str(refused.value) == line.replace("{place}", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_can_is_let_pass_and_nothing_is_left(tmp_path: Path) -> None:
    preflight.check(tmp_path / "runs" / "small", TRIALS, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_counted_for_the_largest_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    units = {(t.arm.label, f"{t.task}/{t.dialect}"): 30 for t in TRIALS}
    least = 4 * 64 * 8 * 30  # float32, examples of an evaluation, steps of the longer lag, units
    monkeypatch.setattr(preflight, "available_memory", lambda: least)
    preflight.check_memory(TRIALS, units)
    monkeypatch.setattr(preflight, "available_memory", lambda: least - 1)
    with pytest.raises(StudyError, match="8: 64 sequences of 8 steps need at least 61 kB"):
        preflight.check_memory(TRIALS, units)
    monkeypatch.setattr(preflight, "available_memory", lambda: None)
    preflight.check_memory(TRIALS, units)


def test_the_memory_of_this_machine_is_between_nothing_and_all() -> None:
    available = preflight.available_memory()
    if available is None:
        pytest.skip("this system does not say")
    assert 0 < available <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12 * 10**6, "12 MB")],
)
def test_sizes_are_written_as_a_reader_says_them(count: int, text: str) -> None:
    assert preflight.size(count) == text
    assert preflight.size(4 * 10**12) == "4.0 TB"


def test_a_claim_holds_against_a_second_and_ends_with_its_holder(tmp_path: Path) -> None:
    with locking.claimed(tmp_path / "t") as first, locking.claimed(tmp_path / "t") as second:
        assert (first, second) == (True, False)
        assert locking.is_claimed(tmp_path / "t")
    assert not locking.is_claimed(tmp_path / "t")
    assert not locking.is_claimed(tmp_path / "nowhere")


def test_a_lock_file_that_is_removed_while_it_is_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise two processes could each hold a file of the same name."""
    flock = fcntl.flock
    removed = []

    def slow(handle: int, flags: int) -> None:
        if not removed:
            removed.append((tmp_path / "t" / "lock").unlink())
        flock(handle, flags)

    monkeypatch.setattr(fcntl, "flock", slow)
    with locking.claimed(tmp_path / "t") as first, locking.claimed(tmp_path / "t") as second:
        assert (first, second) == (True, False)


def test_a_claim_never_leaves_the_studys_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "t").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link"), locking.claimed(tmp_path / "t"):
        pass
    (tmp_path / "u").mkdir()
    (tmp_path / "u" / "lock").symlink_to(tmp_path / "elsewhere" / "lock")
    with pytest.raises(OSError, match="symbolic link"), locking.claimed(tmp_path / "u"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_studys_folder_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locking.claimed(tmp_path / "gone" / "t"):
        pass
    assert not (tmp_path / "gone").exists()


def test_a_trial_is_set_aside_only_as_it_was_when_it_was_looked_at(tmp_path: Path) -> None:
    from planted_folder import plant, write

    from experiments.running import _set_aside

    folder: StudyFolder = plant(tmp_path / "small", small_study())
    one, other = (trial.id for trial in TRIALS[:2])
    looked = {trial: folder.result(trial) for trial in (one, other)}
    write(folder.trial(other) / "result.json", {**(looked[other] or {}), "attempts": 2})
    for trial, result in looked.items():
        _set_aside(folder, trial, result)
    assert folder.result(one) is None
    assert (folder.trial(one) / "result-1.json").is_file()
    assert (folder.result(other) or {})["attempts"] == 2, "another process had just run it anew"
