"""Real data as it lies on this machine: where it is looked for, what tells one set from another.

Knows no torch: a declaration names its data by a hash of what is in it.
"""

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from lightning_modules.refusal import RefusedError

FOLDER = "LONGDEP_MNIST"
"""The environment variable that names the folder of the 28 x 28 digits."""
TEXT = "LONGDEP_TEXT"
"""The environment variable that names the user's text file."""
PAIRS = "LONGDEP_PAIRS"
"""The environment variable that names the user's file of sentence pairs."""
MOST_BYTES = 2**30
FILES = {"train": "train", "test": "t10k"}
"""How the file names of each part begin."""


class MissingDataError(RefusedError):
    """A set of data that is not on this machine."""


class Images(NamedTuple):
    """Images of 28 x 28 and their classes; the first `trained` of them are the training part."""

    pixels: UInt8[np.ndarray, "count 28 28"]
    classes: Int64[np.ndarray, " count"]
    trained: int


def mnist() -> Images:
    """Read the four idx files of MNIST, packed or not, from the folder of `FOLDER`.

    Raises
    ------
    MissingDataError
        When a file is not there.
    RefusedError
        When a file is no idx file of such images or classes.
    """
    return _mnist(Path(os.environ.get(FOLDER) or "data/mnist").expanduser().absolute())


@cache
def _mnist(folder: Path) -> Images:
    pixels, classes = [], []
    for start in FILES.values():
        images = _idx(folder / f"{start}-images-idx3-ubyte", 3)
        labels = _idx(folder / f"{start}-labels-idx1-ubyte", 1)
        if images.shape[1:] != (28, 28) or len(images) != len(labels) or labels.max() > 9:
            says = f"{len(images)} images of {images.shape[1:]}, {len(labels)} classes"
            raise RefusedError(f"{folder}: {start}: {says}; MNIST has 28 x 28 and classes 0-9")
        pixels.append(images)
        classes.append(labels)
    return Images(np.concatenate(pixels), np.concatenate(classes).astype(np.int64), len(pixels[0]))


def _idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """Read one idx file: two zeros, 8 (bytes), the number of dimensions, their sizes, the bytes."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        with gzip.open(packed) if packed.is_file() else path.open("rb") as file:
            head = file.read(4 + 4 * dimensions)
            if head[:4] != bytes([0, 0, 8, dimensions]) or len(head) != 4 + 4 * dimensions:
                raise RefusedError(f"{path}: no idx file of bytes in {dimensions} dimensions")
            shape = struct.unpack(f">{dimensions}I", head[4:])
            count = int(np.prod(shape, dtype=object))
            # One byte more than there should be, so that a file that is too long is seen.
            data = file.read(count + 1) if 0 < count <= MOST_BYTES else b""
    except FileNotFoundError:
        raise MissingDataError(
            f"no {path.name}(.gz) in {path.parent}: put the four files of MNIST there, or name "
            f"their folder: {FOLDER}=FOLDER"
        ) from None
    except (OSError, EOFError) as error:
        raise RefusedError(f"{path}: {error}") from None
    if len(data) != count:
        raise RefusedError(f"{path}: its head says {count} bytes, which it does not hold")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


@cache
def english() -> str:
    """Give the English prose that every Python carries: the topics of its `help()`."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def text() -> str:
    """Read the user's own text, the file that `TEXT` names.

    Raises
    ------
    MissingDataError
        When none is named, or it is not there.
    RefusedError
        When it is not UTF-8 text.
    """
    name = os.environ.get(TEXT)
    if not name:
        raise MissingDataError(f"no text is named: {TEXT}=FILE names one, in UTF-8")
    return _text(Path(name).expanduser().absolute())


@cache
def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RefusedError(f"{path}: more than {MOST_BYTES // 2**20} MiB of text")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingDataError(f"no text file {path}, which {TEXT} names") from None
    except UnicodeDecodeError as error:
        raise RefusedError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None


def pairs() -> Path:
    """Find the user's own sentence pairs, the file that `PAIRS` names.

    Raises
    ------
    MissingDataError
        When none is named, or it is not there.
    RefusedError
        When it cannot be read, or is too large.
    """
    name = os.environ.get(PAIRS)
    if not name:
        raise MissingDataError(f"no sentence pairs are named: {PAIRS}=FILE names them, in UTF-8")
    path = Path(name).expanduser().absolute()
    try:
        with path.open("rb"):
            size = path.stat().st_size
    except FileNotFoundError:
        raise MissingDataError(f"no file {path}, which {PAIRS} names") from None
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None
    if size > MOST_BYTES:
        raise RefusedError(f"{path}: more than {MOST_BYTES // 2**20} MiB of sentence pairs")
    return path


def _bytes_of_mnist() -> bytes:
    images = mnist()
    return images.pixels.tobytes() + images.classes.tobytes() + str(images.trained).encode()


SETS: dict[str, Callable[[], bytes]] = {
    "mnist": _bytes_of_mnist,
    "english": lambda: english().encode(),
    "text": lambda: text().encode(),
    "pairs": lambda: pairs().read_bytes(),
}
"""What a task may name as its data, and how to get at all of it."""


def fingerprint(name: str) -> str:
    """Hash what is in a set of data: 16 hex digits."""
    return hashlib.sha256(SETS[name]()).hexdigest()[:16]


def same(name: str, declared: str) -> None:
    """Refuse data that is not what was declared; an empty declaration allows any."""
    if declared and (found := fingerprint(name)) != declared:
        raise RefusedError(f"the data {name!r} of this machine is {found}; declared is {declared}")
