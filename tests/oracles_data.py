"""Oracles of the tasks on real data."""

import itertools
from collections.abc import Iterator
from functools import cache
from pydoc_data.topics import topics

import local_data
import numpy as np
from oracle_case import Expected, Oracle
from sklearn.datasets import load_digits


def digits(side: int, step: int, *, seed: int | None = None) -> Oracle:
    """Images of `side` x `side`, `step` pixels a step, in the order of a permutation if seeded."""
    pixels, steps = side * side, side * side // step

    def expected(inputs: list[list[float]], lag: int) -> Expected:
        """Put the image together again, and look it up."""
        assert len(inputs) == steps + lag + 1
        table = np.array(inputs)
        assert table[:, -1].tolist() == [0.0] * (steps + lag) + [1.0]
        assert not table[steps:, :-1].any()
        image = np.empty(pixels)
        image[shuffled(pixels, seed)] = table[:steps, :-1].flatten()
        grey = np.rint(image * (16 if side == 8 else 255)).astype(int)
        return Expected(known_images(side)[tuple(grey.tolist())], [steps + lag], [*range(steps)])

    return Oracle(
        expected,
        sizes=(step + 1, 10, "finite"),
        places=set(range(steps)),
        distances=(steps + 30, steps + 30),
        is_defined=lambda lag: lag >= 0,
    )


@cache
def shuffled(count: int, seed: int | None) -> list[int]:
    """Give the order that the published code takes: an old generator, seeded, permutes."""
    if seed is None:
        return list(range(count))
    return [int(place) for place in np.random.RandomState(seed).permutation(count)]


@cache
def known_images(side: int) -> dict[tuple[int, ...], int]:
    """Name every image of a set by its pixels, which are whole numbers."""
    if side == 8:
        found = load_digits()
        pairs = list(zip(found.images, found.target, strict=True))
    else:
        parts = (local_data.images(local_data.TRAINED, 1), local_data.images(local_data.TESTED, 2))
        pairs = [pair for part in parts for pair in zip(*part, strict=True)]
    return {tuple(int(p) for row in image for p in row): int(label) for image, label in pairs}


def text(written: str) -> Oracle:
    """Windows of a text, each step followed by what comes next in it."""
    symbols = sorted(set(written))
    ends = [0, round(0.8 * len(written)), round(0.9 * len(written)), len(written)]
    parts = [written[a:b] for a, b in itertools.pairwise(ends)]

    def expected(inputs: list[int], lag: int) -> Expected:
        """Find the window in one of the three parts, and read one character on."""
        assert len(inputs) == lag
        going_on = GoingOn("".join(symbols[number] for number in inputs), parts, symbols)
        return Expected(going_on, list(range(lag)), list(range(lag)))

    return Oracle(
        expected,
        sizes=(len(symbols), len(symbols), "finite"),
        places=set(range(30)),
        distances=(0, 0),
        is_defined=lambda lag: 0 < lag < len(written) // 10 - 1,
        letters=["_" if symbol == " " else symbol for symbol in symbols],
    )


class GoingOn:
    """What may follow in a window of a text, which may stand there more than once."""

    def __init__(self, window: str, parts: list[str], symbols: list[str]) -> None:
        self.window, self.parts, self.symbols = window, parts, symbols

    def __iter__(self) -> Iterator[int]:
        part = next(part for part in self.parts if self.window in part[:-1])
        at = 1 + part.find(self.window)
        return iter([self.symbols.index(each) for each in part[at : at + len(self.window)]])

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, list)
        shown = "".join(self.symbols[number] for number in other)
        follows = self.window + shown[-1]
        return shown[:-1] == self.window[1:] and any(follows in part for part in self.parts)

    __hash__ = None  # type: ignore[assignment]


ORACLES: dict[str, Oracle] = {
    "sequential_digits/rows": digits(8, 8),
    "sequential_digits/pixels": digits(8, 1),
    "sequential_digits/mnist_rows": digits(28, 28),
    "sequential_digits/mnist_pixels": digits(28, 1),
    "permuted_digits/pixels": digits(8, 1, seed=92916),
    "permuted_digits/mnist_pixels": digits(28, 1, seed=92916),
    "character_lm/english": text("\n".join(topics[name] for name in sorted(topics))),
    "character_lm/file": text(local_data.varied()),
}
