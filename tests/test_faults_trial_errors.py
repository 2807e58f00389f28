"""A disk that is full, read-only or broken: a trial stops, says where, and goes on afterwards."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from disturbed import (  # noqa: F401
    Server,
    assert_same,
    calls,
    needs,
    resumed,
    rows,
    server,
    strace,
    tiny_trial,
    undisturbed,
)

from experiments import checkpoint, tracking
from experiments import trial as trials

ERRORS = {"write": "ENOSPC", "fsync": "EIO", "openat": "EMFILE", "rename": "EACCES"}
OTHERWISE = "EROFS"


def whole_checkpoints(folder: Path) -> list[int]:
    found = [s for _, s in checkpoint.newest_first(folder / "checkpoints")]
    assert all(isinstance(state, dict) for state in found), found
    return [state["rows"] for state in found]  # type: ignore[index]


def fail(folder: Path, **changes: Any) -> str:
    report = trials.run(tiny_trial(), folder, **changes)
    assert report["outcome"] == "failed" and not (folder / "result.json").exists()
    line: str = report["error"]
    return line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_at", "end_at"),
    [("row 2", "row 4"), ("row 4", "render"), ("rendered", None)],
    ids=["logging and saving", "the last checkpoint and the weights", "committing"],
)
def test_an_error_at_each_system_call_of_a_write_stops_the_trial_and_loses_nothing(
    stop_at: str,
    end_at: str | None,
    server: Server,
    strace: None,
    undisturbed: Path,
    tmp_path: Path,
) -> None:
    order = {"stop_at": stop_at, "end_at": end_at, "log": str(undisturbed)}
    _, lines = server.traced(tmp_path / "whole", [], **order)
    failed = 0
    for name, number in calls(lines, tmp_path / "whole"):
        folder = tmp_path / f"{name}-{number}"
        error = ERRORS.get(name, OTHERWISE)
        inject = ["-e", f"inject={name}:error={error}:when={number}"]
        status, _ = server.traced(folder, inject, **order)
        assert status == 0
        if server.told.exists() and server.report()["outcome"] == "failed":
            failed += 1
            assert str(folder) in server.report()["error"]
            assert (folder / "failure.json").exists()
            assert whole_checkpoints(folder)
            # Where only the folder's fsync failed, the file is in its place.
            is_there = (folder / "result.json").exists()
            assert not is_there or (name, stop_at) == ("fsync", "rendered")
        resumed(folder)
        assert_same(folder, undisturbed)
    assert failed >= 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    needs(is_mounted, "right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> None:
    with open(disk / "ballast", "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC


def calling_first(real: Callable[..., Any], first: Callable[[], None]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        first()
        return real(*arguments, **options)

    return called


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["logging", "checkpointing", "rendering", "committing"])
def test_a_trial_on_a_full_disk_is_not_done_and_goes_on_when_there_is_space(
    moment: str,
    small_disk: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = small_disk / "trial"

    def on_row(row: dict[str, Any]) -> None:
        if row["step"] == {"logging": 10, "checkpointing": 20}.get(moment):
            fill(small_disk)

    with monkeypatch.context() as patched:
        if moment == "rendering":
            first = calling_first(tracking._init, lambda: fill(small_disk))
            patched.setattr(tracking, "_init", first)
        if moment == "committing":
            first = calling_first(checkpoint.sha256_of, lambda: fill(small_disk))
            patched.setattr(checkpoint, "sha256_of", first)
        seconds = 1e9 if moment == "logging" else 0.0
        line = fail(folder, on_row=on_row, checkpoint_seconds=seconds)
    assert str(folder) in line and "free some space" in line
    if moment != "logging":
        assert whole_checkpoints(folder)[0] == (1 if moment == "checkpointing" else 4)
    (small_disk / "ballast").unlink()
    resumed(folder)
    assert_same(folder, undisturbed)


@pytest.mark.slow
def test_on_a_read_only_system_a_trial_says_so_and_makes_nothing(small_disk: Path) -> None:
    folder = small_disk / "trial"
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    line = fail(folder)
    assert str(small_disk) in line and "read-only" in line and not folder.exists()


def test_a_short_write_leaves_a_torn_row_that_is_cut_and_kept_aside(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "trial"
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_row(row: dict[str, Any]) -> None:
        if row["step"] == 20:
            size = (folder / "history.jsonl").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, unlimited[1]))

    try:
        line = fail(folder, on_row=on_row)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "history.jsonl" in line and "ulimit -f" in line
    assert len(rows(folder)) == 2
    torn = (folder / "history.jsonl").read_bytes()
    assert not torn.endswith(b"\n")
    notes = resumed(folder)["notes"]
    assert "kept in history.torn-1.jsonl" in " ".join(notes)
    assert torn.endswith((folder / "history.torn-1.jsonl").read_bytes()[-20:])
    assert_same(folder, undisturbed)


def test_without_open_files_left_a_trial_says_what_to_raise(
    undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "trial"
    unlimited = resource.getrlimit(resource.RLIMIT_NOFILE)

    def on_row(row: dict[str, Any]) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, unlimited[1]))

    try:
        line = fail(folder, on_row=on_row, checkpoint_seconds=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, unlimited)
    assert str(folder) in line and "ulimit -n" in line
    resumed(folder)
    assert_same(folder, undisturbed)


def test_a_folder_that_is_moved_away_is_not_made_anew(undisturbed: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()

    def on_row(row: dict[str, Any]) -> None:
        if study.exists():
            study.rename(tmp_path / "elsewhere")

    line = fail(study / "trial", on_row=on_row, checkpoint_seconds=0.0)
    assert "gone while the trial ran" in line and not study.exists()
    resumed(tmp_path / "elsewhere" / "trial")
    assert_same(tmp_path / "elsewhere" / "trial", undisturbed)
