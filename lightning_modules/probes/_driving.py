"""Inputs that have nothing to do with one another, to drive a network with."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from scipy.linalg import helmert
from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.tasks.base import Batch


@dataclass(frozen=True)
class Driven:
    """Inputs as a network takes them, and the independent numbers in them, of variance 1."""

    inputs: Shaped[Tensor, "batch time ..."]
    independent: Float[np.ndarray, "batch time number"]


def drive(
    network: Network, batch: Batch, sequences: int, time: int, generator: np.random.Generator
) -> Driven:
    """Draw sequences of the kind that `batch` holds: numbers on [-1, 1], or symbols."""
    if batch.inputs.is_floating_point():
        drawn = generator.uniform(-1, 1, (sequences, time, batch.inputs.shape[2]))
        return Driven(torch.from_numpy(drawn), drawn * 3**0.5)
    count = network.layer.input_size
    symbols = generator.integers(count, size=(sequences, time))
    # One-hot vectors lie in a plane of one dimension less: its axes, orthogonal.
    axes = helmert(count).T * count**0.5
    return Driven(torch.from_numpy(symbols), axes[symbols])
