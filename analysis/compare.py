"""A study's claims, judged: is a difference real, or too small to matter? Frame to frame.

What a claim is on, on either side, is compared in `rates` or `values`. That it is more or less, or
at least or at most so much, is tested two-sided, so that it may be contradicted as well as
supported. That two are equivalent is shown by two one-sided tests, at either margin (Schuirmann
1987); it is contradicted where a test finds the difference beyond a margin. Holm's method (1979)
holds the chance of one false verdict among all claims of the study at 5 %.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis import values
from analysis.claim_file import Claim
from analysis.permuting import Side
from analysis.rates import Counts as Counts
from analysis.rates import Rates
from analysis.rates import barnard as barnard
from analysis.rates import difference as difference
from analysis.rates import permutation as permutation

SIGNIFICANCE = 0.05

MOST_SEEDS = 100
"""No larger number of seeds is looked for."""

COLUMNS = [
    *("claim", "arm", "than", "task", "lag", "on", "relation", "scale", "threshold", "value"),
    *("groups", "solved_arm", "n_arm", "solved_than", "n_than", "mean_arm", "mean_than"),
    *("effect", "low", "high", "test", "p", "p_adjusted", "verdict", "remedy"),
]


class Compared(Protocol):
    """Two sides of a claim, or one and a number, in one or several groups."""

    @property
    def alike(self) -> float:
        """The effect where both sides are the same: 0, or 1 of a ratio."""

    @property
    def means(self) -> tuple[float, float]:
        """What is found on either side."""

    @property
    def effect(self) -> float:
        """Their difference, or ratio."""

    def interval(self, confidence: float = ...) -> tuple[float, float]:
        """Its bounds."""

    def p(self, threshold: float, side: Side = ...) -> float:
        """The p of an effect equal to a threshold, or not above, not below it."""

    def p_with(self, seeds: int, threshold: float, side: Side = ...) -> float:
        """The p that so many seeds in each group would give, all else as it was seen."""

    def test_at(self, threshold: float) -> str:
        """The name of the test."""


def judge(
    rates: pd.DataFrame,
    claims: Iterable[Claim],
    *,
    is_complete: bool,
    runs: pd.DataFrame | None = None,
    probes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Judge claims: those on solve rates by the rates of all groups (arm, task, lag, n, solved).

    Those on anything else need `runs`, with a column for each other lag of the test that they name,
    and, where they are on a probe, `probes`. Gives `COLUMNS`, a row per claim: what was found on
    either side (counts of solved trials, or means over groups), `effect` with its interval, the
    test and its p, p after Holm, and the verdict: supported, contradicted, too few seeds to tell
    (`remedy` says how many would do, or why none would), withheld (`is_complete` is false: while
    trials are missing nothing is judged), or no data.
    """
    judged = []
    for claim in claims:
        compared, row = _compared(claim, rates, runs, probes)
        if compared is not None:
            row["mean_arm"], row["mean_than"] = compared.means
            row["effect"], (row["low"], row["high"]) = compared.effect, compared.interval()
            row["test"] = _test(claim, compared)
            if is_complete and not np.isnan(compared.effect):
                row["p"] = p_of(claim, compared)
        row["verdict"] = "no data" if compared is None else "withheld" if not is_complete else None
        judged.append((claim, compared, row))
    tested = [row for _, _, row in judged if row["verdict"] is None and not np.isnan(row["p"])]
    if tested:
        from statsmodels.stats.multitest import multipletests

        adjusted = multipletests([row["p"] for row in tested], method="holm")[1]
        for row, p in zip(tested, adjusted, strict=True):
            row["p_adjusted"] = float(p)
    for claim, compared, row in judged:
        if row["verdict"] is None and compared is not None:
            row["verdict"], row["remedy"] = _verdict(claim, compared, row, len(tested))
    return pd.DataFrame([row for _, _, row in judged], columns=COLUMNS)


def margins(claim: Claim) -> tuple[float, float]:
    """Give the effects between which two sides are equivalent."""
    by = claim.threshold
    return (1 / by, by) if claim.scale == "ratio" else (-by, by)


def p_of(claim: Claim, compared: Compared) -> float:
    """Give the p of a claim: the smaller of what would support and what would contradict it.

    Whatever is true, only one of the two could be a false verdict, and its test holds the level.
    """
    if claim.relation != "equivalent within":
        return compared.p(claim.threshold)
    return min(_inside(claim, compared.p), _outside(claim, compared.p))


P = Callable[[float, Side], float]


def _inside(claim: Claim, p: P) -> float:
    low, high = margins(claim)
    return max(p(low, "greater"), p(high, "less"))


def _outside(claim: Claim, p: P) -> float:
    low, high = margins(claim)
    return min(1.0, 2 * min(p(low, "less"), p(high, "greater")))


def _test(claim: Claim, compared: Compared) -> str:
    if claim.relation != "equivalent within":
        return compared.test_at(claim.threshold)
    return f"two one-sided: {compared.test_at(margins(claim)[1])}"


def _verdict(claim: Claim, compared: Compared, row: dict[str, Any], claims: int) -> tuple[str, str]:
    if row["p_adjusted"] <= SIGNIFICANCE:
        return ("supported" if _is_as_claimed(claim, compared) else "contradicted"), ""
    now = max(int(row["n_arm"] or 0), int(row["n_than"] or 0)) // max(1, int(row["groups"]))
    return "too few seeds to tell", remedy(claim, compared, now, claims)


