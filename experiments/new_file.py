"""The files that `longdep new` writes: whole, working, and meant to be changed."""

import importlib.util
import keyword
from pathlib import Path
from string import Template

from experiments import loading
from experiments.cli_names import KINDS
from experiments.loading import StudyError
from lightning_modules import registry

TEMPLATES = Path(__file__).resolve().parent / "templates"
PLACES = {
    "architecture": "lightning_modules/architectures",
    "task": "lightning_modules/tasks",
    "probe": "lightning_modules/probes",
    "study": "experiments/studies",
}
RESERVED = {"base", "all"}


def write(kind: str, name: str, folder: Path) -> Path:
    """Write `folder/NAME.py` and give its path.

    Raises
    ------
    StudyError
        When the kind or the name will not do, or something of that name is there already.
    """
    if kind not in KINDS:
        near = registry.hint(kind, KINDS)
        raise StudyError(f"no new {kind!r}; there can be a new {', '.join(KINDS)}{near}")
    path = folder.expanduser() / f"{name}.py"
    if problem := _problem(name):
        raise StudyError(f"the name {name!r} {problem}")
    if not path.parent.is_dir():
        raise StudyError(f"no folder {path.parent}")
    text = (TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(Template(text).substitute(name=name, class_name=class_name))
    except FileExistsError:
        raise StudyError(f"{path} is there already, and is left as it is") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    return path


def what_next(kind: str, path: Path) -> list[str]:
    """Say, a line each, how to go on with the file."""
    place = str(path)
    lines = [f"check it:  longdep check {place}"]
    if kind == "study":
        return [*lines, f"run it:    longdep run {place}"]
    if kind == "task":
        lines.append(f"see it:    longdep show {place}")
        lines.append(f"use it:    in {PLACES[kind]}/ every study knows it as {path.stem}")
        return lines
    class_name = "".join(part.capitalize() for part in path.stem.split("_"))
    if kind == "probe":
        lines.append(f"use it:    longdep probe quick --probe {place}:{class_name}")
    else:
        lines.append(f"run it:    longdep run quick --add {place}:{class_name}")
    return lines


def _problem(name: str) -> str | None:
    """Say why a file cannot be called so."""
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        return "must be small letters, digits and _, and begin with a letter"
    if name.startswith("_") or keyword.iskeyword(name) or len(name) > 40:
        return "must begin with a letter, have at most 40 characters, and be no word of Python"
    for kind in registry.FOLDERS:
        if name in registry.names(kind):
            return f"is taken: there is a registered {kind} of that name"
    if name in loading.names():
        return "is taken: there is a study of that name"
    # A file json.py would stand in for the library's wherever its folder is on Python's path.
    if name in RESERVED or _is_a_module(name):
        return "is taken: it is the name of a Python module"
    return None


def _is_a_module(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    # A folder without __init__.py is found too, and is no module that anything imports.
    return spec is not None and spec.origin is not None
