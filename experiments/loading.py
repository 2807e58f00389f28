"""From a name, a Python file or a `study.json` to a `Study`; every mistake is one line."""

import json
import os
import runpy
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from analysis.json_file import StudyFileError, read_bytes
from experiments import secrecy
from experiments import study as declarations
from experiments.study import Study
from lightning_modules import registry, task_names
from lightning_modules.refusal import RefusedError

STUDIES = Path(__file__).resolve().parent / "studies"
MAX_BYTES = 16 * 2**20


class StudyError(RefusedError):
    """A study that cannot be loaded or run as asked."""


def names() -> list[str]:
    """List the studies that come with the project."""
    return sorted(path.stem for path in STUDIES.glob("[!_]*.py"))


def load(reference: str, *, allow: Iterable[str] = ()) -> Study:
    """Load a study by its name, from a Python file with a constant STUDY, or from a `study.json`.

    `allow` names the code from outside the project that a `study.json` may bring: its file
    is data, and data does not decide what code runs.

    Raises
    ------
    StudyError
        When there is no such study, or it does not hold together.
    """
    study = _found(reference, set(allow))
    if secret := secrecy.found_in(study):
        raise StudyError(f"{reference}: {secret}")
    return study


def _found(reference: str, allowed: set[str]) -> Study:
    if reference.endswith(".json"):
        return _from_json(_existing(reference), allowed)
    if reference.endswith(".py"):
        return _from_python(_existing(reference))
    if reference in names():
        return _from_python(STUDIES / f"{reference}.py")
    raise StudyError(
        f"no study {reference!r}; known: {', '.join(names())}{registry.hint(reference, names())}"
        "; a file is named by its path, FILE.py or study.json"
    )


def _existing(reference: str) -> Path:
    path = Path(os.path.abspath(Path(reference).expanduser()))
    if not path.exists():
        raise StudyError(f"no study file {path}")
    if not path.is_file():
        raise StudyError(f"{path} is not a file; a study is FILE.py, study.json, or its folder")
    return path


def _from_python(path: Path) -> Study:
    try:
        source = read_bytes(path, MAX_BYTES).decode()
    except StudyFileError as error:
        raise StudyError(str(error)) from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not UTF-8 text at byte {error.start}") from None
    if not source.strip():
        raise StudyError(f"{path} is empty; longdep new study NAME writes one to begin with")
    try:
        study = runpy.run_path(str(path)).get("STUDY")
    except SyntaxError as error:
        raise StudyError(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise StudyError(f"{_line_of(error, path)}: {one_line(error)}") from None
    if not isinstance(study, Study):
        what = "no constant STUDY" if study is None else f"STUDY is a {type(study).__name__}"
        raise StudyError(f"{path}: {what}; it must be a Study")
    return study


def _line_of(error: BaseException, path: Path) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _from_json(path: Path, allowed: set[str]) -> Study:
    return from_record(parsed(path), str(path), allowed)


def parsed(path: Path) -> dict[str, Any]:
    """Parse a `study.json`: a regular file of bounded size that holds one object.

    Raises
    ------
    StudyError
        When it is something else.
    """
    try:
        record = json.loads(read_bytes(path, MAX_BYTES))
    except StudyFileError as error:
        raise StudyError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path}: not JSON: {error}") from None
    if not isinstance(record, dict):
        raise StudyError(f"{path}: not a study.json: no declaration in it")
    return record


def from_record(record: object, place: str, allowed: set[str]) -> Study:
    """Check what a `study.json` holds and give its study; `place` is what an error line names."""
    declaration = record.get("declaration") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(declaration, dict):
        raise StudyError(f"{place}: not a study.json: no declaration in it")
    if record.get("schema") != 1:
        raise StudyError(f"{place}: study format {record.get('schema')!r}; this program reads 1")
    # Refused before it is validated: looking an outside architecture up already reads its file.
    for what, field in (("arms", "architecture"), ("tasks", "task")):
        listed = declaration.get(what)
        for entry in listed if isinstance(listed, list) else ():
            text = str(entry.get(field, "")) if isinstance(entry, dict) else ""
            name = task_names.name_of(text) if field == "task" else text
            if registry.is_outside(name) and not _is_allowed(name, allowed):
                raise StudyError(
                    f"{place}: the {field} {name!r} is code from outside the project; to run it, "
                    f"say so: --allow {name}"
                )
    try:
        return Study.model_validate_json(json.dumps(declaration))
    except ValidationError as error:
        raise StudyError(f"{place}: {one_line(error)}") from None
    except RecursionError:
        raise StudyError(f"{place}: nested too deeply") from None


def refuse_outside(name: str, place: str, allowed: set[str]) -> None:
    """Refuse an architecture from outside the project that the user has not named.

    Raises
    ------
    StudyError
        The line says how to allow it.
    """
    if registry.is_outside(name) and not _is_allowed(name, allowed):
        raise StudyError(
            f"{place}: the architecture {name!r} is code from outside the project; to run it, "
            f"say so: --allow {name}"
        )


def _is_allowed(name: str, allowed: set[str]) -> bool:
    place, _, class_name = name.rpartition(":")
    for given in allowed:
        given_place, _, given_class = given.rpartition(":")
        is_same_file = given_place.endswith(".py") and Path(given_place).resolve() == Path(place)
        if given == name or (is_same_file and given_class == class_name):
            return True
    return False


def one_line(error: BaseException) -> str:
    """Say what is wrong in one line, with what is allowed and the nearest valid name."""
    if not isinstance(error, ValidationError):
        if isinstance(error, MemoryError | RecursionError):
            return "nested too deeply, or too large"
        return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    # A misspelt field is both unknown and missing: what was written is what needs to be named.
    found = error.errors(include_url=False)
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    where = ".".join(str(part) for part in (error.title, *first["loc"]))
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    if first["type"] == "extra_forbidden":
        model = getattr(declarations, error.title, BaseModel)
        known = list(model.model_fields)
        name = str(first["loc"][-1])
        message = f"unknown field; known: {', '.join(known)}{registry.hint(name, known)}"
    elif first["type"] == "literal_error":
        message = f"{shown}: {message}{registry.hint(str(first['input']), _allowed(message))}"
    elif first["type"] == "tuple_type":
        message = f"{shown}: must be a list"
    elif first["type"] not in {"value_error", "missing"}:
        message = f"{shown}: {message}"
    return " ".join(f"{where}: {message}".split())


def _allowed(message: str) -> list[str]:
    return message.split("'")[1::2]