def _is_as_claimed(claim: Claim, compared: Compared) -> bool:
    if claim.relation == "equivalent within":
        return _inside(claim, compared.p) <= _outside(claim, compared.p)
    is_above = compared.effect > claim.threshold
    return is_above == (claim.relation in ("more", "at least"))


def remedy(claim: Claim, compared: Compared, seeds: int, claims: int) -> str:
    """Say how many seeds per group, of which there are `seeds`, would show what was seen.

    Every p is taken times the number of claims: enough whatever becomes of the others.
    """
    is_within = claim.relation == "equivalent within"
    aims = margins(claim) if is_within else (claim.threshold,)
    if np.isnan(compared.effect) or any(abs(compared.effect - aim) < 1e-12 for aim in aims):
        if not is_within and claim.threshold == compared.alike:
            return "no difference was seen, so no number of seeds would show one of this size"
        return "what was seen is what it is held against: no number of seeds would tell them apart"
    kind = "ratio" if claim.scale == "ratio" else "difference"

    def is_enough(number: int) -> bool:
        def p(threshold: float, side: Side = "two-sided") -> float:
            return compared.p_with(number, threshold, side)

        found = p(claim.threshold) if not is_within else min(_inside(claim, p), _outside(claim, p))
        return found * claims <= SIGNIFICANCE

    enough = _smallest(is_enough, seeds + 1, MOST_SEEDS)
    if is_within and min(aims) < compared.effect < max(aims):
        if enough is None:
            return f"to show them so alike would need more than {MOST_SEEDS} seeds per group"
        return f"about {enough} seeds per group would show them so alike"
    if enough is None:
        return f"a {kind} of this size would need more than {MOST_SEEDS} seeds per group"
    return f"about {enough} seeds per group would show a {kind} of this size"


def _smallest(is_enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Bisect: rounding the counts makes the answer only nearly monotone, hence "about"."""
    if low > high or not is_enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return high


def _compared(
    claim: Claim, rates: pd.DataFrame, runs: pd.DataFrame | None, probes: pd.DataFrame | None
) -> tuple[Compared | None, dict[str, Any]]:
    """Collect both sides of a claim in all its groups, and begin its row."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    same = ("arm", "than", "task", "lag", "on", "relation", "scale", "threshold", "value")
    row |= {"claim": claim.text, "groups": 0, "test": "", "remedy": ""}
    row |= {name: getattr(claim, name) for name in same}
    row |= dict.fromkeys(Counts._fields, 0)
    numbers = ("mean_arm", "mean_than", "effect", "low", "high", "p", "p_adjusted")
    row |= dict.fromkeys(numbers, float("nan"))
    compared: Compared | None = None
    is_ratio = claim.scale == "ratio"
    if claim.on == "solve_rate":
        counts = _counts(rates, claim)
        if counts:
            compared = Rates(counts, claim.value, is_ratio)
        row |= {name: sum(getattr(group, name) for group in counts) for name in Counts._fields}
        row["groups"] = len(counts)
        return compared, row
    row |= dict.fromkeys(("solved_arm", "solved_than"), pd.NA)
    if runs is None:
        return None, row
    measured = pd.DataFrame() if probes is None else probes
    if claim.on.startswith("probe/") and measured.empty:
        return None, row
    sides: list[tuple[values.Found, values.Found | None]] = []
    for here, there in _places(runs, claim):
        arm = values.of(claim.on, runs, measured, claim.arm, here)
        than = None
        if claim.value is None:
            than = values.of(claim.than_on or claim.on, runs, measured, claim.than, there)
        if arm is not None and (than is not None or claim.value is not None):
            sides.append((arm, than))
    row["groups"] = len(sides)
    row["n_arm"] = sum(len(arm.values) for arm, _ in sides)
    row["n_than"] = sum(len(than.values) for _, than in sides if than is not None)
    if claim.value is not None:
        # A median over several tasks or lags is of nothing: the study asks for one of each.
        return (values.Median(sides[0][0], claim.value, is_ratio) if len(sides) == 1 else None), row
    arms, thans = [arm for arm, _ in sides], [than for _, than in sides if than is not None]
    return (values.Means(arms, thans, is_ratio) if sides else None), row


def _places(frame: pd.DataFrame, claim: Claim) -> list[tuple[values.Place, values.Place]]:
    """Pair the (task, lag) of either side."""
    about = frame[frame["arm"] == claim.arm]
    if claim.task is not None:
        about = about[about["task"] == claim.task]
    if claim.lag is not None:
        about = about[about["lag"] == claim.lag]
    found = dict.fromkeys(about[["task", "lag"]].itertuples(index=False, name=None))
    return [
        (
            (str(task), int(lag)),
            (claim.than_task or str(task), int(lag) if claim.than_lag is None else claim.than_lag),
        )
        for task, lag in found
    ]


def _counts(rates: pd.DataFrame, claim: Claim) -> list[Counts]:
    """Collect the groups that a claim is about, where both arms have trials."""
    columns = rates[["arm", "task", "lag", "solved", "n"]].itertuples(index=False, name=None)
    cells = {(arm, task, int(lag)): (int(solved), int(n)) for arm, task, lag, solved, n in columns}
    found = []
    for here, there in _places(rates, claim):
        than = (0, 0) if claim.value is not None else cells.get((claim.than, *there))
        if than is not None:
            found.append(Counts(*cells[claim.arm, *here], *than))
    return found
