"""What a trial's log says besides its rows: the declaration, what was counted, the environment."""

from typing import Any

from torch import Tensor

from experiments import code
from experiments.study import Trial
from lightning_modules.data import Data
from lightning_modules.network import (
    Network,
    count_flops_per_step,
    count_parameters,
    count_state,
    path_of,
)
from lightning_modules.stack import parts_of, receptive_field
from lightning_modules.task_names import without_folder


def declared(trial: Trial, environment: dict[str, Any], is_bit_exact: bool) -> dict[str, Any]:
    """Give what can be said of a trial without making its network."""
    return {
        **trial.model_dump(mode="json", exclude={"arm", "budget"}),
        "task": without_folder(trial.task),
        "label": trial.arm.label,
        "architecture": trial.arm.identity()["architecture"],
        "options": trial.arm.options,
        **trial.arm.shape(),
        "budget": trial.budget.model_dump(exclude_none=True),
        "code": code.of(trial),
        "environment": environment,
        "bit_exact": is_bit_exact,
    }


def counted(trial: Trial, network: Network, data: Data) -> dict[str, Any]:
    """Give what is counted on the network and the data of a trial."""
    task = data.task
    chance = task.chance(trial.lag)
    further = {str(lag): task.chance(lag) for lag in trial.test_lags}
    distance = distance_of(trial, data)
    return {
        "paper": type(parts_of(network.layer)[0]).paper,
        "hidden_size": network.layer.hidden_size,
        "parameters": count_parameters(network),
        "state_size": count_state(network),
        "flops_per_step": count_flops_per_step(network),
        "path": path_of(network),
        "receptive_field": receptive_field(network.layer),
        "chance": None if chance is None else vars(chance),
        "test_chance": {lag: vars(there) for lag, there in further.items() if there is not None},
        "baselines": [
            {"name": b.name, "score": b.score, "loss": b.loss, "derivation": b.derivation}
            for b in task.baselines(trial.lag)
        ],
        "solved_at": task.solved_at if trial.solved_at is None else trial.solved_at,
        "space": task.space,
        "distance": {
            "least": float(distance.min()),
            "mean": float(distance.mean()),
            "most": float(distance.max()),
        },
    }


def distance_of(trial: Trial, data: Data) -> Tensor:
    """Count the steps from evidence to answer in the examples that a trial is validated on."""
    batch = data.evaluation("validation")
    if not trial.arm.looks_ahead:
        return batch.distance()
    # Only two networks that meet read an answer at both ends.
    is_at_both_ends = trial.arm.bidirectional and data.task.answer == "last"
    return batch.nearer_distance("both ends" if is_at_both_ends else "its step")
