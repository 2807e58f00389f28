"""A study's claims, judged: is a difference between two solve rates real? Frame to frame.

A claim on one group is tested by Barnard's unconditional exact test (Barnard 1947). A claim pooled
over groups is tested by an exact permutation test: within each task and lag the labels of the two
arms are exchanged, which leaves the number of solved trials there as it is, so that the counts are
hypergeometric and their weighted sum has a known distribution. Both are two-sided. Holm's method
(1979) holds the chance of one false verdict among all claims of the study at 5 %.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import comb, lcm, sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.estimate import wilson
from analysis.study_file import Claim

SIGNIFICANCE = 0.05

MOST_SEEDS = 100
"""No larger number of seeds is looked for."""

COLUMNS = [
    *("claim", "arm", "than", "task", "lag"),
    *("groups", "solved_arm", "n_arm", "solved_than", "n_than"),
    *("effect", "low", "high", "test", "p", "p_adjusted", "verdict", "remedy"),
]


class Counts(NamedTuple):
    """How many trials solved, of how many, with the claim's arm and with the other, in a group."""

    solved_arm: int
    n_arm: int
    solved_than: int
    n_than: int


def judge(rates: pd.DataFrame, claims: Iterable[Claim], *, is_complete: bool) -> pd.DataFrame:
    """Judge claims on the solve rates of all groups (arm, task, lag, n, solved).

    Gives `COLUMNS`, a row per claim: the counts over its groups, `effect` (the mean over groups of
    the difference between the two rates) with its interval, the test and its p, p after Holm, and
    the verdict: supported, contradicted, too few seeds to tell (`remedy` says how many would do, or
    why none would), withheld (`is_complete` is false: while trials are missing nothing is judged),
    or no data.
    """
    rows = []
    groups_of = []
    for claim in claims:
        groups = _counts(rates, claim)
        rows.append(_row(claim, groups, is_complete))
        groups_of.append(groups)
    tested = [row for row in rows if row["verdict"] is None]
    if tested:
        from statsmodels.stats.multitest import multipletests

        adjusted = multipletests([row["p"] for row in tested], method="holm")[1]
        for row, p in zip(tested, adjusted, strict=True):
            row["p_adjusted"] = float(p)
    for row, groups in zip(rows, groups_of, strict=True):
        if row["verdict"] is None:
            row["verdict"], row["remedy"] = _verdict(row, groups, len(tested))
    return pd.DataFrame(rows, columns=COLUMNS)


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


def difference(groups: Sequence[Counts]) -> tuple[float, float, float]:
    """Give the mean over groups of the difference of rates, with an interval of 95 %.

    In one group it is Newcombe's (1998, method 10), from the two Wilson intervals. Over groups the
    distances of its bounds add as independent errors do (Zou and Donner 2008).
    """
    effects, below, above = [], [], []
    for group in groups:
        solved = np.array([group.solved_arm, group.solved_than])
        n = np.array([group.n_arm, group.n_than])
        low, high = wilson(solved, n)
        (arm, than) = solved / n
        effects.append(arm - than)
        below.append((arm - low[0]) ** 2 + (high[1] - than) ** 2)
        above.append((high[0] - arm) ** 2 + (than - low[1]) ** 2)
    number = len(groups)
    effect = float(sum(effects)) / number
    return effect, effect - sqrt(sum(below)) / number, effect + sqrt(sum(above)) / number


def remedy(groups: Sequence[Counts], claims: int) -> str:
    """Say how many seeds per group would show a difference as large as the observed one.

    Every p is taken times the number of claims: enough whatever becomes of the others.
    """
    effect, _, _ = difference(groups)
    if abs(effect) < 1e-12:
        return "no difference was seen, so no number of seeds would show one of this size"
    now = max(max(g.n_arm, g.n_than) for g in groups)

    def is_enough(seeds: int) -> bool:
        scaled = [
            Counts(
                round(seeds * g.solved_arm / g.n_arm),
                seeds,
                round(seeds * g.solved_than / g.n_than),
                seeds,
            )
            for g in groups
        ]
        return _p(scaled) * claims <= SIGNIFICANCE

    seeds = _smallest(is_enough, now + 1, MOST_SEEDS)
    if seeds is None:
        return f"a difference of this size would need more than {MOST_SEEDS} seeds per group"
    return f"about {seeds} seeds per group would show a difference of this size"


def _smallest(is_enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Bisect: rounding the counts makes the answer only nearly monotone, hence "about"."""
    if low > high or not is_enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return high


def _p(groups: Sequence[Counts]) -> float:
    return barnard(groups[0]) if len(groups) == 1 else permutation(groups)


def _cross(group: Counts) -> int:
    return group.solved_arm * group.n_than - group.solved_than * group.n_arm


def _counts(rates: pd.DataFrame, claim: Claim) -> list[Counts]:
    """Collect the groups that a claim is about, where both arms have trials."""
    about = rates
    if claim.task is not None:
        about = about[about["task"] == claim.task]
    if claim.lag is not None:
        about = about[about["lag"] == claim.lag]
    place = ["task", "lag"]
    about = about[["arm", *place, "solved", "n"]]
    pairs = about[about["arm"] == claim.arm].merge(
        about[about["arm"] == claim.than], on=place, suffixes=("_arm", "_than")
    )
    return [Counts(*map(int, row)) for row in pairs[list(Counts._fields)].itertuples(index=False)]


def _row(claim: Claim, groups: Sequence[Counts], is_complete: bool) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"claim": claim.text, "arm": claim.arm, "than": claim.than}
    row |= {"task": claim.task, "lag": claim.lag, "groups": len(groups), "remedy": ""}
    row |= {name: sum(getattr(group, name) for group in groups) for name in Counts._fields}
    row |= dict.fromkeys(("effect", "low", "high", "p", "p_adjusted"), float("nan"))
    if not groups:
        return row | {"test": "", "verdict": "no data"}
    row["effect"], row["low"], row["high"] = difference(groups)
    row["test"] = "Barnard, exact" if len(groups) == 1 else "permutation within groups, exact"
    return row | ({"p": _p(groups)} if is_complete else {"verdict": "withheld"})


def _verdict(row: dict[str, Any], groups: Sequence[Counts], claims: int) -> tuple[str, str]:
    if row["p_adjusted"] <= SIGNIFICANCE:
        return ("supported" if row["effect"] > 0 else "contradicted"), ""
    return "too few seeds to tell", remedy(groups, claims)
