"""What the tasks share that translate a string of symbols without meaning."""

import math
from abc import abstractmethod

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.refusal import RefusedError
from lightning_modules.tasks._replies import ReplyTask, laid
from lightning_modules.tasks.base import Baseline, Batch, Chance, Reply

MOST_SYMBOLS = 1000
SURE = 30.0
"""The logit of one who is sure: all else has a probability of about 1e-13."""


class StringTask(ReplyTask):
    """A task whose sources are strings over an alphabet, and whose replies are as long."""

    solved_at = 0.99

    def __init__(self, dialect: str, alphabet: int) -> None:
        super().__init__(dialect)
        if not 2 <= alphabet <= MOST_SYMBOLS:
            raise RefusedError(f"alphabet {alphabet}: from 2 to {MOST_SYMBOLS} symbols")
        self.alphabet = alphabet
        symbols = tuple(map(str, range(alphabet)))
        self.reply = Reply(symbols, (*symbols, "."), end=alphabet)
        self.input_size, self.output_size = self.reply.input_size, alphabet + 1

    @abstractmethod
    def translated(self, strings: Int[np.ndarray, "batch time"]) -> Int[np.ndarray, "batch time"]:
        """Give what is to be said of the strings."""

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        strings = generator.integers(self.alphabet, size=(batch, lag))
        lengths = np.full(batch, lag)
        return laid(self.reply, strings, lengths, self.translated(strings), lengths)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who remembers no symbol, and counts to the end."""
        self.check(lag)
        size = self.alphabet
        return Chance(
            (lag / size + 1) / (lag + 1),
            lag / (lag + 1) * math.log(size),
            f"{lag} symbols, each of {size} as likely as the others, and what was said tells "
            "nothing of the next; the end comes when all have been said, which is known.",
        )

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Remember the symbol that is asked for first, and no other."""

        def play(batch: Batch) -> Float[Tensor, "batch time output"]:
            outputs = torch.zeros(*batch.inputs.shape, self.output_size)
            outputs[..., self.reply.end] = -SURE
            outputs[:, lag] = SURE * F.one_hot(batch.targets[:, lag], self.output_size)
            outputs[:, 2 * lag, self.reply.end] = SURE
            return outputs

        if lag == 1:
            return ()
        chance = self.chance(lag)
        score = chance.score + (1 - 1 / self.alphabet) / (lag + 1)
        why = f"One of {lag} is right, the others are as by chance."
        loss = chance.loss * (lag - 1) / lag
        return (Baseline("the first answer alone", score, loss, why, play),)
