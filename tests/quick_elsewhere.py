"""The quick study beyond one machine: python tests/quick_elsewhere.py ray|slurm [FOLDER]

Runs it on three Ray nodes, one of which is killed midway, or under a real Slurm of one node, where
one job is cancelled, one pre-empted, and one held until Slurm ends it for its time. Each trial is
then held against the same one trained by the local engine: weights, rows, log. FOLDER is where the
local engine's are, or are to be; without it they are trained and forgotten. Ten minutes on two
cores, so the tests do the same with studies of a few trials.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ray_nodes
from disturbed import assert_same, result
from slurm_cluster import asked, cluster, left
from slurm_study import LONGDEP, begun, job_of

TRIALS = 200
EXHAUSTED = "Time limit exhausted"


def results(place: Path) -> list[Path]:
    """List the trials of a study that are done."""
    return sorted(path.parent for path in place.glob("*/result.json"))


def wait(is_true: Callable[[], object], run: "subprocess.Popen[str]") -> None:
    """Wait for something that a run comes to."""
    while not is_true():
        assert run.poll() is None, "the run ended before"
        time.sleep(0.2)


@contextlib.contextmanager
def ray_run(place: Path) -> Iterator[None]:
    """Run the study on three nodes, and kill one when a third of the trials is done."""
    with ray_nodes.cluster() as nodes:
        command = [LONGDEP, "run", "quick", "--engine", "ray", "--address", nodes.address]
        with running(command, place, os.environ | nodes.variables) as run:
            wait(lambda: len(results(place)) > TRIALS // 3, run)
            nodes.lose_one()
            print(f"a node killed after {len(results(place))} trials", flush=True)
        yield


@contextlib.contextmanager
def slurm_run(place: Path) -> Iterator[None]:
    """Run the study as jobs, and have one end each way that Slurm ends jobs."""
    with cluster(cpus=3) as environment:
        command = [LONGDEP, "run", "quick", "--engine", "slurm", "--partition", "plain"]
        with running([*command, "--time", "3"], place, environment) as run:
            wait(lambda: len({job_of(trial) for trial in begun(place, 1)}) == 3, run)
            stuck, cancelled, _ = sorted({job_of(trial) for trial in begun(place, 1)})
            threading.Thread(target=hold, args=(stuck, environment), daemon=True).start()
            asked(environment, "scancel", cancelled)
            print(f"job {stuck} held, {cancelled} cancelled", flush=True)
            wait(lambda: EXHAUSTED in log_of(environment), run)
            wait(lambda: len({job_of(trial) for trial in begun(place, 1)}) == 3, run)
            urgent = ("sbatch", "--partition=urgent", "--output=/dev/null", "--wrap", "sleep 5")
            for _ in range(2):
                asked(environment, *urgent)
            print(f"two jobs with more right after {len(results(place))} trials", flush=True)
        for words in ("REQUEST_KILL_JOB", "preempted JobId", EXHAUSTED):
            lines = [line for line in log_of(environment).splitlines() if words in line]
            print(f"Slurm's log, {len(lines)} times:", *lines[:1])
            assert lines
        assert asked(environment, "squeue", "-h") == "" and not (place / "slurm").exists()
        yield


def hold(job: str, environment: dict[str, str]) -> None:
    """Stop the processes of a job until its time is over: Slurm's warning would wake them."""
    array, _, number = job.partition("_")
    words = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={number}".encode()}
    its = []
    for process in left(Path(environment["SLURM_CONF"]).parent):
        with contextlib.suppress(OSError):
            if words <= set(Path(f"/proc/{process}/environ").read_bytes().split(b"\0")):
                its.append(process)
    while EXHAUSTED not in log_of(environment):
        for process in its:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGSTOP)
        time.sleep(0.02)


def log_of(environment: dict[str, str]) -> str:
    """Give what Slurm's controller has said."""
    return (Path(environment["SLURM_CONF"]).parent / "slurmctld.log").read_text()


@contextlib.contextmanager
def running(
    command: list[str], place: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """Start a run, and wait for its good end."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(
            [*command, "--out", str(place)], env=environment, stdout=said, stderr=said, text=True
        ) as run:
            try:
                yield run
            except BaseException:
                run.kill()
                raise
        said.seek(0)
        text = said.read()
    print(
        f"took {time.monotonic() - began:.0f} s; its last words:",
        *text.splitlines()[-3:],
        sep="\n  ",
    )
    assert run.returncode == 0, text


ENGINES = {"ray": ray_run, "slurm": slurm_run}


def main(engine: str, here: Path | None) -> None:
    """Run it both ways, and compare."""
    with tempfile.TemporaryDirectory() as scratch:
        here, there = here or Path(scratch) / "here", Path(scratch) / "there"
        subprocess.run([LONGDEP, "run", "quick", "--out", str(here)], check=True)
        with ENGINES[engine](there):
            assert len(results(there)) == len(results(here)) == TRIALS
            for trial in results(there):
                assert_same(trial, here / trial.name)
        again = sum(result(trial)["attempts"] > 1 for trial in results(there))
        print(f"{TRIALS} trials are those of one machine, {again} of them at a second attempt")


if __name__ == "__main__":
    if sys.argv[1:2] not in ([name] for name in ENGINES):
        sys.exit(f"which engine? {' or '.join(ENGINES)}")
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
