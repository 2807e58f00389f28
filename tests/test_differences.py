"""Differences between two arms against scipy, statsmodels, brute force and hand-computed cases.

Longer than a file should be: every statistic has its reference.
"""

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from analysis import differences, permuting
from analysis.differences import Pair, Steps
from analysis.permuting import Side

SIDES: tuple[Side, ...] = ("two-sided", "greater", "less")


def pair(n: int, m: int, shift: float = 0.8, *, whole: bool = False) -> Pair:
    random = np.random.default_rng([n, m, int(100 + 10 * shift)])
    values = Pair(random.normal(shift, 1, n), random.normal(0, 1, m))
    return Pair(*(np.round(2 * x) for x in values)) if whole else values


def mean_difference(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], axis: int = -1
) -> float:
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (4, 6), (2, 7)])
def test_the_p_of_means_is_that_of_scipys_permutation_test(
    n: int, m: int, side: Side, whole: bool
) -> None:
    group = pair(n, m, whole=whole)
    found = differences.means([group], side=side)
    expected = stats.permutation_test(
        group, mean_difference, vectorized=True, n_resamples=np.inf, alternative=side
    )
    assert found.effect == pytest.approx(expected.statistic)
    if side == "two-sided" and n != m:  # scipy doubles the smaller tail, we count both
        extreme = np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9
        assert found.p == pytest.approx(extreme.mean())
    else:
        assert found.p == pytest.approx(expected.pvalue)
    assert (found.n_arm, found.n_than, found.groups) == (n, m, 1)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("n", [6, 9])
def test_the_p_of_pairs_is_that_of_scipys_permutation_test(n: int, side: Side) -> None:
    group = pair(n, n)
    found = differences.means([group], is_paired=True, side=side)
    expected = stats.permutation_test(
        (group.arm - group.than,),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative=side,
    )
    assert found.p == pytest.approx(expected.pvalue)
    assert found.test == "permutation of signs of pairs, exact"


def test_fewer_than_six_pairs_are_not_used_as_pairs() -> None:
    group = pair(5, 5)
    assert differences.means([group], is_paired=True) == differences.means([group])
    assert differences.means([group]).test == "permutation of labels, exact"


@pytest.mark.parametrize("side", SIDES)
def test_pooled_labels_are_permuted_within_groups(side: Side) -> None:
    groups = [pair(3, 3, 2.0), pair(2, 4, -1.0), pair(3, 2, 0.5)]
    found = differences.means(groups, side=side)
    inner = []
    for group in groups:
        pooled = np.concatenate(group)
        n = len(group.arm)
        inner.append(
            [
                pooled[list(c)].mean() - np.delete(pooled, list(c)).mean()
                for c in combinations(range(len(pooled)), n)
            ]
        )
    null = np.array([np.mean(each) for each in product(*inner)])
    seen = np.mean([group.arm.mean() - group.than.mean() for group in groups])
    extreme = {
        "greater": null >= seen - 1e-9,
        "less": null <= seen + 1e-9,
        "two-sided": np.abs(null) >= abs(seen) - 1e-9,
    }
    assert found.effect == pytest.approx(seen)
    assert found.p == pytest.approx(extreme[side].mean())
    assert found.test == "permutation of labels within groups, exact"


