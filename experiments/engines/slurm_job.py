"""One job of Slurm's: runs its share of a study's trials, on warm workers of its own.

What it does is told in a file of its launch, line by line: whoever waits for it reads there.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from experiments import accelerator
from experiments.durable import read_regular
from experiments.engines.base import ELSEWHERE, Event
from experiments.engines.local import Local
from experiments.folder import StudyFolder
from experiments.interruption import EXIT_STATUS, SIGNALS
from experiments.locking import claimed
from experiments.study import Trial

NEWS = "news.jsonl"
SECONDS_BETWEEN_ROWS = 5.0
"""A job may last for days, and each line stays."""

UNFINISHED = frozenset(("interrupted", ELSEWHERE))
"""How a trial ends that is not over with that."""


class _Asked(BaseException):
    """Slurm told us to stop."""


def folder_of(place: Path, number: int) -> Path:
    """Give the folder of one job within that of its launch."""
    return place / f"job-{number}"


def work(order: dict[str, Any]) -> None:
    """Run the trials of an order; what is committed is passed over, what was begun goes on.

    Where trials are to train on a GPU that is not there, it says so and runs none.
    Told that its time is nearly over, the job saves what it is at and puts itself into the queue
    again, unless it came no step further. The exit status is 75 whenever it was told to stop.
    """
    folder = StudyFolder(Path(order["folder"]))
    place = folder_of(Path(order["launch"]), order["number"])
    trials = [Trial.model_validate_json(json.dumps(each)) for each in order["trials"]]
    with claimed(place):
        news = _News(place / NEWS)
        left = [trial for trial in trials if trial.id not in news.over]
        on, is_online = order.get("on", "cpu"), order["is_online"]
        if why := accelerator.ask(on):
            news.refuse(f"--accelerator gpu: {why}")
            return
        with contextlib.suppress(_Asked), _asked() as asked:
            workers = min(order["at_once"], len(left))
            with Local(workers, is_online=is_online, on=on) as local:
                for event in local.run(left, folder) if left else ():
                    news.tell(event)
        news.close()
    if asked:
        if signal.SIGUSR1 in asked and news.has_moved:
            _requeue()
        sys.exit(EXIT_STATUS)


@contextlib.contextmanager
def _asked() -> Iterator[list[int]]:
    """Raise `_Asked` at the first signal, and give all that have come.

    Slurm's daemon and srun each send theirs: what comes after the first is no second request.
    """
    come: list[int] = []
    is_over = False

    def handle(number: int, frame: FrameType | None) -> None:
        come.append(number)
        if len(come) == 1 and not is_over:
            raise _Asked

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield come
    finally:
        is_over = True


def _requeue() -> None:
    # Only at the warning: while Slurm ends the job, it would end this command as well. What is
    # not queued again is submitted again by whoever waits for it.
    done = subprocess.run(["scontrol", "requeue", job_id(os.environ)])
    print(f"queued again: exit status {done.returncode}", file=sys.stderr)


def job_id(variables: Mapping[str, str]) -> str:
    """Give the id of one job of an array, from its environment.

    Not `SLURM_JOB_ID`: one of the jobs has there what names the whole array.
    """
    array, number = variables.get("SLURM_ARRAY_JOB_ID"), variables.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{number}" if array and number else variables["SLURM_JOB_ID"]


class _News:
    """What happens, written for others to read; and what was written before it was requeued."""

    def __init__(self, path: Path) -> None:
        told = [json.loads(line) for line in (read_regular(path) or b"").splitlines()]
        self.over = {
            each["trial"]
            for each in told
            if each["kind"] == "ended" and each["outcome"] not in UNFINISHED
        }
        self.has_moved = False
        self._rows: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._file = path.open("a", buffering=1)
        self._write(kind="begun", host=socket.gethostname(), job=job_id(os.environ))

    def tell(self, event: Event) -> None:
        """Write down what has happened to a trial, its rows not too often."""
        trial = event.trial.id
        if event.kind == "row":
            if event.step > self._steps.setdefault(trial, event.step):
                self.has_moved = True
            now = time.monotonic()
            if now - self._rows.get(trial, -SECONDS_BETWEEN_ROWS) < SECONDS_BETWEEN_ROWS:
                return
            self._rows[trial] = now
        elif event.kind == "ended" and event.outcome not in UNFINISHED:
            self.has_moved = True
        self._write(
            kind=event.kind,
            trial=trial,
            step=event.step,
            score=event.score,
            outcome=event.outcome,
            error=event.error,
        )

    def refuse(self, why: str) -> None:
        """Say why this machine runs none of the trials."""
        self._write(kind="refused", error=f"{socket.gethostname()}: {why}")
        self._file.close()

    def close(self) -> None:
        """Say that nothing more comes of this go."""
        self._write(kind="over")
        self._file.close()

    def _write(self, **line: Any) -> None:
        # NaN, a score of a trial that diverges, is no JSON for others, but is for us.
        self._file.write(json.dumps(line) + "\n")
