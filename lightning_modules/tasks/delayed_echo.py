"""The delayed echo."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks._numbers import explained
from lightning_modules.tasks.base import Batch, Chance

SYMBOLS = 8
ECHOES = 20
"""Steps of a sequence that are asked for, and whose echo falls inside it."""


class DelayedEcho(ClassTask):
    """Say at every step what was shown some steps ago.

    One example of the dialect `symbols`, lag 4 (8 symbols, from 0)::

        inputs   3  1  7  0  2  5  5  1  6  4  0  3  2  7  1  1  4  6  0  2  3  5  7  1
        targets  0  0  0  0  3  1  7  0  2  5  5  1  6  4  0  3  2  7  1  1  4  6  0  2

    The lag is the delay k, the same for every step, and it is the realised distance. A sequence has
    k + 20 steps; the first k are not asked for, nor heard by the loss, and the last k are shown in
    vain. A network has to hold k things at once. In `continuous` what is shown are real numbers,
    uniform on [-1, 1], and the score is the share of the variance that is explained at this delay:
    of linear read-outs its sum over all delays is the memory capacity of Jaeger (2001).

    Solved is .99 of the symbols, or .94 of the variance: no paper states either.

    There are 8^(k + 20) sequences of symbols, and real numbers without end: N training examples
    hold a given test example with a probability of at most N / 2^63.
    """

    paper = "Jaeger 2001, Short term memory in echo state networks, GMD Report 152"
    version = 1
    dialects = {
        "symbols": "8 symbols, as likely as each other",
        "continuous": "real numbers, uniform on [-1, 1]",
    }
    provenance = {"symbols": "ours", "continuous": "secondary"}
    lag_means = "delay of the echo"
    smallest_lag = {"symbols": 1, "continuous": 1}
    answer = "each"
    causal = False

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.is_continuous = dialect == "continuous"
        self.input_size = self.output_size = 1 if self.is_continuous else SYMBOLS
        self.solved_at = 0.94 if self.is_continuous else 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        shape = (batch, lag + ECHOES)
        if self.is_continuous:
            shown = torch.from_numpy(2 * generator.random(shape, dtype=np.float32) - 1)
        else:
            shown = torch.from_numpy(generator.integers(SYMBOLS, size=shape))
        time = torch.arange(shape[1]).expand(shape)
        return Batch(
            inputs=shown[:, :, None] if self.is_continuous else shown,
            targets=F.pad(shown[:, :ECHOES], (lag, 0)),
            mask=time >= lag,
            evidence=time < ECHOES,
        )

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the cross-entropy or the squared error, its mean over the steps asked for."""
        if self.is_continuous:
            return F.mse_loss(outputs[batch.mask][:, 0], batch.targets[batch.mask])
        return super().loss(outputs, batch)

    def score(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> float:
        """Give the share of the symbols that are right, or of the variance that is explained."""
        if self.is_continuous:
            return explained(self.loss(outputs, batch), variance=1 / 3)
        return super().score(outputs, batch)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has kept nothing."""
        self.check(lag)
        if self.is_continuous:
            return Chance(0.0, 1 / 3, "Always answer the mean, 0; the variance is 2^2 / 12 = 1/3.")
        k = SYMBOLS
        return Chance(1 / k, math.log(k), f"{k} symbols as likely as each other: 1/{k}, ln {k}.")
