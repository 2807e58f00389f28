"""Four launchers on one study, killed at random and started again: each trial once, none lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small import study_text

from analysis import wandb_log
from experiments import checkpoint

LONGDEP = str(Path(sys.executable).parent / "longdep")
LAUNCHERS, KILLS, TRIALS = 4, 6, 40
SEED = 6

STUDY = study_text(lags="[4, 8]", seeds=10, recipe='steps=50, stop="budget"')


def processes(mark: str) -> dict[int, int]:
    """Find the processes that were started with a mark in their environment: {own id: parent}."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(folder.name)] = int(parent)
        except OSError:
            continue
    return found


def launch(folder: Path, mark: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [LONGDEP, "run", "small.py", "--workers", "1"],
        cwd=folder,
        env={**os.environ, "LONGDEP_TEST": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def committed(folder: Path) -> dict[str, tuple[int, int]]:
    """Give what tells a result from another of the same name: a rewritten one is another file."""
    found = {}
    for path in folder.glob("runs/small/*/result.json"):
        status = path.stat()
        found[path.parent.name] = (status.st_ino, status.st_mtime_ns)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
def test_four_launchers_killed_at_random_run_each_of_forty_trials_once(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    mark = f"four launchers {os.getpid()}"
    chance = random.Random(SEED)
    running = [launch(tmp_path, mark) for _ in range(LAUNCHERS)]
    seen: dict[str, tuple[int, int]] = {}
    kills = 0
    next_kill = time.monotonic() + 6
    deadline = time.monotonic() + 500
    while any(process.poll() is None for process in running):
        assert time.monotonic() < deadline, "they wait for one another"
        for trial, identity in committed(tmp_path).items():
            assert seen.setdefault(trial, identity) == identity, f"{trial} was rewritten"
        if kills < KILLS and time.monotonic() > next_kill:
            which = chance.randrange(LAUNCHERS)
            victim = running[which]
            # A launcher alone, whose worker is left without one; a worker alone; or both.
            with_launcher, with_workers = chance.choice(
                [(True, False), (False, True), (True, True)]
            )
            workers = [own for own, parent in processes(mark).items() if parent == victim.pid]
            for own in workers if with_workers else []:
                os.kill(own, signal.SIGKILL)
            if with_launcher and victim.poll() is None:
                victim.kill()
                victim.communicate()
                running[which] = launch(tmp_path, mark)
            kills += 1
            next_kill = time.monotonic() + chance.uniform(0.5, 3)
        time.sleep(0.02)
    said = [process.communicate()[0] for process in running]
    # A launcher whose worker was killed says so, and that the same command goes on.
    assert {process.returncode for process in running} <= {0, 75}, said
    last = launch(tmp_path, mark)
    told, _ = last.communicate()
    assert last.returncode == 0, told
    final = committed(tmp_path)
    assert len(final) == TRIALS
    assert {trial: final[trial] for trial in seen} == seen
    assert kills == KILLS, "the study was over before the kills were"
    attempts = 0
    for trial in final:
        folder = tmp_path / "runs/small" / trial
        result = json.loads((folder / "result.json").read_text())
        attempts += result["attempts"]
        log = folder / result["log"]
        assert wandb_log.read(log).complete
        assert checkpoint.sha256_of(log) == result["log_sha256"]
        assert checkpoint.sha256_of(folder / "weights.pt") == result["weights_sha256"]
    assert attempts - TRIALS <= KILLS, "a trial was begun again that nobody had killed"
    until = time.monotonic() + 10
    while (left := processes(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left
    for command in ("clean", "doctor"):
        done = subprocess.run(
            [LONGDEP, command, "runs/small"], cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
