"""What Slurm is asked, and what its refusals become; and its signals, which come twice."""

import os
import signal
from pathlib import Path

import pytest
from small import small_study

from experiments import interruption
from experiments.engines import choice
from experiments.engines.base import Where
from experiments.engines.slurm_job import job_id
from experiments.engines.slurm_queue import at_once, directives
from lightning_modules.refusal import RefusedError

TRIALS = small_study().trials()


def test_directives_are_passed_through_and_those_of_ours_are_refused() -> None:
    where = Where(partition="short", slurm=("mem=4G", "--exclusive", "cpus_per_task=3"))
    assert directives(where) == {
        "partition": "short", "mem": "4G", "exclusive": True, "cpus-per-task": "3"
    }  # fmt: skip
    assert at_once(where) == 3
    shared = Where(trials_per_gpu=4, slurm=("cpus-per-task=8",))
    assert directives(shared) == {"gres": "gpu:1", "cpus-per-task": "8"}
    assert at_once(shared) == 4
    assert "gres" not in directives(Where(trials_per_gpu=4, slurm=("gpus-per-node=a100:1",)))
    for text, line in {
        "time=5": "--slurm time=5: --time sets it",
        "output=x": "--slurm output=x: longdep sets it itself",
        "=5": "write KEY=VALUE",
        "mem=1\nrm -rf /": "write KEY=VALUE",
        "cpus-per-task=two": "give a number of cores",
    }.items():
        with pytest.raises(RefusedError, match=line):
            directives(Where(slurm=(text,)))


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_machine_without_slurm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RefusedError, match="there is no sbatch on this machine"):
        choice.begin(Where(engine="slurm"), TRIALS, is_online=False)


def test_what_slurm_refuses_is_said_in_its_words_and_it_is_given_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusal = "sbatch: error: invalid partition specified: shrt"
    command(tmp_path, "sbatch", f"env > {tmp_path}/given\necho '{refusal}' >&2\nexit 1")
    command(tmp_path, "sinfo", "echo short; echo long")
    for name in ("srun", "squeue", "scancel"):
        command(tmp_path, name, "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("MY_API_KEY", "hidden")
    said = (
        "Slurm refuses such jobs: invalid partition specified: shrt; "
        "partitions: long, short; did you mean 'short'?"
    )
    with pytest.raises(RefusedError) as refused:
        choice.begin(Where(engine="slurm", partition="shrt"), TRIALS, is_online=False)
    assert str(refused.value) == said
    assert "hidden" not in (tmp_path / "given").read_text()


def test_a_job_of_an_array_is_queued_again_by_itself_not_with_the_whole_array() -> None:
    alone = {"SLURM_JOB_ID": "7"}
    assert job_id(alone) == "7"
    assert job_id({**alone, "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}) == "7_2"


def test_slurm_asks_twice_and_that_is_no_second_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with interruption.caught() as is_asked:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        assert is_asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
