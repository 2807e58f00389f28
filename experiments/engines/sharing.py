"""Whether a folder is one and the same on two machines, with locks that one keeps for the other."""

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = ".longdep-"
REMEDY = (
    "the study's folder must be shared by all machines that run its trials, under one path and "
    "with locks that work across them; choose one with --out"
)


@dataclass(frozen=True)
class Offer:
    """A file that is held locked on one machine, with a word that no other file has."""

    path: str
    word: str


@contextlib.contextmanager
def offered(place: Path) -> Iterator[Offer]:
    """Hold a file in a folder, for `problem` to be asked elsewhere meanwhile."""
    word = secrets.token_hex(16)
    with tempfile.NamedTemporaryFile(dir=place, prefix=PREFIX) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(word.encode())
        file.flush()
        os.fsync(file.fileno())
        yield Offer(file.name, word)


def problem(offer: Offer) -> str | None:
    """Say, on another machine, why the folder of an offer cannot be used there; None: it can."""
    place = os.path.dirname(offer.path)
    try:
        handle = os.open(offer.path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        is_there = os.path.isdir(place)
        return f"{place} is {'another folder' if is_there else 'not there'}"
    except OSError as error:
        return f"{place} cannot be written: {error.strerror}"
    try:
        if os.read(handle, 100) != offer.word.encode():
            return f"{place} is another folder"
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        return f"files in {place} cannot be locked: {error.strerror}"
    finally:
        os.close(handle)
    return f"in {place} locks of one machine do not keep out another"
