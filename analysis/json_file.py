"""JSON files as strangers write them: regular files of bounded size, every value checked.

Whatever is wrong ends in one line that names the file and the place in it. Fields that are not
asked for are passed over.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, TypeVar

SCHEMA = 1
"""The newest schema that this version reads."""

T = TypeVar("T")


class StudyFileError(ValueError):
    """A file of a study cannot be read; the message is one line that names the file."""


def inside(folder: Path, name: str) -> Path:
    """Give the path of a file that a record names, which must lie inside the record's folder.

    Raises
    ------
    StudyFileError
        It lies elsewhere, also by way of a link, or is not there.
    """
    try:
        path = (folder / name).resolve(strict=True)
        is_inside = path.is_relative_to(folder.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):
        raise StudyFileError(f"{folder.name}: {name!r:.200}: no such file") from None
    if not is_inside:
        raise StudyFileError(f"{folder.name}: {name!r:.200} lies outside the trial's folder")
    return path


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises
    ------
    StudyFileError
        It is something else, or larger, or cannot be read.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe that nobody writes to waits for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StudyFileError(f"{path}: not a regular file")
            if status.st_size > limit:
                raise StudyFileError(f"{path}: {status.st_size:,} bytes; at most {limit:,}")
            return file.read(status.st_size)
    except OSError as error:
        raise StudyFileError(f"{path}: {error.strerror or error}") from None


class Object:
    """A JSON object that knows where it stands, for the error line."""

    def __init__(self, path: Path, place: str, key: str, value: Any) -> None:
        self.path, self.place, self.key = path, place, key
        if not isinstance(value, dict):
            raise StudyFileError(f"{path}: {place or 'the top'}: an object expected")
        self.value: dict[str, Any] = value

    @classmethod
    def read(cls, path: Path, limit: int) -> "Object":
        """Parse a file, and hold its schema against ours."""
        data = read_bytes(path, limit)
        try:
            value = json.loads(data, object_pairs_hook=_once, parse_constant=_refuse)
        except RecursionError:
            raise StudyFileError(f"{path}: nested too deeply") from None
        except ValueError as error:
            raise StudyFileError(f"{path}: not valid JSON: {error}") from None
        top = cls(path, "", "", value)
        schema = top.take("schema", int)
        if schema > SCHEMA:
            raise StudyFileError(
                f"{path}: schema {schema}; this version reads up to {SCHEMA}: "
                "it was written by a newer longdep"
            )
        return top

    def error(self, key: str, problem: str) -> StudyFileError:
        """Make the one line."""
        place = f"{self.place}.{key}" if self.place else key
        return StudyFileError(f"{self.path}: {place:.200}: {problem}")

    def take(self, key: str, kind: type[T]) -> T:
        """Give a value of a kind. A whole number will do for a number; true is no number."""
        if key not in self.value:
            raise self.error(key, "missing")
        value = self.value[key]
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"{_NAMES[kind]} expected, got {value!r:.60}")
        if isinstance(value, int) and abs(value) >= 2**53:
            raise self.error(key, "a number so large that no frame could hold it")
        return _valid(value) if isinstance(value, str) else value

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """Give a value of a kind, or None where it is missing or null."""
        return None if self.value.get(key) is None else self.take(key, kind)

    def object(self, key: str) -> "Object":
        """Give an object."""
        return Object(self.path, f"{self.place}.{key}".lstrip("."), key, self.take(key, dict))

    def objects(self, key: str) -> list["Object"]:
        """Give a list of objects."""
        return [
            Object(self.path, f"{key}.{number}", str(number), value)
            for number, value in enumerate(self.take(key, list))
        ]

    def named_objects(self, key: str) -> list["Object"]:
        """Give the objects of an object, each with its key."""
        return [
            Object(self.path, f"{key}.{name!r:.40}", name, value)
            for name, value in self.take(key, dict).items()
        ]

    def wholes(self, key: str) -> tuple[int, ...]:
        """Give a list of whole numbers."""
        values = self.take(key, list)
        if not all(type(value) is int and abs(value) < 2**53 for value in values):
            raise self.error(key, f"whole numbers expected, got {values!r:.60}")
        return tuple(values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Give a list of numbers."""
        values = self.take(key, list)
        if not all(type(v) in (int, float) and abs(v) < 2**53 for v in values):
            raise self.error(key, f"numbers expected, got {values!r:.60}")
        return tuple(map(float, values))


_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(k for k in keys if keys.count(k) > 1)!r:.60} is given twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _valid(text: str) -> Any:
    # JSON may spell half of a surrogate pair, which no file that we write could hold.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
