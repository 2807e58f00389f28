"""The hidden size of each arm on each task, counted before anything is trained."""

import torch

from experiments.study import Study, Trial
from lightning_modules import registry, task_names
from lightning_modules.assembly import arranged, size_for
from lightning_modules.matching import Match
from lightning_modules.refusal import RefusedError
from lightning_modules.stack import receptive_field
from lightning_modules.tasks.base import Task


def task_of(trial: Trial) -> Task:
    """Make the task of a trial."""
    return task_names.make(trial.task, trial.dialect)


def matched(trial: Trial) -> Match:
    """Find the hidden size of a trial within its budget."""
    return size_for(
        registry.load("architecture", trial.arm.architecture),
        trial.arm.options,
        task_of(trial),
        measure=trial.budget.measure,
        budget=trial.budget.amount,
        shape=trial.arm,
    )


def seen(trial: Trial) -> int | None:
    """Count how many steps an output of a trial's network sees, where that is limited."""
    architecture = registry.load("architecture", trial.arm.architecture)
    size = task_of(trial).input_size
    with torch.device("meta"):
        return receptive_field(arranged(architecture, trial.arm.options, size, 8, trial.arm))


def of(study: Study) -> dict[tuple[str, str], Match]:
    """Find the size of every (arm, task).

    Raises
    ------
    RefusedError
        When an arm cannot come near enough to the budget on a task, or its layers do not fit its
        wiring; the message names both.
    """
    found: dict[tuple[str, str], Match] = {}
    for trial in study.untuned.trials():
        key = trial.arm.label, f"{trial.task}/{trial.dialect}"
        if key not in found:
            try:
                found[key] = matched(trial)
            except RefusedError as error:
                raise type(error)(f"{key[0]} on {key[1]}: {error}") from None
    return found
