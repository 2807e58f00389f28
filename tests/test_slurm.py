"""A study under Slurm: the real one, whose jobs are cancelled, pre-empted, and run out of time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from disturbed import assert_same, needs, result
from slurm_cluster import NoPackages, asked, cluster
from slurm_study import GATE, SLOW, STUDY, begun, has_saved, job_of, launched, wait

from experiments.engines import choice
from experiments.engines.base import Where
from experiments.loading import load
from experiments.trial import run
from lightning_modules.refusal import RefusedError


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    try:
        with cluster(cpus=3) as environment:
            yield environment
    except NoPackages as why:
        needs(False, f"Slurm: {why}")


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "small_study.py"
    path.write_text(STUDY)
    (tmp_path / "slow.py").write_text(SLOW)
    return str(path)


def running(slurm: dict[str, str]) -> set[str]:
    """List the jobs of ours that run, by their ids."""
    shown = asked(slurm, "squeue", "-h", "-r", "--states=R", "--partition=plain", "-o", "%F_%K")
    return set(shown.split())


@pytest.mark.slow
def test_what_happens_to_jobs_and_launcher_changes_nothing_that_comes_out(
    slurm: dict[str, str], study: str, tmp_path: Path
) -> None:
    out, local = tmp_path / "there", tmp_path / "here"
    local.mkdir()
    options = ("--trials-per-job", "1")
    gate = tmp_path / "gate"
    gated = slurm | {GATE: str(gate)}

    def names() -> set[str]:
        return set(asked(slurm, "squeue", "-h", "-r", "-o", "%j %K").splitlines())

    with launched(study, out, gated, *options) as launcher:
        wait(lambda: len(begun(out, 2)) == 3, "three trials that run")
        before = names()
        launcher.kill()
    with launched(study, out, gated, *options) as launcher:
        wait(lambda: "3 trials are in the queue already, in 3 jobs" in launcher.said(), "its word")
        trials = sorted(begun(out, 2))
        # A job of more right takes the place of one, which is queued again.
        asked(slurm, "sbatch", "--partition=urgent", "--output=/dev/null", "--wrap", "true")
        wait(lambda: len(running(slurm)) == 2, "a job that is pre-empted")
        cancelled, warned = [trial for trial in trials if job_of(trial) in running(slurm)]
        asked(slurm, "scancel", job_of(cancelled))
        # What Slurm sends before the time of a job is over, on the way it takes then.
        asked(slurm, "scancel", "--signal=USR1", job_of(warned))
        wait(lambda: all(has_saved(trial) for trial in trials), "three jobs that have saved")
        gate.touch()
        status, said = launcher.end()
    assert status == 0, said
    assert len(before) == 3
    assert "1 trials lost their job; they are submitted again" in said
    assert not (out / "slurm").exists() and names() == set()

    torch.set_num_threads(1)
    trials = load(study).trials()
    assert len(trials) == 3
    for trial in trials:
        run(trial, local / trial.id, is_debugged=True)
        assert result(out / trial.id)["attempts"] >= 2
        assert_same(out / trial.id, local / trial.id)


@pytest.mark.slow
def test_what_the_cluster_does_not_offer_is_refused_before_anything_is_made(
    slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    for where, line in {
        Where(
            engine="slurm", partition="urgnt"
        ): "partitions: plain, urgent; did you mean 'urgent'",
        Where(engine="slurm", trials_per_gpu=2): "Invalid generic resource",
        Where(engine="slurm", slurm=("nonsense=1",)): "unrecognized option '--nonsense=1'",
    }.items():
        with pytest.raises(RefusedError, match=f"^Slurm refuses such jobs: .*{line}"):
            choice.begin(where, [], is_online=False)
    assert asked(slurm, "squeue", "-h") == ""
