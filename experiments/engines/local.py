"""Run trials on this machine: long-lived worker processes, one torch thread each.

The contract of an engine: run each trial somewhere, at least once. Trials are idempotent, claimed
by a lock and committed last, so whoever asked may submit again what is missing in the end.
Knows no torch: the workers do.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.folder import StudyFolder
from experiments.study import Trial

SECRETS = ("API_KEY", "TOKEN", "SECRET", "PASSWORD")


@dataclass(frozen=True)
class Event:
    """What has happened to a trial: it started, came to a step, or ended."""

    kind: Literal["started", "row", "ended"]
    trial: Trial
    step: int = 0
    score: float | None = None
    outcome: str = ""
    error: str | None = None


class Local:
    """Worker processes on this machine, started at once and kept until the last trial."""

    def __init__(self, workers: int, *, is_online: bool) -> None:
        self.is_online = is_online
        self._workers = [_Worker(is_online) for _ in range(workers)]

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    def run(self, trials: list[Trial], folder: StudyFolder) -> Iterator[Event]:
        """Run the trials and yield what happens, until all have ended."""
        waiting: queue.SimpleQueue[Trial] = queue.SimpleQueue()
        for trial in trials:
            waiting.put(trial)
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=worker.work, args=(waiting, folder, events), daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        left = len(threads)
        while left:
            event = events.get()
            if event is None:
                left -= 1
            else:
                yield event


class _Worker:
    """One worker process, and the thread of ours that hands it trials."""

    def __init__(self, is_online: bool) -> None:
        self._is_online = is_online
        self._is_stopped = False
        self._process = self._start()

    def work(
        self,
        waiting: "queue.SimpleQueue[Trial]",
        folder: StudyFolder,
        events: "queue.SimpleQueue[Event | None]",
    ) -> None:
        """Run trials until none is waiting; a process that dies is replaced."""
        with contextlib.suppress(queue.Empty):
            while not self._is_stopped:
                trial = waiting.get_nowait()
                events.put(Event("started", trial))
                for event in self._run(trial, folder.trial(trial.id)):
                    events.put(event)
        events.put(None)

    def stop(self) -> None:
        """End the process; what it was running is interrupted, and goes on in a later run."""
        self._is_stopped = True
        process = self._process
        # Its process group: W&B's own process must not outlive it.
        for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
            try:
                os.killpg(process.pid, number)
                process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def _run(self, trial: Trial, folder: Path) -> Iterator[Event]:
        order = {
            "trial": trial.model_dump(mode="json"),
            "folder": str(folder),
            "is_online": self._is_online,
        }
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        with contextlib.suppress(BrokenPipeError):
            pipe_in.write(json.dumps(order) + "\n")
            pipe_in.flush()
            for line in pipe_out:
                message: dict[str, Any] = json.loads(line)
                event = Event(trial=trial, **message)
                yield event
                if event.kind == "ended":
                    return
        status = self._process.wait()
        if not self._is_stopped:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            why = f"its process ended with {how}; it goes on when the study is run again"
            yield Event("ended", trial, outcome="interrupted", error=why)
            self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        environment = {
            name: value
            for name, value in os.environ.items()
            # A W&B service of the process that started us is not ours to log through.
            if name != "WANDB_SERVICE"
            and (self._is_online or not (name.startswith("WANDB") and name.endswith(SECRETS)))
        }
        # One thread each, set before torch is imported: two workers on two cores do not compete.
        environment |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
        return subprocess.Popen(
            # -P: a file html.py in the working directory must not stand in for the library's.
            [sys.executable, "-P", "-m", "experiments.engines.local_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            # Ctrl-C is for us; the workers are ended by us, and their groups with them.
            start_new_session=True,
        )
