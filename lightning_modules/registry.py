"""The folders are the registries: names, one-line descriptions and options, read without importing.

Everything but `load` reads source text with `ast`: listing and checking a study needs no torch, and
a file that does not parse costs one line instead of the whole list.
"""

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lightning_modules.refusal import RefusedError

HOME = Path(__file__).resolve().parent
FOLDERS = {"architecture": "architectures", "task": "tasks", "probe": "probes"}
PLAIN_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
}


class UnknownNameError(RefusedError):
    """A name that no registry holds."""


@dataclass(frozen=True)
class Option:
    """One constructor option as its signature states it."""

    name: str
    annotation: str
    default: Any = None
    is_required: bool = False
    allowed: tuple[Any, ...] = ()

    def complaint(self, value: Any) -> str | None:
        """Say what is wrong with `value`, or None when the signature admits it."""
        if self.allowed:
            if value in self.allowed and type(value) in {type(a) for a in self.allowed}:
                return None
            near = hint(str(value), map(str, self.allowed))
            return f"{value!r}; allowed: {', '.join(map(repr, self.allowed))}{near}"
        kinds = PLAIN_TYPES.get(self.annotation)
        if kinds is None:
            return None
        is_bool_for_number = isinstance(value, bool) and self.annotation != "bool"
        if not isinstance(value, kinds) or is_bool_for_number:
            return f"{value!r}; it takes {self.annotation}"
        if isinstance(value, float) and value - value != 0:
            return f"{value!r}; it takes a finite number"
        return None


@dataclass(frozen=True)
class Entry:
    """What the source of a registered (or named) class says of it."""

    kind: str
    name: str
    path: Path
    class_name: str = ""
    summary: str = ""
    constants: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)
    error: str | None = None


def hint(name: str, known: Any) -> str:
    """Name the nearest of the known names, as the end of an error line."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


@cache
def names(kind: str) -> tuple[str, ...]:
    """List what the folder of `kind` holds, in order."""
    files = (HOME / FOLDERS[kind]).glob("[!_]*.py")
    return tuple(sorted(f.stem for f in files if f.stem != "base"))


def is_outside(reference: str) -> bool:
    """Tell `FILE.py:Class` and `module:Class` from a registered name."""
    return ":" in reference


def source_of(reference: str) -> tuple[Path, str]:
    """Find the file and the class of `FILE.py:Class` or `module:Class`, without running either."""
    place, _, class_name = reference.rpartition(":")
    if not place or not class_name.isidentifier():
        raise UnknownNameError(f"{reference!r}: write FILE.py:Class or module:Class")
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise UnknownNameError(f"{reference!r}: no such file {path}")
        return path, class_name
    origin = _origin(place)
    if origin is None or not origin.endswith(".py"):
        raise UnknownNameError(f"{reference!r}: no module {place!r} on Python's path")
    return Path(origin), class_name


def _origin(module: str) -> str | None:
    """Find the file of a module. `importlib.util.find_spec` would run the packages it lies in."""
    path, name, origin = None, "", None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        try:
            spec = next((spec for spec in found if spec is not None), None)
        except (ImportError, ValueError):
            spec = None
        if spec is None or (path is not None and not path):
            return None
        path, origin = spec.submodule_search_locations or [], spec.origin
    return origin


def describe(kind: str, reference: str) -> Entry:
    """Read name, summary, constants and options of one class from its source.

    Raises
    ------
    UnknownNameError
        When no file or class of that name exists, or its source does not parse.
    """
    if is_outside(reference):
        path, class_name = source_of(reference)
        # Of this state of this file: what a relative name stands for changes with the folder.
        entry = _outside(kind, reference, path, class_name, path.stat().st_mtime_ns)
    elif reference in names(kind):
        entry = _registered(kind, reference)
    else:
        known = names(kind)
        raise UnknownNameError(
            f"unknown {kind} {reference!r}; known: {', '.join(known)}{hint(reference, known)}"
        )
    if entry.error:
        raise UnknownNameError(entry.error)
    return entry


def entries(kind: str) -> list[Entry]:
    """Describe all of a registry; a broken file is an entry with an `error`."""
    return [_read(kind, name, HOME / FOLDERS[kind] / f"{name}.py", "") for name in names(kind)]


def load(kind: str, reference: str) -> type:
    """Import the class that a name, `FILE.py:Class` or `module:Class` stands for."""
    entry = describe(kind, reference)
    if not is_outside(reference):
        module = importlib.import_module(f"lightning_modules.{FOLDERS[kind]}.{reference}")
    elif reference.rpartition(":")[0].endswith(".py"):
        module = _module_from(entry.path)
    else:
        module = importlib.import_module(reference.rpartition(":")[0])
    found: type = getattr(module, entry.class_name)
    if not inspect.isclass(found):
        raise UnknownNameError(f"{reference!r}: {entry.class_name} is not a class")
    return found


def _module_from(path: Path) -> ModuleType:
    # A name of its own per path: two files called my_cells.py do not meet in sys.modules.
    name = f"_outside_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


# A study of 10,000 trials asks 80,000 times.
@cache
def _registered(kind: str, name: str) -> Entry:
    return _read(kind, name, HOME / FOLDERS[kind] / f"{name}.py", "")


@cache
def _outside(kind: str, reference: str, path: Path, class_name: str, changed: int) -> Entry:
    return _read(kind, reference, path, class_name)


def _read(kind: str, reference: str, path: Path, class_name: str) -> Entry:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, ValueError, OSError) as problem:
        line = getattr(problem, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        what = getattr(problem, "msg", None) or str(problem)
        return Entry(kind, reference, path, error=f"{place}: {what}")
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    wanted = class_name or reference.replace("_", "")
    found = [c for c in classes if (c.name if class_name else c.name.lower()) == wanted]
    if not found:
        known = [c.name for c in classes]
        problem_line = f"{path}: no class {wanted!r}; it has {', '.join(known) or 'none'}"
        return Entry(kind, reference, path, error=problem_line + hint(wanted, known))
    (node,) = found[:1]
    doc = (ast.get_docstring(node) or "").strip()
    return Entry(
        kind=kind,
        name=reference,
        path=path,
        class_name=node.name,
        summary=doc.partition("\n")[0],
        constants=_constants(node),
        options=_options(node),
    )


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    constants = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    constants[target.id] = ast.literal_eval(value)
                except ValueError:
                    continue
    return constants


def _options(node: ast.ClassDef) -> dict[str, Option]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            arguments = statement.args
            return {
                argument.arg: _option(argument, default)
                for argument, default in zip(
                    arguments.kwonlyargs, arguments.kw_defaults, strict=True
                )
            }
    return {}


def _option(argument: ast.arg, default: ast.expr | None) -> Option:
    annotation = argument.annotation
    allowed: tuple[Any, ...] = ()
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        literal = ast.literal_eval(annotation.slice)
        allowed = literal if isinstance(literal, tuple) else (literal,)
    try:
        value = None if default is None else ast.literal_eval(default)
    except ValueError:
        value = None
    return Option(
        name=argument.arg,
        annotation=ast.unparse(annotation) if annotation else "",
        default=value,
        is_required=default is None,
        allowed=allowed,
    )
