"""How two solve rates differ, or one and a number: effect, interval and p, from counts.

Two rates in one group are tested by Barnard's unconditional exact test (Barnard 1947); pooled over
groups, by an exact permutation test: within each task and lag the labels of the two arms are
exchanged, which leaves the number of solved trials there as it is, so that the counts are
hypergeometric and their weighted sum has a known distribution. One rate in one group is held
against a number by the exact binomial test. All else (a difference of 0.2, a ratio of 2, a number
over groups) is tested by the interval: p is the error at which its bound would lie there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, lcm, sqrt
from typing import NamedTuple

import numpy as np

from analysis.estimate import CONFIDENCE
from analysis.permuting import Side

MANY = 500
"""From so many trials of an arm on, in all groups, counting in whole numbers takes too long."""
MOST_RATIO = 1e6
"""Ratios of rates are looked for up to here, and down to its inverse."""


class Counts(NamedTuple):
    """How many trials solved, of how many, with the claim's arm and with the other, in a group."""

    solved_arm: int
    n_arm: int
    solved_than: int
    n_than: int


@dataclass(frozen=True)
class Rates:
    """Solve rates compared: in each group those of two arms, or of one and the number `value`."""

    groups: Sequence[Counts]
    value: float | None = None
    is_ratio: bool = False

    @property
    def name(self) -> str:
        """What is tested, where the two are held against each other as they are."""
        if self.value is not None:
            return "binomial, exact" if len(self.groups) == 1 else "interval of the mean rate"
        return "Barnard, exact" if len(self.groups) == 1 else "permutation within groups, exact"

    def test_at(self, threshold: float) -> str:
        """Name the test of a threshold."""
        is_exact = threshold == self.alike or (self.value is not None and len(self.groups) == 1)
        return self.name if is_exact else "interval of the rates"

    @property
    def alike(self) -> float:
        """The difference, or ratio, of rates that are the same."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def means(self) -> tuple[float, float]:
        """The mean rate over groups of the arm, and of the other side."""
        arm = float(np.mean([g.solved_arm / g.n_arm for g in self.groups]))
        if self.value is not None:
            return arm, self.value
        return arm, float(np.mean([g.solved_than / g.n_than for g in self.groups]))

    @property
    def effect(self) -> float:
        """The difference or ratio of the mean rates; NaN where it is 0 by 0."""
        arm, than = self.means
        if not self.is_ratio:
            return arm - than
        return arm / than if than else float("inf") if arm else float("nan")

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Give the bounds of the effect.

        In one group of two arms it is Newcombe's (1998, method 10), from two Wilson intervals; over
        groups the distances of its bounds add as independent errors do (Zou and Donner 2008). Of a
        ratio r it holds those of which arm - r * other may be 0 (Fieller 1954).
        """
        from scipy.stats import beta, norm

        if self.value is not None and len(self.groups) == 1:
            # That of Clopper and Pearson (1934): it agrees with the exact test.
            k, n = self.groups[0].solved_arm, self.groups[0].n_arm
            tail = (1 - confidence) / 2
            low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
            high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
            return (
                (low / self.value, high / self.value)
                if self.is_ratio
                else (low - self.value, high - self.value)
            )
        z = float(norm.ppf((1 + confidence) / 2))
        if not self.is_ratio:
            return self._bounds(z, 0.0)
        # The bounds of the contrast fall as the ratio grows.
        return _root(lambda r: self._bounds(z, r)[0]), _root(lambda r: self._bounds(z, r)[1])

    def p(self, threshold: float, side: Side = "two-sided") -> float:
        """Give the p of an effect equal to the threshold (not above, not below it: `side`)."""
        if threshold == self.alike and self.value is None and side == "two-sided":
            return barnard(self.groups[0]) if len(self.groups) == 1 else permutation(self.groups)
        if side == "two-sided":
            return min(1.0, 2 * min(self.p(threshold, "greater"), self.p(threshold, "less")))
        if self.value is not None and len(self.groups) == 1:
            return self._binomial(threshold, side)
        return self._p_of_interval(threshold, side)

    def p_with(self, seeds: int, threshold: float, side: Side = "two-sided") -> float:
        """Give p as it would be with so many seeds in each group, at the rates that were seen."""
        scaled = [
            Counts(
                round(seeds * g.solved_arm / g.n_arm),
                seeds,
                round(seeds * g.solved_than / g.n_than) if g.n_than else 0,
                seeds if g.n_than else 0,
            )
            for g in self.groups
        ]
        return Rates(scaled, self.value, self.is_ratio).p(threshold, side)

    def _binomial(self, threshold: float, side: Side) -> float:
        from scipy.stats import binomtest

        assert self.value is not None
        at = self.value * threshold if self.is_ratio else self.value + threshold
        k, n = self.groups[0].solved_arm, self.groups[0].n_arm
        if not 0 <= at <= 1:  # no rate is there
            return float((at > 1) == (side == "greater"))
        return float(binomtest(k, n, at, alternative=side).pvalue)

    def _p_of_interval(self, threshold: float, side: Side) -> float:
        from scipy.optimize import brentq
        from scipy.stats import norm

        ratio, at = (threshold, 0.0) if self.is_ratio else (0.0, threshold)

        def lower(z: float) -> float:
            # Below zero it is the bound on the other side.
            return self._bounds(abs(z), ratio)[0 if z >= 0 else 1] - at

        most = 30.0
        if lower(most) >= 0:
            greater = float(norm.sf(most))
        elif lower(-most) <= 0:
            greater = float(norm.cdf(most))
        else:
            greater = float(norm.sf(brentq(lower, -most, most)))
        return greater if side == "greater" else 1 - greater

    def _bounds(self, z: float, ratio: float) -> tuple[float, float]:
        """Bound the mean over groups of arm - other, or arm - ratio * other, at a normal quantile.

        With a ratio of 0 it is the difference (to a number: of the rate and the number).
        """
        effects, below, above = [], [], []
        weight = ratio if self.is_ratio else 1.0
        for g in self.groups:
            arm, low, high = _wilson(g.solved_arm, g.n_arm, z)
            than, least, most = (
                (self.value,) * 3 if self.value is not None else _wilson(g.solved_than, g.n_than, z)
            )
            effects.append(arm - weight * than)
            below.append((arm - low) ** 2 + weight**2 * (most - than) ** 2)
            above.append((high - arm) ** 2 + weight**2 * (than - least) ** 2)
        number = len(self.groups)
        effect = float(sum(effects)) / number
        return effect - sqrt(sum(below)) / number, effect + sqrt(sum(above)) / number