@given(
    st.lists(st.integers(-9, 9), min_size=4, max_size=6),
    st.lists(st.integers(-9, 9), min_size=4, max_size=6),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_the_interval_holds_the_shifts_that_are_not_rejected(
    arm: list[int], than: list[int], is_paired: bool
) -> None:
    group = Pair(np.array(arm, float), np.array(than, float))
    is_paired = is_paired and len(arm) == len(than) == 6
    low, high = (permuting.signs if is_paired else permuting.labels)([group]).interval(0.9)

    def p(shift: float, side: Side) -> float:
        return differences.means([group], is_paired=is_paired, shift=shift, side=side).p

    if np.isfinite(low):
        assert p(low + 1e-6, "greater") > 0.05 >= p(low - 1e-6, "greater")
        assert p(high - 1e-6, "less") > 0.05 >= p(high + 1e-6, "less")


def test_a_shift_moves_the_question_and_not_the_answer() -> None:
    group = pair(10, 10)
    plain, shifted = differences.means([group]), differences.means([group], shift=0.5)
    assert np.isfinite([plain.low, plain.high]).all()
    assert (plain.effect, plain.low, plain.high) == pytest.approx(
        (shifted.effect, shifted.low, shifted.high)
    )
    assert plain.p != shifted.p


def test_random_exchanges_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [pair(10, 10, 0.6), pair(5, 7, 0.6)]
    exact = {paired: differences.means(groups[:1], is_paired=paired) for paired in (False, True)}
    assert all(np.isfinite([found.low, found.high]).all() for found in exact.values())
    pooled = differences.means([pair(4, 4, 0.9), pair(4, 4, 0.9)])
    monkeypatch.setattr(permuting, "MOST", 10)
    for paired, expected in exact.items():
        found = differences.means(groups[:1], is_paired=paired)
        assert found.test.endswith(f"{permuting.DRAWS} draws")
        assert abs(found.p - expected.p) < 4 * (expected.p / permuting.DRAWS) ** 0.5
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.1)
    assert pooled.test.endswith("exact")
    assert differences.means(groups) == differences.means(groups)  # from a fixed seed
    assert differences.means(groups).p > 0


@pytest.mark.parametrize(("n", "m", "paired"), [(3, 3, False), (2, 4, False), (6, 6, True)])
@pytest.mark.parametrize("side", ["two-sided", "greater"])
def test_the_least_p_is_that_of_arms_that_do_not_overlap(
    n: int, m: int, paired: bool, side: Side
) -> None:
    group = Pair(10 + np.arange(n) ** 2.0, np.arange(m) / 7)
    found = differences.means([group], is_paired=paired, side=side)
    assert found.p == pytest.approx(found.least_p)


def test_few_trials_have_a_p_and_no_interval() -> None:
    few, enough = pair(9, 12), pair(10, 12)
    for group, is_finite in ((few, False), (enough, True)):
        found = differences.means([group])
        assert np.isfinite([found.low, found.high]).all() == is_finite and found.p < 1
        better = differences.superiority([group])
        assert ((better.low, better.high) != (0, 1)) == is_finite and better.p < 1


def test_three_seeds_never_show_a_difference() -> None:
    found = differences.means([Pair(np.array([8.0, 9, 10]), np.array([1.0, 2, 3]))])
    assert (found.p, found.low, found.high) == (pytest.approx(0.1), -np.inf, np.inf)


def test_values_that_do_not_vary_bound_nothing() -> None:
    found = differences.means([Pair(np.full(5, 200.0), np.full(5, 1000.0))])
    assert (found.effect, found.low, found.high) == (-800, -np.inf, np.inf)
    assert found.p == pytest.approx(2 / 252)


@pytest.mark.parametrize("value", [0.1, 0.3, 1e9 / 7])
@pytest.mark.parametrize("is_paired", [False, True])
def test_arms_that_are_equal_to_the_last_bit_do_not_differ(value: float, is_paired: bool) -> None:
    same = Pair(np.full(7, value), np.full(7, value))
    assert differences.means([same], is_paired=is_paired).p == 1
    shifted = Pair(np.full(7, value) + 0.1, np.full(7, value))
    assert differences.means([shifted], is_paired=is_paired, shift=0.1).p == 1


def test_failed_trials_have_no_mean() -> None:
    with pytest.raises(ValueError, match="say what a failed trial counts as"):
        differences.means([Pair(np.array([1.0, np.nan]), np.array([1.0, 2.0]))])
    with pytest.raises(ValueError, match="needs trials of both arms"):
        differences.means([Pair(np.array([]), np.array([1.0]))])
    with pytest.raises(ValueError, match="pairs need as many"):
        differences.means([pair(6, 7)], is_paired=True)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 7), (10, 10)])
@pytest.mark.parametrize("side", SIDES)
def test_the_p_of_superiority_is_wilcoxons_rank_sum(n: int, m: int, side: Side) -> None:
    group = pair(n, m)
    found = differences.superiority([group], side=side)
    expected = stats.mannwhitneyu(*group, method="exact", alternative=side)
    assert found.effect == pytest.approx(expected.statistic / (n * m))
    assert found.p == pytest.approx(expected.pvalue)


