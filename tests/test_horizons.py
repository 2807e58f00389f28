"""Memory horizons and growth with the lag: planted ones come back, bounds where nothing falls."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_estimate import runs

from analysis import horizons

LAGS = np.array([10.0, 20, 40, 80])


def solved(counts: dict[int, int], n: int, **more: Any) -> pd.DataFrame:
    return runs(
        *(
            {"lag": lag, "seed": seed, "outcome": "solved" if seed < k else "unsolved"} | more
            for lag, k in counts.items()
            for seed in range(n)
        )
    )


def test_a_planted_horizon_comes_back_at_the_maximum_of_its_likelihood() -> None:
    counts, n = np.array([[40.0, 36, 14, 2]]), np.full(4, 40.0)
    best, low, high = horizons.fit(LAGS, counts, n)[0]

    def deviance(p: Any) -> float:
        rate = 1 / (1 + np.exp((np.log(LAGS) - p[0]) / np.exp(p[1])))
        return -float(stats.binom.logpmf(counts[0], 40, rate).sum())

    from scipy.optimize import minimize

    expected = minimize(deviance, [np.log(30), -1], method="Nelder-Mead")
    assert best == pytest.approx(np.exp(expected.x[0]), rel=0.03)
    # The bound: where the best slope's likelihood has fallen by half the square of t.
    cut = stats.t.ppf(0.975, 39) ** 2 / 2
    for bound in (low, high):
        there = minimize(
            lambda s, at=bound: deviance([np.log(at), s[0]]), [-1.0], method="Nelder-Mead"
        )
        assert cut - 0.1 < there.fun - expected.fun < cut + 0.35


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({10: 5, 50: 5}, "beyond 50, the longest lag tried (with 95%: at least"),
        ({10: 0, 50: 0}, "below 10, the shortest lag tried (with 95%: at most"),
        ({10: 5, 50: 0}, "22 (with 95%:"),
    ],
)
def test_all_none_and_a_step_give_bounds(counts: dict[int, int], says: str) -> None:
    found = horizons.horizons(solved(counts, 5)).iloc[0]
    assert found["says"].startswith(says)
    if counts[10] == counts[50]:
        assert (found["low"] == 0) == (counts[10] == 0)
        assert np.isinf(found["high"]) == (counts[50] == 5)
    else:  # anything between the two lags is as likely
        assert found["horizon"] == pytest.approx(np.sqrt(10 * 50), rel=0.05)
        assert found["low"] <= 12 and found["high"] >= 42
    assert found["solved"] == ", ".join(f"{k}/5" for k in counts.values())


def test_from_ten_seeds_on_the_interval_holds_that_of_a_bootstrap_over_seeds() -> None:
    frame = solved({10: 12, 20: 10, 40: 5, 80: 1}, 12)
    found = horizons.horizons(frame).iloc[0]
    wide = frame.assign(solved=frame["outcome"] == "solved").pivot(
        index="seed", columns="lag", values="solved"
    )
    table = wide.to_numpy(dtype=float)
    low, high = horizons.resampled(LAGS, table)
    random = np.random.default_rng(1)
    slow = [
        horizons.fit(LAGS, table[random.integers(0, 12, 12)].sum(0)[None], np.full(4, 12.0))[0, 0]
        for _ in range(300)
    ]
    assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), rel=0.15)
    assert found["low"] <= low and found["high"] >= high


def test_a_task_of_one_lag_has_no_horizon() -> None:
    assert len(horizons.horizons(solved({10: 3}, 5))) == 0
    assert list(horizons.horizons(runs()).columns) == horizons.COLUMNS


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0, np.inf, "30 (with 95%: not known)"),
        (0, 40, "30 (with 95%: at most 40)"),
        (20, np.inf, "30 (with 95%: at least 20)"),
        (20, 40, "30 (with 95%: 20 to 40)"),
    ],
)
def test_a_horizon_in_words(low: float, high: float, says: str) -> None:
    assert horizons.says(30, low, high, 10, 80) == says


def test_a_score_horizon_is_read_off_between_two_lags() -> None:
    assert horizons.crossing(LAGS, np.array([1, 0.75, 0.25, 0])) == pytest.approx(np.sqrt(800))
    # The rise at 40 is levelled with 20: both are (0.4 + 0.6) / 2.
    assert horizons.crossing(LAGS, np.array([1, 0.4, 0.6, 0.1])) == pytest.approx(40)
    assert horizons.crossing(LAGS, np.array([1, 0.9, 0.8, 0.7])) == np.inf
    assert horizons.crossing(LAGS, np.array([0.4, 0.1, 0.1, 0])) == 0
    frame = pd.DataFrame(
        [
            {"arm": "a", "task": "t", "seed": seed, "lag": lag, "score": score}
            for seed in range(12)
            for lag, score in zip(LAGS, [1, 0.75 + seed / 100, 0.25 + seed / 100, 0], strict=True)
        ]
    )
    found = horizons.score_horizons(frame).iloc[0]
    assert found["low"] < found["horizon"] < found["high"]
    few = horizons.score_horizons(frame[frame["seed"] < 5]).iloc[0]
    assert np.isnan(few["low"]) and np.isfinite(few["horizon"])


def test_the_exponent_of_known_steps_is_that_of_a_straight_line() -> None:
    random = np.random.default_rng(5)
    lags = np.repeat(LAGS, 4)
    steps = 30 * lags**1.4 * np.exp(0.3 * random.normal(size=16))
    best, low, high = horizons.exponent(lags, steps * 0.9999, steps, np.ones(16, dtype=bool))
    line = stats.linregress(np.log(lags), np.log(steps))
    width = stats.t.ppf(0.975, 14) * line.stderr
    assert best == pytest.approx(line.slope, abs=0.01)
    assert (low, high) == pytest.approx((line.slope - width, line.slope + width), abs=0.03)


def test_the_exponent_counts_what_did_not_solve_within_its_budget() -> None:
    random = np.random.default_rng(6)
    lags = np.repeat(LAGS, 8)
    steps = 20 * lags**1.5 * np.exp(0.4 * random.normal(size=32))
    budget, every = 8000.0, 50.0
    is_solved = steps <= budget
    seen = np.where(is_solved, np.ceil(steps / every) * every, budget)
    frame = runs(
        *(
            {
                "lag": int(lag), "seed": i, "outcome": "solved" if ok else "diverged",
                "solved_step": int(step) if ok else pd.NA, "budget_steps": 8000,
                "validation_every": 50,
            }
            for i, (lag, step, ok) in enumerate(zip(lags, seen, is_solved, strict=True))
        )
    )  # fmt: skip
    found = horizons.growth(frame).iloc[0]
    dropped = stats.linregress(np.log(lags[is_solved]), np.log(seen[is_solved])).slope
    assert 0 < (~is_solved).sum() == found["n"] - found["solved"]
    assert found["low"] < 1.5 < found["high"]
    assert abs(found["exponent"] - 1.5) < abs(dropped - 1.5)
    assert len(horizons.growth(frame[frame["lag"] == 10])) == 0
