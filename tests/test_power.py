"""What a number of seeds can show, against brute force, simulation and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import barnard_exact, fisher_exact
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import proportion_effectsize

from analysis import compare, power
from analysis.study_file import Claim


def test_the_least_difference_seen_is_the_first_that_the_test_shows() -> None:
    found = power.of_rates(10, claims=5)
    ps = [barnard_exact([[k, 0], [10 - k, 10]]).pvalue if k else 1 for k in range(11)]
    assert found["least_seen"] == min(k for k in range(11) if ps[k] <= 0.01) / 10
    pooled = power.of_rates(5, groups=4, claims=2)
    spread = [[compare.Counts(k // 4 + (g < k % 4), 5, 0, 5) for g in range(4)] for k in range(21)]
    first = min(k for k in range(21) if compare.permutation(spread[k]) <= 0.025)
    assert pooled["least_seen"] == first / 20
    # Many trials: the permutation within groups is nearly Fisher's exact test of all together.
    ps = [fisher_exact([[k, 0], [400 - k, 400]]).pvalue for k in range(20)]
    many = power.of_rates(20, groups=20)
    assert many["least_seen"] == min(k for k in range(20) if ps[k] <= 0.05) / 400


def test_the_difference_found_is_shown_by_four_studies_of_five() -> None:
    found = power.of_rates(10)
    random = np.random.default_rng(1)
    solved = random.binomial(10, found["found"], 20_000)
    assert np.mean(solved >= 10 * found["least_seen"] - 1e-9) == pytest.approx(0.8, abs=0.01)


def test_the_difference_around_one_half_is_that_of_statsmodels() -> None:
    found = power.of_rates(30, claims=2)["found_middle"]
    size = proportion_effectsize(0.5 + found / 2, 0.5 - found / 2)
    reached = NormalIndPower().power(size, 30, alpha=0.025, alternative="two-sided")
    assert reached == pytest.approx(0.8, abs=1e-3)


def test_three_seeds_show_nothing_in_one_of_five_claims() -> None:
    found = power.of_rates(3, claims=5)
    assert np.isnan([found["least_seen"], found["found"], found["found_middle"]]).all()
    assert power.least_seeds(claims=5) == 4


@pytest.mark.parametrize(("groups", "claims"), [(1, 1), (2, 1), (4, 2)])
def test_below_the_number_of_seeds_that_power_gives_no_winner_is_named(
    groups: int, claims: int
) -> None:
    needed = power.least_seeds(groups, claims)
    assert needed is not None
    for seeds, verdict in ((needed - 1, "too few seeds to tell"), (needed, "supported")):
        rates = pd.DataFrame(
            [
                {"arm": arm, "task": "t", "lag": lag, "n": seeds, "solved": seeds * (arm != "b")}
                for arm in ["b", *(f"a{i}" for i in range(claims))]
                for lag in range(groups)
            ]
        )
        stated = [Claim(f"a{i}", "b", "t", None, f"claim {i}") for i in range(claims)]
        verdicts = compare.judge(rates[rates["n"] > 0], stated, is_complete=True)
        assert set(verdicts["verdict"]) == {verdict}


def test_the_seeds_for_a_difference_of_means_are_those_of_statsmodels() -> None:
    n = power.seeds_for_means(0.8)
    assert n == 26
    assert TTestIndPower().power(0.8, n, 0.05) >= 0.8 > TTestIndPower().power(0.8, n - 1, 0.05)
    assert power.seeds_for_means(0.0) is None and power.seeds_for_means(np.nan) is None


def test_a_table_has_this_number_of_seeds_among_the_others() -> None:
    found = power.table(seeds=8, groups=6, claims=2)
    assert found["seeds"].tolist() == [3, 5, 8, 10, 20] * 2
    assert found["groups"].tolist() == [1] * 5 + [6] * 5
    assert (found["least_seen"].diff()[[1, 2, 3, 4, 6, 7, 8, 9]].dropna() < 0).all()
