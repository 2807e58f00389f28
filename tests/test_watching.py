"""`longdep status --watch`: it looks until nothing more will happen, or until Ctrl-C."""

import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text
from small import small_study
from typer.testing import CliRunner

from experiments.cli import app
from experiments.durable import write_json
from experiments.folder import StudyFolder
from experiments.watching import Look, watch

LONGDEP = str(Path(sys.executable).parent / "longdep")


def looks(*lines: str) -> Callable[[], Look]:
    """Give a look for each line, the last of them the end."""
    left = list(lines)

    def look() -> Look:
        line = left.pop(0)
        if line == "Ctrl-C":
            raise KeyboardInterrupt
        return Look(Text(f"all of {line}"), line, is_over=not left)

    return look


def seen(is_terminal: bool, *lines: str) -> str:
    file = io.StringIO()
    watch(Console(file=file, force_terminal=is_terminal), looks(*lines), 0.001)
    return file.getvalue()


def test_without_a_terminal_each_change_is_a_line_and_the_end_is_told_in_full() -> None:
    assert seen(False, "1 done", "1 done", "2 done", "3 done") == "1 done\n2 done\nall of 3 done\n"


def test_on_a_terminal_the_view_is_drawn_anew() -> None:
    drawn = seen(True, "1 done", "2 done")
    assert "all of 1 done" in drawn
    assert drawn.rstrip("\x1b[?25h\n").endswith("all of 2 done")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_ctrl_c_ends_it_and_is_no_error(is_terminal: bool) -> None:
    assert "1 done" in seen(is_terminal, "1 done", "Ctrl-C", "never")


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study of 8 trials of which none is done."""
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(small_study(), is_extended=False)
    return folder


def fail(folder: StudyFolder, trial_id: str) -> None:
    folder.trial(trial_id).mkdir()
    failure = {
        "schema": 1,
        "trial": trial_id,
        "outcome": "failed",
        "attempts": 1,
        "step": 0,
        "error": "planted",
        "traceback": "",
    }
    write_json(folder.trial(trial_id) / "failure.json", failure)


@pytest.mark.parametrize("seconds", [[], ["0.1"], ["3"]])
def test_what_failed_is_not_waited_for(folder: StudyFolder, seconds: list[str]) -> None:
    for trial in small_study().trials():
        fail(folder, trial.id)
    done = CliRunner().invoke(app, ["status", str(folder.path), "--watch", *seconds])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("small: 8 planned, 8 failed\n")
    assert done.stdout.count("planted") == 8
    first = CliRunner().invoke(app, ["status", "--watch", *seconds, str(folder.path)])
    assert first.stdout == done.stdout


def test_a_study_that_is_under_way_is_watched_until_ctrl_c(folder: StudyFolder) -> None:
    process = subprocess.Popen(
        [LONGDEP, "status", str(folder.path), "--watch", "0.1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "small: 8 planned, 8 missing\n"
    fail(folder, small_study().trials()[0].id)
    assert process.stdout.readline() == "small: 8 planned, 1 failed, 7 missing\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0
