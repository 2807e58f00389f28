"""Oracles of the tasks of association."""

from oracle_case import Expected, Oracle


def associative_recall_zoology(inputs: list[int], lag: int) -> Expected:
    """T/16 pairs; keys 1..4095, values 4096..8191."""
    return looked_up(inputs, lag, range(1, 4096), range(4096, 8192), keys=lag // 16, updates=0)


def associative_recall_small(inputs: list[int], lag: int) -> Expected:
    """4 pairs; keys 1..15, values 16..31."""
    return looked_up(inputs, lag, range(1, 16), range(16, 32), keys=4, updates=0)


def associative_recall_forgetting(inputs: list[int], lag: int) -> Expected:
    """4 pairs, then 2 of the keys once more, each with another value."""
    return looked_up(inputs, lag, range(1, 16), range(16, 32), keys=4, updates=2)


def looked_up(
    inputs: list[int], lag: int, known: range, values: range, *, keys: int, updates: int
) -> Expected:
    """Pairs, then every key once at a distance of twice the gap, and nothing between."""
    assert len(inputs) == lag
    pairs = keys + updates
    last: dict[int, int] = {}
    for n in range(pairs):
        key, value = inputs[2 * n], inputs[2 * n + 1]
        assert key in known
        assert value in values
        assert (key in last) == (n >= keys)
        last[key] = 2 * n
    target, scored = [0] * lag, []
    for t in range(2 * pairs, lag):
        if inputs[t]:
            assert (t - 2 * pairs) % 2 == 0
            target[t] = inputs[last[inputs[t]] + 1]
            scored.append(t)
    assert sorted(inputs[t] for t in scored) == sorted(last)
    return Expected(target, scored, sorted(t for p in last.values() for t in (p, p + 1)))


def induction_mamba(inputs: list[int], lag: int) -> Expected:
    """Tokens 0..14; 15 once before the last two steps, and at the end."""
    assert len(inputs) == lag
    first = inputs.index(15)
    assert first < lag - 2
    assert inputs.count(15) == 2
    assert inputs[-1] == 15
    assert all(0 <= token < 15 for token in inputs if token != 15)
    return Expected(inputs[first + 1], [lag - 1], [first, first + 1])


def fill_blank_right(inputs: list[int], lag: int) -> Expected:
    """Eight symbols, a blank, 8, with lag steps on both sides; the value stands at the end."""
    return filled(inputs, lag, 2 * lag)


def fill_blank_left(inputs: list[int], lag: int) -> Expected:
    """The same, with the value at the beginning."""
    return filled(inputs, lag, 0)


def filled(inputs: list[int], lag: int, copy: int) -> Expected:
    (blank,) = (t for t, x in enumerate(inputs) if x == 8)
    assert (blank, len(inputs)) == (lag, 2 * lag + 1)
    assert all(x in range(9) for x in inputs)
    assert abs(copy - blank) == lag
    return Expected([inputs[copy] * (t == blank) for t in range(2 * lag + 1)], [blank], [copy])


def every_other(evidence: list[int]) -> list[int]:
    """Of pairs, the values: a key that is asked for must have been given."""
    return evidence[1::2]


ORACLES: dict[str, Oracle] = {
    "fill_blank/right": Oracle(
        fill_blank_right,
        sizes=(9, 8, "large"),
        places={60},
        distances=(-30, -30),
        is_defined=lambda lag: lag >= 1,
    ),
    "fill_blank/left": Oracle(
        fill_blank_left,
        sizes=(9, 8, "large"),
        places={0},
        distances=(30, 30),
        is_defined=lambda lag: lag >= 1,
    ),
    "associative_recall/zoology": Oracle(
        associative_recall_zoology,
        sizes=(8192, 8192, "large"),
        # Two pairs; the nearer of two questions is at the twelfth of 14 places at most.
        at=32,
        places=set(range(4)),
        distances=(4, 28),
        is_defined=lambda lag: lag // 16 >= 2,
        replaced=every_other,
    ),
    "associative_recall/small": Oracle(
        associative_recall_small,
        sizes=(32, 32, "large"),
        # Six places for four questions.
        at=20,
        places=set(range(8)),
        distances=(8, 12),
        # Four pairs, and room for four questions.
        is_defined=lambda lag: (lag - 8) // 2 >= 4,
        replaced=every_other,
    ),
    "associative_recall/forgetting": Oracle(
        associative_recall_forgetting,
        sizes=(32, 32, "large"),
        # Six places again; the first two pairs may be those that no longer count.
        at=24,
        places=set(range(12)),
        distances=(8, 16),
        is_defined=lambda lag: (lag - 12) // 2 >= 4,
        replaced=every_other,
    ),
    "induction/mamba": Oracle(
        induction_mamba,
        sizes=(16, 15, "large"),
        places=set(range(29)),
        distances=(2, 29),
        is_defined=lambda lag: lag - 2 > 0,
        replaced=every_other,
    ),
}
