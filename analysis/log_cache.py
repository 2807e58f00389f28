"""Logs that have been read, kept as Parquet: by path, size and time, and by the reader's own code.

A file that has changed since, or that another version of the reader wrote, is read again. Files
come into the folder whole, by being renamed, so that two analyses at once do each other no harm;
they may be removed at any time.
"""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.segments import Segment

_META = b"longdep"

READER = (
    *("wandb_frames", "wandb_log", "wandb_schema", "wandb_values"),
    *("segments", "csv_source", "server_log"),
)
"""The files whose code decides what is read from a log."""


@cache
def reader() -> str:
    """Give a hash of the reader's code."""
    digest = hashlib.sha256()
    for name in READER:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def default_folder() -> Path | None:
    """Find the folder of this user's cache; none where it cannot be written, or others may."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "longdep" / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    except OSError:
        return None
    is_ours = about.st_uid == os.getuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if is_ours and os.access(folder, os.W_OK) else None


def stamp_of(path: Path) -> list[Any]:
    """Give what tells whether a file has changed: its path, size, time, and how it would be read.

    Raises
    ------
    OSError
        There is no such file, or it is not a regular one.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path}: not a regular file")
    return [os.path.abspath(path), status.st_size, status.st_mtime_ns, reader()]


def load(folder: Path, key: str, stamp: list[Any]) -> Segment | None:
    """Give what was kept under a key with this stamp; none where that is not there or damaged."""
    try:
        file = pq.ParquetFile(_place(folder, key), memory_map=False)
        meta = json.loads(file.schema_arrow.metadata[_META])
        if meta["stamp"] != stamp:
            return None
        return Segment.of(meta["segment"], file.read(use_threads=False).replace_schema_metadata())
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def store(folder: Path, key: str, stamp: list[Any], segment: Segment) -> bool:
    """Keep a segment under a key; false where it cannot be kept."""
    meta = json.dumps({"stamp": stamp, "segment": segment.meta()})
    table = segment.columns.replace_schema_metadata({_META: meta.encode()})
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".being-written-")
    except OSError:
        return False
    try:
        with open(handle, "wb") as file:
            pq.write_table(table, file, compression="zstd", use_dictionary=False,
                           write_statistics=False)  # fmt: skip
        os.replace(name, _place(folder, key))
    except (OSError, pa.ArrowException):
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
    return True


def _place(folder: Path, key: str) -> Path:
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.parquet"
