"""Effects of options over a grid, against cells that were set by hand and a linear model."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.api import OLS

from analysis import factorial
from analysis.estimate import wilson
from analysis.study_file import Arm, Recipe, Study, TaskAxis

RECIPE = Recipe("adam", 0.01, 1.0, 32, 1000, 25, 100, 100, 1, "solved")


def study(*options: dict[str, Any], architecture: str = "lstm") -> Study:
    arms = tuple(Arm(f"arm{i}", architecture, o, "", "", RECIPE) for i, o in enumerate(options))
    return Study("s", "?", "arm0", arms, (TaskAxis("t/x", (5, 10), None, ""),), (), ())


def rates(counts: list[int], n: int = 10, lags: tuple[int, ...] = (5,)) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"arm": f"arm{i}", "task": "t/x", "lag": lag, "n": n, "solved": k}
            for i, k in enumerate(counts)
            for lag in lags
        ]
    )


TWO = [{}, {"a": True}, {"b": 2}, {"a": True, "b": 2}]


def test_a_grid_of_two_options_has_two_main_effects_and_their_interaction() -> None:
    found = factorial.effects(rates([1, 3, 5, 10]), study(*TWO)).set_index("effect_of")
    assert found.loc["a = True", "effect"] == pytest.approx(((0.3 - 0.1) + (1.0 - 0.5)) / 2)
    assert found.loc["b = 2", "effect"] == pytest.approx(((0.5 - 0.1) + (1.0 - 0.3)) / 2)
    both = found.loc["a = True and b = 2"]
    assert both["effect"] == pytest.approx((1.0 - 0.5) - (0.3 - 0.1))
    assert found["kind"].tolist() == ["main", "main", "interaction"]
    assert (found["arms"] == 4).all() and (found["n"] == 40).all()


def test_main_effects_and_interactions_are_those_of_a_linear_model() -> None:
    options = [
        {"a": a, "b": b} | ({"c": c} if c else {})  # what is not named is a value too
        for a, b, c in product((1, 2), (0, 1), (0, 1, 2))
    ]
    counts = np.random.default_rng(2).integers(0, 11, len(options)).tolist()
    found = factorial.effects(rates(counts), study(*options))
    code = {0: [-0.5], 1: [0.5]}  # sum-to-zero codes, a main effect being the mean of the others'
    levels = {0: [-1 / 3, -1 / 3], 1: [2 / 3, -1 / 3], 2: [-1 / 3, 2 / 3]}
    rows = []
    for a, b, c in product((1, 2), (0, 1), (0, 1, 2)):
        x, y, z = code[a - 1][0], code[b][0], levels[c]
        rows.append([1, x, y, *z, x * y, *(x * k for k in z), *(y * k for k in z),
                     *(x * y * k for k in z)])  # fmt: skip
    fitted = OLS(np.array(counts) / 10, np.array(rows)).fit().params
    np.testing.assert_allclose(found["effect"], fitted[1:10], atol=1e-9)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    found = factorial.effects(rates([2, 9]), study({}, {"a": True})).iloc[0]
    low, high = wilson(np.array([2, 9]), np.array([10, 10]))
    assert found["kind"] == "alone"
    assert found["low"] == pytest.approx(0.7 - np.hypot(0.9 - low[1], high[0] - 0.2))
    assert found["high"] == pytest.approx(0.7 + np.hypot(high[1] - 0.9, 0.2 - low[0]))


def test_tasks_and_lags_that_all_arms_have_are_averaged() -> None:
    both = pd.concat([rates([0, 10]), rates([5, 5]).assign(lag=10), rates([0]).assign(lag=20)])
    found = factorial.effects(both, study({}, {"a": True})).iloc[0]
    assert found["effect"] == pytest.approx(0.5)
    assert found["n"] == 40


def test_parts_removed_one_at_a_time_are_told_against_the_reference() -> None:
    each = study({}, {"without": "f"}, {"without": "i"}, {"peepholes": True})
    found = factorial.effects(rates([10, 0, 5, 10]), each)
    assert found["effect_of"].tolist() == ["without = f", "without = i", "peepholes = True"]
    assert found["effect"].tolist() == pytest.approx([-1.0, -0.5, 0.0])
    assert set(found["kind"]) == {"alone"}
    last = replace(each, reference="arm2")
    assert (
        "without = default" in factorial.effects(rates([10, 0, 5, 10]), last)["effect_of"].tolist()
    )


def test_arms_of_other_architectures_or_recipes_form_no_grid() -> None:
    two = study({}, {"a": 1})
    other = replace(two.arms[1], architecture="gru")
    slower = replace(two.arms[1], recipe=replace(RECIPE, learning_rate=0.1))
    for second in (other, slower):
        assert factorial.grids(replace(two, arms=(two.arms[0], second))) == []
    same = replace(two.arms[1], options={})
    assert factorial.grids(replace(two, arms=(two.arms[0], same))) == []
    assert list(factorial.effects(rates([1]), study({})).columns) == factorial.COLUMNS


def test_rates_of_one_seed_each_bound_nothing() -> None:
    value, low, high = factorial.contrast(
        np.full(3, 1 / 3), np.array([1, 0, 1]), np.array([1, 1, 1])
    )
    assert value == pytest.approx(2 / 3)
    assert low < value < high and high - low > 0.75
