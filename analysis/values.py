"""What claims hold against each other besides solve rates: a value of each trial, group by group.

| on | value of a trial | where there is none |
|---|---|---|
| `steps_to_solve` | its steps; those of its budget where it did not solve | |
| `test/score` | its score on the test split | 0: it failed, and no score is lower |
| `test/loss` | its loss there | the largest loss of the comparison |
| `test/<lag>/...` | the same at another lag of the test | the same |
| `probe/...` | what the probe measured last | left out |

Two arms are compared by their means (`differences`), steps up to the smaller budget of the two;
scores, losses and probes in pairs of one seed, where both arms have the same seeds. One arm is held
against a number by its median.

Longer than a file should be: the two ways to hold a claim answer the same questions side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import differences, permuting
from analysis.differences import Pair, Steps
from analysis.estimate import CONFIDENCE, checked, judged, median
from analysis.permuting import Side, Values
from analysis.survival import observed

STEPS = "steps_to_solve"

Place = tuple[str, int]
"""A task and a lag."""


@dataclass(frozen=True)
class Found:
    """The values of a group's trials, by seed; of steps also which trials solved, up to where."""

    values: Values  # [n]
    seeds: tuple[int, ...]
    steps: Steps | None = None
    budget: float = np.inf


def of(on: str, runs: pd.DataFrame, probes: pd.DataFrame, arm: str, place: Place) -> Found | None:
    """Find the values of a group's trials; None where there are none.

    A failed trial has infinity for a loss, which `compared` replaces.
    """
    here = runs[(runs["arm"] == arm) & (runs["task"] == place[0]) & (runs["lag"] == place[1])]
    if on == STEPS:
        here = judged(here).sort_values("seed")
        if here.empty:
            return None
        steps, is_solved = observed(here)
        budget = float(here["budget_steps"].min())
        return Found(steps, _seeds(here), Steps(steps, is_solved), budget)
    here = checked(here).sort_values("seed")
    if on.startswith("probe/"):
        here = here.assign(value=here["trial"].map(last(on, probes)))
        here = here[np.isfinite(here["value"].to_numpy(dtype=float))]
    else:
        # What was trained to its end has a score, also where none counts as solved.
        here = here[(here["outcome"] != "measured") | (here["budget_steps"] > 0)]
        if on not in here:
            return None  # nothing was tested at this lag
        values = here[on].astype("float64")
        worst = 0.0 if on.endswith("/score") else np.inf
        here = here.assign(value=values.where(np.isfinite(values), worst))
    if here.empty:
        return None
    return Found(here["value"].to_numpy(dtype=float), _seeds(here))


def last(on: str, probes: pd.DataFrame) -> pd.Series:
    """Give, by trial, the number that a probe measured last.

    Where no layer is named it is that of the whole network, or of the only layer that there is.
    """
    _, probe, quantity, layer, part = (*on.split("/"), "", "")[:5]
    named = {"probe": probe, "quantity": quantity, "part": part}
    is_it = probes["index"].isna() & probes["unit"].isna()
    for column, name in named.items():
        is_it &= probes[column] == name
    layers = set(probes.loc[is_it, "layer"])
    if layer or len(layers) != 1:
        is_it &= probes["layer"] == layer.replace("all", "", 1)
    return probes[is_it].sort_values("step", kind="stable").groupby("trial")["value"].last()


