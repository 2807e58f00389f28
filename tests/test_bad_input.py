"""Bad input, one row each: the exact line that a user sees, exit status 2, and nothing created."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import study_text
from typer.testing import CliRunner

from experiments import preflight
from experiments.cli import app
from lightning_modules import registry

STUDY = study_text()
ARCHITECTURES = ", ".join(registry.names("architecture"))
RECIPE = (
    "optimizer, learning_rate, clip, batch, steps, validation_every, validation_size, test_size, "
    "solved_for, stop"
)
NAME = "letters, digits, - and _ only; at most 64 characters"
IN_THE_ENVIRONMENT = "a study is stored in logs and reports: keep it in the environment"
NO_FILE = "{file} is not a file; a study is FILE.py, study.json, or its folder"

OUTSIDE = """
class Mine:
    def __init__(self, *, api_key: str) -> None: ...
"""

EDITS: dict[str, tuple[str, str, str]] = {
    "tabs among spaces": (
        "STUDY =", "if True:\n\tx = 1\n        y = 2\nSTUDY =",
        "{file}:6: inconsistent use of tabs and spaces in indentation",
    ),
    "a key twice": ("seeds=2", "seeds=2, seeds=3", "{file}:9: keyword argument repeated: seeds"),
    "brackets nested 5,000 deep": (
        "seeds=2", "seeds=" + "[" * 5000 + "]" * 5000, "{file}:9: too many nested parentheses"
    ),
    "signs nested 50,000 deep": (
        "seeds=2", "seeds=" + "-" * 50_000 + "1", "{file}: nested too deeply, or too large"
    ),
    "text for a number": (
        "1e-2", "'1e-2'", "{file}:12: Recipe.learning_rate: '1e-2': must be a valid number"
    ),
    "nan": (
        "1e-2", "float('nan')", "{file}:12: Recipe.learning_rate: nan: must be a finite number"
    ),
    "inf": (
        "1e-2", "float('inf')", "{file}:12: Recipe.learning_rate: inf: must be a finite number"
    ),
    "negative rate": (
        "1e-2", "-0.1", "{file}:12: Recipe.learning_rate: -0.1: must be greater than 0"
    ),
    "no rate": ("1e-2", "0.0", "{file}:12: Recipe.learning_rate: 0.0: must be greater than 0"),
    "an octal seed": (
        "seeds=2", "seeds=[012]",
        ("{file}:9: leading zeros in decimal integer literals are not permitted; use an 0o prefix "
        "for octal integers"),
    ),
    "true for seeds": ("seeds=2", "seeds=True", "{file}:4: Study.seeds: True: must be a list"),
    "half a seed": (
        "seeds=2", "seeds=[1.5]", "{file}:4: Study.seeds.0: 1.5: must be a valid integer"
    ),
    "a large seed": (
        "seeds=2", "seeds=[5000000000]", "{file}:4: Study: seed 5000000000: from 0 to 4294967295"
    ),
    "a negative seed": ("seeds=2", "seeds=[-1]", "{file}:4: Study: seed -1: from 0 to 4294967295"),
    "a seed twice": ("seeds=2", "seeds=[0, 1, 1]", "{file}:4: Study: seeds: 1 is given twice"),
    "no seeds": ("seeds=2", "seeds=[]", "{file}:4: Study: seeds needs at least one entry"),
    "no arms": (
        'arms=[Arm(architecture="rnn"), Arm(architecture="highway")]', "arms=[]",
        "{file}:4: Study: arms needs at least one entry",
    ),
    "no lags": ("lags=[4]", "lags=[]", "{file}:8: TaskAxis: lags needs at least one entry"),
    "an unknown field": (
        "learning_rate", "learning_rat",
        (f"{{file}}:12: Recipe.learning_rat: unknown field; known: {RECIPE}; "
        "did you mean 'learning_rate'?"),
    ),
    "an unknown architecture": (
        '"highway"', '"highwey"',
        (f"{{file}}:7: Arm.architecture: unknown architecture 'highwey'; known: {ARCHITECTURES}; "
        "did you mean 'highway'?"),
    ),
    "a class path with a dot": (
        '"highway"', '"subprocess.Popen"',
        ("{file}:7: Arm.architecture: unknown architecture 'subprocess.Popen'; known: "
        f"{ARCHITECTURES}"),
    ),
    "a class that is no architecture": (
        '"highway"', '"subprocess:Popen"',
        "subprocess:Popen is neither an architecture (a Layer) nor a Task nor a Probe",
    ),
    "lag 0": ("[4]", "[0]", "{file}:8: TaskAxis.lags.0: 0: must be greater than or equal to 1"),
    "lag -5": ("[4]", "[-5]", "{file}:8: TaskAxis.lags.0: -5: must be greater than or equal to 1"),
    "lag 10.5": ("[4]", "[10.5]", "{file}:8: TaskAxis.lags.0: 10.5: must be a valid integer"),
    "a lag that does not fit": (
        "[4]", "[1]", "{file}:8: TaskAxis: lag 1 is too short for adding/arjovsky: at least 2"
    ),
    "a million seeds": (
        "seeds=2", "seeds=1_000_000",
        "{file}:4: Study.seeds: 1,000,000 seeds; a study has at most 10,000 trials",
    ),
    "too many trials": (
        "seeds=2", "seeds=range(9_000)", "{file}:4: Study: 18,000 trials; at most 10,000"
    ),
    "a range without end": (
        "[4]", "range(1, 10**12)",
        "{file}:8: TaskAxis.lags: 999,999,999,999 entries; at most 10,000",
    ),
    "the same arm under two labels": (
        'Arm(architecture="highway")', 'Arm(architecture="rnn", label="other")',
        "{file}:4: Study: the arms rnn and other are the same under two labels",
    ),
    "the same arm twice": (
        'Arm(architecture="highway")', 'Arm(architecture="rnn")',
        "{file}:4: Study: arms: 'rnn' is given twice",
    ),
    "no steps": (
        "steps=50", "steps=-1", "{file}:12: Recipe.steps: -1: must be greater than or equal to 0"
    ),
    "a batch of a thousand million": (
        "steps=50", "steps=50, batch=10**9",
        ("rnn | adding/arjovsky | 4: 1,000,000,000 sequences of 4 steps need at least 592 GB of "
        "memory; 24 GB are available"),
    ),
    "a lag of a thousand million": (
        "[4]", "[10**9]",
        ("rnn | adding/arjovsky | 1000000000: 64 sequences of 1,000,000,000 steps need at least "
        "9.5 TB of memory; 24 GB are available"),
    ),
    "a path as name": ('"small"', '"../../etc"', f"{{file}}:4: Study.name: '../../etc': {NAME}"),
    "a name of 5,000 characters": (
        '"small"', '"a\\u202e\\n\\0" * 1000', (f"{{file}}:4: Study.name: 'a\\u202e\\n\\x00a\\u202e"
        f"\\n\\x00a\\u202e\\n\\x00a\\u202e\\n\\x00a\\u202e\\n\\x00a\\u202e\\n\\x00a: {NAME}"),
    ),
    "an option as name": ('"small"', '"-rf"', f"{{file}}:4: Study.name: '-rf': {NAME}"),
    "a dot as name": ('"small"', '"."', f"{{file}}:4: Study.name: '.': {NAME}"),
    "no name": ('"small"', '""', f"{{file}}:4: Study.name: '': {NAME}"),
    "text that changes its direction": (
        '"Does the gate help?"', '"a\\u202eb"',
        "{file}:4: Study.question: must be readable text, without control characters",
    ),
    "a question of 5,000 characters": (
        '"Does the gate help?"', '"a" * 5000',
        f"{{file}}:4: Study.question: '{'a' * 76}...: String should have at most 200 characters",
    ),
    "half a surrogate pair": (
        '"Does the gate help?"', '"\\ud800"',
        ("{file}:4: Study.question: '\\ud800': must be a valid string, unable to parse raw data as "
        "a unicode string"),
    ),
    "a W&B key in the question": (
        '"Does the gate help?"', '"0123456789abcdef0123456789abcdef01234567"',
        f"small.py: question looks like a W&B key; {IN_THE_ENVIRONMENT}",
    ),
    "a GitHub token in a label": (
        '"highway")', '"highway", label="ghp_0123456789abcdefghijklmnopqrstuvwxyz")',
        f"small.py: arms.1.label looks like a GitHub token; {IN_THE_ENVIRONMENT}",
    ),
    "an option api_key": (
        'Arm(architecture="highway")', 'Arm(architecture="mine.py:Mine", options={"api_key": "x"})',
        f"small.py: arms.1.options.api_key looks like a secret; {IN_THE_ENVIRONMENT}",
    ),
    "it ends the process": ("STUDY =", "raise SystemExit(0)\nSTUDY =", "{file}:4: SystemExit: 0"),
    "it raises": (
        "STUDY =", "1 / 0\nSTUDY =", "{file}:4: ZeroDivisionError: division by zero"
    ),
    "no study in it": ("STUDY =", "OTHER =", "{file}: no constant STUDY; it must be a Study"),
    "something else in it": (
        "STUDY = Study", "STUDY = dict", "{file}: STUDY is a dict; it must be a Study"
    ),
    "an unknown reference": (
        'reference="rnn"', 'reference="rn"',
        "{file}:4: Study: reference: no 'rn'; known: rnn, highway; did you mean 'rnn'?",
    ),
    "a claim about nobody": (
        "seeds=2", "claims=[Claim(arm='rnn', than='gru')], seeds=2",
        "{file}:4: Study: claims: no 'gru'; known: rnn, highway",
    ),
    "a budget that nothing meets": (
        "parameters=1500", "parameters=10",
        ("rnn on adding/arjovsky: no hidden size has 10 parameters: the nearest, 2, has 13 "
        "(+30.0%; at most 3% is allowed)"),
    ),
    "two budgets": (
        "parameters=1500", "parameters=1500, state=3",
        "{file}:10: Budget: give parameters=N or state=N, one of them",
    ),
    "a score above one": (
        "lags=[4]", "lags=[4], solved_at=2.0",
        "{file}:8: TaskAxis.solved_at: 2.0: must be less than or equal to 1",
    ),
    "no question": (
        '    question="Does the gate help?",\n', "", "{file}:4: Study.question: Field required"
    ),
}  # fmt: skip


def refused(folder: Path, *arguments: str) -> str:
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    (line,) = done.stderr.splitlines()
    after = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    assert after == before, "something was created or changed"
    return line.removeprefix("longdep: ")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "available_memory", lambda: 24 * 10**9)


@pytest.mark.parametrize(("old", "new", "expected"), EDITS.values(), ids=EDITS.keys())
def test_a_mistake_in_a_study_is_one_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    text = STUDY.replace(old, new)
    assert text != STUDY
    (tmp_path / "small.py").write_text(text)
    (tmp_path / "mine.py").write_text(OUTSIDE)
    line = refused(tmp_path, "run", "small.py", "--foreground")
    assert line == expected.replace("{file}", str(tmp_path / "small.py"))


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(300 * 10**6)


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "no study file {file}"),
    "empty": (
        lambda path: path.write_text(" \n"),
        "{file} is empty; longdep new study NAME writes one to begin with",
    ),
    "not text": (
        lambda path: path.write_bytes(b"STUDY = '\xff'"),
        "{file}: not UTF-8 text at byte 9",
    ),
    "300 MB": (sparse, "{file}: 300,000,000 bytes; at most 16,777,216"),
    "a folder": (lambda path: path.mkdir(), NO_FILE),
    "a named pipe": (os.mkfifo, NO_FILE),
    "a link to a device without end": (lambda path: path.symlink_to("/dev/zero"), NO_FILE),
    "a link to itself": (lambda path: path.symlink_to(path), "no study file {file}"),
}


@pytest.mark.parametrize(("make", "expected"), FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("name", ["small.py", "study.json"])
def test_what_is_no_study_file_is_one_line(
    tmp_path: Path, name: str, make: Callable[[Path], Any], expected: str
) -> None:
    make(tmp_path / name)
    if name == "study.json" and make in (FILES["empty"][0], FILES["not text"][0]):
        expected = "{file}: not JSON: "
    line = refused(tmp_path, "run", name)
    assert line.startswith(expected.replace("{file}", str(tmp_path / name)))
    assert sys.getsizeof(line) < 1000
