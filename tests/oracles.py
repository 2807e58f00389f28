"""The tasks once more, slowly: what a paper's text says of one example, in plain Python.

An oracle takes the inputs of one example as lists, and the lag. It fails where the paper's text
does not allow such inputs, and says what the target is, which steps are scored and which are
evidence. Written from the papers (named in the tasks), not from the tasks. `PLACES` says where
evidence may stand, so that a window too narrow is seen as well as one too wide; `DISTANCES` how far
it is, at least and at most, from the first evidence to the first scored step; `IS_DEFINED` at which
lags there is something for every draw to draw from.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

Inputs = list[int] | list[list[float]]


class Expected(NamedTuple):
    """What one example must look like beside its inputs."""

    target: float | int | list[int]
    scored: list[int]
    evidence: list[int]


def adding_arjovsky(inputs: list[list[float]], lag: int) -> Expected:
    """One mark in each half; the last step of an odd length belongs to neither."""
    assert len(inputs) == lag
    first, second = marked(inputs, channel=1)
    assert first < lag // 2 <= second < 2 * (lag // 2)
    return the_sum(inputs, [first, second])


def adding_bai(inputs: list[list[float]], lag: int) -> Expected:
    """Two distinct positions of the whole sequence."""
    assert len(inputs) == lag
    return the_sum(inputs, marked(inputs, channel=1))


def adding_pascanu(inputs: list[list[float]], lag: int) -> Expected:
    """Marks come first, values second; positions scale with the true length."""
    length = len(inputs)
    assert lag <= length < lag + int(lag * 0.1)
    first, second = marked(inputs, channel=0)
    assert 0 <= first < int(length * 0.1) <= second < int(length * 0.1) + int(length * 0.4)
    assert all(0 <= value <= 1 for _, value in inputs)
    return Expected((inputs[first][1] + inputs[second][1]) / 2, [length - 1], [first, second])


def adding_hs97(inputs: list[list[float]], lag: int) -> Expected:
    """The first and the final pair carry -1; a first pair that got marked is worth nothing."""
    length = len(inputs)
    assert lag <= length <= lag + lag / 10
    assert all(-1 <= value <= 1 for value, _ in inputs)
    assert inputs[0][1] == inputs[-1][1] == -1
    inner = [t for t in range(1, length - 1) if inputs[t][1] != 0]
    assert all(inputs[t][1] == 1 for t in inner)
    assert len(inner) in (1, 2)
    places = inner if len(inner) == 2 else [0, *inner]
    # One of the two is among the first ten, the other among the first T/2 - 1 that are left.
    assert any(
        x1 < 10 and [t for t in range(length) if t != x1].index(x2) < lag // 2 - 1
        for x1, x2 in (places, places[::-1])
    )
    return Expected(0.5 + sum(inputs[t][0] for t in inner) / 4, [length - 1], inner)


def marked(inputs: list[list[float]], channel: int) -> list[int]:
    """List the two steps with a mark; all other marks are 0."""
    assert all(step[channel] in (0, 1) for step in inputs)
    places = [t for t, step in enumerate(inputs) if step[channel] == 1]
    assert len(places) == 2
    return places


def the_sum(inputs: list[list[float]], places: list[int]) -> Expected:
    """Add the values, which lie in [0, 1], at the marks."""
    assert all(0 <= value <= 1 for value, _ in inputs)
    return Expected(sum(inputs[t][0] for t in places), [len(inputs) - 1], places)


def copy_memory_arjovsky(inputs: list[int], lag: int) -> Expected:
    """10 symbols a1..a8, T-1 blanks, the marker, 10 blanks; then the symbols are due."""
    return recalled(inputs, [0] * (lag - 1) + [9] + [0] * 10, list(range(1, 9)))


def copy_memory_bai(inputs: list[list[float]], lag: int) -> Expected:
    """The same as one real number a step, with the marker 11 times at the end."""
    assert all(len(step) == 1 for step in inputs)
    plain = [int(step[0]) for step in inputs]
    assert [[float(symbol)] for symbol in plain] == inputs
    return recalled(plain, [0] * (lag - 1) + [9] * 11, list(range(1, 9)))


def copy_memory_exprnn(inputs: list[int], lag: int) -> Expected:
    """K symbols, L blanks, the marker, K-1 blanks; the first answer is due at the marker."""
    expected = recalled(inputs, [0] * lag + [9] + [0] * 9, list(range(1, 9)))
    assert inputs.index(9) == expected.scored[0]
    return expected


def copy_memory_small(inputs: list[int], lag: int) -> Expected:
    """3 symbols of 4, and the marker is 5: T + 6 steps."""
    assert len(inputs) == lag + 6
    return recalled(inputs, [0] * (lag - 1) + [5] + [0] * 3, [1, 2, 3, 4])


def recalled(inputs: list[int], rest: list[int], symbols: list[int]) -> Expected:
    """Ask for the first symbols of a sequence, that goes on with `rest`, at its end."""
    n = len(inputs) - len(rest)
    assert n in (3, 10)
    assert inputs[n:] == rest
    assert all(symbol in symbols for symbol in inputs[:n])
    end = list(range(len(inputs) - n, len(inputs)))
    return Expected([0] * (len(inputs) - n) + inputs[:n], end, list(range(n)))


def temporal_order_pascanu(inputs: list[int], lag: int) -> Expected:
    """A or B once in [.1 T, .2 T) and once in [.5 T, .6 T), one of four others elsewhere."""
    return ordered(inputs, lag, [0.1, 0.5])


def temporal_order_pascanu3(inputs: list[int], lag: int) -> Expected:
    """Three of them: in [.1 T, .2 T), [.3 T, .4 T) and [.6 T, .7 T)."""
    return ordered(inputs, lag, [0.1, 0.3, 0.6])


def ordered(inputs: list[int], lag: int, starts: list[float]) -> Expected:
    """Number the classes v0 + 2 v1 + 4 v2."""
    assert len(inputs) == lag
    assert all(0 <= symbol < 6 for symbol in inputs)
    places = [t for t, symbol in enumerate(inputs) if symbol < 2]
    for place, start in zip(places, starts, strict=True):
        assert int(lag * start) <= place < int(lag * start) + int(lag * 0.1)
    label = sum(inputs[place] * 2**k for k, place in enumerate(places))
    return Expected(label, [lag - 1], places)


def sequential_digits_rows(inputs: list[list[float]], lag: int) -> Expected:
    """Eight rows of an image from the top, `lag` blank steps, the question."""
    return the_digit(inputs, lag, steps=8)


def sequential_digits_pixels(inputs: list[list[float]], lag: int) -> Expected:
    """The same image pixel by pixel, each row from the left."""
    return the_digit(inputs, lag, steps=64)


def the_digit(inputs: list[list[float]], lag: int, steps: int) -> Expected:
    """Look the image up."""
    assert len(inputs) == steps + lag + 1
    assert [step[-1] for step in inputs] == [0.0] * (steps + lag) + [1.0]
    assert all(pixel == 0 for step in inputs[steps:] for pixel in step[:-1])
    image = tuple(int(pixel * 16) for step in inputs[:steps] for pixel in step[:-1])
    return Expected(known_images()[image], [steps + lag], list(range(steps)))


@cache
def known_images() -> dict[tuple[int, ...], int]:
    """Name every image of the set by its 64 pixels, which are whole numbers up to 16."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return {
        tuple(int(pixel) for row in image for pixel in row): int(label)
        for image, label in zip(found.images, found.target, strict=True)
    }


