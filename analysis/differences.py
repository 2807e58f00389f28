"""How two arms differ: effect, interval and p, each from plain arrays of one or several groups.

| question | function | effect |
|---|---|---|
| how much more? | `means` | difference of means, in the values' unit |
| how much faster? | `restricted_means` | difference of restricted mean steps to solve |
| how surely better? | `superiority` | probability that a trial of the arm beats one of the other |
| the same, from -1 to 1 | `cliffs_delta` | Cliff's delta |
| do the survival curves differ? | `log_rank` | ratio of the rates of solving: description only |
| is it above a number? | `against` | median minus the number |

Several groups (task, lag) are pooled: the effect is the mean of the groups' effects, labels are
exchanged within groups. The p of a permutation says that the arms differ, beyond the `shift` that
is asked about; two one-sided tests, at either margin, say that they are equivalent (Schuirmann
1987). Rates of solving are compared in `compare`.

Longer than a file should be: one question a function, and one form of answer for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis import permuting
from analysis.estimate import CONFIDENCE, median, order_interval
from analysis.measures import restricted_mean
from analysis.permuting import DRAWS, Exchanged, Side, Values

LEAST_PAIRS = 6
"""Below, pairs are not used: the signs of 5 differences reach no p under 1/16."""


LEAST_FOR_AN_INTERVAL = 10
"""Below so many trials of an arm, the intervals of a difference of means and of a probability of
superiority hold less than they say, and are not given."""


LEAST_FOR_LOG_RANK = 20
"""With 5 or 10 trials of an arm the log-rank test rejects 7 to 8 % of true hypotheses at 5 %."""


class Pair(NamedTuple):
    """The values of a group's trials with the arm, and with the other: [n], [m].

    Where they are paired, the i-th of both are trials of the same seed.
    """

    arm: Values
    than: Values


class Steps(NamedTuple):
    """Each trial's steps, those of its budget where it did not solve, and whether it solved."""

    steps: Values  # [n]
    is_solved: npt.NDArray[np.bool_]  # [n]


@dataclass(frozen=True)
class Difference:
    """What two arms differ by. Bounds are infinite where so few trials bound nothing.

    `least_p` is the smallest p that this many trials could have given.
    """

    effect: float
    low: float
    high: float
    p: float
    least_p: float
    n_arm: int
    n_than: int
    groups: int
    test: str


def means(
    groups: Sequence[Pair],
    *,
    is_paired: bool = False,
    shift: float = 0.0,
    side: Side = "two-sided",
    confidence: float = CONFIDENCE,
) -> Difference:
    """Compare means by permutation; pairs of one seed by the signs of their differences.

    The test is of a difference equal to `shift` (or at most, at least: `side` names what is to be
    shown). The interval holds the shifts that the two-sided test does not reject, from 10 trials of
    an arm on. It is infinite below, and where the values do not vary within an arm: nothing says
    then how much they would.

    Raises
    ------
    ValueError
        A group lacks trials, a value is not finite, or pairs are of unequal number.
    """
    _check(groups, is_paired=is_paired)
    if any(not np.isfinite(values).all() for group in groups for values in group):
        raise ValueError("a mean needs finite values: say what a failed trial counts as")
    by_pair = is_paired and min(len(group.arm) for group in groups) >= LEAST_PAIRS
    shifted = [Pair(group.arm - shift, group.than) for group in groups]
    found = _exchange(shifted, by_pair)
    low, high = found.interval(confidence)
    varying = (
        [group.arm - group.than for group in groups]
        if by_pair
        else [values for group in groups for values in group]
    )
    few = min(len(values) for group in groups for values in group) < LEAST_FOR_AN_INTERVAL
    if few or not any(np.ptp(values) > 0 for values in varying):
        low, high = -np.inf, np.inf
    return _difference(groups, found, side, by_pair, found.seen + shift, low + shift, high + shift)


