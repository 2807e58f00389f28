"""What every probe promises."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from lightning_modules.architectures.base import Recurrent
from lightning_modules.network import Network
from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import Batch, Task
from lightning_modules.walk import changed

Value = float | None | list[Any]
"""A number, a list or a list of lists; None where there is no number."""


@dataclass(frozen=True)
class Row:
    """One measured quantity.

    `layer` is the layer's place, counted from the bottom ("1", "2 backwards"), empty for the whole
    network. `part` is what of it: a tensor of its state, a gate. What a list's index counts, the
    probe's docstring says. A detail is large, and kept only before the training and after it.
    """

    quantity: str
    value: Value
    layer: str = ""
    part: str = ""
    is_detail: bool = False

    @property
    def key(self) -> str:
        """Name it in a log, behind the probe's name: quantity, then layer and part if any."""
        parts = (self.quantity, self.layer or "all", self.part)
        shown = parts if self.part else parts[: 2 if self.layer else 1]
        # A slash parts what is named here, and a dot parts what W&B names.
        return "/".join(p.replace("/", " ").replace(".", " ") for p in shown)


class Probe(ABC):
    """A measurement on a network, trained or not: why does it remember, or forget?

    A subclass names its `paper` and what it `needs`, and writes `measure`; its docstring defines
    each quantity. It measures on a copy: network, random state and gradients stay as they are. The
    same network, batch and seed give the same rows.
    """

    paper: ClassVar[str]
    """Where the measure comes from, as "Author Year, arXiv:..." or journal."""
    needs: ClassVar[Literal["layer", "recurrent", "gates"]] = "recurrent"
    """A network of any layers, one with a state of fixed size in it, or one that has gates."""
    is_detailed = True
    """Whether details are kept of what is measured next: where they are not, they need not be
    computed."""

    def __init__(self, task: Task, seed: int = 0) -> None:
        self.task, self.seed = task, seed

    @abstractmethod
    def measure(self, network: Network, batch: Batch) -> list[Row]:
        """Measure a network on a batch of the task."""

    def why_not(self, network: Network) -> str:
        """Say in a line why it does not apply to a network; an empty line where it does."""
        if hasattr(network, "decoder"):
            return "it needs a network that answers as it reads, and this one has a decoder"
        if self.needs == "layer":
            return ""
        recurrent = [m for m in network.layer.modules() if isinstance(m, Recurrent)]
        if not recurrent:
            return "it needs a layer with a state of fixed size"
        if self.needs == "gates" and not any(has_gates(layer) for layer in recurrent):
            return "it needs a layer with gates"
        return ""

    def generator(self, index: int = 0) -> np.random.Generator:
        """Give numbers of its own: they depend on the seed and the probe, and on nothing else."""
        return batch_generator(self.seed, f"probe {type(self).__name__}", index)


def has_gates(layer: Recurrent) -> bool:
    """Tell whether a layer names gates."""
    return type(layer).gates is not Recurrent.gates


def first(batch: Batch, count: int) -> Batch:
    """Give the first examples of a batch; what is no tensor of the batch's stays whole."""
    examples = len(batch.inputs)
    return changed(batch, lambda t: t[:count] if t.shape[:1] == (examples,) else t)


def number(value: float | Tensor) -> float | None:
    """Give a plain number, or None where it is not finite."""
    plain = float(value)
    return plain if math.isfinite(plain) else None


def numbers(values: Iterable[float] | Tensor) -> list[Value]:
    """Give plain numbers; None where one is not finite."""
    listed = values.tolist() if isinstance(values, Tensor) else values
    return [numbers(v) if isinstance(v, list) else number(v) for v in listed]


def quantiles(values: Tensor, shares: Iterable[float]) -> list[Value]:
    """Give the quantiles of all numbers of a tensor at these shares."""
    flat = values.detach().double().flatten().cpu().numpy()
    return numbers(np.quantile(flat, list(shares)).tolist())


def log_norm(vectors: Tensor) -> Tensor:
    """Give ln ||v|| over the last axis: no square underflows; -inf for a vector of zeros."""
    largest = vectors.abs().amax(-1)
    scaled = vectors / torch.where(largest > 0, largest, 1.0).unsqueeze(-1)
    return largest.log() + torch.where(largest > 0, scaled.norm(dim=-1), 1.0).log()
