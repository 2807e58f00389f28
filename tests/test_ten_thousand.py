"""The largest study there may be, with planted results: how long it takes to look at it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from planted_folder import plant

from experiments.study import MAX_TRIALS, Arm, Budget, Study, TaskAxis

LONGDEP = str(Path(sys.executable).parent / "longdep")
SECONDS = {"status": 3, "run": 10}
"""What was promised, on an idle machine of two cores; measured: 2 s each, beside other work."""
PATIENCE = 20
"""How much slower a busy machine may be before something must have become slow."""


@pytest.mark.slow
def test_a_study_of_ten_thousand_trials_is_looked_at_in_seconds(tmp_path: Path) -> None:
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
    for command, seconds in SECONDS.items():
        began = time.monotonic()
        done = subprocess.run(
            [LONGDEP, command, "large"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        took = time.monotonic() - began
        print(f"{command}: {took:.1f} s")
        assert done.returncode == 0, done.stderr
        assert "10000" in done.stdout
        assert took < PATIENCE * seconds
