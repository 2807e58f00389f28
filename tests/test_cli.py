"""The command as a user meets it: what it does, what it refuses, and in how many lines."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from small import study_text
from typer.testing import CliRunner

from experiments.cli import app

LONGDEP = [str(Path(sys.executable).parent / "longdep")]

STUDY = study_text()

MINE = '''
"""Mine."""

import torch
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, State


class Mine(Recurrent):
    """A leaky recurrence: h_t = (1 - a) h_{t-1} + a tanh(W x_t + U h_{t-1} + b)."""

    paper = "Jaeger 2007, Neural Networks 20(3)"

    def __init__(self, input_size: int, hidden_size: int, *, a: float = 0.3) -> None:
        super().__init__(input_size, hidden_size)
        self.a = a
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        (h,) = state
        h = (1 - self.a) * h + self.a * torch.tanh(self.W(p_t) + self.U(h))
        return h, (h,)
'''


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def longdep(folder: Path, *arguments: str) -> Done:
    """Run a command in this process: in one of its own it would first import for seconds."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    return Done(done.exit_code, done.stdout, done.stderr)


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does."""
    return subprocess.run(
        [*LONGDEP, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small study has been run once."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "small.py").write_text(STUDY)
    # In this process: tests below run it in workers.
    done = longdep(folder, "run", "small.py", "--foreground")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4/4 trials" in done.stdout
    return folder


def test_a_second_run_trains_nothing(ran: Path) -> None:
    done = longdep(ran, "run", "small.py")
    assert done.returncode == 0 and "all 4 trials are done" in done.stdout


def test_status_tells_what_is_done(ran: Path) -> None:
    done = longdep(ran, "status", "small.py")
    assert done.returncode == 0, done.stderr
    assert "4" in done.stdout and "planned" in done.stdout


@pytest.mark.slow
def test_the_report_is_written_and_says_where(ran: Path) -> None:
    done = longdep(ran, "report", "small.py")
    assert done.returncode == 0, done.stderr
    assert "reports/small/index.html" in done.stdout
    assert "Does the gate help?" in (ran / "reports/small/index.html").read_text()


def test_a_folder_and_its_study_json_name_the_study_too(ran: Path) -> None:
    for name in ("runs/small", "runs/small/study.json"):
        done = longdep(ran, "run", name, "--out", "runs/small")
        assert done.returncode == 0 and "all 4 trials are done" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_plan_counts_and_creates_nothing(tmp_path: Path) -> None:
    done = longdep(tmp_path, "plan", "quick")
    assert done.returncode == 0, done.stderr
    assert "= 200 trials" in done.stdout and "units" in done.stdout
    assert "if no trial stops early" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_changed_constant_makes_exactly_its_trials_stale(ran: Path, tmp_path: Path) -> None:
    """Run a copy of the project whose source is edited: a constant, then a comment."""
    root = Path(__file__).resolve().parent.parent
    for name in ("lightning_modules", "experiments", "analysis", "reports/templates"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, tmp_path / "copy" / name, ignore=ignored)
    shutil.copytree(ran / "runs", tmp_path / "runs")
    shutil.copy(ran / "small.py", tmp_path)

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        code = "from experiments.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "run", "small.py", *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "copy")},
            capture_output=True,
            text=True,
            check=False,
        )

    source = tmp_path / "copy/lightning_modules/architectures/highway.py"
    text = source.read_text()
    source.write_text(text.replace('"""Highway through time', '# a comment\n    """A docstring'))
    assert "all 4 trials are done" in run().stdout
    source.write_text(text.replace("gate_bias: float = -3.0", "gate_bias: float = -2.0"))
    refused = run()
    assert refused.returncode == 2
    assert "2 finished trials are stale" in refused.stderr
    assert "lightning_modules/architectures/highway.py changed" in refused.stderr
    assert "all 4 trials are done" in run("--keep-stale").stdout
    again = run("--rerun-stale")
    assert again.returncode == 0 and "2 of 4 trials to run" in again.stdout, again.stderr
    assert "all 4 trials are done" in run().stdout


@pytest.mark.slow
def test_an_architecture_from_outside_is_checked_added_and_reported(
    ran: Path, tmp_path: Path
) -> None:
    shutil.copytree(ran, tmp_path / "w")
    folder = tmp_path / "w"
    (folder / "my_cells.py").write_text(MINE)
    checked = longdep(folder, "check", "my_cells.py:Mine")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    added = longdep(folder, "run", "small.py", "--add", "my_cells.py:Mine")
    assert added.returncode == 0, added.stderr
    assert "2 of 6 trials to run" in added.stdout
    assert "all 6 trials" in longdep(folder, "run", "small.py", "--add", "my_cells.py:Mine").stdout
    assert "all 4 trials" in longdep(folder, "run", "small.py").stdout
    assert longdep(folder, "report", "small.py").returncode == 0
    assert "Mine" in (folder / "reports/small/index.html").read_text()
    refused = longdep(folder, "run", "runs/small")
    assert refused.returncode == 2 and "--allow" in refused.stderr
    allowed = longdep(folder, "run", "runs/small", "--allow", "my_cells.py:Mine")
    assert "all 6 trials" in allowed.stdout, allowed.stderr
    # It is there already, under its whole path.
    again = longdep(folder, "plan", "runs/small", "--add", "my_cells.py:Mine")
    assert "= 6 trials; 6 done" in again.stdout, again.stderr
    assert "nothing is left to run" in again.stdout