def restricted_means(
    groups: Sequence[tuple[Steps, Steps, float]],
    *,
    shift: float = 0.0,
    side: Side = "two-sided",
    confidence: float = CONFIDENCE,
) -> Difference:
    """Compare restricted mean steps to solve: (arm, than, horizon) for each group.

    Up to the horizon, which no trial that did not solve may have stopped short of, the area under
    the Kaplan-Meier curve is the mean of each trial's steps, cut at the horizon (Royston and Parmar
    2013). Steps are known up to the interval between validations: both arms' means lie at most that
    much too high, their difference at most that much off either way. The interval joins those of
    the two means (`measures.restricted_mean`) as `superiority` does: of rates as different as 9 and
    3 in 10, the shifts that the permutation does not reject hold less than they say.

    Raises
    ------
    ValueError
        A group lacks trials, or a trial was given up before the horizon.
    """
    pairs = [
        Pair(restricted(arm, horizon), restricted(than, horizon)) for arm, than, horizon in groups
    ]
    below = above = 0.0
    for arm, than, horizon in groups:
        (mean, least, most), (other, low, high) = (
            restricted_mean(*trials, horizon, confidence) for trials in (arm, than)
        )
        below += (mean - least) ** 2 + (high - other) ** 2
        above += (most - mean) ** 2 + (other - low) ** 2
    found = means(pairs, shift=shift, side=side, confidence=confidence)
    return replace(
        found,
        low=found.effect - float(np.sqrt(below)) / len(groups),
        high=found.effect + float(np.sqrt(above)) / len(groups),
    )


def restricted(trials: Steps, horizon: float) -> Values:
    """Cut each trial's steps at the horizon."""
    steps, is_solved = trials
    if (steps[~is_solved] < horizon).any():
        raise ValueError(f"a trial that did not solve had a budget below the horizon {horizon:g}")
    return np.minimum(steps, horizon)


def superiority(
    groups: Sequence[Pair],
    *,
    is_paired: bool = False,
    higher_is_better: bool = True,
    side: Side = "two-sided",
    confidence: float = CONFIDENCE,
) -> Difference:
    """Estimate the probability that a trial of the arm beats one of the other, ties counted half.

    A trial without a value (NaN: it failed) ranks below all others, level with other failures:
    failing counts, and nothing has to be imputed (Lachin 1999). The test permutes ranks: the rank
    sum of Wilcoxon (1945), exact with ties; from 6 pairs on, the signs of the pairs' differences
    in rank. Each interval is Newcombe's (2006, method 5); over groups the distances of its bounds
    add as independent errors do (Zou and Donner 2008). It takes no notice of pairs, and is 0 to 1
    below 10 trials of an arm.

    Raises
    ------
    ValueError
        A group lacks trials, or pairs are of unequal number.
    """
    from scipy.stats import rankdata

    _check(groups, is_paired=is_paired)
    by_pair = is_paired and min(len(group.arm) for group in groups) >= LEAST_PAIRS
    ranks, effects, below, above = [], [], [], []
    for group in groups:
        n, m = len(group.arm), len(group.than)
        worth = np.concatenate(group) * (1 if higher_is_better else -1)
        worth = rankdata(np.where(np.isnan(worth), -np.inf, worth)) / (n + m)
        ranks.append(Pair(worth[:n], worth[n:]))
        # The difference of mean ranks, over n + m, is the probability's distance from one half.
        effect = float(np.mean(worth[:n]) - np.mean(worth[n:])) + 0.5
        effect = min(1.0, max(0.0, effect))  # rounding leaves it at 1 + 1e-16
        low, high = newcombe(effect, n, m, confidence)
        effects.append(effect)
        below.append((effect - low) ** 2)
        above.append((high - effect) ** 2)
    effect, number = float(np.mean(effects)), len(groups)
    low = max(0.0, effect - float(np.sqrt(sum(below))) / number)
    high = min(1.0, effect + float(np.sqrt(sum(above))) / number)
    if min(len(values) for group in groups for values in group) < LEAST_FOR_AN_INTERVAL:
        low, high = 0.0, 1.0
    return _difference(groups, _exchange(ranks, by_pair), side, by_pair, effect, low, high)


def cliffs_delta(probability: Difference) -> Difference:
    """Turn a probability of superiority into Cliff's delta (1993): 2 P - 1."""
    effect, low, high = (2 * x - 1 for x in (probability.effect, probability.low, probability.high))
    return replace(probability, effect=effect, low=low, high=high)


