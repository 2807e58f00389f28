"""Oracles of the tasks that ask for a list again."""

from oracle_case import Expected, Oracle


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


def copy_memory_henaff(inputs: list[int], lag: int) -> Expected:
    """A gap of 1 to T steps before the marker; the rest of T+20 steps is blank."""
    gap = inputs.index(9) - 9
    assert 1 <= gap <= lag
    early = copy_memory_arjovsky(inputs[: gap + 20], gap)
    rest = [0] * (lag - gap)
    assert inputs[gap + 20 :] == rest
    return Expected(early.target + rest, early.scored, early.evidence)


def copy_memory_reversed(inputs: list[int], lag: int) -> Expected:
    """The same inputs, the list from its end."""
    there = copy_memory_arjovsky(inputs, lag)
    return Expected([0] * (lag + 10) + inputs[9::-1], there.scored, there.evidence)


def copy_memory_distractors(inputs: list[int], lag: int) -> Expected:
    """Every blank is one of 10..17."""
    others = [symbol for symbol in inputs if symbol not in range(1, 10)]
    assert len(others) == lag - 1 + 10
    assert set(others) <= set(range(10, 18))
    return copy_memory_arjovsky([0 if symbol > 9 else symbol for symbol in inputs], lag)


def recalled(inputs: list[int], rest: list[int], symbols: list[int], blank: int = 0) -> Expected:
    """Ask for the first symbols of a sequence, that goes on with `rest`, at its end."""
    n = len(inputs) - len(rest)
    assert n in (3, 5, 10)
    assert inputs[n:] == rest
    assert all(symbol in symbols for symbol in inputs[:n])
    end = list(range(len(inputs) - n, len(inputs)))
    return Expected([blank] * (len(inputs) - n) + inputs[:n], end, list(range(n)))


def noiseless_five_bit(inputs: list[int], lag: int) -> Expected:
    """5 of {0, 1}, T blanks (2), the marker (3), 4 blanks; the first answer at the marker."""
    return recalled(inputs, [2] * lag + [3] + [2] * 4, [0, 1], blank=2)


def noiseless_twenty_bit(inputs: list[int], lag: int) -> Expected:
    """10 of {0..4}, T blanks (5), the marker (6), 9 blanks; the first answer at the marker."""
    return recalled(inputs, [5] * lag + [6] + [5] * 9, [0, 1, 2, 3, 4], blank=5)


def denoise_goru(inputs: list[int], lag: int) -> Expected:
    """10 of 1..8 and T-1 blanks in any order, the marker 9, 10 blanks; then the symbols are due."""
    assert len(inputs) == lag + 20
    assert inputs[lag + 9 :] == [9] + [0] * 10
    return scattered(inputs, lag + 9, 10, range(1, 9))


def selective_copy_mamba(inputs: list[int], lag: int) -> Expected:
    """16 of 1..15 among T steps, the others noise (0); then 16 markers."""
    assert inputs[lag:] == [16] * 16
    return scattered(inputs, lag, 16, range(1, 16))


def selective_copy_small(inputs: list[int], lag: int) -> Expected:
    """4 of 1..8 among T steps, the others noise (0); then 4 markers."""
    assert inputs[lag:] == [9] * 4
    return scattered(inputs, lag, 4, range(1, 9))


def scattered(inputs: list[int], within: int, n: int, symbols: range) -> Expected:
    """Ask for the n symbols that stand anywhere in the first steps, at the end."""
    places = [t for t in range(within) if inputs[t] != 0]
    assert len(places) == n
    assert all(inputs[t] in symbols for t in places)
    before = len(inputs) - n
    target = [0] * before + [inputs[t] for t in places]
    return Expected(target, list(range(before, len(inputs))), places)


ORACLES: dict[str, Oracle] = {
    "copy_memory/arjovsky": Oracle(
        copy_memory_arjovsky,
        # Blank, eight symbols, marker; nobody is asked for a marker, though `bai` may say it.
        sizes=(10, 9, "large"),
        places=set(range(10)),
        distances=(40, 40),
        # T - 1 blanks.
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "copy_memory/bai": Oracle(
        copy_memory_bai,
        sizes=(1, 10, "large"),
        places=set(range(10)),
        distances=(40, 40),
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "copy_memory/exprnn": Oracle(
        copy_memory_exprnn,
        sizes=(10, 9, "large"),
        places=set(range(10)),
        distances=(40, 40),
        is_defined=lambda lag: lag >= 0,
    ),
    "copy_memory/small": Oracle(
        copy_memory_small,
        sizes=(6, 5, "exhaustive"),
        places=set(range(3)),
        distances=(33, 33),
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "copy_memory/henaff": Oracle(
        copy_memory_henaff,
        sizes=(10, 9, "large"),
        places=set(range(10)),
        distances=(11, 40),
        is_defined=lambda lag: lag >= 1,
    ),
    "copy_memory/reversed": Oracle(
        copy_memory_reversed,
        sizes=(10, 9, "large"),
        places=set(range(10)),
        distances=(40, 40),
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "copy_memory/distractors": Oracle(
        copy_memory_distractors,
        sizes=(18, 9, "large"),
        places=set(range(10)),
        distances=(40, 40),
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "noiseless_memorization/five_bit": Oracle(
        noiseless_five_bit,
        sizes=(4, 3, "exhaustive"),
        places=set(range(5)),
        distances=(35, 35),
        is_defined=lambda lag: lag >= 0,
    ),
    "noiseless_memorization/twenty_bit": Oracle(
        noiseless_twenty_bit,
        sizes=(7, 6, "large"),
        places=set(range(10)),
        distances=(40, 40),
        is_defined=lambda lag: lag >= 0,
    ),
    "denoise/goru": Oracle(
        denoise_goru,
        sizes=(10, 9, "large"),
        at=3,
        places=set(range(12)),
        distances=(11, 13),
        is_defined=lambda lag: lag - 1 >= 0,
    ),
    "selective_copy/mamba": Oracle(
        selective_copy_mamba,
        sizes=(17, 16, "large"),
        at=18,
        places=set(range(18)),
        distances=(16, 18),
        is_defined=lambda lag: lag >= 16,
    ),
    "selective_copy/small": Oracle(
        selective_copy_small,
        sizes=(10, 9, "large"),
        at=12,
        places=set(range(12)),
        distances=(4, 12),
        is_defined=lambda lag: lag >= 4,
    ),
}
