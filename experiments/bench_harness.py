"""Measured times of what is around a step: the harness, and making data; what else ran."""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from experiments.benchmark import Row, in_turns, spread
from experiments.fitting import fit
from experiments.preparing import prepare
from experiments.study import Trial
from lightning_modules.data import batch_at
from lightning_modules.refusal import RefusedError
from lightning_modules.training import Training

HARNESS, DATA = "harness, ", "data, "


def load_of_machine() -> Row:
    """Give how many processes wanted a core in the last minute: what else ran, before the rest."""
    wanted = os.getloadavg()[0]
    return Row("other load, before", wanted, wanted, wanted, "processes")


def harness(trial: Trial, rounds: int) -> Iterator[Row]:
    """Time what Lightning and our bookkeeping add to a step."""
    training = _training(trial)
    stream = iter(training.data.train_dataloader())

    def bare() -> None:
        for _ in range(50):
            training.training_step(next(stream), 0)

    def fitted(steps: int = 50) -> None:
        recipe = trial.recipe.but(steps=steps, validation_every=steps, stop="budget")
        again = _training(trial.model_copy(update={"recipe": recipe}))
        fit(again, again.data, Path("none"))

    ways: dict[str, Callable[[], object]] = {
        "fitted": fitted,
        "nothing": partial(fitted, 1),
        "bare": bare,
    }
    times = in_turns(ways, rounds)
    rounds_of = zip(times["fitted"], times["nothing"], times["bare"], strict=True)
    added = [1e3 * (whole - start - bare * 49 / 50) / 49 for whole, start, bare in rounds_of]
    value, low, high = spread([a / 5 for a in added])
    yield Row(f"{HARNESS}{trial.task} {trial.lag}", value, low, high, "share", 0.15)


def data(trial: Trial, rounds: int) -> Iterator[Row]:
    """Time what making a batch costs, against the step that it is for.

    The goal is for long sequences, of which a step takes milliseconds, of tasks that draw them
    and have no set of data to look into.
    """
    training = _training(trial)
    stream = iter(training.data.train_dataloader())
    made = [next(stream) for _ in range(20)]

    def steps() -> None:
        for batch in made:
            training.training_step(batch, 0)

    def batches() -> None:
        task, recipe = training.data.task, trial.recipe
        for index in range(len(made)):
            batch_at(task, trial.lag, recipe.batch, trial.seed, "train", index)

    times = in_turns({"steps": steps, "batches": batches}, rounds)
    pairs = zip(times["batches"], times["steps"], strict=True)
    value, low, high = spread([a / (a + b) for a, b in pairs])
    is_drawn = training.data.task.space == "large"
    goal = 0.05 if trial.lag >= 100 and is_drawn else None
    yield Row(f"{DATA}{trial.task} {trial.lag}", value, low, high, "share", goal)


def at_lag(trials: list[Trial], lag: int) -> list[Trial]:
    """Give trials at another lag, those whose task has one so long."""
    moved = []
    for trial in trials:
        other = trial.model_copy(update={"lag": lag})
        with contextlib.suppress(RefusedError, ValueError):
            _training(other)
            moved.append(other)
    return moved


def _training(trial: Trial) -> Training:
    return Training(*prepare(trial), trial.recipe, solved_at=2.0)