def test_ties_count_half_and_a_failure_loses_against_everything_but_a_failure() -> None:
    arm, than = np.array([np.nan, 0.9, 0.9]), np.array([0.9, 0.5, np.nan])
    wins = [[0, 0, 0.5], [0.5, 1, 1], [0.5, 1, 1]]
    found = differences.superiority([Pair(arm, than)])
    assert found.effect == pytest.approx(np.mean(wins))
    loss = differences.superiority([Pair(arm, than)], higher_is_better=False)
    assert loss.effect == pytest.approx(np.mean([[0, 0, 0.5], [0.5, 0, 1], [0.5, 0, 1]]))
    delta = differences.cliffs_delta(found)
    assert delta.effect == pytest.approx(2 * found.effect - 1)
    assert (delta.low, delta.high) == pytest.approx((2 * found.low - 1, 2 * found.high - 1))


def test_the_test_of_paired_ranks_swaps_the_trials_of_a_seed() -> None:
    arm = np.array([0.9, np.nan, 0.8, 0.95, 0.7, np.nan])
    than = np.array([0.5, 0.4, 0.8, 0.3, np.nan, 0.6])
    found = differences.superiority([Pair(arm, than)], is_paired=True)

    def wins(x: Sequence[float], y: Sequence[float]) -> float:
        worth = [[-np.inf if np.isnan(v) else v for v in values] for values in (x, y)]
        return float(np.mean([[(a > b) + (a == b) / 2 for b in worth[1]] for a in worth[0]]))

    null = []
    for swapped in product([False, True], repeat=6):
        both = [(b, a) if s else (a, b) for a, b, s in zip(arm, than, swapped, strict=True)]
        null.append(wins([a for a, _ in both], [b for _, b in both]) - 0.5)
    seen = wins(list(arm), list(than)) - 0.5
    assert found.effect - 0.5 == pytest.approx(seen)
    assert found.p == pytest.approx(np.mean(np.abs(null) >= abs(seen) - 1e-9))


def test_an_arm_that_fails_two_of_five_seeds_is_not_above_one_that_scores_a_little_less() -> None:
    arm = np.where(np.arange(10) < 4, np.nan, 0.95 + 0.001 * np.arange(10))
    than = 0.9 + 0.001 * np.arange(10)
    found = differences.superiority([Pair(arm, than)], is_paired=True)
    assert found.effect == pytest.approx(0.6)
    assert found.p > 0.05  # dropping the failures would give 2 / 2**6


@pytest.mark.parametrize("effect", [0.0, 0.2, 0.5, 0.93, 1.0])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 20)])
def test_newcombes_bounds_have_the_estimate_at_the_edge_of_their_own_error(
    effect: float, n: int, m: int
) -> None:
    free = (n + m) / 2 - 1
    for bound in differences.newcombe(effect, n, m):
        first, second = bound / (2 - bound), 2 * bound**2 / (1 + bound)  # Hanley and McNeil
        inner = bound * (1 - bound) + free * (first - bound**2) + free * (second - bound**2)
        error = np.sqrt(max(inner, 0) / (n * m))
        is_edge = abs(abs(effect - bound) - stats.norm.ppf(0.975) * error) < 1e-6
        assert is_edge or bound == effect == round(effect)


def test_superiority_over_groups_is_the_mean_of_theirs() -> None:
    groups = [pair(10, 12), pair(16, 14)]
    both = differences.superiority(groups)
    each = [differences.superiority([group]) for group in groups]
    assert both.effect == pytest.approx(np.mean([e.effect for e in each]))
    below = np.hypot(*[e.effect - e.low for e in each]) / 2
    assert both.effect - both.low == pytest.approx(below)


def trials(n: int, scale: float, budget: float) -> Steps:
    random = np.random.default_rng([n, int(scale)])
    steps = np.ceil(random.exponential(scale, n) / 25) * 25
    return Steps(np.minimum(steps, budget), steps <= budget)


