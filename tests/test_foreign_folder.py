"""A folder, a file or an environment from a stranger: refused in one line, or harmless."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_folder import plant
from small import small_study, study_text
from typer.testing import CliRunner

from experiments import loading
from experiments.cli import app
from experiments.folder import StudyFolder

LONGDEP = str(Path(sys.executable).parent / "longdep")
STOLEN = "import pathlib\npathlib.Path({mark!r}).write_text('ran')\nraise RuntimeError('stolen')\n"
SHADOWING = ("html", "json", "torch", "re", "wandb", "typing", "sitecustomize", "pandas", "jinja2")


def longdep(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.chdir(tmp_path)
    return plant(tmp_path / "small", small_study())


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def instead(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


def declared(**changes: Any) -> Callable[[Path], None]:
    return lambda path: edit(path, lambda record: record["declaration"].update(changes))


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "from the future": (
        lambda path: edit(path, lambda record: record.update(schema=3)),
        "{file}: study format 3; this program reads 1",
    ),
    "not JSON": (
        lambda path: path.write_text("{"),
        ("{file}: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)"),
    ),
    "a list": (lambda path: path.write_text("[]"), "{file}: not a study.json"),
    "no declaration": (
        lambda path: edit(path, lambda record: record.pop("declaration")),
        "{file}: not a study.json: no declaration in it",
    ),
    "nested 100,000 deep": (
        lambda path: path.write_text("[" * 100_000), "{file}: not JSON: maximum recursion"
    ),
    "arms are a number": (declared(arms=5), "{file}: Study.arms: 5: must be a list"),
    "an unknown field": (declared(run="rm"), "{file}: Study.run: unknown field; known: name, "),
    "a device without end": (
        lambda path: instead(path, lambda p: p.symlink_to("/dev/zero")),
        "{file}: not a regular file",
    ),
    "a named pipe": (lambda path: instead(path, os.mkfifo), "{file}: not a regular file"),
    "a folder": (lambda path: instead(path, Path.mkdir), "{file}: Is a directory"),
    "300 MB": (
        lambda path: os.truncate(path, 300 * 10**6), "{file}: 300,000,000 bytes; at most 16,777,216"
    ),
    "a link to itself": (
        lambda path: instead(path, lambda p: p.symlink_to(p)),
        "{file}: Too many levels of symbolic links",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "line"), FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("command", ["status", "run", "retry"])
def test_a_study_json_that_is_none_is_one_line_in_no_time(
    folder: StudyFolder, tmp_path: Path, command: str, make: Callable[[Path], Any], line: str
) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    make(folder.file)
    before = sorted(tmp_path.rglob("*"))
    began = time.monotonic()
    status, out = longdep(command, "small.py", "--out", "small")
    assert time.monotonic() - began < 5
    assert (status, len(out.splitlines())) == (2, 1)
    assert out.startswith("longdep: " + line.replace("{file}", "small/study.json"))
    assert sorted(tmp_path.rglob("*")) == before


STUDY = study_text(lags="[4, 8]", recipe="learning_rate=1e-2, steps=150")


def outside(reference: str) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for arms in (record["arms"], record["declaration"]["arms"]):
            arms[1].update(architecture=reference, label="highway")

    return change


@pytest.mark.parametrize("reference", ["evil.inner:Cell", "evil/inner.py:Cell"])
@pytest.mark.parametrize("command", ["run", "plan", "status", "doctor", "retry", "clean"])
def test_a_study_json_with_a_class_from_outside_runs_nothing(
    folder: StudyFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    reference: str,
) -> None:
    """Neither the class nor the package it lies in: what looks may look, what runs refuses."""
    mark = tmp_path / "mark"
    (tmp_path / "evil").mkdir()
    for name in ("__init__", "inner"):
        text = STOLEN.format(mark=str(mark)) + "class Cell:\n    pass\n"
        (tmp_path / "evil" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    edit(folder.file, outside(reference))
    status, out = longdep(command, "small")
    assert not mark.exists()
    if command in ("run", "plan", "retry"):
        assert status == 2
        assert "is code from outside the project; to run it, say so: --allow" in out
    assert "evil" not in sys.modules


@pytest.mark.parametrize("command", ["status", "doctor", "clean"])
def test_a_result_without_end_is_one_damaged_trial(folder: StudyFolder, command: str) -> None:
    for trial, make in zip(small_study().trials(), (os.mkfifo, zero, link_out), strict=False):
        instead(folder.trial(trial.id) / "result.json", make)
    began = time.monotonic()
    status, out = longdep(command, "small")
    assert time.monotonic() - began < 5
    assert status == (1 if command == "doctor" else 0)
    if command == "status":
        assert "5 done, 3 damaged" in out


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_out(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def test_a_file_of_a_librarys_name_in_the_working_directory_is_not_imported(
    folder: StudyFolder, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    for name in SHADOWING:
        (tmp_path / f"{name}.py").write_text(STOLEN.format(mark=str(mark)))
    for command in (["status", "small"], ["doctor", "small"]):
        done = subprocess.run(
            [LONGDEP, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.mark.slow
def test_a_file_of_a_librarys_name_is_not_imported_by_a_worker_either(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name in SHADOWING:
        (tmp_path / f"{name}.py").write_text(STOLEN.format(mark=str(mark)))
    (tmp_path / "small.py").write_text(STUDY)
    only = "arm=rnn,lag=4,seed=0"
    done = subprocess.run(
        [LONGDEP, "run", "small.py", "--only", only], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1/1 trials" in done.stdout
    done = subprocess.run(
        [LONGDEP, "report", "small.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    "value",
    ["0123456789abcdef" * 2 + "01234567", "ghp_" + "a1" * 18, "hf_" + "Ab" * 17, "AKIA" + "A1" * 8,
     "sk-" + "a1" * 20, "xoxb-0123456789", "-----BEGIN RSA PRIVATE KEY-----"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    text = STUDY.replace("Does the gate help?", f"With {value} it does")
    (tmp_path / "small.py").write_text(text)
    with pytest.raises(loading.StudyError, match="question looks like") as refused:
        loading.load(str(tmp_path / "small.py"))
    assert value not in str(refused.value)


def test_the_studies_that_come_with_the_project_hold_no_secret() -> None:
    assert all(loading.load(name) for name in loading.names())
