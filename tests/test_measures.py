"""Middle scores, areas, costs and their intervals against scipy and hand-made cases."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_estimate import runs

from analysis import bootstrap, measures
from analysis.sources import HISTORY


def test_the_interquartile_mean_is_scipys_trimmed_mean_where_a_quarter_is_a_whole_number() -> None:
    for n in (4, 8, 20):
        values = np.random.default_rng(n).normal(size=n)
        assert bootstrap.iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_counts_the_values_at_its_ends_in_part() -> None:
    # Nine values: 2.25 fall away on either side; (0.75 * 5 + 7 + 9 + 11 + 0.75 * 13) / 4.5 = 9.
    assert bootstrap.iqm([1, 3, 5, 7, 9, 11, 13, 15, 17]) == pytest.approx(9)
    assert bootstrap.iqm([0, 0, 0, 4, 5, 100]) == pytest.approx((0.5 * 0 + 0 + 4 + 0.5 * 5) / 3)
    assert bootstrap.iqm([7]) == 7


def test_the_bootstrap_draws_every_resample_and_takes_its_interquartile_mean() -> None:
    values = np.random.default_rng(3).normal(size=12)
    low, high = bootstrap.intervals([values])[0]
    level = stats.norm.cdf(np.sqrt(12 / 11) * stats.t.ppf(0.025, 11))
    expected = stats.bootstrap(
        (values,),
        lambda x, axis: np.sort(x, axis=axis) @ bootstrap.middle_half(12),
        n_resamples=20_000,
        confidence_level=1 - 2 * level,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(expected), abs=0.03)


def test_groups_of_other_sizes_are_drawn_by_themselves_and_few_seeds_have_no_interval() -> None:
    random = np.random.default_rng(6)
    groups = [random.normal(size=n) for n in (10, 9, 14, 10)]
    together = bootstrap.intervals(groups)
    alone = np.concatenate([bootstrap.intervals([group]) for group in groups])
    np.testing.assert_allclose(together, alone)
    assert np.isnan(together[1]).all() and np.isfinite(together[[0, 2, 3]]).all()
    assert np.isnan(bootstrap.stratified([groups[0], groups[1]])).all()


def test_strata_are_drawn_each_by_itself() -> None:
    # Two tasks without any spread: drawing seeds within each leaves the mean where it is.
    tasks = [np.full(10, 0.2), np.full(10, 0.8)]
    assert bootstrap.stratified(tasks) == pytest.approx((0.5, 0.5))
    spread = [np.arange(10) / 10, 1 + np.arange(10) / 10]
    low, high = bootstrap.stratified(spread)
    assert low < bootstrap.iqm(np.concatenate(spread)) < high


def test_a_failed_trial_and_one_below_chance_are_worth_nothing() -> None:
    frame = runs(
        {"test/score": 0.55}, {"test/score": np.nan, "outcome": "diverged"}, {"test/score": 0.05},
        {"test/score": 1.0}, {"chance_score": np.nan, "task": "other/x"},
    )  # fmt: skip
    assert measures.normalised(frame).tolist()[:4] == pytest.approx([0.5, 0, 0, 1])
    assert np.isnan(measures.normalised(frame).iloc[4])
    means = measures.interquartile_means(frame)
    assert means["task"].tolist() == ["t/x"]
    assert means["iqm"].item() == pytest.approx(0.25)
    assert means[["low", "high"]].isna().all(axis=None)


def rows(trial: str, *values: tuple[int, float]) -> pd.DataFrame:
    usual = {"trial": trial, "arm": "a", "task": "t/x", "lag": 5, "seed": 0}
    found = [usual | {"step": step, "validation/score": score} for step, score in values]
    return pd.DataFrame(found, columns=list(HISTORY)).astype(HISTORY)


def test_the_area_goes_on_at_the_last_score_and_at_chance_where_a_trial_diverged() -> None:
    frame = runs(
        {"trial": "a", "budget_steps": 100},
        {"trial": "b", "budget_steps": 100, "outcome": "diverged"},
        {"trial": "c", "budget_steps": 100},
    )
    history = pd.concat([rows("a", (20, 0.2), (40, 0.8)), rows("b", (20, 0.2), (40, 0.8))])
    first, second = (measures.area(rows(t, (20, 0.2), (40, 0.8)), run) for t, run in
                     zip("ab", frame.to_dict("records"), strict=False))  # fmt: skip
    assert first == pytest.approx(0.2 * 0.2 + 0.2 * 0.5 + 0.6 * 0.8)
    assert second == pytest.approx(0.2 * 0.2 + 0.2 * 0.5 + 0.6 * 0.1)
    found = measures.areas(frame, history)
    assert found["n"].item() == 2
    assert found["median"].item() == pytest.approx((first + second) / 2)


def test_a_restricted_mean_counts_the_whole_budget_of_what_did_not_solve() -> None:
    frame = runs(
        {"solved_step": 100}, {"solved_step": 300}, {"outcome": "diverged", "solved_step": pd.NA}
    ).assign(flops_per_step=7, batch=2, seconds_per_step=0.5)
    found = measures.costs_to_solve(frame).iloc[0]
    assert found["steps"] == pytest.approx((100 + 300 + 1000) / 3)
    assert found["flops"] == pytest.approx(found["steps"] * 14)
    assert found["seconds"] == pytest.approx(found["steps"] / 2)
    assert (found["solved"], found["n"], found["every"]) == (2, 3, 25)
    assert 0 <= found["low"] < found["steps"] < found["high"] <= 1000


def test_the_interval_of_a_restricted_mean_by_hand() -> None:
    steps, is_solved = np.array([200.0, 400, 1000, 1000]), np.array([True, True, False, False])
    mean, low, high = measures.restricted_mean(steps, is_solved, 1000)
    rate = stats.binomtest(2, 4).proportion_ci(method="wilson")
    width = stats.t.ppf(0.975, 1) * np.std([800, 600], ddof=1) / np.sqrt(2)
    assert mean == 650
    assert width > 700  # so the mean saved is held within 0 and the budget
    assert low == pytest.approx(650 - np.hypot(700 * (rate.high - 0.5), 0.5 * 300))
    assert high == pytest.approx(min(1000, 650 + np.hypot(700 * (0.5 - rate.low), 0.5 * 700)))


@pytest.mark.parametrize("solved", [0, 1, 5])
def test_none_one_and_all_solved_have_an_interval_of_some_width(solved: int) -> None:
    steps = np.where(np.arange(5) < solved, 200.0, 1000.0)
    mean, low, high = measures.restricted_mean(steps, np.arange(5) < solved, 1000)
    assert low < high and low <= mean <= high
    assert high - low > 100
    if solved == 0:
        rate: Any = stats.binomtest(0, 5).proportion_ci(method="wilson")
        assert (mean, low, high) == (1000, pytest.approx(1000 * (1 - rate.high)), 1000)
