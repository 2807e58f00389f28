"""Writes that survive a kill: whole files replaced at once, rows with a checksum each."""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that is either the old one or the new one, whatever happens in between.

    The temporary file lies in the same folder, so that the replacement never crosses file systems.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record at once; NaN is refused, since JSON has none."""
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=True)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


class History:
    """The rows of a trial, `history.jsonl`: one write a row, a checksum in each.

    Opened on a number of rows to keep: what stands behind them, torn or whole, belongs to an
    attempt that was killed after its checkpoint, and will be computed again.
    """

    def __init__(self, path: Path, keep: int) -> None:
        self.rows, end = read_rows(path, keep)
        if len(self.rows) < keep:
            raise ValueError(f"{path}: {len(self.rows)} whole rows, {keep} expected")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o644)
        os.ftruncate(self._file, end)

    def append(self, row: dict[str, Any]) -> None:
        """Add a row."""
        data = _encode(row)
        written = 0
        while written < len(data):
            written += os.write(self._file, data[written:])
        self.rows.append(row)

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read_rows(path: Path, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Read whole rows from the beginning, and the number of bytes they take.

    Reading ends at the first row that is torn or whose checksum is wrong.
    """
    data = path.read_bytes() if path.exists() else b""
    rows: list[dict[str, Any]] = []
    end = 0
    for line in data.splitlines(keepends=True):
        if len(rows) == most:
            break
        row = _decode(line)
        if row is None:
            break
        rows.append(row)
        end += len(line)
    return rows, end


_MARK = ', "crc32": "'


def _encode(row: dict[str, Any]) -> bytes:
    text = json.dumps(row)[:-1]
    return f'{text}{_MARK}{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def _decode(line: bytes) -> dict[str, Any] | None:
    head, mark, tail = line.rpartition(_MARK.encode())
    if not mark or tail != f'{zlib.crc32(head):08x}"}}\n'.encode():
        return None
    row: dict[str, Any] = json.loads(head + b"}")
    return row
