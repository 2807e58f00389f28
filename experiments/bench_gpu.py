"""What is measured on a GPU beside steps: a cohort of seeds against torch's LSTM, one by one."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.benchmark import Row, in_turns, spread
from experiments.fitting import fit
from experiments.preparing import prepare
from experiments.study import Study, Trial
from lightning_modules.architectures.base import Layer, State
from lightning_modules.cohort import Cohort
from lightning_modules.network import Network
from lightning_modules.randomness import reseed
from lightning_modules.refusal import RefusedError
from lightning_modules.tasks.base import Batch
from lightning_modules.training import Training

MEMBERS = 32
GOAL = 15.0
STEPS = 20
"""Of a member in a round: what begins and ends a training is measured by itself, and taken off."""


class TorchLSTM(Layer):
    """torch's own LSTM: cuDNN's, on a GPU of NVIDIA's."""

    paper = "Hochreiter & Schmidhuber 1997, Neural Computation 9(8)"
    state_names = ("hidden", "cell")

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.output_size = hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over a whole sequence."""
        y, (h, c) = self.lstm(x, None if state is None else tuple(s[None] for s in state))
        return y, (h[0], c[0])


class Stacked(Cohort):
    """A cohort in one pass for all, also where a kernel would run each."""

    def _why_in_turn(self, batch: Batch) -> str:
        return ""


def cohort(
    study: Study, members: int, rounds: int, device: torch.device, steps: int = STEPS
) -> Iterator[Row]:
    """Train so many seeds of the study's LSTM together, and of torch's LSTM one after another.

    The same sizes, data and harness, without logs and validation; in seconds a step of all.
    """
    chosen = _of_torch(study)
    seeds = [chosen.model_copy(update={"seed": seed}) for seed in range(members)]

    def in_turn(count: int) -> None:
        for trial in seeds:
            _fit(_torchs(trial, count, device), device)

    def together(kind: type[Cohort], count: int) -> None:
        one = kind([_training(trial, count, device) for trial in seeds])
        fit(one, None, Path("none"), _on(device))
        one.release()

    kinds: dict[str, type[Cohort]] = {"stacked": Stacked}
    why = Cohort([_training(trial, 1, device) for trial in seeds[:2]]).why_in_turn
    if why:
        kinds["each in turn"] = Cohort
    ways: dict[str, Callable[[], object]] = {}
    for count in (1 + steps, 1):
        ways[f"torch {count}"] = partial(in_turn, count)
        for name, kind in kinds.items():
            ways[f"{name} {count}"] = partial(together, kind, count)
    times = in_turns(ways, rounds, device)

    def each(name: str) -> list[float]:
        pairs = zip(times[f"{name} {1 + steps}"], times[f"{name} 1"], strict=True)
        return [(long - short) / steps for long, short in pairs]

    torchs = each("torch")
    value, low, high = spread([1e3 * t for t in torchs])
    what = f"{members} of torch's LSTM in turn, {chosen.task} {chosen.lag}, a step of all"
    yield Row(what, value, low, high, "ms")
    for name in kinds:
        ours = each(name)
        value, low, high = spread([1e3 * t for t in ours])
        yield Row(f"cohort of {members}, {name}, a step of all", value, low, high, "ms")
        pairs = zip(torchs, ours, strict=True)
        value, low, high = spread([its / own for its, own in pairs])
        goal = GOAL if name == "stacked" else None
        what = f"torch's LSTM in turn / cohort of {members}, {name}"
        yield Row(what, value, low, high, "ratio", goal, is_more_better=True)


def _of_torch(study: Study) -> Trial:
    """Give a trial of the arm that is torch's LSTM: by its own path, a state of two tensors."""
    for trial in {trial.arm.label: trial for trial in reversed(study.trials())}.values():
        layer = prepare(trial)[0].layer
        if isinstance(layer, Layer) and layer.path == "fused" and len(layer.state_names) == 2:
            return trial
    raise RefusedError(f"{study.name} has no arm that torch's LSTM could stand beside")


def _on(device: torch.device) -> str:
    return "cpu" if device.type == "cpu" else "gpu"


def _fit(training: Training, device: torch.device) -> None:
    fit(training, training.data, Path("none"), _on(device))


def _short(trial: Trial, steps: int) -> Trial:
    # No validation within: only behind the last step.
    recipe = trial.recipe.but(steps=steps, validation_every=steps, validation_size=1, stop="budget")
    return trial.model_copy(update={"recipe": recipe})


def _training(trial: Trial, steps: int, device: torch.device) -> Training:
    short = _short(trial, steps)
    network, data = prepare(short)
    return Training(network.to(device), data, short.recipe, solved_at=None)


def _torchs(trial: Trial, steps: int, device: torch.device) -> Training:
    short = _short(trial, steps)
    ours, data = prepare(short)
    task = data.task
    reseed(short.seed, "initialisation")
    layer = TorchLSTM(ours.layer.input_size, ours.layer.hidden_size)
    network = Network(layer, task.output_size, task.answer)
    return Training(network.to(device), data, short.recipe, solved_at=None)
