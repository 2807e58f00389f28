"""Cleans up behind a Ray cluster of ours, however whoever started it ends: a process of its own.

Its input ends when the driver closes it, or is killed. Then what bears the cluster's mark is ended,
first Ray's processes, so that workers save their trials and end, and its folder is removed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MARK = "LONGDEP_RAY"
"""In the environment of every process of the cluster: its folder."""
PREFIX = "longdep-ray-"
LONGEST = 40
"""Ray puts sockets into a folder of some 65 letters below ours; a socket's path has 107 at most."""
SECONDS_TO_SAVE = 15.0
SECONDS_BETWEEN_LOOKS = 0.1
RAYS = b"-packages/ray/"


class Keeper:
    """A folder for a Ray cluster, and the process that waits to clean up behind it."""

    def __init__(self) -> None:
        short = [place for place in (tempfile.gettempdir(), "/tmp") if len(place) < LONGEST - 20]
        self.folder = tempfile.mkdtemp(prefix=PREFIX, dir=short[0])
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "experiments.engines.ray_keeper", self.folder],
            stdin=subprocess.PIPE,
            # Ctrl-C is not for it.
            start_new_session=True,
        )

    def close(self) -> None:
        """Have everything cleaned up, and wait until it is."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait()


def marked(folder: str) -> dict[int, bool]:
    """Find the processes of a cluster by its mark: {pid: it is one of Ray's}."""
    mark = f"{MARK}={folder}".encode()
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        # It may end at any moment, or be somebody else's.
        with contextlib.suppress(OSError):
            if mark in (place / "environ").read_bytes().split(b"\0"):
                command = (place / "cmdline").read_bytes()
                found[int(place.name)] = command.startswith(b"ray") or RAYS in command
    return found


def clean_up(folder: str) -> None:
    """End what bears the mark and remove the folder."""
    until = time.monotonic() + SECONDS_TO_SAVE
    while left := marked(folder):
        for pid, is_rays in left.items():
            # A worker saves its trial when it finds Ray's process gone, and its W&B ends with it.
            if is_rays or time.monotonic() > until:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    shutil.rmtree(folder, ignore_errors=True)


def main(folder: str) -> None:
    """Wait for the end of whoever started us, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clean_up(folder)


if __name__ == "__main__":
    main(sys.argv[1])
