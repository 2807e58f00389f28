"""From what a user names to check or show to what it is: registered, a class in a file, a study."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments import loading
from experiments.study import Study
from lightning_modules import registry, task_names
from lightning_modules.refusal import RefusedError
from lightning_modules.task_names import TaskName

Kind = Literal["architecture", "task", "probe", "study"]


@dataclass(frozen=True)
class Found:
    """One thing: its kind, and the name under which the registry or `loading` takes it."""

    kind: Kind
    reference: str


def registered() -> list[Found]:
    """List the architectures, tasks and probes of the project."""
    kinds: tuple[Kind, ...] = ("architecture", "task", "probe")
    return [Found(kind, name) for kind in kinds for name in registry.names(kind)]


def find(reference: str) -> list[Found]:
    """Find what `reference` names: usually one thing, or things of several kinds of one name.

    NAME is a registered name, or else the file NAME.py. FILE.py is a study, or the one
    architecture, task or probe that it defines; FILE.py:Class and module:Class say which.

    Raises
    ------
    RefusedError
        When nothing is found, or a file leaves it open what is meant.
    """
    known = [found for found in registered() if found.reference == reference]
    if reference in loading.names():
        known.append(Found("study", reference))
    if known:
        return known
    path = Path(reference).expanduser()
    if (path / "study.json").is_file():
        return [Found("study", str(path / "study.json"))]
    if reference.endswith(".json"):
        return [Found("study", reference)]
    if registry.is_outside(reference):
        return [Found(_kind(reference), reference)]
    file = _file(reference)
    if not file.is_file() and reference.endswith(".py"):
        raise RefusedError(f"no file {file}")
    if not file.is_file():
        names = [*(found.reference for found in registered()), *loading.names()]
        known_names = ", ".join(names)
        near = registry.hint(reference, names)
        raise RefusedError(f"no {reference!r} and no file {file}; known: {known_names}{near}")
    return [_in_file(file)]


def _file(reference: str) -> Path:
    path = Path(reference if reference.endswith(".py") else f"{reference}.py")
    return path.expanduser()


def _in_file(file: Path) -> Found:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, ValueError) as error:
        place = f"{file}:{getattr(error, 'lineno', None) or 1}"
        raise RefusedError(f"{place}: {getattr(error, 'msg', error)}") from None
    if any(isinstance(node, ast.Assign) and _assigns_study(node) for node in tree.body):
        return Found("study", str(file))
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [f"{file}:{name}" for name in classes if not name.startswith("_")]
    suitable = [Found(kind, name) for name in public if (kind := _kind_of_class(name))]
    if len(suitable) == 1:
        return suitable[0]
    if not suitable:
        raise RefusedError(f"{file}: no STUDY, no architecture, task or probe in it")
    which = ", ".join(found.reference for found in suitable)
    raise RefusedError(f"{file} holds {len(suitable)} of them; name one: {which}")


def _assigns_study(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "STUDY" for target in node.targets)


def _kind(reference: str) -> Kind:
    kind = _kind_of_class(reference)
    if kind is None:
        raise RefusedError(
            f"{reference} is neither an architecture (a Layer) nor a Task nor a Probe"
        )
    return kind


def _kind_of_class(reference: str) -> Kind | None:
    found = load("architecture", reference)
    from lightning_modules.architectures.base import Layer
    from lightning_modules.probes.base import Probe
    from lightning_modules.tasks.base import Task

    kinds: tuple[tuple[type, Kind], ...] = (
        (Layer, "architecture"),
        (Task, "task"),
        (Probe, "probe"),
    )
    return next((kind for base, kind in kinds if issubclass(found, base)), None)


def task(reference: str) -> tuple[type, TaskName]:
    """Find the class of a task, and its dialect and options: NAME, NAME/DIALECT(option=value).

    NAME may be registered, or FILE, FILE.py, FILE.py:Class, module:Class.

    Raises
    ------
    RefusedError
        When there is no such task, dialect or option.
    """
    place = reference if _file(reference).is_file() else task_names.name_of(reference)
    rest = reference.removeprefix(place)
    is_file = place.endswith(".py") or _file(place).is_file()
    if not (place in registry.names("task") or ":" in place or is_file):
        registry.describe("task", place)  # which is an error, and says what there is
    found = Found("task", place) if place in registry.names("task") else find(place)[0]
    if found.kind != "task":
        raise RefusedError(f"{place}: not a task, but: {found.kind}")
    return load("task", found.reference), task_names.parse(f"{found.reference}{rest}")


def load(kind: str, reference: str) -> type:
    """Import a class; whatever goes wrong while its file runs is one line.

    Raises
    ------
    RefusedError
        When there is no such class, or its file does not run.
    """
    registry.describe(kind, reference)
    try:
        return registry.load(kind, reference)
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(f"{reference} does not import: {loading.one_line(error)}") from None


def check_code(study: Study) -> None:
    """Import what a study brings from outside the project, and see that it is an architecture.

    Raises
    ------
    RefusedError
        When a file does not run, or its class is something else.
    """
    outside = [arm.architecture for arm in study.arms if arm.is_outside]
    for reference in dict.fromkeys(outside):
        if _kind(reference) != "architecture":
            raise RefusedError(f"{reference}: not an architecture")
