"""Small data of the tests' own, in place of what a user would put on the machine."""

import atexit
import gzip
import os
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np

from lightning_modules import data_sets

TRAINED, TESTED = 180, 40
TEXT = "the quick brown fox jumps over the lazy dog, again and again; so it goes. " * 9


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of 28 x 28 bytes, no two the same, and classes that all occur."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(256, size=(count, 28, 28), dtype=np.uint8)
    return pixels, generator.permutation(np.arange(count, dtype=np.uint8) % 10)


def idx(values: np.ndarray) -> bytes:
    """Write bytes in the idx format."""
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.tobytes()


def write_mnist(folder: Path) -> None:
    """Write the four files, some of them packed."""
    for name, count, seed in (("train", TRAINED, 1), ("t10k", TESTED, 2)):
        pixels, classes = images(count, seed)
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(idx(pixels))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(classes))


def put_in_place() -> None:
    """Write the data once a process, and name it as a user does; children find it there."""
    if "LONGDEP_TEST_DATA" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="longdep-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_mnist(folder)
    (folder / "text.txt").write_text(varied(), encoding="utf-8")
    (folder / "pairs.tsv").write_text(pairs(), encoding="utf-8")
    os.environ["LONGDEP_TEST_DATA"] = str(folder)
    os.environ[data_sets.FOLDER] = str(folder)
    os.environ[data_sets.TEXT] = str(folder / "text.txt")
    os.environ[data_sets.PAIRS] = str(folder / "pairs.tsv")


def pairs() -> str:
    """Write sentence pairs of all lengths to 100: the target says the words backwards, some not."""
    words = "the quick brown fox jumps over a lazy dog again so it goes".split()
    generator = np.random.default_rng(5)
    lines = ["das ist gut\tthat is good"]
    for count in range(2200):
        source = [words[n] for n in generator.integers(len(words), size=1 + count % 100)]
        target = [word.upper() for word in reversed(source) if word != "again"] or ["-"]
        lines.append(f"{' '.join(source)}\t{' '.join(target)}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def varied() -> str:
    """Write a text whose words come in an order of their own."""
    words = TEXT.split()
    order = np.random.default_rng(3).integers(len(words), size=900)
    return " ".join(words[i] for i in order)
