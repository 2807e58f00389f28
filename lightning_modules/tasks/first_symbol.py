"""The first symbol."""

import math

import numpy as np
import torch

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance

SYMBOLS = 8


class FirstSymbol(ClassTask):
    """Say at the end which symbol a sequence began with.

    One example of the dialect `eight`, lag 7 (0 to 7 come first, 8 to 15 mean nothing)::

        inputs   5 12  8 15  9  9 13
        target                     5

    The lag is the sequence length T: one symbol of eight, then T-1 of eight others. The answer is
    asked for at the last step, T-1 steps after the symbol: that is the realised distance. Nothing
    has to be written later or kept apart, so that a network fails by forgetting alone. Solved is
    .99 of the sequences.

    Examples are drawn independently in every split. There are 8^T of them, and N training examples
    hold a given test example with a probability of at most N / 8^T: below lag 8 or so, training
    meets the sequences of the test.
    """

    paper = "our definition; after the latching problem of Bengio, Simard & Frasconi 1994"
    version = 1
    dialects = {"eight": "one of 8 symbols, then distractors from 8 others"}
    provenance = {"eight": "ours"}
    lag_means = "sequence length"
    smallest_lag = {"eight": 2}
    answer = "last"
    causal = False
    input_size = 2 * SYMBOLS
    output_size = SYMBOLS
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        inputs = generator.integers(SYMBOLS, size=(batch, lag))
        targets = inputs[:, 0].copy()
        inputs[:, 1:] += SYMBOLS
        time = torch.arange(lag).expand(batch, lag)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=time == lag - 1,
            evidence=time == 0,
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has not kept the symbol."""
        self.check(lag)
        k = SYMBOLS
        return Chance(1 / k, math.log(k), f"{k} symbols as likely as each other: 1/{k}, ln {k}.")
