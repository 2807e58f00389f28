"""What a number of seeds can show, counted before anyone looks at the results."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.compare import SIGNIFICANCE, Counts, barnard, permutation

POWER = 0.8
"""A difference is "found" by a study that shows it in four of five repetitions (Cohen 1988)."""

SEEDS = (3, 5, 10, 20)

MOST_EXACT = 200
"""With more trials of an arm, groups are taken together: Fisher's exact test is near enough."""


def of_rates(seeds: int, groups: int = 1, claims: int = 1) -> dict[str, Any]:
    """Say what so many seeds in so many groups can show of two solve rates.

    Gives seeds, groups, claims, least_seen, found, found_middle. `least_seen` is the smallest
    difference to an arm that never solves whose p is at most 5 % after Holm's first step; `found`
    the smallest true one that is shown with a power of 80 %: exact, the easiest case. NaN: not even
    100 % against 0 %. `found_middle` is about the difference that two rates around one half have to
    have: the hardest case, by the arcsine of rates (Cohen 1988). In one group the test is
    Barnard's, over groups the permutation within them, what is solved spread evenly.
    """
    total, alpha = seeds * groups, SIGNIFICANCE / claims
    least = _first_shown(seeds, groups, alpha)
    return {
        "seeds": seeds,
        "groups": groups,
        "claims": claims,
        "least_seen": least / total if least <= total else np.nan,
        "found": _found(total, least),
        "found_middle": _found_middle(total, alpha) if least <= total else np.nan,
    }


def _found(n: int, least: int) -> float:
    """Give the rate at which at least so many of n solve with the wanted power."""
    from scipy.stats import beta

    # P(Binomial(n, rate) >= least) is a Beta's distribution function at the rate.
    return float(beta.ppf(POWER, least, n - least + 1)) if least <= n else np.nan


def _found_middle(n: int, alpha: float) -> float:
    from scipy.stats import norm

    half = float(norm.ppf(1 - alpha / 2) + norm.ppf(POWER)) * (2 / n) ** 0.5 / 2
    return float(np.sin(half)) if half < np.pi / 2 else np.nan


def table(seeds: int, groups: int, claims: int) -> pd.DataFrame:
    """Give `of_rates` for one group and for all, at this and at other numbers of seeds."""
    numbers = sorted({seeds, *SEEDS})
    rows = [
        of_rates(each, over, max(1, claims))
        for over in dict.fromkeys((1, max(1, groups)))
        for each in numbers
    ]
    return pd.DataFrame(rows)


def least_seeds(groups: int = 1, claims: int = 1, most: int = 100) -> int | None:
    """Give the fewest seeds per group with which all against none is shown; None: over `most`."""
    for seeds in range(1, most + 1):
        if _p(seeds, groups, seeds * groups) <= SIGNIFICANCE / claims:
            return seeds
    return None


def seeds_for_means(effect: float, claims: int = 1, power: float = POWER) -> int | None:
    """Give about how many seeds per arm show a difference of `effect` standard deviations.

    By Student's t, which permutation tests of means come near to. None: no difference.
    """
    from statsmodels.stats.power import TTestIndPower

    if not np.isfinite(effect) or abs(effect) < 1e-6:
        return None
    needed = TTestIndPower().solve_power(
        effect_size=min(abs(effect), 20.0), alpha=SIGNIFICANCE / claims, power=power
    )
    return int(np.ceil(float(np.max(needed))))


def _first_shown(seeds: int, groups: int, alpha: float) -> int:
    """Give how many have to solve, where none of the other arm does; one too many: not even all."""
    first, last = 1, seeds * groups + 1
    while first < last:  # p falls with the count
        middle = (first + last) // 2
        if _p(seeds, groups, middle) <= alpha:
            last = middle
        else:
            first = middle + 1
    return first


@lru_cache(maxsize=4096)
def _p(seeds: int, groups: int, solved: int) -> float:
    """Give the p of so many solved, spread evenly over groups, against none."""
    from scipy.stats import fisher_exact

    if groups == 1:
        return barnard(Counts(solved, seeds, 0, seeds))
    if (total := seeds * groups) > MOST_EXACT:
        return float(fisher_exact([[solved, 0], [total - solved, total]]).pvalue)
    each, more = divmod(solved, groups)
    return permutation([Counts(each + (g < more), seeds, 0, seeds) for g in range(groups)])
