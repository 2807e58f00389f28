"""The noiseless memorization problem."""

import math

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance, FiniteTask


class NoiselessMemorization(ClassTask, FiniteTask):
    """Say a short pattern again, beginning at the marker that asks for it.

    One example of the dialect `five_bit`, lag 4 (0 and 1 are the pattern, 2 is the blank, 3 asks)::

        inputs   1  0  0  1  1  2  2  2  2  3  2  2  2  2
        targets  2  2  2  2  2  2  2  2  2  1  0  0  1  1

    The lag is the gap T between pattern and marker; a sequence has T + 2 n steps for a pattern of
    n. The marker comes in place of the blank, and the first symbol is due there, so that each is
    asked for T + n steps after it was shown: that is the realised distance.

    The loss is the mean over all steps, as in the published code; the score is the accuracy on the
    n steps of the recall alone. Solved is .99 of the symbols; no source that was read states when.

    `five_bit` has 2^5 = 32 patterns: training and test are the same, and evaluation takes each
    once. `twenty_bit` has 5^10, 9.8 million (23.2 bits), drawn independently in every split: N
    training examples hold a given test pattern with a probability of at most N / 9 765 625.
    """

    paper = "Martens & Sutskever 2011, ICML; as in Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"
    version = 1
    dialects = {
        "five_bit": "5 symbols of 2: 32 patterns, all of them seen in training",
        "twenty_bit": "10 symbols of 5",
    }
    provenance = {"five_bit": "code", "twenty_bit": "code"}
    lag_means = "gap between pattern and marker"
    smallest_lag = {"five_bit": 1, "twenty_bit": 1}
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.items, self.values = (5, 2) if dialect == "five_bit" else (10, 5)
        if dialect == "five_bit":
            self.space, self.count = "exhaustive", self.values**self.items
        self.blank, self.marker = self.values, self.values + 1
        self.input_size, self.output_size = self.values + 2, self.values + 1

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the examples of these patterns: a pattern's number, written in base `values`."""
        self.check(lag)
        pattern = indices[:, None] // self.values ** np.arange(self.items) % self.values
        recall = self.items + lag
        inputs, targets = np.full((2, len(indices), recall + self.items), self.blank)
        inputs[:, : self.items] = targets[:, recall:] = pattern
        inputs[:, recall] = self.marker
        time = torch.arange(inputs.shape[1]).expand(inputs.shape)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=time >= recall,
            evidence=time < self.items,
        )

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw patterns, each as likely as the others."""
        return self.take(generator.integers(self.values**self.items, size=batch), lag, generator)

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean cross-entropy over all steps."""
        return F.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows the layout and none of the symbols."""
        self.check(lag)
        n, k = self.items, self.values
        why = f"Blanks up to the marker, then {k} symbols as likely as each other: "
        loss = n * math.log(k) / (lag + 2 * n)
        return Chance(1 / k, loss, f"{why}{n} ln {k} / (T + {2 * n}).")
