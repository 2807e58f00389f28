"""Selective copying."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from lightning_modules.tasks import _draws
from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance


class SelectiveCopy(ClassTask):
    """Say the symbols that stood scattered in noise again, in their order.

    One example of the dialect `small`, lag 8 (0 is the noise, 9 asks)::

        inputs   0  4  0  8  1  0  0  4  9  9  9  9
        targets  0  0  0  0  0  0  0  0  4  8  1  4

    The lag is the length T of the part with the symbols: n of its steps hold one, any n as likely,
    and the others the noise symbol. n markers follow, and at the k-th the k-th symbol is asked for.
    The realised distance is from the first symbol, wherever it stands, to the first marker: n to T.

    `mamba` has 16 symbols of 15 (T = 4096 in the paper): its vocabulary of 16 with the noise. The
    paper does not say how they are asked for; the markers are those of the copying code of its
    authors' earlier work, except that there the marker is one of the 16. Loss and score are over
    the n recalled symbols alone. No paper states when it is solved; .99 of the symbols is asked for
    here.

    Examples are drawn independently in every split. `small` has 8^4 lists at (T over 4) places: at
    lag 20, N training examples hold a given test example with a probability of at most N / 2^24.
    """

    paper = "Gu & Dao 2023, arXiv:2312.00752"
    version = 1
    dialects = {
        "mamba": "16 symbols of 15 (arXiv:2312.00752)",
        "small": "4 symbols of 8",
    }
    provenance = {"mamba": "text", "small": "ours"}
    lag_means = "length of the part with the symbols"
    smallest_lag = {"mamba": 16, "small": 4}
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.items, self.values = (16, 15) if dialect == "mamba" else (4, 8)
        self.marker = self.values + 1
        self.input_size, self.output_size = self.values + 2, self.values + 1

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        places = np.sort(_draws.distinct(generator, batch, self.items, among=lag))
        symbols = generator.integers(1, self.values + 1, size=places.shape)
        inputs = np.full((batch, lag + self.items), self.marker)
        inputs[:, :lag] = 0
        np.put_along_axis(inputs, places, symbols, axis=1)
        evidence = np.zeros(inputs.shape, dtype=bool)
        np.put_along_axis(evidence, places, True, axis=1)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=F.pad(torch.from_numpy(symbols), (lag, 0)),
            mask=torch.arange(inputs.shape[1]).expand(inputs.shape) >= lag,
            evidence=torch.from_numpy(evidence),
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has kept none of the symbols."""
        self.check(lag)
        k = self.values
        return Chance(1 / k, math.log(k), f"{k} symbols as likely as each other: 1/{k}, ln {k}.")
