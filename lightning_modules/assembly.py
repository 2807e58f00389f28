"""From classes to a network of the right size with its starting weights."""

from collections.abc import Mapping
from typing import Any

from lightning_modules.architectures.base import Layer
from lightning_modules.matching import Match, match
from lightning_modules.network import Network
from lightning_modules.randomness import reseed
from lightning_modules.tasks.base import Task


def size_for(
    architecture: type[Layer],
    options: Mapping[str, Any],
    task: Task,
    *,
    measure: str,
    budget: int,
) -> Match:
    """Find the hidden size at which an architecture meets a budget on a task.

    Raises
    ------
    lightning_modules.matching.BudgetError
        When no size comes near enough.
    """
    return match(
        lambda hidden_size: assemble(architecture, options, task, hidden_size),
        measure=measure,
        budget=budget,
    )


def assemble(
    architecture: type[Layer],
    options: Mapping[str, Any],
    task: Task,
    hidden_size: int,
    *,
    seed: int | None = None,
) -> Network:
    """Make the network of an architecture for a task, its start drawn from `seed`."""
    if seed is not None:
        reseed(seed, "initialisation")
    layer = architecture(task.input_size, hidden_size, **options)  # type: ignore[call-arg]
    return Network(layer, task.output_size, task.answer)
