"""A study of three trials for a cluster, and the launcher to a real Slurm that a test disturbs."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LONGDEP = str(Path(sys.executable).parent / "longdep")
SECONDS = 240.0

GATE = "LONGDEP_TEST_GATE"
"""The variable with the path of a file: until it is there, the trials take their time."""
SLOW = f"""
import os
import time

from lightning_modules.architectures.min_gru import MinGRU


class Slow(MinGRU):
    \"\"\"Idles until a file is there, so that a trial is met in its middle on any machine.\"\"\"

    calls = 0

    def forward(self, x, state=None):
        if not os.path.exists(os.environ.get("{GATE}", "/")):
            Slow.calls += 1
            time.sleep(0.01 if Slow.calls < 100 else 1)
        return super().forward(x, state)
"""
STUDY = """
from pathlib import Path

from experiments.study import Arm, Budget, Recipe, Study, TaskAxis

SLOW = f"{Path(__file__).with_name('slow.py')}:Slow"
STUDY = Study(
    name="small",
    question="Does the queue change what comes out?",
    arms=[Arm(label="slow", architecture=SLOW)],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[8])],
    seeds=3,
    budget=Budget(state=16),
    reference="slow",
    recipe=Recipe(learning_rate=1e-2, steps=800, batch=16, validation_every=20, stop="budget",
                  validation_size=64, test_size=64),
)
"""


class Launcher:
    """A `longdep run` that waits for its jobs."""

    def __init__(self, study: str, out: Path, environment: dict[str, str], *options: str) -> None:
        command = [LONGDEP, "run", study, "--engine", "slurm", "--out", str(out), *options]
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command, env=environment, stdout=self._said, stderr=subprocess.STDOUT
        )

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end; give the exit status, and all it said."""
        self._process.wait(SECONDS)
        return self._process.returncode, self.said()

    def said(self) -> str:
        """Give what it has said so far."""
        return os.pread(self._said.fileno(), 10**6, 0).decode()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self._said.close()


@contextlib.contextmanager
def launched(
    study: str, out: Path, environment: dict[str, str], *options: str
) -> Iterator[Launcher]:
    """Start a launcher, and see to it that it is gone in the end."""
    launcher = Launcher(study, out, environment, *options)
    try:
        yield launcher
    finally:
        launcher.close()


def wait(is_true: Callable[[], object], what: str) -> None:
    """Wait for something to become true."""
    until = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.05)


def begun(out: Path, count: int = 3) -> list[Path]:
    """List the trials that have so many rows and no result yet."""
    histories = out.glob("*/history.jsonl")
    return [
        path.parent
        for path in histories
        if path.read_bytes().count(b"\n") >= count and not (path.parent / "result.json").exists()
    ]


def job_of(trial: Path) -> str:
    """Give the id of the job that a trial runs in."""
    return str(re.findall(r'"job": "(\w+)"', _news(trial))[-1])


def has_saved(trial: Path) -> bool:
    """Tell whether the job of a trial has ended a go at it, as it was asked to."""
    return '"over"' in _news(trial)


def _news(trial: Path) -> str:
    told = [path.read_text() for path in trial.parent.glob("slurm/*/job-*/news.jsonl")]
    return next(text for text in told if trial.name in text)
