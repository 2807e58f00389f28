"""What a trial's log says besides its rows: the declaration, what was counted, the environment."""

from typing import Any

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
from lightning_modules.task_names import without_folder


def declared(trial: Trial, environment: dict[str, Any], is_bit_exact: bool) -> dict[str, Any]:
    """Give what can be said of a trial without making its network."""
    return {
        **trial.model_dump(mode="json", exclude={"arm", "budget"}),
        "task": without_folder(trial.task),
        "label": trial.arm.label,
        "architecture": trial.arm.identity()["architecture"],
        "options": trial.arm.options,
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
    distance = data.evaluation("validation").distance()
    return {
        "paper": type(network.layer).paper,
        "hidden_size": network.layer.output_size,
        "parameters": count_parameters(network),
        "state_size": count_state(network.layer),
        "flops_per_step": count_flops_per_step(network),
        "path": path_of(network.layer),
        "chance": None if chance is None else vars(chance),
        "test_chance": {lag: vars(there) for lag, there in further.items() if there is not None},
        "solved_at": task.solved_at if trial.solved_at is None else trial.solved_at,
        "space": task.space,
        "distance": {
            "least": float(distance.min()),
            "mean": float(distance.mean()),
            "most": float(distance.max()),
        },
    }
