"""A tiny trial, children of the fault server that run it, and what must be the same afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small import RECIPE, small_study

from analysis import wandb_log
from experiments import trial as trials
from experiments.durable import read_rows
from experiments.study import Arm, Budget, Trial

ROWS = 4
MEASURED = {"seconds"}
IN_CI = os.environ.get("LONGDEP_CI") == "1"

CHANGES = ("openat", "write", "pwrite64", "fsync", "ftruncate", "mkdir", "rmdir")
CHANGES = (*CHANGES, *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdirat"))
"""The system calls that change what is on the disk: a kill between any others leaves the same."""


def tiny_trial(**changes: Any) -> Trial:
    """Give a trial of four rows that takes a tenth of a second."""
    declared = {"steps": 10 * ROWS, "validation_every": 10, "batch": 4, "stop": "budget"}
    sizes = {"validation_size": 16, "test_size": 16}
    arm = Arm(architecture="rnn")
    recipe = RECIPE.but(**{**declared, **sizes, **changes})
    budget = Budget(state=4)
    return small_study(arms=[arm], reference="rnn", recipe=recipe, budget=budget).trials()[0]


def needs(is_there: bool, what: str) -> None:
    """Skip a test that cannot be made here; where everything must be shown, fail it."""
    if not is_there and IN_CI:
        pytest.fail(f"LONGDEP_CI=1, and there is no {what}")
    if not is_there:
        pytest.skip(f"there is no {what}")


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    found, _ = read_rows(folder / "history.jsonl")
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in found]


def logged(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    log = wandb_log.read(folder / result(folder)["log"])
    assert log.complete
    own = [{k: v for k, v in row.items() if k[0] != "_"} for row in log.history]
    kept = [{k: v for k, v in row.items() if k not in MEASURED} for row in own]
    return kept, {k: v for k, v in log.summary.items() if k[0] != "_"}


def assert_same(folder: Path, undisturbed: Path) -> None:
    """Hold a trial against the undisturbed one: weights, outcome, rows, log, and nothing else."""
    there, here = result(undisturbed), result(folder)
    same = ("trial", "outcome", "solved_step", "steps", "rows", "weights_sha256", "bit_exact")
    assert {k: here[k] for k in same} == {k: there[k] for k in same}
    assert rows(folder) == rows(undisturbed) and len(rows(folder)) == here["rows"]
    # A log's last row gives the summary its measured time.
    (rows_here, summary), (rows_there, other) = logged(folder), logged(undisturbed)
    assert rows_here == rows_there == rows(folder)
    assert {**summary, "seconds": 0} == {**other, "seconds": 0}
    left = {re.sub(r"torn-\d+", "torn", name) for name in os.listdir(folder)}
    assert left - {"history.torn.jsonl"} == set(os.listdir(undisturbed))


def resumed(folder: Path, **changes: Any) -> dict[str, Any]:
    """Run a trial to its end in this process."""
    return trials.run(tiny_trial(), folder, is_debugged=True, **changes)


class Server:
    """The program that forks, as a test sees it."""

    def __init__(self, scratch: Path) -> None:
        self.told = scratch / "told.json"
        kept = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fault_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept,
        )

    def fork(self, folder: Path, **order: Any) -> int:
        """Start a child on a trial's folder and give its process id."""
        self.told.unlink(missing_ok=True)
        order |= {"folder": str(folder), "told": str(self.told)}
        order.setdefault("trial", tiny_trial().model_dump(mode="json"))
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> tuple[int, float]:
        """Wait for the child; give its exit status, or minus the signal, and its seconds."""
        status, seconds = json.loads(self._line())
        return status, seconds

    def report(self) -> dict[str, Any]:
        """Give what the child's trial reported."""
        found: dict[str, Any] = json.loads(self.told.read_text())
        return found

    def traced(self, folder: Path, inject: list[str], **order: Any) -> tuple[int, list[str]]:
        """Run a child under strace from its stop on; give its exit and the calls that it made."""
        pid = self.fork(folder, **order)
        wait_until(lambda: state_of(pid) == "T")
        trace = f"trace={','.join(f'?{name}' for name in CHANGES)}"
        arguments = ["strace", "-f", "-y", "-e", trace, *inject, "-p", str(pid)]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            lines = []
            for line in strace.stderr:
                lines.append(line)
                if "attached" in line:
                    os.kill(pid, signal.SIGCONT)
        status, _ = self.end()
        return status, lines

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    serving = Server(tmp_path_factory.mktemp("server"))
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "trial"
    resumed(folder)
    return folder


@pytest.fixture(scope="module")
def strace() -> None:
    needs(shutil.which("strace") is not None, "strace")


def wait_until(is_so: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def state_of(pid: int) -> str:
    """Give the state of a process, as /proc has it: R, S, T (stopped), Z; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def processes_of(parent: int) -> list[int]:
    """List W&B's processes that were started by a process, which may be gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"wandb-core" in words[0] and str(parent).encode() in words:
            found.append(int(path.parent.name))
    return found


def calls(lines: list[str], folder: Path) -> list[tuple[str, int]]:
    """List the calls in what strace printed that change a trial's folder: name and number."""
    counted: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    for line in lines:
        if call := re.match(r"(?:\[pid +\d+\] )?(\w+)\(", line):
            counted[call[1]] += 1
            is_read = call[1] == "openat" and "O_CREAT" not in line
            if str(folder) in line and not is_read:
                found.append((call[1], counted[call[1]]))
    return found
