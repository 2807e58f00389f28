"""What was learned short of a solution: the level that a loss sits on."""

import json
from typing import Any

import numpy as np
import pytest
from test_estimate import runs

from analysis import learned
from analysis.sources import _baselines
from lightning_modules.task_names import make

KNOWN = [("chance", 0.1667), ("one number", 0.0833)]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (0.1667, "chance"),
        (0.160, "chance"),
        (0.17, "chance"),
        (0.19, "worse than chance"),
        (0.12, "between chance and one number"),
        (0.0833, "one number"),
        (0.09, "one number"),
        (0.076, "one number"),
        (0.03, "more than one number"),
    ],
)
def test_a_loss_sits_on_a_level_or_between_two(loss: float, expected: str) -> None:
    assert learned.where(loss, KNOWN)[0] == expected


def test_the_seeds_of_a_group_are_counted_by_what_they_learned() -> None:
    text = json.dumps([{"name": "one number", "loss": 0.0833}])
    usual: dict[str, Any] = {"chance_loss": 0.1667, "baselines": text, "outcome": "unsolved"}
    frame = runs(
        usual | {"outcome": "solved", "test/loss": 0.001},
        usual | {"test/loss": 0.084},
        usual | {"test/loss": 0.083},
        usual | {"test/loss": 0.167},
        usual | {"test/loss": 0.03},
        usual | {"test/loss": 0.02},
        usual | {"outcome": "diverged", "test/loss": np.nan},
    )
    found = learned.learned(frame)
    counts = dict(zip(found["learned"], found["seeds"], strict=True))
    better = "more than one number"
    assert counts == {"solved": 1, "one number": 2, "chance": 1, better: 2, "diverged": 1}
    assert found["learned"].iloc[0] == "solved" and (found["n"] == 7).all()
    assert len(found) == 5


@pytest.mark.parametrize("text", ["", "not JSON", '{"name": 1}'])
def test_what_was_not_recorded_is_not_told(text: str) -> None:
    assert len(learned.learned(runs({"chance_loss": 0.1, "baselines": text}))) == 0


@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        (None, ""),
        ("text", ""),
        ([], "[]"),
        ([{"name": "x", "loss": 0.5, "derivation": "long"}], '[{"name": "x", "loss": 0.5}]'),
        ([{"name": "x", "loss": "much"}, 7, {"name": "y", "loss": float("inf")}], "[]"),
    ],
)
def test_a_log_may_hold_anything(listed: Any, kept: str) -> None:
    assert _baselines(listed) == kept


def test_a_task_that_lists_partial_solutions_has_levels_below_chance() -> None:
    task = make("adding", "arjovsky")
    chance = task.chance(20)
    assert chance is not None
    listed = [{"name": b.name, "loss": b.loss} for b in task.baselines(20)]
    found = learned.levels(_baselines(listed), chance.loss)
    assert len(found) == len(listed) + 1
    assert [loss for _, loss in found] == sorted((loss for _, loss in found), reverse=True)
