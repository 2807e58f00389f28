"""Writes that survive a kill: whole files replaced at once, rows with a checksum each."""

import errno
import json
import os
import stat
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
    with naming(path):
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                # A disk that refuses here may have dropped the data: a second fsync would lie.
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


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of the operating system, which knows a number at most."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)
        raise


def sweep(folder: Path) -> None:
    """Remove what writes that were killed have left; nobody else may be writing there."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record at once; NaN is refused, since JSON has none."""
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=True)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a record, or give None where there is none.

    Raises
    ------
    ValueError
        When it is damaged.
    """
    data = read_regular(path)
    if data is None:
        return None
    record = json.loads(data)
    if not isinstance(record, dict):
        raise ValueError(f"{path}: no JSON object")
    return record


def read_regular(path: Path) -> bytes | None:
    """Read a file, or give None where there is none.

    Raises
    ------
    OSError
        When it is a link, a pipe or a device: one to /dev/zero would be read for ever.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    with open(handle, "rb") as file:
        return file.read()


class History:
    """The rows of a trial, `history.jsonl`: one write a row, a checksum in each.

    Opened on a number of rows to keep (None: all that are whole). Whole rows behind them belong to
    an attempt that was killed after its checkpoint, and will be computed again; what is torn or
    damaged is kept aside, in `history.torn-<n>.jsonl`, and `torn` says so.
    """

    def __init__(self, path: Path, keep: int | None) -> None:
        self._path = path
        data = read_regular(path) or b""
        _, sound = parse_rows(data)
        self.rows, end = parse_rows(data, keep)
        if keep is not None and len(self.rows) < keep:
            raise ValueError(f"{path}: {len(self.rows)} whole rows, {keep} expected")
        self.torn: str | None = None
        if sound < len(data):
            aside = _free(path)
            with replacing(aside) as file:
                file.write(data[end:])
            self.torn = (
                f"{path.name}: no whole row at byte {sound} of {len(data)}; what stood from byte "
                f"{end} on is kept in {aside.name}"
            )
        with naming(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o644)
            os.ftruncate(self._file, end)

    def append(self, row: dict[str, Any]) -> None:
        """Add a row."""
        data = _encode(row)
        written = 0
        with naming(self._path):
            while written < len(data):
                written += os.write(self._file, data[written:])
        self.rows.append(row)

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        with naming(self._path):
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read_rows(path: Path, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Read whole rows from the beginning, and the number of bytes they take.

    Reading ends at the first row that is torn or whose checksum is wrong.
    """
    return parse_rows(read_regular(path) or b"", most)


def parse_rows(data: bytes, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Take whole rows from the bytes of a history, as `read_rows` does."""
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


def _free(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.stem}.torn-{number}{path.suffix}")).exists():
        number += 1
    return aside


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