@dataclass(frozen=True)
class Means:
    """Means of two arms compared, group by group."""

    arm: Sequence[Found]
    than: Sequence[Found]
    is_ratio: bool = False

    @property
    def alike(self) -> float:
        """The difference, or ratio, of means that are the same."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def pairs(self) -> list[Pair]:
        """The values of each group: steps cut at the smaller budget, failures last."""
        pairs = []
        for arm, than in zip(self.arm, self.than, strict=True):
            if arm.steps is not None and than.steps is not None:
                end = min(arm.budget, than.budget)
                pairs.append(
                    Pair(*(differences.restricted(each, end) for each in (arm.steps, than.steps)))
                )
            else:
                pairs.append(Pair(arm.values, than.values))
        finite = [v[np.isfinite(v)] for pair in pairs for v in pair]
        worst = max((float(v.max()) for v in finite if len(v)), default=0.0)
        return [Pair(*(np.where(np.isfinite(v), v, worst) for v in pair)) for pair in pairs]

    @property
    def is_paired(self) -> bool:
        """Whether both arms have trials of the same seeds; steps are never paired."""
        both = zip(self.arm, self.than, strict=True)
        return all(a.steps is None and a.seeds == b.seeds for a, b in both)

    @property
    def means(self) -> tuple[float, float]:
        """The mean over groups of the arm's means, and of the other's."""
        pairs = self.pairs
        return tuple(float(np.mean([v.mean() for v in side])) for side in zip(*pairs, strict=True))  # type: ignore[return-value]

    @property
    def effect(self) -> float:
        """The difference or the ratio of the means."""
        arm, than = self.means
        if not self.is_ratio:
            return arm - than
        return arm / than if than else float("nan")

    @property
    def is_constant(self) -> bool:
        """Whether no value differs from the others of its arm: nothing says how far it might."""
        return not any(np.ptp(values) > 0 for pair in self.pairs for values in pair)

    def test_at(self, threshold: float) -> str:
        """Name the test of a threshold."""
        if self._is_by_interval(threshold):
            return "interval of restricted means"
        return self._compared(threshold, "two-sided").test

    def p(self, threshold: float, side: Side = "two-sided") -> float:
        """Give the p of an effect equal to the threshold (not above, not below it: `side`)."""
        if self.is_constant:
            return 1.0
        if self._is_by_interval(threshold):
            return self._p_of_interval(threshold, side)
        return self._compared(threshold, side).p

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Give the bounds of the effect; of a ratio, those that the test does not reject."""
        if not self.is_ratio:
            found = self._compared(0.0, "two-sided", confidence)
            return found.low, found.high
        if self.is_constant or not self.effect > 0:
            return -np.inf, np.inf
        error = (1 - confidence) / 2
        return (
            _edge(lambda r: self.p(r, "greater") > error, self.effect, 1 / STEP),
            _edge(lambda r: self.p(r, "less") > error, self.effect, STEP),
        )

    def p_with(self, seeds: int, threshold: float, side: Side = "two-sided") -> float:
        """Estimate p with so many seeds in each group: as many values, as far apart (Student)."""
        from scipy.stats import t

        pairs = self.pairs
        weight = threshold if self.is_ratio else 1.0
        shift = 0.0 if self.is_ratio else threshold
        effect = float(np.mean([p.arm.mean() - weight * p.than.mean() for p in pairs])) - shift
        spread = [p.arm - weight * p.than for p in pairs] if self.is_paired else None
        variance = (
            sum(_variance(each) for each in spread)
            if spread is not None
            else sum(_variance(p.arm) + weight**2 * _variance(p.than) for p in pairs)
        )
        error = float(np.sqrt(variance / seeds)) / len(pairs)
        if error == 0:
            return 1.0
        free = (1 if spread is not None else 2) * (seeds - 1) * len(pairs)
        # So few exchanges reach no smaller p, however far apart the values are.
        is_paired = spread is not None and seeds >= differences.LEAST_PAIRS
        least = permuting.least_p([(seeds, seeds)] * len(pairs), is_paired=is_paired, side=side)
        if side == "two-sided":
            return max(least, float(2 * t.sf(abs(effect) / error, free)))
        return max(
            least, float(t.sf(effect / error if side == "greater" else -effect / error, free))
        )

    def _is_by_interval(self, threshold: float) -> bool:
        # Trials cut at their budget are not shifted by a difference: the test would be of another.
        return self.arm[0].steps is not None and threshold != self.alike and not self.is_ratio

    def _p_of_interval(self, threshold: float, side: Side) -> float:
        """Give the error at which the bound of the interval would lie at the threshold."""
        if side == "two-sided":
            both = (self._p_of_interval(threshold, each) for each in ("greater", "less"))
            return min(1.0, 2 * min(both))
        is_greater = side == "greater"
        if (self.effect > threshold) != is_greater:
            other: Side = "less" if is_greater else "greater"
            is_on_it = self.effect == threshold
            return 0.5 if is_on_it else 1 - self._p_of_interval(threshold, other)
        from scipy.optimize import brentq

        def beyond(log_error: float) -> float:
            bounds = self._compared(0.0, "two-sided", 1 - 2 * float(np.exp(log_error)))
            return bounds.low - threshold if is_greater else threshold - bounds.high

        low, high = np.log(1e-9), np.log(0.4999)
        if beyond(low) >= 0:
            return 1e-9
        return float(np.exp(brentq(beyond, low, high, xtol=1e-6))) if beyond(high) > 0 else 0.5

    def _compared(
        self, threshold: float, side: Side, confidence: float = CONFIDENCE
    ) -> differences.Difference:
        pairs, is_paired = self.pairs, self.is_paired
        if self.is_ratio:
            scaled = [Pair(pair.arm, threshold * pair.than) for pair in pairs]
            return differences.means(scaled, is_paired=is_paired, side=side, confidence=confidence)
        if self.arm[0].steps is not None:
            groups = [
                (arm.steps, than.steps, min(arm.budget, than.budget))
                for arm, than in zip(self.arm, self.than, strict=True)
                if arm.steps is not None and than.steps is not None
            ]
            return differences.restricted_means(
                groups, shift=threshold, side=side, confidence=confidence
            )
        return differences.means(
            pairs, is_paired=is_paired, shift=threshold, side=side, confidence=confidence
        )


