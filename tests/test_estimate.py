"""Estimates per group against exact references: rates, medians, steps to solve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest
from statsmodels.duration.survfunc import SurvfuncRight

from analysis import estimate, survival
from analysis.sources import RUNS


def runs(*trials: dict[str, Any]) -> pd.DataFrame:
    """Make a frame of runs; what a trial leaves open is that of a plain, solved one."""
    usual: dict[str, Any] = {name: pd.NA if kind == "Int64" else 0 for name, kind in RUNS.items()}
    usual |= {"arm": "a", "task": "t/x", "lag": 5, "outcome": "solved", "solved_step": 100}
    usual |= {"budget_steps": 1000, "validation_every": 25, "chance_score": 0.1, "test/score": 0.9}
    rows = [usual | {"trial": f"{i:016x}", "seed": i} | trial for i, trial in enumerate(trials)]
    return pd.DataFrame(rows, columns=list(RUNS)).astype(RUNS)


def solved_at(*steps: int | None, **more: Any) -> pd.DataFrame:
    return runs(
        *(
            {"outcome": "unsolved" if step is None else "solved", "solved_step": step or pd.NA}
            | more
            for step in steps
        )
    )


EVERY_ESTIMATE = (
    estimate.solve_rates,
    estimate.score_medians,
    estimate.counted,
    survival.steps_to_solve,
    survival.curves,
)


@pytest.mark.parametrize("function", EVERY_ESTIMATE)
@pytest.mark.parametrize("key", ["arm", "task", "outcome"])
def test_a_missing_key_is_refused(function: Any, key: str) -> None:
    frame = runs({}, {})
    frame[key] = frame[key].astype(object)
    frame.loc[1, key] = np.nan
    with pytest.raises(ValueError, match=f"1 rows without {key}"):
        function(frame)


@pytest.mark.parametrize("function", EVERY_ESTIMATE)
def test_a_trial_that_stands_there_twice_is_refused(function: Any) -> None:
    with pytest.raises(ValueError, match="1 trials stand there twice"):
        function(runs({"seed": 3}, {"seed": 3}, {"seed": 4}))


@pytest.mark.parametrize("function", EVERY_ESTIMATE)
def test_no_trials_give_an_empty_frame_with_the_same_columns(function: Any) -> None:
    full = function(runs({}, {}, {}))
    empty = function(runs())
    assert list(empty.columns) == list(full.columns)
    assert len(empty) == 0


@pytest.mark.parametrize("n", [1, 2, 5, 10, 30])
def test_the_wilson_interval_is_that_of_scipy(n: int) -> None:
    solved = np.arange(n + 1)
    low, high = estimate.wilson(solved, np.full(n + 1, n))
    for k in solved:
        expected = binomtest(int(k), n).proportion_ci(method="wilson")
        assert low[k] == pytest.approx(expected.low, abs=1e-12)
        assert high[k] == pytest.approx(expected.high, abs=1e-12)
    assert (low[0], high[-1]) == (0, 1)


def test_a_diverged_trial_lowers_the_solve_rate_like_an_unsolved_one() -> None:
    failures = ("unsolved", "diverged", "timed_out", "out_of_memory")
    rates = estimate.solve_rates(runs({}, *({"outcome": outcome} for outcome in failures)))
    assert rates[["n", "solved"]].to_numpy().tolist() == [[5, 1]]
    assert rates["rate"].item() == pytest.approx(0.2)


def test_trials_that_were_only_measured_or_have_no_chance_level_have_no_solve_rate() -> None:
    frame = runs({"outcome": "measured"}, {"task": "u/x", "chance_score": np.nan}, {"task": "v/x"})
    assert estimate.solve_rates(frame)["task"].tolist() == ["v/x"]
    assert survival.steps_to_solve(frame)["task"].tolist() == ["v/x"]
    assert estimate.score_medians(frame)["task"].tolist() == ["t/x", "u/x", "v/x"]


def test_groups_are_told_apart_by_arm_task_and_lag() -> None:
    frame = runs({"lag": 5}, {"lag": 6}, {"arm": "b"}, {"task": "u/x"}, {"lag": 6})
    rates = estimate.solve_rates(frame)
    assert rates[["arm", "task", "lag", "n"]].to_numpy().tolist() == [
        ["a", "t/x", 5, 1],
        ["a", "t/x", 6, 2],
        ["b", "t/x", 5, 1],
        ["a", "u/x", 5, 1],
    ]


def test_five_seeds_hold_no_median_with_95_percent_and_six_do() -> None:
    assert np.isnan(estimate.order_interval(np.arange(5.0))["low"])
    six = estimate.order_interval(np.arange(6.0))
    assert (six["low"], six["high"]) == (0.0, 5.0)
    assert six["coverage"] == pytest.approx(1 - 2 / 2**6)
    assert estimate.LEAST_SEEDS_FOR_A_MEDIAN == 6


@pytest.mark.parametrize("n", [6, 9, 10, 25])
def test_the_interval_for_a_median_is_the_shortest_that_covers_exactly(n: int) -> None:
    found = estimate.order_interval(np.arange(1.0, n + 1))
    j = int(found["low"])
    assert found["high"] == n + 1 - j
    assert found["coverage"] == pytest.approx(binom(n, 0.5).cdf(n - j) - binom(n, 0.5).cdf(j - 1))
    assert found["coverage"] >= 0.95 > 1 - 2 * binom(n, 0.5).cdf(j)


def test_the_interval_for_a_median_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    samples = np.sort(generator.exponential(size=(20_000, 10)), axis=1)
    found = estimate.order_interval(np.arange(10.0))
    low, high = samples[:, int(found["low"])], samples[:, int(found["high"])]
    hits = ((low <= np.log(2)) & (np.log(2) <= high)).mean()
    # Three standard errors of a share of 20,000.
    assert hits == pytest.approx(found["coverage"], abs=3 * np.sqrt(0.025 / 20_000))


def test_score_medians_are_those_of_numpy_and_a_missing_score_ranks_last() -> None:
    frame = runs(*({"test/score": score} for score in (0.5, 0.9, 0.1, 0.7)))
    row = estimate.score_medians(frame).iloc[0]
    assert (row["n"], row["median"], row["least"], row["most"]) == (4, pytest.approx(0.6), 0.1, 0.9)
    frame = runs(*({"test/score": score} for score in (np.nan, np.nan, 0.8, 0.9, 0.7)))
    row = estimate.score_medians(frame).iloc[0]
    assert row["median"] == pytest.approx(0.7)
    assert np.isnan(row["least"])
    frame = runs(*({"test/score": score} for score in (np.nan, np.nan, 0.8)))
    assert np.isnan(estimate.score_medians(frame)["median"].item())


CENSORED: list[Sequence[int | None]] = [
    (100, 200, 300, 400, 500),
    (100, 200, None, None, 300),
    (100, None, 100, None, 700, 25, 25),
    (None, None, 900),
    (1000, None, 1000, 975),
]


@pytest.mark.parametrize("steps", CENSORED)
def test_steps_to_solve_are_those_of_statsmodels_with_failures_censored_at_the_budget(
    steps: Sequence[int | None],
) -> None:
    reference = SurvfuncRight(
        [1000 if step is None else step for step in steps], [step is not None for step in steps]
    )
    frame = solved_at(*steps)
    row = survival.steps_to_solve(frame).iloc[0]
    expected = reference.quantile(0.5)
    below = reference.surv_times[reference.surv_prob <= 0.5 + 1e-12]
    assert np.isnan(row["median"]) if len(below) == 0 else row["median"] == below[0]
    assert np.isnan(row["median"]) or row["median"] <= expected
    curve = survival.curves(frame).set_index("step")["unsolved"]
    for step, share in zip(reference.surv_times, reference.surv_prob, strict=True):
        assert curve[step] == pytest.approx(share)


def test_a_diverged_trial_is_censored_at_the_budget_and_not_where_it_diverged() -> None:
    frame = runs(
        *({"solved_step": step} for step in (400, 500, 600)),
        *({"outcome": "diverged", "solved_step": pd.NA, "steps": 30} for _ in range(2)),
    )
    end = survival.curves(frame).iloc[-1]
    assert (end["step"], end["unsolved"]) == (1000, pytest.approx(0.4))


def test_where_nobody_solves_there_is_no_median_and_the_curve_stays_up() -> None:
    frame = solved_at(None, None, None)
    row = survival.steps_to_solve(frame).iloc[0]
    assert np.isnan(row["median"])
    assert np.isinf(row["least"])
    curve = survival.curves(frame)
    assert curve["step"].tolist() == [0, 1000]
    assert curve["unsolved"].tolist() == [1, 1]


def test_bounds_that_an_unsolved_trial_stands_in_are_beyond_the_budget() -> None:
    row = survival.steps_to_solve(solved_at(100, 200, 300, 400, 500, None)).iloc[0]
    assert (row["low"], row["high"], row["most"]) == (100, np.inf, np.inf)
    assert (row["median"], row["budget"], row["every"]) == (300, 1000, 25)


def test_counted_sizes_are_passed_on_and_time_is_the_median() -> None:
    frame = runs(
        *(
            {"parameters": 5000, "path": "loop", "seconds_per_step": seconds}
            for seconds in (0.1, 0.2, 0.9)
        )
    )
    row = estimate.counted(frame).iloc[0]
    assert (row["parameters"], row["path"]) == (5000, "loop")
    assert row["seconds_per_step"] == pytest.approx(0.2)
