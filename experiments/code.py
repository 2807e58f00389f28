"""The code that a trial's result depends on, as hashes over syntax trees: comments do not count."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from experiments.study import Trial
from lightning_modules import registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "lightning_modules"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ROOTS = ("training.py", "assembly.py")
"""What every trial goes through; what these import is found by following their imports."""
COHORT = "cohort.py"
"""What a trial goes through as well that is trained together with others."""


def of(trial: Trial) -> dict[str, str]:
    """Hash every file that the result of a trial depends on: {file: 16 hex digits}."""
    own = registry.describe("architecture", trial.arm.architecture).path
    others = [registry.describe("task", trial.task).path]
    if trial.arm.decoder is not None and trial.arm.decoder.architecture is not None:
        others.append(registry.describe("architecture", trial.arm.decoder.architecture).path)
    if trial.cohort > 1:
        others.append(registry.HOME / COHORT)
    return dict(_of(own, *others))


# A study has thousands of trials and a few pairs of these.
@cache
def _of(*files: Path) -> dict[str, str]:
    roots = tuple(registry.HOME / name for name in ROOTS)
    return {_label(path): _hash(path) for path in sorted(_reached((*roots, *files)))}


def changed(recorded: dict[str, str], now: dict[str, str]) -> list[str]:
    """Name the files whose code differs between a recorded result and now."""
    return sorted(f for f in recorded.keys() | now.keys() if recorded.get(f) != now.get(f))


def _label(path: Path) -> str:
    # A file from outside is known by its name: where it lies says nothing about what it does.
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


@cache
def _reached(roots: tuple[Path, ...]) -> frozenset[Path]:
    reached: set[Path] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting.extend(_imports(path))
    return frozenset(reached)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Find the project's modules, and the files beside an outside file, that a file imports."""
    modules: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    files = []
    for module in modules:
        base = ROOT if module.partition(".")[0] == PACKAGE else path.parent
        file = base.joinpath(*module.split(".")).with_suffix(".py")
        if file.is_file() and (base == ROOT or not path.is_relative_to(ROOT)):
            files.append(file)
    return tuple(files)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _hash(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    # Unparsed, not dumped: what a dump looks like changes between Python versions.
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]
