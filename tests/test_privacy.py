"""What W&B captures by default is off: looked for in the bytes of a log that was really written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import small_trial

from experiments import trial as trials

MARKS = {
    "argument": "mark-of-an-argument",
    "remote": "mark-of-a-remote",
    "console": "mark-of-the-console",
    "variable": "mark-of-a-variable",
    "folder": "mark-of-a-folder",
    "branch": "mark-of-a-branch",
}


def test_a_log_holds_no_argument_host_user_remote_console_variable_or_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / MARKS["folder"]
    home.mkdir()
    for command in (
        ["init", "--quiet", "--initial-branch", MARKS["branch"]],
        ["remote", "add", "origin", f"https://example.org/{MARKS['remote']}.git"],
    ):
        subprocess.run(["git", *command], cwd=home, check=True)
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", ["longdep", f"--{MARKS['argument']}"])
    monkeypatch.setenv("MARK", MARKS["variable"])
    trial = small_trial(steps=25, validation_every=25)
    done = trials.run(
        trial, home / "t", on_row=lambda row: print(MARKS["console"]), is_debugged=True
    )
    log = (home / "t" / done["log"]).read_bytes()
    assert trial.id.encode() in log
    for what, mark in MARKS.items():
        assert mark.encode() not in log, what
    user = os.environ.get("USER", "")
    for name in (os.uname().nodename, user, str(Path.home()), sys.executable):
        # A short one, as "root", may well be a part of another word.
        assert len(name) < 6 or name.encode() not in log, name
    written = {path.name for path in (home / "t" / "wandb").rglob("*") if path.is_file()}
    captured = {"wandb-metadata.json", "requirements.txt", "output.log", "conda-environment.yaml"}
    assert not written & captured
    # Beside the log, W&B's debug files name folders: `longdep clean` removes them.
    kept = [path for path in home.rglob("*") if path.suffix in {".json", ".jsonl", ".pt"}]
    for path in kept:
        assert not any(mark.encode() in path.read_bytes() for mark in MARKS.values()), path