def barnard(counts: Counts) -> float:
    """Give the two-sided p of Barnard's exact test for two unpaired rates."""
    from scipy.stats import barnard_exact

    solved = counts.solved_arm + counts.solved_than
    if solved in (0, counts.n_arm + counts.n_than):
        return 1.0
    table = [
        [counts.solved_arm, counts.solved_than],
        [counts.n_arm - counts.solved_arm, counts.n_than - counts.solved_than],
    ]
    return min(1.0, float(barnard_exact(table).pvalue))


def permutation(groups: Sequence[Counts]) -> float:
    """Give the exact two-sided p of a mean difference of rates, labels permuted within groups.

    Counted in whole numbers: with K of N trials solved in a group, its two counts fall in
    C(n, k) C(N - n, K - k) of the equally likely labellings.
    """
    scale = lcm(*(g.n_arm * g.n_than for g in groups))
    weights = [scale // (g.n_arm * g.n_than) for g in groups]
    observed = sum(w * _cross(g) for w, g in zip(weights, groups, strict=True))
    if len({(g.n_arm, g.n_than) for g in groups}) == 1 and len(groups) * groups[0].n_arm > MANY:
        return _permutation_of_many(groups, observed)
    ways = {0: 1}
    for weight, group in zip(weights, groups, strict=True):
        solved = group.solved_arm + group.solved_than
        sums: dict[int, int] = {}
        for k in range(max(0, solved - group.n_than), min(solved, group.n_arm) + 1):
            here = comb(group.n_arm, k) * comb(group.n_than, solved - k)
            shift = weight * _cross(Counts(k, group.n_arm, solved - k, group.n_than))
            for total, before in ways.items():
                sums[total + shift] = sums.get(total + shift, 0) + before * here
        ways = sums
    extreme = sum(count for total, count in ways.items() if abs(total) >= abs(observed))
    return float(Fraction(extreme, sum(ways.values())))


def _permutation_of_many(groups: Sequence[Counts], observed: int) -> float:
    """Give the same p in float64: where all groups are of one size, their sums lie on a lattice.

    Nothing is subtracted, so p is right to about 12 digits; numbers of a thousand digits, of which
    the exact way adds up millions, take minutes.
    """
    chances, least, step = np.ones(1), 0, groups[0].n_arm + groups[0].n_than
    for group in groups:
        solved = group.solved_arm + group.solved_than
        fewest = max(0, solved - group.n_than)
        counts = range(fewest, min(solved, group.n_arm) + 1)
        ways = [comb(group.n_arm, k) * comb(group.n_than, solved - k) for k in counts]
        whole = sum(ways)
        chances = np.convolve(chances, [each / whole for each in ways])
        least += _cross(Counts(fewest, group.n_arm, solved - fewest, group.n_than))
    sums = least + step * np.arange(len(chances))
    return min(1.0, float(chances[np.abs(sums) >= abs(observed)].sum()))


def difference(groups: Sequence[Counts]) -> tuple[float, float, float]:
    """Give the mean over groups of the difference of rates, with an interval of 95 %."""
    found = Rates(groups)
    return found.effect, *found.interval()


def _cross(group: Counts) -> int:
    return group.solved_arm * group.n_than - group.solved_than * group.n_arm


def _wilson(solved: int, n: int, z: float) -> tuple[float, float, float]:
    """Give a rate and its Wilson interval (1927) at a normal quantile."""
    middle, half = (solved + z * z / 2) / (n + z * z), 0.0
    if z:
        half = z / (n + z * z) * sqrt(solved * (n - solved) / n + z * z / 4)
    low = 0.0 if solved == 0 else middle - half
    return solved / n, low, 1.0 if solved == n else middle + half


def _root(falling: Callable[[float], float]) -> float:
    """Find where a function of a ratio falls through 0: from 0 to infinity."""
    from scipy.optimize import brentq

    if falling(1 / MOST_RATIO) <= 0:
        return 0.0
    if falling(MOST_RATIO) > 0:
        return float("inf")
    low, high = np.log(1 / MOST_RATIO), np.log(MOST_RATIO)
    return float(np.exp(brentq(lambda x: falling(float(np.exp(x))), low, high, xtol=1e-10)))