@dataclass(frozen=True)
class Median:
    """The median of one group held against a number, by the exact sign test."""

    arm: Found
    value: float
    is_ratio: bool = False

    @property
    def alike(self) -> float:
        """The difference from the number, or ratio to it, of a median that equals it."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def means(self) -> tuple[float, float]:
        """The median, and the number."""
        return median(np.sort(self._values)), self.value

    @property
    def effect(self) -> float:
        """The difference or the ratio."""
        middle = self.means[0]
        return middle / self.value if self.is_ratio else middle - self.value

    @property
    def _values(self) -> Values:
        if self.arm.steps is None:
            return self.arm.values
        # A trial that did not solve needs more than its budget, however much.
        return np.where(self.arm.steps.is_solved, self.arm.steps.steps, np.inf)

    def test_at(self, threshold: float) -> str:
        """Name the test of a threshold."""
        return "sign test, exact"

    def p(self, threshold: float, side: Side = "two-sided") -> float:
        """Give the p of an effect equal to the threshold (not above, not below it: `side`)."""
        return self._against(self._values, threshold, side).p

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Give the bounds of the effect: order statistics, infinite below 6 trials."""
        found = differences.against(self._values, self.value, confidence=confidence)
        if not self.is_ratio:
            return found.low, found.high
        return (found.low + self.value) / self.value, (found.high + self.value) / self.value

    def p_with(self, seeds: int, threshold: float, side: Side = "two-sided") -> float:
        """Give p as it would be with so many seeds, as many of them above as were seen."""
        values = np.sort(self._values)
        places = np.minimum((np.arange(seeds) + 0.5) / seeds * len(values), len(values) - 1)
        return self._against(values[places.astype(int)], threshold, side).p

    def _against(self, values: Values, threshold: float, side: Side) -> differences.Difference:
        at = self.value * threshold if self.is_ratio else self.value + threshold
        return differences.against(values, at, side=side)


def _seeds(here: pd.DataFrame) -> tuple[int, ...]:
    return tuple(map(int, here["seed"]))


def _variance(values: Values) -> float:
    return float(np.var(values, ddof=1)) if len(values) > 1 else 0.0


STEP = 1.5


def _edge(is_kept: Callable[[float], bool], begin: float, step: float) -> float:
    """Find, to 1 %, the last ratio that is kept, in steps away from one that is."""
    inner, outer = begin, begin
    for _ in range(25):
        outer *= step
        if not is_kept(outer):
            break
        inner = outer
    else:
        return np.inf if step > 1 else 0.0
    while max(inner, outer) / min(inner, outer) > 1.01:
        middle = float(np.sqrt(inner * outer))
        inner, outer = (middle, outer) if is_kept(middle) else (inner, middle)
    return inner
