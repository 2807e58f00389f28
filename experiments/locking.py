"""Who works on what: kernel locks, held for a process's life and gone with it, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lightning_modules.refusal import RefusedError

NAME = "lock"
SECONDS_TO_TRY_AGAIN = (0.02, 0.1, 0.0)
"""Whoever asks for the state of a trial holds its lock for microseconds: worth another try."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold a trial's folder for this process, or yield False when another process has it.

    The study's folder above it is not made anew: one that was moved away while its trials ran is
    not to come to life again, half empty.

    Raises
    ------
    RefusedError
        When the folder is a link: a study's trials lie within it.
    FileNotFoundError
        When the study's folder is gone.
    """
    if folder.is_symlink():
        raise RefusedError(f"{folder} is a link; the trials of a study lie in its own folder")
    folder.mkdir(exist_ok=True)
    handle = _take(folder / NAME)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def is_claimed(folder: Path) -> bool:
    """Tell whether a process holds a trial's folder."""
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes `study.json`, and keep them waiting meanwhile."""
    handle = _open(folder / NAME)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def exclude(path: Path) -> bool:
    """Tell whether locks on a file shut a second one out; some shared file systems ignore them."""
    first, second = _open(path), _open(path)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(first)
        os.close(second)
    return False


def _open(path: Path) -> int:
    # A link would have us make a file elsewhere; a named pipe would have us wait for ever.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)


def _take(path: Path) -> int | None:
    for seconds in SECONDS_TO_TRY_AGAIN:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed the file between our opening it and locking it: then
            # we hold what nobody sees, and a third process could hold the file of that name.
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except (BlockingIOError, FileNotFoundError):
            time.sleep(seconds)
        os.close(handle)
    return None
