"""The sanity study asks of every task that is registered, at its smallest lag."""

from typing import Any

import pytest

from experiments import loading, sizes
from lightning_modules import registry, task_names

STUDY = loading.load("sanity")
LONGER = {"character_lm": "a window of one character has nothing to remember"}


def _constants(name: str) -> dict[str, Any]:
    return registry.describe("task", name).constants


def test_every_registered_task_is_asked_once() -> None:
    # What is answered by a whole sequence needs a network that decodes: another study asks it.
    tasks = [n for n in registry.names("task") if not _constants(n).get("replies")]
    assert sorted(axis.name for axis in STUDY.tasks) == tasks


def test_each_is_asked_at_its_smallest_lag() -> None:
    for axis in STUDY.tasks:
        if axis.name not in LONGER:
            smallest = axis.constants["smallest_lag"][task_names.parse(axis.task).dialect]
            assert axis.lags == (smallest,), axis.task


def test_every_bar_is_clearly_above_chance() -> None:
    for axis in STUDY.tasks:
        task = task_names.make(axis.name, axis.dialect)
        chance = task.chance(axis.lags[0])
        bar = task.solved_at if axis.solved_at is None else axis.solved_at
        floor = task.baselines(axis.lags[0])[-1].score if chance is None else chance.score
        # 256 examples with an answer each: a score at chance spreads by .03 or less.
        assert bar is not None and bar >= floor + 0.03, axis.task


@pytest.mark.slow
def test_every_arm_meets_the_budget_on_every_task() -> None:
    assert len(sizes.of(STUDY)) == 2 * len(STUDY.tasks)
