"""From a trial's declaration to its network at the start, and its data."""

from experiments.sizes import matched, task_of
from experiments.study import Trial
from lightning_modules import registry
from lightning_modules.assembly import assemble
from lightning_modules.data import Data
from lightning_modules.network import Network


def prepare(trial: Trial, start: int = 0) -> tuple[Network, Data]:
    """Make the network of a trial at its start, and its data from training batch `start` on."""
    task = task_of(trial)
    architecture = registry.load("architecture", trial.arm.architecture)
    size = matched(trial).hidden_size
    network = assemble(
        architecture, trial.arm.options, task, size, shape=trial.arm, seed=trial.seed
    )
    data = Data(
        task,
        trial.lag,
        seed=trial.seed,
        batch=trial.recipe.batch,
        validation_size=trial.recipe.validation_size,
        test_size=trial.recipe.test_size,
        start=start,
        curriculum=trial.curriculum,
    )
    return network, data
