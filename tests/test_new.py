"""What `longdep new` writes passes `longdep check` as it is, and takes nobody's place."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import finding, loading, new_file
from experiments.cli import app


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Another test may have loaded a file of the name that is given here.
    monkeypatch.delitem(sys.modules, "mine", raising=False)


def longdep(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == status, done.output
    if status == 2:
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        return line
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "known_as"),
    [
        ("architecture", "my_own.py:MyOwn"),
        ("task", "my_own.py:MyOwn"),
        pytest.param("probe", "my_own.py:MyOwn", marks=pytest.mark.slow),
        ("study", "my_own.py"),
    ],
)
def test_what_is_written_passes_its_contract_without_an_edit(kind: str, known_as: str) -> None:
    assert "written: my_own.py" in longdep("new", kind, "my_own")
    told = longdep("check", "my_own")
    assert "BROKEN" not in told
    (summary,) = told.splitlines()[-1:]
    holding = summary.partition(": ")[2].split()[0]
    assert summary.startswith(f"{known_as}: ")
    assert int(holding) > 2
    assert told.count("holds   ") == int(holding)
    assert longdep("check", "my_own.py") == told


def test_a_new_task_can_be_shown(tmp_path: Path) -> None:
    longdep("new", "task", "mine")
    for name in ("mine", "mine.py", "mine.py:Mine", "mine.py:Mine/plain", str(tmp_path / "mine")):
        assert "Say which symbol came first" in longdep("show", name)
    assert "has no dialect 'plane'" in longdep("show", "mine.py:Mine/plane", status=2)


def test_a_new_study_has_its_own_name_and_a_claim() -> None:
    longdep("new", "study", "mine")
    study = loading.load("mine.py")
    assert study.name == "mine"
    assert study.size == 20
    assert study.claims


def test_a_new_architecture_is_an_arm_beside_the_others() -> None:
    longdep("new", "architecture", "mine")
    longdep("new", "study", "study_of_mine")
    study = loading.load("study_of_mine.py").with_arm("mine.py:Mine")
    assert study.arms[-1].label == "Mine"


def test_a_folder_is_named_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    assert "cells/mine.py" in longdep("new", "architecture", "mine", "--at", "cells")
    assert finding.find("cells/mine")[0].reference == "cells/mine.py:Mine"
    assert "no folder nowhere" in longdep("new", "task", "mine", "--at", "nowhere", status=2)


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("years of work")
    for kind in new_file.PLACES:
        line = longdep("new", kind, "mine", status=2)
        assert line == "longdep: mine.py is there already, and is left as it is"
    assert (tmp_path / "mine.py").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-cell", "small letters"),
        ("MyCell", "small letters"),
        ("2nd", "small letters"),
        ("../mine", "small letters"),
        ("mine.py", "small letters"),
        ("zelle_ä", "small letters"),
        ("", "small letters"),
        ("_mine", "begin with a letter"),
        ("class", "no word of Python"),
        ("m" * 41, "at most 40"),
        ("lstm", "there is a registered architecture of that name"),
        ("adding", "there is a registered task of that name"),
        ("quick", "there is a study of that name"),
        ("base", "the name of a Python module"),
        ("json", "the name of a Python module"),
        ("torch", "the name of a Python module"),
        ("analysis", "the name of a Python module"),
    ],
)
def test_a_name_that_would_be_in_the_way_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    for kind in new_file.PLACES:
        assert message in longdep("new", kind, name, status=2)
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_kind_is_one_line() -> None:
    assert "did you mean 'architecture'?" in longdep("new", "architectur", "mine", status=2)
    assert "did you mean 'task'?" in longdep("new", "tasks", "mine", status=2)


def test_the_templates_are_beside_the_code() -> None:
    found = {path.name for path in new_file.TEMPLATES.iterdir()}
    assert found == {f"{kind}.py.txt" for kind in new_file.PLACES}
