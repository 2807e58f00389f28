"""`longdep check` of whatever there is: found by its name, a verdict per clause, a summary."""

from pathlib import Path

import pytest
from test_cli import MINE, STUDY
from typer.testing import CliRunner

from experiments import finding, study_contract
from experiments.cli import app
from experiments.finding import Found
from lightning_modules import contract, probe_contract, registry, shape_contract, task_contract


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(*arguments: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["check", *arguments])
    return done.exit_code, (done.stdout + done.stderr).splitlines()


def refused(*arguments: str) -> str:
    status, lines = check(*arguments)
    assert status == 2
    (line,) = lines
    return line


def test_what_is_registered_is_found_by_its_name() -> None:
    assert finding.find("lstm") == [Found("architecture", "lstm")]
    assert finding.find("adding") == [Found("task", "adding")]
    assert finding.find("quick") == [Found("study", "quick")]
    registered = {found.reference for found in finding.registered()}
    assert registered == {name for kind in registry.FOLDERS for name in registry.names(kind)}


def test_a_file_is_its_study_or_its_one_architecture_or_task(tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text(MINE)
    (tmp_path / "question.py").write_text(STUDY)
    assert finding.find("cells.py") == finding.find("cells")
    assert finding.find("cells") == [Found("architecture", "cells.py:Mine")]
    assert finding.find("cells.py:Mine") == [Found("architecture", "cells.py:Mine")]
    assert finding.find("question") == [Found("study", "question.py")]
    shared = "class _Shared(Recurrent):\n    pass\n\nclass Other:\n    pass\n"
    (tmp_path / "shared.py").write_text(f"{MINE}\n\n{shared}")
    assert finding.find("shared") == [Found("architecture", "shared.py:Mine")]


def test_a_registered_name_comes_before_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "lstm.py").write_text(MINE)
    assert finding.find("lstm") == [Found("architecture", "lstm")]
    assert finding.find("lstm.py") == [Found("architecture", "lstm.py:Mine")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{MINE}\n\nclass Two(Mine):\n    pass\n",
            "name one: cells.py:Mine, cells.py:Two",
        ),
        ("x = 1\n", "cells.py: no STUDY, no architecture, task or probe in it"),
        ("class Mine(:\n", "cells.py:1: invalid syntax"),
        (
            MINE.replace("import torch\n", "import torhc\n", 1),
            "ModuleNotFoundError: No",
        ),
    ],
)
def test_a_file_that_leaves_it_open_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cells.py").write_text(text)
    assert message in refused("cells")


def test_a_class_that_is_neither_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text("class Mine:\n    pass\n")
    assert "neither an architecture (a Layer) nor a Task" in refused("cells.py:Mine")


def test_a_task_has_a_verdict_per_clause() -> None:
    status, lines = check("adding")
    assert status == 0
    assert [line.removeprefix("holds   ") for line in lines[:-1]] == list(task_contract.CLAUSES)
    assert lines[-1] == f"adding: {len(lines) - 1} of {len(lines) - 1} clauses hold"


def test_a_broken_clause_is_told_and_ends_with_status_1(tmp_path: Path) -> None:
    (tmp_path / "cells.py").write_text(MINE.replace('paper = "Jaeger', 'papre = "Jaeger'))
    status, lines = check("cells")
    assert status == 1
    (broken,) = [line for line in lines if line.startswith("BROKEN")]
    assert "it has no `paper`" in broken
    count = len(contract.CLAUSES) + len(shape_contract.CLAUSES)
    assert lines[-1] == f"cells.py:Mine: {count - 1} of {count} clauses hold"


def test_a_study_is_checked_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "question.py").write_text(STUDY)
    status, lines = check("question.py")
    assert status == 0, lines
    assert [line.removeprefix("holds   ") for line in lines[:-1]] == list(study_contract.CLAUSES)
    assert {path.name for path in tmp_path.iterdir()} == {"question.py"}


@pytest.mark.parametrize(
    ("edit", "clause", "message"),
    [
        (("parameters=1500", "parameters=10"), 0, "rnn on adding/arjovsky: no hidden size has"),
        (("(h,) = state", "raise KeyError('planted')"), 2, "Mine on adding/arjovsky: KeyError"),
        (("torch.tanh(", "torch.nan * torch.tanh("), 2, "of the first step is not finite"),
    ],
)
def test_what_is_wrong_with_a_study_is_told_by_its_clause(
    tmp_path: Path, edit: tuple[str, str], clause: int, message: str
) -> None:
    arms = 'Arm(architecture="cells.py:Mine"), Arm(architecture="highway")'
    text = STUDY.replace('Arm(architecture="highway")', arms)
    (tmp_path / "question.py").write_text(text.replace(*edit))
    (tmp_path / "cells.py").write_text(MINE.replace(*edit))
    status, lines = check("question.py")
    assert status == 1
    name = list(study_contract.CLAUSES)[clause]
    (broken,) = [line for line in lines if line.startswith(f"BROKEN  {name}")]
    assert message in broken


def test_a_task_that_fails_at_one_lag_is_told_by_its_clause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_modules.tasks.adding import Adding

    def sample(self: Adding, batch: int, lag: int, generator: object) -> object:
        raise MemoryError(f"planted at {lag}")

    (tmp_path / "question.py").write_text(STUDY)
    monkeypatch.setattr(Adding, "sample", sample)
    status, lines = check("question.py")
    assert status == 1
    assert any("at every lag: adding/arjovsky at lag 4: MemoryError" in line for line in lines)


def test_code_from_outside_in_a_study_json_runs_only_when_allowed(tmp_path: Path) -> None:
    from experiments.durable import write_json
    from experiments.folder import record
    from experiments.loading import load

    (tmp_path / "cells.py").write_text(MINE)
    (tmp_path / "question.py").write_text(STUDY)
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run/study.json", record(load("question.py").with_arm("cells.py:Mine")))
    assert "--allow" in refused("run")
    status, lines = check("run", "--allow", "cells.py:Mine")
    assert status == 0, lines


@pytest.mark.slow
def test_everything_registered_is_checked_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of architectures and tasks by their first clause: tests of their own hold them to all."""
    for module in (contract, shape_contract, task_contract):
        monkeypatch.setattr(module, "CLAUSES", dict([next(iter(module.CLAUSES.items()))]))
    clauses = {"architecture": 2, "task": 1, "probe": len(probe_contract.CLAUSES)}
    status, lines = check("--all")
    assert status == 0, lines
    counted = 0
    for found in finding.registered():
        count = clauses[found.kind]
        counted += count
        assert f"{found.kind} {found.reference}" in lines
        assert f"{found.reference}: {count} of {count} clauses hold" in lines
    checked = len(finding.registered())
    assert lines[-1] == f"{checked} checked, {counted} clauses: all of them hold"
