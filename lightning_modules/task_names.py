"""What names a task: NAME/DIALECT, with options NAME/DIALECT(option=value). Knows no torch.

NAME is registered, or FILE.py:Class or module:Class. Options are the keywords of the task's
constructor. There is one way to write a task, so that the text is its identity: options in the
constructor's order, those at their default left out. A task that reads data from this machine has
the option `data`, a hash of what is in it, that is filled in where it is not given.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_modules import data_sets, registry
from lightning_modules.refusal import RefusedError
from lightning_modules.registry import Entry, Option

if TYPE_CHECKING:
    from lightning_modules.tasks.base import Task


@dataclass(frozen=True)
class TaskName:
    """A task in parts: `variant` is the dialect with its options."""

    name: str
    dialect: str
    options: dict[str, Any]

    @property
    def variant(self) -> str:
        """The dialect and its options, as they are written."""
        settings = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.dialect}({settings})" if settings else self.dialect

    @property
    def text(self) -> str:
        """The whole name, as it is written."""
        return f"{self.name}/{self.variant}"


def name_of(reference: str) -> str:
    """Give NAME of NAME/DIALECT(option=value), without looking whether there is such a task."""
    return _split(reference.partition("(")[0].strip())[0]


def parse(reference: str) -> TaskName:
    """Read the name of a task, check it against the task's source, and complete it.

    Raises
    ------
    RefusedError
        When there is no such task, dialect or option, or data that it reads is not there.
    """
    front, bracket, settings = reference.partition("(")
    name, dialect = _split(front.strip())
    entry = registry.describe("task", name)
    dialects: dict[str, str] = entry.constants.get("dialects", {})
    if not dialects:
        raise RefusedError(f"{name}: no plain value `dialects = ...` in its class")
    dialect = dialect or next(iter(dialects))
    if dialect not in dialects:
        near = registry.hint(dialect, dialects)
        raise RefusedError(f"{name} has no dialect {dialect!r}; it has {', '.join(dialects)}{near}")
    if bracket and not settings.endswith(")"):
        raise RefusedError(f"{reference!r}: write NAME/DIALECT(option=value, ...)")
    given = _settings(reference, settings.removesuffix(")"), entry)
    read = entry.constants.get("reads", {}).get(dialect)
    if read and "data" not in given:
        given["data"] = data_sets.fingerprint(read)
    if "data" in given and not read:
        raise RefusedError(f"{name}/{dialect} reads no data of this machine: no option 'data'")
    changed = {
        key: given[key]
        for key, option in entry.options.items()
        if key in given and given[key] != option.default
    }
    place, _, class_name = name.rpartition(":")
    is_file = place.endswith(".py")
    return TaskName(f"{entry.path}:{class_name}" if is_file else name, dialect, changed)


def without_folder(reference: str) -> str:
    """Give the name of a task without the folder of its file, which says nothing of what it is."""
    name = name_of(reference)
    place, _, class_name = name.rpartition(":")
    if not place.endswith(".py"):
        return reference
    return f"{Path(place).name}:{class_name}{reference.removeprefix(name)}"


def make(name: str, variant: str) -> "Task":
    """Make the task of a name, and of a dialect with its options."""
    found = parse(f"{name}/{variant}")
    task: Task = registry.load("task", found.name)(found.dialect, **found.options)
    return task


def _split(front: str) -> tuple[str, str]:
    """Part NAME from DIALECT; the slashes of a path are before its class."""
    name, slash, last = front.rpartition("/")
    return (name, last) if slash and ":" not in last and not last.endswith(".py") else (front, "")


def _settings(reference: str, settings: str, entry: Entry) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for setting in filter(str.strip, settings.split(",")):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or key in given:
            raise RefusedError(f"{reference!r}: write each option once, as option=value")
        if key not in entry.options:
            known = ", ".join(entry.options) or "none"
            near = registry.hint(key, entry.options)
            raise RefusedError(f"{entry.name} has no option {key!r}; it has {known}{near}")
        given[key] = _value(entry.options[key], value)
        if complaint := entry.options[key].complaint(given[key]):
            raise RefusedError(f"{entry.name}: option {key} is {complaint}")
    return given


def _value(option: Option, value: str) -> Any:
    """Read a value as what the constructor's signature says; what cannot be read stays text."""
    kinds: dict[str, tuple[str, Callable[[str], Any]]] = {
        "int": (r"[-+]?\d+", int),
        "float": (r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", float),
        "bool": ("True|False", lambda text: text == "True"),
    }
    pattern, read = kinds.get(option.annotation, ("", str))
    return read(value) if re.fullmatch(pattern, value) else value