ORACLES: dict[str, Callable[..., Expected]] = {
    "adding/arjovsky": adding_arjovsky,
    "adding/bai": adding_bai,
    "adding/pascanu": adding_pascanu,
    "adding/hs97": adding_hs97,
    "copy_memory/arjovsky": copy_memory_arjovsky,
    "copy_memory/bai": copy_memory_bai,
    "copy_memory/exprnn": copy_memory_exprnn,
    "copy_memory/small": copy_memory_small,
    "temporal_order/pascanu": temporal_order_pascanu,
    "temporal_order/pascanu3": temporal_order_pascanu3,
    "sequential_digits/rows": sequential_digits_rows,
    "sequential_digits/pixels": sequential_digits_pixels,
}

# At lag 30: few enough places for each to be drawn, tenths that are whole numbers.
LAG = 30
PLACES: dict[str, set[int]] = {
    "adding/arjovsky": set(range(30)),
    "adding/bai": set(range(30)),
    # Lengths 30 to 32: the later mark ends before 3 + 12.
    "adding/pascanu": set(range(15)),
    # The first 14 unmarked reach step 14 where the other mark is before it; step 0 is void.
    "adding/hs97": set(range(1, 15)),
    "copy_memory/arjovsky": set(range(10)),
    "copy_memory/bai": set(range(10)),
    "copy_memory/exprnn": set(range(10)),
    "copy_memory/small": set(range(3)),
    "temporal_order/pascanu": {3, 4, 5, 15, 16, 17},
    "temporal_order/pascanu3": {3, 4, 5, 9, 10, 11, 18, 19, 20},
    "sequential_digits/rows": set(range(8)),
    "sequential_digits/pixels": set(range(64)),
}
DISTANCES: dict[str, tuple[int, int]] = {
    "adding/arjovsky": (15, 29),
    "adding/bai": (1, 29),
    "adding/pascanu": (27, 31),
    # Nearest: the first mark void, the second at step 14; lengths 30 to 33.
    "adding/hs97": (15, 31),
    "copy_memory/arjovsky": (40, 40),
    "copy_memory/bai": (40, 40),
    "copy_memory/exprnn": (40, 40),
    "copy_memory/small": (33, 33),
    "temporal_order/pascanu": (24, 26),
    "temporal_order/pascanu3": (24, 26),
    "sequential_digits/rows": (38, 38),
    "sequential_digits/pixels": (94, 94),
}
# What goes in at each step, what comes out, and which examples there are.
SIZES: dict[str, tuple[int, int, str]] = {
    "adding/arjovsky": (2, 1, "large"),
    "adding/bai": (2, 1, "large"),
    "adding/pascanu": (2, 1, "large"),
    "adding/hs97": (2, 1, "large"),
    # Blank, eight symbols, marker; nobody is asked for a marker, though Bai's network may say it.
    "copy_memory/arjovsky": (10, 9, "large"),
    "copy_memory/bai": (1, 10, "large"),
    "copy_memory/exprnn": (10, 9, "large"),
    "copy_memory/small": (6, 5, "exhaustive"),
    "temporal_order/pascanu": (6, 4, "large"),
    "temporal_order/pascanu3": (6, 8, "large"),
    "sequential_digits/rows": (9, 10, "finite"),
    "sequential_digits/pixels": (2, 10, "finite"),
}
IS_DEFINED: dict[str, Callable[[int], bool]] = {
    # Neither half may be empty.
    "adding/arjovsky": lambda lag: lag // 2 > 0,
    "adding/bai": lambda lag: lag >= 2,
    # A tenth must hold a step.
    "adding/pascanu": lambda lag: int(lag * 0.1) > 0,
    # The final pair must not be one of the first ten, and one of T/2 - 1 must be left to mark.
    "adding/hs97": lambda lag: lag > 10 and lag // 2 - 1 > 0,
    # T - 1 blanks.
    "copy_memory/arjovsky": lambda lag: lag - 1 >= 0,
    "copy_memory/bai": lambda lag: lag - 1 >= 0,
    "copy_memory/exprnn": lambda lag: lag >= 0,
    "copy_memory/small": lambda lag: lag - 1 >= 0,
    "temporal_order/pascanu": lambda lag: int(lag * 0.1) > 0,
    "temporal_order/pascanu3": lambda lag: int(lag * 0.1) > 0,
    "sequential_digits/rows": lambda lag: lag >= 0,
    "sequential_digits/pixels": lambda lag: lag >= 0,
}
