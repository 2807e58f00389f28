"""Associative recall with many queries."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.refusal import RefusedError
from lightning_modules.tasks import _draws
from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Baseline, Batch, Chance

POWER = 0.01
"""The exponent `a` of the published generator: gaps g have weights g^(a-1)."""


class AssociativeRecall(ClassTask):
    """Say, for each key that is asked, the value that stood after it among other pairs.

    One example of the dialect `small`, lag 16 (0 is empty, 1 to 15 are keys, 16 to 31 values)::

        inputs   5 20  2 31 11 17  9 28  2  0  9  0 11  0  5  0
        targets  0  0  0  0  0  0  0  0 31  0 28  0 17  0 20  0

    The lag is the sequence length T. All pairs come first, keys and values distinct; then each key
    is asked for once, at every other step at most, and its value is the answer at that very step.
    The places of the questions have a power law, so that most come soon after the pairs. What is
    asked first may be any of the pairs: the realised distance is from the first pair to the first
    question, at least twice the pairs.

    `zoology` has T/16 pairs (4 at T = 64, 8 at 128, 16 at 256, as in the paper's figure 2) from a
    vocabulary of 8192, `small` 4 pairs from 32. In `forgetting` half of the 4 pairs of `small` come
    once more, with another value, and the last one counts. Empty steps stay empty, as in the
    figure; the published code fills them with random tokens unless told otherwise, which may be
    keys. A new value differs from the one that it replaces, which in the code it may not.

    Chance is to know the values of the sequence and not which is whose, 1 in as many as there are:
    more than who has kept nothing (1 in all values of the vocabulary), and a plateau where networks
    stay for long. Solved is .99 of the answers, where the paper's training stops.

    Examples are drawn independently in every split; `small` alone has 1.4 * 10^9 lists of pairs,
    and N training examples hold a given test example with a probability of at most N / 10^9.
    """

    paper = "Arora et al. 2023, Zoology, arXiv:2312.04927"
    version = 1
    dialects = {
        "zoology": "T/16 pairs from 8192 tokens (arXiv:2312.04927)",
        "small": "4 pairs from 32 tokens",
        "forgetting": "as small, 2 of the keys given again with another value",
    }
    provenance = {"zoology": "code", "small": "ours", "forgetting": "code"}
    lag_means = "sequence length"
    smallest_lag = {"zoology": 32, "small": 16, "forgetting": 20}
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.input_size = self.output_size = 8192 if dialect == "zoology" else 32
        self.updates = 2 if dialect == "forgetting" else 0

    def check(self, lag: int) -> None:
        """Refuse also what the published code refuses: a sequence as long as the vocabulary."""
        super().check(lag)
        if self.dialect == "zoology" and lag >= self.input_size:
            most = self.input_size - 1
            raise RefusedError(f"lag {lag} is too long for {self.dialect}: at most {most}")

    def pairs(self, lag: int) -> int:
        """Count the keys."""
        return lag // 16 if self.dialect == "zoology" else 4

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        count, half = self.pairs(lag), self.input_size // 2
        keys = 1 + _draws.distinct(generator, batch, count, among=half - 1)
        # Distinct values for the updates too: none is the one that it replaces.
        values = half + _draws.distinct(generator, batch, count + self.updates, among=half)
        again = _draws.distinct(generator, batch, self.updates, among=count)
        given = np.stack((np.hstack((keys, np.take_along_axis(keys, again, 1))), values), axis=2)
        context = 2 * given.shape[1]
        weights = np.arange(1, (lag - context) // 2 + 1) ** (POWER - 1)
        gaps = _draws.distinct(generator, batch, count, among=len(weights), weights=weights)

        inputs, targets = np.zeros((2, batch, lag), dtype=np.int64)
        inputs[:, :context] = given.reshape(batch, context)
        asked = context + 2 * gaps
        np.put_along_axis(inputs, asked, keys, axis=1)
        # The number of the pair that holds the last value of each key.
        last = np.tile(np.arange(count), (batch, 1))
        np.put_along_axis(last, again, count + np.arange(self.updates)[None], axis=1)
        final = np.take_along_axis(values, last, axis=1)
        np.put_along_axis(targets, asked, final, axis=1)
        evidence, mask = np.zeros((2, batch, lag), dtype=bool)
        np.put_along_axis(evidence, np.hstack((2 * last, 2 * last + 1)), True, axis=1)
        np.put_along_axis(mask, asked, True, axis=1)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=torch.from_numpy(mask),
            evidence=torch.from_numpy(evidence),
            context={"among": torch.from_numpy(final)},
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows the values that count, and not which is whose."""
        self.check(lag)
        n = self.pairs(lag)
        why = f"Any of the {n} values that the answers of a sequence are: 1/{n}, ln {n}."
        return Chance(1 / n, math.log(n), why)

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """List what is known where the bindings are, and not which of two values came last."""
        self.check(lag)
        if not self.updates:
            return ()
        why = "Two of four keys have two values, as likely as each other: 3/4, ln 2 / 2."
        return (Baseline("values of each key known", 3 / 4, math.log(2) / 2, why, self._either),)

    def _either(self, batch: Batch) -> Float[Tensor, "batch time output"]:
        """Answer with each value that the key of this step has had."""
        context = 2 * (self.pairs(0) + self.updates)
        keys, values = batch.inputs[:, 0:context:2], batch.inputs[:, 1:context:2]
        fits = (batch.inputs[:, :, None] == keys[:, None]).float()
        shown = F.one_hot(values, self.output_size).float()
        # A value in the hundredth place breaks the tie, one way as often as the other.
        return (fits @ shown).clamp(min=1e-9).log()
