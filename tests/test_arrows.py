"""The arrows between the folders point one way, and generic code names no architecture or task."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from lightning_modules import registry
from lightning_modules.shape import Wiring

ROOT = Path(__file__).resolve().parent.parent
OURS = ("lightning_modules", "experiments", "analysis")
HEAVY = {"torch", "pytorch_lightning", "lightning", "lightning_fabric"}

MAY_NOT_IMPORT = {
    "lightning_modules": {"experiments", "analysis", "wandb"},
    "analysis": {"experiments", "lightning_modules", "wandb", *HEAVY},
}
MAY_READ_ANALYSIS = {
    "experiments/choosing.py": "a learning rate is chosen by what the logs of a tuning say",
    "experiments/cli_status.py": "the command shows what has become of each trial",
    "experiments/cli_bench.py": "the command draws what it measured",
    "experiments/bench_reports.py": "how long reading logs and making a report take, is measured",
    "experiments/cli_logs.py": "the command shows what is in logs of any origin",
    "experiments/cli_report.py": "the command writes what the analysis concludes",
    "experiments/cli_upkeep.py": "retry begins with what has become of each trial",
    "experiments/doctor.py": "what is wrong begins with what has become of each trial",
    "experiments/folder.py": "files as strangers write them: bounded, regular",
    "experiments/measuring.py": "what is measured later is kept in the frames that are read",
    "experiments/loading.py": "files as strangers write them: bounded, regular",
    "experiments/publishing.py": "what is sent is what was committed",
    "experiments/tracking.py": "a log is read back before it counts",
    "experiments/wandb_server.py": "what a server gives is what a file gives: segments, kept",
}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("folder", MAY_NOT_IMPORT)
def test_a_folder_imports_nothing_that_it_may_not(folder: str) -> None:
    for path in files(folder):
        assert not tops(path) & MAY_NOT_IMPORT[folder], path


def test_experiments_reach_the_analysis_in_the_places_named_here() -> None:
    reaching = {str(p.relative_to(ROOT)) for p in files("experiments") if "analysis" in tops(p)}
    assert reaching <= MAY_READ_ANALYSIS.keys()
    read_back = {name for name in imports(ROOT / "experiments/tracking.py") if "analysis" in name}
    assert read_back == {"analysis", "analysis.wandb_log"}


@pytest.mark.parametrize("room", registry.FOLDERS.values())
def test_architectures_tasks_and_probes_never_import_one_another(room: str) -> None:
    for path in files(f"lightning_modules/{room}"):
        for name in imports(path):
            for other in registry.FOLDERS.values():
                module = f"lightning_modules.{other}."
                if name.startswith(module):
                    sibling = name.removeprefix(module)
                    is_shared = sibling.startswith(("_", "base"))
                    # A probe measures a network on a task: it knows what all of them promise.
                    is_promise = room == "probes" and sibling.startswith("base")
                    assert (other == room and is_shared) or is_promise, f"{path} imports {name}"


@pytest.mark.parametrize(
    "path", [*(ROOT / "lightning_modules").glob("*.py"), *files("analysis"), *files("experiments")],
    ids=lambda path: str(path.relative_to(ROOT)),
)  # fmt: skip
def test_generic_code_names_no_architecture_and_no_task(path: Path) -> None:
    if path.parent.name == "studies":
        return
    names = {*registry.names("architecture"), *registry.names("task")}
    # Two wirings, through depth, are called as two architectures are, through time.
    names -= set(get_args(Wiring)) if path.name.startswith(("shape", "stack")) else set()
    strings = {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not names & strings
    of_a_room = tuple(f"lightning_modules.{room}." for room in registry.FOLDERS.values())
    for name in imports(path):
        assert not name.startswith(of_a_room) or ".base" in name, f"{path} imports {name}"


BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
"""


def test_the_light_commands_work_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    for command in (["--help"], ["list", "architectures"], ["list", "tasks"], ["plan", "quick"]):
        code = (
            BLOCK.format(blocked=HEAVY)
            + f"sys.argv = ['longdep', *{command!r}]\nfrom experiments.cli import main\nmain()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_analysis_imports_where_torch_and_our_other_folders_cannot() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files("analysis")
        if path.stem != "__init__"
    ]
    blocked = {*HEAVY, "experiments", "lightning_modules", "wandb"}
    code = BLOCK.format(blocked=blocked) + "\n".join(f"import {module}" for module in modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
