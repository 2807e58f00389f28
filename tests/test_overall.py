"""All tasks together and what tuning says, against hand-made cases and brute force."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from test_estimate import runs

from analysis import overall


def arm(name: str, *scores: float, lag: int = 5) -> list[dict[str, object]]:
    return [
        {"arm": name, "lag": lag, "seed": seed, "chance_score": 0.0, "test/score": score,
         "outcome": "solved" if score > 0.85 else "diverged" if np.isnan(score) else "unsolved"}
        for seed, score in enumerate(scores)
    ]  # fmt: skip


def test_a_profile_is_the_share_of_trials_above_a_score() -> None:
    frame = runs(*arm("a", 0.2, 0.4, 0.9, np.nan), *arm("a", 0.9, 0.9, 0.9, 0.9, lag=10))
    found = overall.profiles(frame).set_index("score")["share"]
    for at, share in ((0.0, 3 / 4), (0.3, 2 / 4), (0.5, 1 / 4), (0.9, 0.0)):
        where = found.index[np.argmin(np.abs(found.index - at))]
        assert found[where] == pytest.approx((share + (at < 0.9)) / 2)


def test_an_arm_that_fails_four_of_ten_seeds_comes_after_one_that_scores_a_little_less() -> None:
    failing = [np.nan] * 4 + [0.99] * 6
    frame = runs(*arm("A", *failing), *arm("B", *[0.9] * 10))
    found = overall.order(frame, "A")
    assert found["arm"].tolist() == ["B", "A"]
    assert found["solved"].tolist() == pytest.approx([1.0, 0.6])
    assert found["iqm"].tolist() == pytest.approx([0.9, 0.99 * 0.7])
    assert found["better"][0] == pytest.approx(0.4) and np.isnan(found["better"][1])


def test_only_tasks_and_lags_that_all_arms_have_are_summed_up() -> None:
    frame = runs(*arm("a", 0.9, 0.9), *arm("b", 0.1, 0.9), *arm("a", 0.1, 0.1, lag=10))
    found = overall.order(frame, "a").set_index("arm")
    assert found.loc["a", "solved"] == 1 and (found["groups"] == 1).all()
    assert found[["low", "high"]].isna().all(axis=None)  # two seeds bound no interquartile mean


def test_the_expected_best_is_the_mean_over_all_choices_of_trials() -> None:
    scores = [0.3, 0.9, 0.1, 0.9, 0.5]
    found = overall.expected_best(scores)
    for trials, expected in found.itertuples(index=False):
        every = [max(chosen) for chosen in combinations(scores, trials)]
        assert expected == pytest.approx(np.mean(every))
    failed = overall.expected_best([np.nan, 0.8])
    assert failed["expected"].tolist() == pytest.approx([0.4, 0.8])


def test_an_arm_that_bears_many_rates_is_told_from_one_that_bears_one() -> None:
    tried = pd.DataFrame(
        [
            {"arm": name, "task": "t", "learning_rate": rate, "score": score}
            for name, scores in (("wide", [0.8, 0.9, 0.85, 0.1]), ("narrow", [0.1, 0.2, 0.9, 0.3]))
            for rate, score in zip([0.001, 0.003, 0.01, 0.03], scores, strict=True)
        ]
    )
    found = overall.sensitivity(tried).set_index("arm")
    assert found["best"].tolist() == [0.003, 0.01]
    assert found["width"].tolist() == pytest.approx([1.0 * 0.01 / 0.003, 1.0])
    assert overall.sensitivity(tried, near=0.88)["width"][0] == pytest.approx(10)
    assert found["worst_score"].tolist() == [0.1, 0.1]
