"""Permutation tests of a mean difference, and the interval of the shifts that they do not reject.

If two arms were alike, their labels could be exchanged: within each group, or within each seed
where the two trials of a seed are a pair. The difference that was seen is compared with those under
every exchange (or `DRAWS` random ones, from a fixed seed, where there are more than `MOST`).
Exact means: the chance of p <= 5 % is at most 5 % when the arms are alike, whatever the values'
distribution, at any number of seeds (Fisher 1935; Phipson and Smyth 2010 for random exchanges).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb, prod
from typing import Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Side = Literal["two-sided", "greater", "less"]

MOST = 200_000
"""With no more exchanges than this all are counted: 10 seeds against 10 have 184,756."""

DRAWS = 20_000


@dataclass(frozen=True)
class Exchanged:
    """A mean difference as it was seen, and as it would be under every exchange of labels.

    `kept` [exchanges] is how much of a shift of the first arm each exchange leaves in the
    difference: 1 where nothing is exchanged (the first of them), -1 where everything is.
    Differences within `slack` count as equal: sums in another order differ in their last bits.
    """

    seen: float
    differences: Values  # [exchanges]
    kept: Values  # [exchanges]
    is_exact: bool
    slack: float

    def p(self, side: Side = "two-sided") -> float:
        """Give the share of exchanges with a difference at least as large as the one seen."""
        if side == "greater":
            return float(np.mean(self.differences >= self.seen - self.slack))
        if side == "less":
            return float(np.mean(self.differences <= self.seen + self.slack))
        return float(np.mean(np.abs(self.differences) >= abs(self.seen) - self.slack))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Give the shifts of the first arm that are rejected on neither side at half the error.

        An exchange counts against a shift once the shift exceeds a threshold of its own, so the
        bounds are two order statistics of the thresholds (Hartigan 1969; Garthwaite 1996).
        Infinite where so few exchanges reject nothing.
        """
        gives = 1 - self.kept > 1e-12
        thresholds = (self.seen - self.differences[gives]) / (1 - self.kept[gives])
        total = len(self.kept)
        # Exchanges that keep every label count for every shift, on both sides.
        place = int((1 - confidence) / 2 * total + 1e-9) - (total - len(thresholds))
        if place < 0:
            return -np.inf, np.inf
        ordered = np.partition(thresholds, [place, len(thresholds) - 1 - place])
        return float(ordered[place]), float(ordered[len(thresholds) - 1 - place])


def labels(groups: Sequence[tuple[Values, Values]]) -> Exchanged:
    """Exchange labels within each group: (values of the first arm, values of the second).

    The difference is the mean over groups of the difference of means.
    """
    kinds = [_Labels(len(first), len(second)) for first, second in groups]
    return _exchanged([np.concatenate(group) for group in groups], kinds, _slack(groups))


def signs(groups: Sequence[tuple[Values, Values]]) -> Exchanged:
    """Exchange the two trials of a seed: those at the same place in both arrays of a group."""
    kinds = [_Signs(len(first)) for first, _ in groups]
    return _exchanged([first - second for first, second in groups], kinds, _slack(groups))


def least_p(groups: Sequence[tuple[int, int]], *, is_paired: bool, side: Side) -> float:
    """Give the smallest p that groups of these sizes can reach, all values being distinct."""
    ways = prod((_Signs(n) if is_paired else _Labels(n, m)).ways for n, m in groups)
    if ways > MOST:
        ways = DRAWS
    # Where all can be exchanged, the opposite of the most extreme difference is as extreme.
    is_symmetric = is_paired or all(n == m for n, m in groups)
    return min(1.0, (2 if side == "two-sided" and is_symmetric else 1) / ways)


@dataclass(frozen=True)
class _Labels:
    """Each row weighs the pooled values so that their sum is one difference of means."""

    n: int
    m: int

    @property
    def ways(self) -> int:
        return comb(self.n + self.m, self.n)

    def every(self) -> Values:
        return _weights(_choices(self.n + self.m, self.n), self.n, self.m)

    def some(self, stream: int) -> Values:
        order = np.tile(np.arange(self.n + self.m) < self.n, (DRAWS, 1))
        generator = np.random.Generator(np.random.Philox(key=[stream, self.n * 1000 + self.m]))
        order[1:] = generator.permuted(order[1:], axis=1)
        return _weights(order, self.n, self.m)


@dataclass(frozen=True)
class _Signs:
    """Each row weighs the differences of pairs so that their sum is one mean difference."""

    n: int

    @property
    def ways(self) -> int:
        return int(2**self.n)

    def every(self) -> Values:
        return (1 - 2 * (np.arange(2**self.n)[:, None] >> np.arange(self.n) & 1)) / self.n

    def some(self, stream: int) -> Values:
        generator = np.random.Generator(np.random.Philox(key=[stream, self.n]))
        flips = generator.integers(0, 2, (DRAWS, self.n))
        flips[0] = 0
        return (1 - 2 * flips) / self.n


_Kind = _Labels | _Signs


def _slack(groups: Sequence[tuple[Values, Values]]) -> float:
    return 1e-12 * max(float(np.abs(values).max()) for group in groups for values in group)


def _exchanged(values: list[Values], kinds: Sequence[_Kind], slack: float) -> Exchanged:
    is_exact = prod(kind.ways for kind in kinds) <= MOST
    differences, kept = np.zeros(1), np.zeros(1)
    for stream, (held, kind) in enumerate(zip(values, kinds, strict=True)):
        weights = _every(kind) if is_exact else _some(kind, stream)
        here, share = weights @ held, weights[:, : kind.n].sum(axis=1)
        if is_exact:  # all of this group's exchanges with all of those before
            differences = (differences[:, None] + here).ravel()
            kept = (kept[:, None] + share).ravel()
        else:
            differences, kept = differences + here, kept + share
    differences, kept = differences / len(values), kept / len(values)
    return Exchanged(float(differences[0]), differences, kept, is_exact, slack)


@lru_cache(maxsize=4)
def _every(kind: _Kind) -> Values:
    return kind.every()


@lru_cache(maxsize=8)
def _some(kind: _Kind, stream: int) -> Values:
    return kind.some(stream)


def _choices(total: int, number: int) -> npt.NDArray[np.bool_]:
    chosen = np.array(list(combinations(range(total), number)), dtype=np.int64)
    rows = np.zeros((len(chosen), total), dtype=bool)
    np.put_along_axis(rows, chosen.reshape(len(chosen), number), True, axis=1)
    return rows


def _weights(is_first: npt.NDArray[np.bool_], n: int, m: int) -> Values:
    return np.where(is_first, 1 / n, -1 / m)
