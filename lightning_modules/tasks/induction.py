"""Induction heads."""

import math

import numpy as np
import torch

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance

TOKENS = 15
SPECIAL = TOKENS


class Induction(ClassTask):
    """Say what followed the special token when it last came.

    One example of the dialect `mamba`, lag 9 (0 to 14 are ordinary tokens, 15 is the special one)::

        inputs   3 11  0 15  7  7 14  2 15
        target                           7

    The lag is the sequence length T (256 in training in the paper, whose vocabulary of 16 tokens
    this is). The special token stands at any of the first T-2 places, as likely, and again at the
    end, where the token after its first coming is asked for: 1 to T-2 steps back. That token and
    the special one before it are the evidence, and the realised distance is from the special one,
    2 to T-1 steps. Solved is .99 of the sequences. From memory of the paper's appendix.

    Examples are drawn independently in every split. There are (T-2) 15^(T-2) of them: N training
    examples hold a given test example with a probability of at most N / 15^(T-2).
    """

    paper = "Olsson et al. 2022, arXiv:2209.11895; as in Gu & Dao 2023, arXiv:2312.00752"
    version = 1
    dialects = {"mamba": "15 ordinary tokens and a special one (arXiv:2312.00752)"}
    provenance = {"mamba": "memory"}
    lag_means = "sequence length"
    smallest_lag = {"mamba": 3}
    answer = "last"
    causal = False
    input_size = TOKENS + 1
    output_size = TOKENS
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        rows = np.arange(batch)
        inputs = generator.integers(TOKENS, size=(batch, lag))
        first = generator.integers(lag - 2, size=batch)
        targets = inputs[rows, first + 1]
        inputs[rows, first] = inputs[:, -1] = SPECIAL
        since = torch.arange(lag) - torch.from_numpy(first)[:, None]
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=torch.arange(lag).expand(batch, lag) == lag - 1,
            evidence=(since == 0) | (since == 1),
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has kept nothing."""
        self.check(lag)
        k = TOKENS
        return Chance(1 / k, math.log(k), f"{k} tokens as likely as each other: 1/{k}, ln {k}.")
