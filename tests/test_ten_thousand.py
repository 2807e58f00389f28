"""The largest study there may be, with planted results; `bench_scale.py` measures what it takes."""

import subprocess
import sys
from pathlib import Path

import pytest
from planted_folder import plant

from experiments.study import MAX_TRIALS, Arm, Budget, Study, TaskAxis

LONGDEP = str(Path(sys.executable).parent / "longdep")


@pytest.mark.slow
def test_a_study_of_ten_thousand_trials_is_looked_at(tmp_path: Path) -> None:
    study = Study(
        name="large",
        question="How long does it take to look?",
        arms=[Arm(architecture=name) for name in ("rnn", "lstm", "gru", "highway", "residual")],
        tasks=[
            TaskAxis(task="adding/arjovsky", lags=range(4, 24)),
            TaskAxis(task="copy_memory/arjovsky", lags=range(1, 21)),
        ],
        seeds=50,
        budget=Budget(parameters=1500),
        reference="rnn",
    )
    assert study.size == MAX_TRIALS
    plant(tmp_path / "large", study, is_bare=True)
    for command in ("status", "run"):
        done = subprocess.run(
            [LONGDEP, command, "large"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "10000" in done.stdout
