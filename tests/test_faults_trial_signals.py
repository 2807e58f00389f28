"""SIGTERM, SIGINT, SIGUSR1: a trial is saved at its next step and goes on bit for bit."""

import os
import signal
from pathlib import Path

import pytest
from disturbed import Server, assert_same, resumed, server, strace, undisturbed  # noqa: F401

SLURM = {
    "SLURM_JOB_ID": "123",
    "SLURM_JOB_NAME": "study",
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("moment", ["step 1", "step 15", "row 2", "saving 10", "step 40"])
def test_a_signal_saves_the_trial_and_it_goes_on_bit_for_bit(
    number: int, moment: str, server: Server, undisturbed: Path, tmp_path: Path
) -> None:
    server.fork(tmp_path / "t", signals_at={moment: [number]}, log=str(undisturbed))
    status, _ = server.end()
    if moment == "step 40":
        # The last step: what is over is not interrupted.
        assert status == 0 and server.report()["outcome"] == "unsolved"
    else:
        assert status == 75 and server.report()["outcome"] == "interrupted"
        assert not (tmp_path / "t" / "result.json").exists()
        assert not (tmp_path / "t" / "failure.json").exists()
    resumed(tmp_path / "t")
    assert_same(tmp_path / "t", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGKILL])
def test_a_second_signal_ends_it_at_once_and_damages_nothing(
    second: int, server: Server, undisturbed: Path, tmp_path: Path
) -> None:
    signals_at = {"step 15": [signal.SIGTERM], "saving 15": [second]}
    server.fork(tmp_path / "t", signals_at=signals_at)
    status, _ = server.end()
    assert status not in (0, 75)
    resumed(tmp_path / "t")
    assert_same(tmp_path / "t", undisturbed)


@pytest.mark.slow
def test_under_slurm_nothing_is_requeued_and_no_foreign_checkpoint_is_taken(
    server: Server, undisturbed: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f"#!/bin/sh\ntouch {tmp_path}/requeued\n")
    scontrol.chmod(0o755)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "hpc_ckpt_1.ckpt").write_bytes(b"foreign")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    server.fork(
        tmp_path / "t",
        signals_at={"step 15": [signal.SIGUSR1]},
        environment={**SLURM, "PATH": path},
    )
    assert server.end()[0] == 75
    assert not (tmp_path / "requeued").exists()
    (tmp_path / "t" / "hpc_ckpt_1.ckpt").unlink()
    resumed(tmp_path / "t")
    assert_same(tmp_path / "t", undisturbed)