@pytest.mark.slow
def test_a_failing_trial_is_kept_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    faulty = MINE.replace(
        "(h,) = state", "(h,) = state\n        assert h.shape[0] != 64, 'planted'"
    )
    (tmp_path / "my_cells.py").write_text(faulty)
    done = longdep(tmp_path, "run", "small.py", "--add", "my_cells.py:Mine")
    assert done.returncode == 1
    assert "AssertionError: planted" in done.stdout
    assert "2 failed" in done.stdout and "4/6" not in done.stdout.splitlines()[-1]
    failures = list(tmp_path.glob("runs/small/*/failure.json"))
    assert len(failures) == 2
    assert "planted" in json.loads(failures[0].read_text())["traceback"]
    assert len(list(tmp_path.glob("runs/small/*/result.json"))) == 4
    assert "planted" in longdep(tmp_path, "status", "small.py").stdout


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(STUDY.replace("seeds=2", "seeds=5"))
    process = subprocess.Popen(
        [*LONGDEP, "run", "small.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    while len(list(tmp_path.glob("runs/small/*/result.json"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "are done and kept in runs/small; the same command goes on from there" in out
    done = longdep(tmp_path, "run", "small.py")
    assert done.returncode == 0 and "10/10" in done.stdout


def refused(folder: Path, *arguments: str) -> str:
    before = sorted(folder.rglob("*"))
    done = longdep(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert sorted(folder.rglob("*")) == before, "something was created"
    return line


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (('architecture="highway"', 'architecture="higway"'), "did you mean 'highway'"),
        (("adding/arjovsky", "ading/arjovsky"), "did you mean 'adding'"),
        (('architecture="rnn"', 'architecture="rnn", options={"strat": 1}'), "mean 'start'"),
        (("seeds=2", "seedz=2"), "did you mean 'seeds'"),
        (("lags=[4]", "lags=[0]"), "greater than or equal to 1"),
        (("seeds=2", "seeds=0"), "seeds needs at least one entry"),
        (("seeds=2", "seeds=[1, 1]"), "seeds: 1 is given twice"),
        (("parameters=1500", "parameters=10"), "no hidden size has 10 parameters"),
        (("STUDY =", "STUDI ="), "no constant STUDY"),
        (("seeds=2,", "seeds=2"), "small.py:9: "),
        (('name="small"', "name=small"), "small.py:5: NameError"),
    ],
)
def test_a_mistake_in_a_study_file_is_one_line(
    tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    text = STUDY.replace(*edit)
    assert text != STUDY
    (tmp_path / "small.py").write_text(text)
    line = refused(tmp_path, "run", "small.py")
    assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quik"], "did you mean 'quick'"),
        (["run", "nowhere.py"], "no study file"),
        (["run", "quick", "--only", "arm=lstn"], "did you mean 'lstm'"),
        (["run", "quick", "--only", "arn=lstm"], "did you mean 'arm'"),
        (["run", "quick", "--only", "lag=7"], "the study has 1, 2, 5, 10, 16, 25, 30, 50"),
        (["run", "quick", "--only", "task=adding,lag=50"], "no such trial"),
        (["run", "quick", "--add", "lstn"], "did you mean 'lstm'"),
        (["run", "quick", "--add", "no.py:Mine"], "no such file"),
        (["run", "quick", "--out", "file/below"], "file is a file"),
        (["status", "quick"], "nothing has been run yet"),
        (["report", "quick"], "nothing has been run yet"),
        (["list", "architecture"], "did you mean 'architectures'"),
        (["check", "lstn"], "did you mean 'lstm'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("")
    assert message in refused(tmp_path, *arguments)


def test_another_declaration_of_the_same_study_is_refused_with_its_difference(ran: Path) -> None:
    (ran / "changed.py").write_text(STUDY.replace("learning_rate=1e-2", "learning_rate=2e-2"))
    line = refused(ran, "run", "changed.py")
    assert "recipe.learning_rate 0.01 -> 0.02" in line and "--out" in line


def test_a_folder_that_is_no_studys_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    assert "no study's folder" in refused(tmp_path, "run", "quick", "--out", "mine")


def test_help_answers_and_names_every_command(tmp_path: Path) -> None:
    done = longdep(tmp_path, "--help")
    assert done.returncode == 0
    for command in ("plan", "run", "status", "report", "list", "show", "new", "check"):
        assert command in done.stdout
