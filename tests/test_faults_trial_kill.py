"""A trial killed at any moment, or at any system call of a write, ends as if it was not."""

import contextlib
import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest
from disturbed import (  # noqa: F401
    ROWS,
    Server,
    assert_same,
    calls,
    processes_of,
    resumed,
    server,
    strace,
    undisturbed,
    wait_until,
)

WINDOWS = {
    "declaring": ("start", "row 1"),
    "logging and saving": ("row 2", "row 3"),
    "the last checkpoint and the weights": (f"row {ROWS}", "render"),
    "committing": ("rendered", None),
}
"""What is written between two moments of a trial."""


@pytest.mark.slow
def test_a_trial_killed_at_25_random_moments_is_the_same(
    server: Server, undisturbed: Path, tmp_path: Path
) -> None:
    server.fork(tmp_path / "whole")
    _, seconds = server.end()
    randomly, killed = random.Random(6), list[int]()
    for number in itertools.count():
        folder = tmp_path / f"trial-{number}"
        pid = server.fork(folder)
        time.sleep(randomly.random() * seconds)
        # It may have come to its end before: then it counts for nothing.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        status, _ = server.end()
        if status == -signal.SIGKILL:
            killed.append(pid)
            resumed(folder)
            assert_same(folder, undisturbed)
        if len(killed) == 25:
            break
    wait_until(lambda: not any(processes_of(pid) for pid in killed))


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS)
def test_a_trial_killed_at_each_system_call_of_a_write_is_the_same(
    window: str, server: Server, strace: None, undisturbed: Path, tmp_path: Path
) -> None:
    stop_at, end_at = WINDOWS[window]
    order = {"stop_at": stop_at, "end_at": end_at, "log": str(undisturbed)}
    status, lines = server.traced(tmp_path / "whole", [], **order)
    points = calls(lines, tmp_path / "whole")
    assert status == 0 and {"fsync", "rename"} <= {name for name, _ in points}
    for name, number in points:
        folder = tmp_path / f"{name}-{number}"
        inject = ["-e", f"inject={name}:signal=KILL:when={number}"]
        status, _ = server.traced(folder, inject, **order)
        assert status == -signal.SIGKILL, f"{name} {number} was not reached"
        resumed(folder)
        assert_same(folder, undisturbed)
