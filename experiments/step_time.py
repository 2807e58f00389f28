"""How long one training step of a trial takes on this machine, evaluation included."""

import time
from collections.abc import Callable
from statistics import fmean

import torch

from experiments.sizes import matched, task_of
from experiments.study import Trial
from lightning_modules import registry
from lightning_modules.assembly import assemble
from lightning_modules.randomness import batch_generator

STEPS = 3
SECONDS_AROUND = 0.0003
"""What the loop around a step takes: batch, seeding, guards."""


def seconds(trial: Trial) -> float:
    """Time some steps after a first, and a validation shared among the steps before it.

    The network is made and stepped without Lightning, which takes longer to import than this.
    """
    task, recipe = task_of(trial), trial.recipe
    architecture = registry.load("architecture", trial.arm.architecture)
    size = matched(trial).hidden_size
    network = assemble(
        architecture, trial.arm.options, task, size, shape=trial.arm, seed=trial.seed
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        task.loss(network(batch.inputs), batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    generator = batch_generator(trial.seed, "train", 0)
    batch = task.sample(recipe.batch, trial.lag, generator)
    step()
    # Their mean: who else is at work on this machine will be there then, too.
    took = fmean(_clock(step) for _ in range(STEPS))
    shown = task.sample(recipe.validation_size, trial.lag, generator)
    with torch.no_grad():
        scored = _clock(lambda: task.score(network.predict(shown), shown))
    return took + scored / recipe.validation_every + SECONDS_AROUND


def _clock(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began
