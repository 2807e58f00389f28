"""`import longdep`: its example runs as it stands, and torch is never imported."""

import subprocess
import sys
from pathlib import Path

from planting import plant

from analysis import figures

RUN = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "pytorch_lightning", "wandb", "lightning_modules"}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import doctest, longdep
failed, tried = doctest.testmod(longdep)
assert tried >= 6 and not failed, (failed, tried)
shown = longdep.figures.heat_map(longdep.solve_rates(longdep.load("runs/quick")[0]))
assert shown._repr_png_().startswith(b"\\x89PNG")
"""


def test_the_example_runs_without_torch(tmp_path: Path) -> None:
    plant(tmp_path / "runs/quick", seeds=1)
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "learning_curves.pdf").read_bytes().startswith(b"%PDF")


def test_every_figure_of_a_report_is_there() -> None:
    for name in (
        *("solve_rate_by_lag", "test_score_by_lag", "score_by_cost", "heat_map"),
        *("learning_curves", "survival", "gradient_norm"),
    ):
        assert callable(getattr(figures, name))