def test_a_restricted_mean_is_the_area_under_kaplan_and_meiers_curve() -> None:
    arm, than = trials(9, 300, 500), trials(8, 700, 600)
    found = differences.restricted_means([(arm, than, 500)])
    areas = []
    for steps, is_solved in (arm, than):
        curve = SurvfuncRight(steps, is_solved)
        at = np.concatenate([[0.0], curve.surv_times[curve.surv_times < 500], [500.0]])
        left = np.concatenate([[1.0], curve.surv_prob[curve.surv_times < 500]])
        areas.append(float(np.sum(np.diff(at) * left)))
    assert found.effect == pytest.approx(areas[0] - areas[1])


def test_a_horizon_beyond_a_budget_is_refused() -> None:
    short = Steps(np.array([100.0, 400.0]), np.array([True, False]))
    with pytest.raises(ValueError, match="budget below the horizon 500"):
        differences.restricted_means([(short, short, 500)])


def test_the_log_rank_test_is_that_of_scipy_and_statsmodels() -> None:
    groups = [
        (trials(20, 200, 500), trials(21, 500, 500)),
        (trials(6, 300, 800), trials(7, 400, 900)),
    ]
    assert np.isnan(differences.log_rank(groups[1:]).p)  # too few for its normal limit
    one = differences.log_rank(groups[:1])
    censored = [
        stats.CensoredData(steps[solved], right=steps[~solved]) for steps, solved in groups[0]
    ]
    assert one.p == pytest.approx(stats.logrank(*censored).pvalue)
    both = differences.log_rank(groups)
    flat = [
        (*trial, i, j)
        for i, g in enumerate(groups)
        for j, t in enumerate(g)
        for trial in zip(*t, strict=True)
    ]
    steps, solved, stratum, arm = (np.array(column) for column in zip(*flat, strict=True))
    assert both.p == pytest.approx(survdiff(steps, solved, arm, strata=stratum)[1])
    assert one.low < one.effect < one.high
    assert (both.n_arm, both.n_than, both.groups) == (26, 28, 2)


def test_petos_ratio_by_hand() -> None:
    every = np.ones(2, dtype=bool)
    found = differences.log_rank(
        [(Steps(np.array([1.0, 2]), every), Steps(np.array([3.0, 4]), every))]
    )
    # Of the arm 2 solved and 2/4 + 1/3 were expected to; the variance is 1/4 + 2/9.
    assert found.effect == pytest.approx(np.exp((2 - 5 / 6) / (17 / 36)))
    assert found.low < found.effect < found.high


def test_a_log_rank_test_without_events_says_nothing() -> None:
    none = Steps(np.full(4, 500.0), np.zeros(4, dtype=bool))
    found = differences.log_rank([(none, none)])
    assert (found.p, found.low, found.high) == (1.0, 0.0, np.inf)
    assert np.isnan(found.effect)


def test_a_median_against_a_number_is_the_sign_test() -> None:
    values = np.array([0.2, 0.5, 0.7, 0.8, 0.81, 0.9, np.inf, -np.inf])
    found = differences.against(values, 0.5, side="greater")
    assert found.p == pytest.approx(stats.binomtest(5, 7, alternative="greater").pvalue)
    assert found.effect == pytest.approx(0.75 - 0.5)
    assert (found.low, found.high) == (-np.inf, np.inf)  # at 8: the two ends
    assert differences.against(values[:5], 0.5).low == -np.inf
    low = differences.against(np.arange(10.0), 0.0)
    assert (low.low, low.high) == (1, 8)


def test_an_arm_that_always_wins_has_a_probability_of_one_and_a_bound_below_it() -> None:
    for n in range(2, 12):
        for m in range(2, 12):
            found = differences.superiority([Pair(np.arange(n) + 100.0, np.arange(m) * 1.0)])
            assert found.effect == pytest.approx(1) and found.high == pytest.approx(1)
            is_bound = min(n, m) >= differences.LEAST_FOR_AN_INTERVAL
            low, high = differences.newcombe(1.0, n, m)
            assert found.low == (pytest.approx(low) if is_bound else 0)
            # As of all losses, from the other side; a point would be neither.
            assert (1 - high, 1 - low) == pytest.approx(differences.newcombe(0.0, n, m))
            assert 0 < low < 0.9 and high == pytest.approx(1)
