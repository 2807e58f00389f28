"""A symbol that is missing."""

import math

import numpy as np
import torch

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance

SYMBOLS = 8
BLANK = SYMBOLS


class FillBlank(ClassTask):
    """Say which symbol is missing in the middle: it stands at one end of the sequence.

    One example of the dialect `right`, lag 3 (0 to 7 are symbols, 8 is the blank)::

        inputs   6 1 4 8 2 0 5
        targets  0 0 0 5 0 0 0

    The lag is the distance between the blank and its copy; the sequence has 2 lag + 1 steps, drawn
    uniformly from eight symbols, with the blank in the middle. What is missing stands `right` of
    it, at the last step, or in the twin `left` of it, at the first. It is asked for at the blank
    alone: who reads forwards answers `right` before the copy comes, and is at chance; `left` asks
    who reads backwards as much. The realised distance is the lag in both, ahead in one.

    The blank has a fixed place so that one symbol has to be held, the first that is met. Were it
    anywhere, all of the last lag symbols would have to be, which is what delayed echo asks. Solved
    is .99 of the sequences. The definition is ours.

    Examples are drawn independently in every split. There are 8^(2 lag) of them, and N training
    examples hold a given test example with a probability of at most N / 8^(2 lag).
    """

    paper = "our definition; what bidirectional networks are for, Schuster & Paliwal 1997"
    version = 1
    dialects = {
        "right": "the copy comes lag steps after the blank: only what lies ahead helps",
        "left": "the copy comes lag steps before the blank: only what lies behind helps",
    }
    provenance = {"right": "ours", "left": "ours"}
    lag_means = "distance from the blank to its copy"
    smallest_lag = {"right": 1, "left": 1}
    answer = "each"
    causal = False
    input_size = SYMBOLS + 1
    output_size = SYMBOLS
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.is_ahead = dialect == "right"

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        length, copy = 2 * lag + 1, 2 * lag if self.is_ahead else 0
        inputs = generator.integers(SYMBOLS, size=(batch, length))
        targets = np.zeros_like(inputs)
        targets[:, lag] = inputs[:, copy]
        inputs[:, lag] = BLANK
        time = torch.arange(length).expand(batch, length)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=time == lag,
            evidence=time == copy,
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has not met the copy, or has not kept it."""
        self.check(lag)
        k = SYMBOLS
        return Chance(1 / k, math.log(k), f"{k} symbols as likely as each other: 1/{k}, ln {k}.")