def newcombe(effect: float, n: int, m: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Give the interval of a probability of superiority that was estimated from n and m values.

    Newcombe (2006, Statistics in Medicine 25:559, method 5): the probabilities whose own standard
    error (Hanley and McNeil 1982, both sizes taken as their mean) reaches the estimate.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    free = (n + m) / 2 - 1

    def excess(at: float) -> float:
        inner = 1 + free * ((1 - at) / (2 - at) + at / (1 + at))
        return float((effect - at) ** 2 - z**2 * at * (1 - at) * inner / (n * m))

    # An estimate of 0 or 1 is itself a root, and no bound.
    within = min(max(effect, 1e-9), 1 - 1e-9)
    low = 0.0 if effect <= 0 else float(brentq(excess, 0, within, xtol=1e-12))
    high = 1.0 if effect >= 1 else float(brentq(excess, within, 1, xtol=1e-12))
    return low, high


def log_rank(groups: Sequence[tuple[Steps, Steps]], confidence: float = CONFIDENCE) -> Difference:
    """Compare survival curves by the log-rank test, stratified over groups (Mantel 1966).

    The effect is Peto's ratio of the rates of solving, arm over other: above 1 the arm solves
    sooner. Weak where curves cross; its p is that of a normal limit, and NaN below 20 trials of
    an arm. A description: `restricted_means` is the test.
    """
    from scipy.stats import norm

    excess = variance = 0.0
    for arm, than in groups:
        steps = np.concatenate([arm.steps, than.steps])
        is_solved = np.concatenate([arm.is_solved, than.is_solved])
        is_arm = np.arange(len(steps)) < len(arm.steps)
        for at in np.unique(steps[is_solved]):
            still = steps >= at
            events = (steps == at) & is_solved
            total, share, solved = still.sum(), is_arm[still].mean(), events.sum()
            excess += (events & is_arm).sum() - solved * share
            if total > 1:
                variance += solved * share * (1 - share) * (total - solved) / (total - 1)
    number = (
        sum(len(arm.steps) for arm, _ in groups),
        sum(len(than.steps) for _, than in groups),
        len(groups),
    )
    test = "log-rank" if len(groups) == 1 else "log-rank, stratified"
    if variance <= 0:
        return Difference(np.nan, 0.0, np.inf, 1.0, np.nan, *number, test)
    width = float(norm.ppf((1 + confidence) / 2)) / np.sqrt(variance)
    low, middle, high = np.exp(excess / variance + np.array([-width, 0, width]))
    p = float(2 * norm.sf(abs(excess) / np.sqrt(variance)))
    p = p if min(number[:2]) >= LEAST_FOR_LOG_RANK else np.nan
    return Difference(float(middle), float(low), float(high), p, np.nan, *number, test)


def against(
    values: Values, number: float, *, side: Side = "two-sided", confidence: float = CONFIDENCE
) -> Difference:
    """Compare a group's median with a number by the exact sign test; no distribution is assumed.

    Values may be infinite (a trial that failed); a value equal to the number counts on neither
    side. The interval is that of two order statistics, infinite below 6 values.
    """
    from scipy.stats import binomtest

    ordered = np.sort(values)
    above, below = int((ordered > number).sum()), int((ordered < number).sum())
    n = above + below
    p = float(binomtest(above, n, 0.5, alternative=side).pvalue) if n else 1.0
    found = order_interval(ordered, confidence)
    low, high = (found["low"], found["high"]) if found["coverage"] > 0 else (-np.inf, np.inf)
    least = min(1.0, (2.0 if side == "two-sided" else 1.0) * 0.5**n)
    effect = median(ordered) - number
    return Difference(
        effect, low - number, high - number, p, least, len(values), 0, 1, "sign test, exact"
    )


def _check(groups: Sequence[Pair], *, is_paired: bool) -> None:
    if not groups or any(len(values) == 0 for group in groups for values in group):
        raise ValueError("a comparison needs trials of both arms in every group")
    if is_paired and any(len(group.arm) != len(group.than) for group in groups):
        raise ValueError("pairs need as many trials of one arm as of the other")


def _exchange(groups: Sequence[Pair], by_pair: bool) -> Exchanged:
    return permuting.signs(groups) if by_pair else permuting.labels(groups)


def _difference(
    groups: Sequence[Pair],
    found: Exchanged,
    side: Side,
    by_pair: bool,
    effect: float,
    low: float,
    high: float,
) -> Difference:
    sizes = [(len(group.arm), len(group.than)) for group in groups]
    within = "signs of pairs" if by_pair else "labels" + (" within groups" if groups[1:] else "")
    return Difference(
        effect,
        low,
        high,
        found.p(side),
        permuting.least_p(sizes, is_paired=by_pair, side=side),
        sum(n for n, _ in sizes),
        sum(m for _, m in sizes),
        len(groups),
        f"permutation of {within}, " + ("exact" if found.is_exact else f"{DRAWS} draws"),
    )
