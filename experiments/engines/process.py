"""A worker process as whoever started it sees it: orders in, messages out, and how it ends."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


class NoProgress(RuntimeError):
    """The process is silent: its trial comes to no next step."""


class Process:
    """One worker process, in a process group of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._popen = subprocess.Popen(
            # -P: a file html.py in the working directory must not stand in for the library's.
            [sys.executable, "-P", "-m", "experiments.engines.local_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
            # Ctrl-C is for us; the workers are asked to stop by us.
            start_new_session=True,
        )

    def messages(self, order: dict[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
        """Hand over an order and yield what comes back, until the process ends.

        Raises
        ------
        NoProgress
            When nothing comes for so many seconds.
        """
        pipe_in, pipe_out = self._popen.stdin, self._popen.stdout
        assert pipe_in is not None and pipe_out is not None
        with contextlib.suppress(BrokenPipeError):
            pipe_in.write(json.dumps(order).encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(pipe_out, selectors.EVENT_READ)
            left = b""
            while True:
                if not selector.select(seconds):
                    raise NoProgress(f"no progress for {seconds:.0f} s")
                data = os.read(pipe_out.fileno(), 65536)
                if not data:
                    return
                *lines, left = (left + data).split(b"\n")
                yield from map(json.loads, lines)

    def ask_to_stop(self) -> None:
        """Have the process save what it is running, and end."""
        # Its own process alone: W&B's has to write the log of a trial that is just ending.
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        """Wait for the process to end, for so many seconds at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)

    def kill(self) -> None:
        """End the process and its group at once; W&B's process ends when it finds itself alone."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def how_it_ended(self) -> tuple[str, bool]:
        """Wait for the end; say how it came, and whether by SIGKILL."""
        status = self._popen.wait()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return how, status == -signal.SIGKILL
