"""Oracles of the tasks that carry values."""

import math
from typing import Any

from oracle_case import Expected, Oracle


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


def adding_campos(inputs: list[list[float]], lag: int) -> Expected:
    """Values in [-.5, .5], a mark in the first tenth, another in the last half."""
    assert len(inputs) == lag
    assert all(-0.5 <= value <= 0.5 for value, _ in inputs)
    first, second = marked(inputs, channel=1)
    assert first < int(0.1 * lag) < lag // 2 <= second
    return Expected(inputs[first][0] + inputs[second][0], [lag - 1], [first, second])


def multiplication_pascanu(inputs: list[list[float]], lag: int) -> Expected:
    """The layout of the adding problem; the product."""
    added = adding_pascanu(inputs, lag)
    first, second = added.evidence
    return Expected(inputs[first][1] * inputs[second][1], added.scored, added.evidence)


def temporal_order_hs97(inputs: list[int], lag: int) -> Expected:
    """Lengths 100 to 110 of T = 100, t1 from 10 to 20 and t2 from 50 to 60, both included."""
    return marked_ends(inputs, lag, [0.1, 0.5])


def temporal_order_hs97_3(inputs: list[int], lag: int) -> Expected:
    """T1 from 10 to 20, t2 from 33 to 43, t3 from 66 to 76."""
    return marked_ends(inputs, lag, [0.1, 0.33, 0.66])


def marked_ends(inputs: list[int], lag: int, starts: list[float]) -> Expected:
    """A symbol of its own at either end: 7 first, 6 last."""
    assert lag <= len(inputs) <= lag + lag // 10
    assert (inputs[0], inputs[-1]) == (7, 6)
    assert all(0 <= symbol < 6 for symbol in inputs[1:-1])
    places = [t for t, symbol in enumerate(inputs) if symbol < 2]
    for place, start in zip(places, starts, strict=True):
        assert math.floor(lag * start + 1e-9) <= place
        assert place <= math.floor(lag * start + 1e-9) + lag // 10
    label = sum(inputs[place] * 2**k for k, place in enumerate(places))
    return Expected(label, [len(inputs) - 1], places)


def delayed_echo(inputs: list[Any], lag: int) -> Expected:
    """Y_t = x_{t-k}, twenty times."""
    assert len(inputs) == lag + 20
    values = [x[0] if isinstance(x, list) else x for x in inputs]
    assert all(-1 <= x <= 1 if isinstance(x, float) else x in range(8) for x in values)
    target = [0] * lag + [values[t - lag] for t in range(lag, lag + 20)]
    return Expected(target, list(range(lag, lag + 20)), list(range(20)))


def first_symbol_eight(inputs: list[int], lag: int) -> Expected:
    """One of 0..7, then T-1 of 8..15."""
    assert len(inputs) == lag
    assert inputs[0] in range(8)
    assert all(symbol in range(8, 16) for symbol in inputs[1:])
    return Expected(inputs[0], [lag - 1], [0])


def random_permutation(inputs: list[int], lag: int) -> Expected:
    """0 or 1, then T-1 of 2..99; the next symbol, and the first again at the end."""
    assert len(inputs) == lag
    assert inputs[0] in (0, 1)
    assert all(2 <= symbol < 100 for symbol in inputs[1:])
    return Expected([*inputs[1:], inputs[0]], [lag - 1], [0])


ORACLES: dict[str, Oracle] = {
    "adding/arjovsky": Oracle(
        adding_arjovsky,
        sizes=(2, 1, "large"),
        places=set(range(30)),
        distances=(15, 29),
        # Neither half may be empty.
        is_defined=lambda lag: lag // 2 > 0,
    ),
    "adding/bai": Oracle(
        adding_bai,
        sizes=(2, 1, "large"),
        places=set(range(30)),
        distances=(1, 29),
        is_defined=lambda lag: lag >= 2,
    ),
    "adding/pascanu": Oracle(
        adding_pascanu,
        sizes=(2, 1, "large"),
        # Lengths 30 to 32: the later mark ends before 3 + 12.
        places=set(range(15)),
        distances=(27, 31),
        # A tenth must hold a step.
        is_defined=lambda lag: int(lag * 0.1) > 0,
    ),
    "adding/hs97": Oracle(
        adding_hs97,
        sizes=(2, 1, "large"),
        # The first 14 unmarked reach step 14 where the other mark is before it; step 0 is void.
        places=set(range(1, 15)),
        # Nearest: the first mark void, the second at step 14; lengths 30 to 33.
        distances=(15, 31),
        # The final pair must not be one of the first ten, and one of T/2 - 1 must be left to mark.
        is_defined=lambda lag: lag > 10 and lag // 2 - 1 > 0,
    ),
    "temporal_order/pascanu": Oracle(
        temporal_order_pascanu,
        sizes=(6, 4, "large"),
        places={3, 4, 5, 15, 16, 17},
        distances=(24, 26),
        is_defined=lambda lag: int(lag * 0.1) > 0,
        letters="ABcdef",
    ),
    "temporal_order/pascanu3": Oracle(
        temporal_order_pascanu3,
        sizes=(6, 8, "large"),
        places={3, 4, 5, 9, 10, 11, 18, 19, 20},
        distances=(24, 26),
        is_defined=lambda lag: int(lag * 0.1) > 0,
    ),
    "adding/campos": Oracle(
        adding_campos,
        sizes=(2, 1, "large"),
        places={0, 1, 2} | set(range(15, 30)),
        distances=(27, 29),
        is_defined=lambda lag: int(lag * 0.1) > 0,
    ),
    "multiplication/pascanu": Oracle(
        multiplication_pascanu,
        sizes=(2, 1, "large"),
        places=set(range(15)),
        distances=(27, 31),
        is_defined=lambda lag: int(lag * 0.1) > 0,
    ),
    "temporal_order/hs97": Oracle(
        temporal_order_hs97,
        sizes=(8, 4, "large"),
        places={3, 4, 5, 6, 15, 16, 17, 18},
        # Lengths 30 to 33.
        distances=(23, 29),
        # A tenth must be a step, or the first place may be the very start.
        is_defined=lambda lag: lag // 10 > 0,
    ),
    "temporal_order/hs97_3": Oracle(
        temporal_order_hs97_3,
        sizes=(8, 8, "large"),
        places={3, 4, 5, 6, 9, 10, 11, 12, 19, 20, 21, 22},
        distances=(23, 29),
        is_defined=lambda lag: lag // 10 > 0,
    ),
    "delayed_echo/symbols": Oracle(
        delayed_echo,
        sizes=(8, 8, "large"),
        places=set(range(20)),
        distances=(30, 30),
        is_defined=lambda lag: lag >= 1,
    ),
    "delayed_echo/continuous": Oracle(
        delayed_echo,
        sizes=(1, 1, "large"),
        places=set(range(20)),
        distances=(30, 30),
        is_defined=lambda lag: lag >= 1,
    ),
    "first_symbol/eight": Oracle(
        first_symbol_eight,
        sizes=(16, 8, "large"),
        places={0},
        distances=(29, 29),
        is_defined=lambda lag: lag - 1 > 0,
    ),
    "random_permutation/pascanu": Oracle(
        random_permutation,
        sizes=(100, 100, "large"),
        places={0},
        distances=(29, 29),
        is_defined=lambda lag: lag - 1 > 0,
    ),
    "random_permutation/sutskever": Oracle(
        random_permutation,
        sizes=(100, 100, "large"),
        places={0},
        distances=(29, 29),
        is_defined=lambda lag: lag - 1 > 0,
    ),
}
