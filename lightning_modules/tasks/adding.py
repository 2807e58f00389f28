"""The adding problem."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Baseline, Batch, Chance, Task


class Adding(Task):
    """Add the two marked numbers of a sequence.

    One example of the dialect `arjovsky`, lag 6 (the answer is asked for at the last step alone)::

        value    .3   .8   .1   .6   .9   .2
        mark      0    1    0    0    1    0
        target                           1.7

    The lag is the sequence length T. What has to be carried longest is the earlier mark, and the
    realised distance is from it to the last step: T - T//2 to T-1 steps in `arjovsky` (3T/4 on
    average), 1 to T-1 in `bai` (2T/3 on average). In `pascanu` and `hs97` the length itself is
    drawn, one for a batch, from T up to 1.1 T, and the earlier mark stands in the first tenth or
    among the first ten steps.

    `pascanu` follows the authors' published code, `hs97` the text of the paper, in which each
    sequence has a length of its own: one of the first ten steps is marked, then one of the first
    T/2 - 1 that are still unmarked. A mark on the very first step counts as zero; it gives way to
    the -1 of both ends, and is no evidence. `campos` (T = 50 in the paper, after Neil et al. 2016)
    has its own bar: an error of a hundredth of the variance, .99.

    The score is the share of the target's variance that is explained, 1 - MSE / variance, clipped
    to [0, 1]. Solved is .94: in `arjovsky` and `bai` that is an MSE of .01, the usual threshold.
    The targets of `pascanu` and `hs97` are the same sum on a smaller scale, so the same share is
    the same precision (an MSE of .0025 and about .0024). Their papers count errors instead:
    `pascanu` allows a squared error above .04 in 1 % of sequences (looser: with normal errors, a
    score of about .86), `hs97` asks for absolute errors below .04 (stricter: to hold in 99 %, a
    score of about .994).

    The variance is 1/6 = .1667 where the target is the sum; the .1767 that Bai et al. print for
    the constant answer is a misprint. Who reads the last step alone, where a mark may be in `bai`
    and, for T even, in `arjovsky`, explains a share of 1/T.
    """

    paper = "Hochreiter & Schmidhuber 1997, Neural Computation 9(8)"
    version = 1
    dialects = {
        "arjovsky": "values in [0, 1], one mark in each half, target the sum (arXiv:1511.06464)",
        "bai": "values in [0, 1], two marks anywhere, target the sum (arXiv:1803.01271)",
        "pascanu": "marks in the first tenth and up to the half, target the mean (arXiv:1211.5063)",
        "hs97": "values in [-1, 1], marks in the first 10 steps and the first half, ends marked -1",
        "campos": "values in [-.5, .5], marks in the first tenth and the last half, the sum"
        " (arXiv:1708.06834)",
    }
    provenance = {
        "arjovsky": "code",
        "bai": "code",
        "pascanu": "code",
        "hs97": "secondary",
        "campos": "text",
    }
    lag_means = "sequence length"
    smallest_lag = {"arjovsky": 2, "bai": 2, "pascanu": 10, "hs97": 11, "campos": 10}
    answer = "last"
    causal = False
    input_size = 2
    output_size = 1
    solved_at = 0.94

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        if dialect == "campos":
            self.solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples, all of one length."""
        self.check(lag)
        length, first, second = self._places(batch, lag, generator)
        values = generator.random((batch, length), dtype=np.float32)
        marks = np.zeros((batch, length), dtype=np.float32)
        rows = np.arange(batch)
        marks[rows, first] = marks[rows, second] = 1
        if self.dialect == "campos":
            values -= 0.5
        if self.dialect == "hs97":
            values = 2 * values - 1
            marks[:, [0, -1]] = -1
        total = (values * (marks == 1)).sum(1)
        targets = {"pascanu": total / 2, "hs97": 0.5 + total / 4}.get(self.dialect, total)
        channels = (marks, values) if self.dialect == "pascanu" else (values, marks)
        mask = torch.zeros(batch, length, dtype=torch.bool)
        mask[:, -1] = True
        return Batch(
            inputs=torch.from_numpy(np.stack(channels, axis=2)),
            targets=torch.from_numpy(targets),
            mask=mask,
            evidence=torch.from_numpy(marks == 1),
            context={"variance": torch.tensor(self.chance(lag).loss)},
        )

    def _places(
        self, batch: int, lag: int, generator: np.random.Generator
    ) -> tuple[int, np.ndarray, np.ndarray]:
        """Draw the length, and where the two marks of each example stand."""
        if self.dialect == "arjovsky":
            first, second = generator.integers(lag // 2, size=(2, batch))
            return lag, first, second + lag // 2
        if self.dialect == "campos":
            first = generator.integers(lag // 10, size=batch)
            return lag, first, lag // 2 + generator.integers(lag - lag // 2, size=batch)
        if self.dialect == "pascanu":
            length = lag + int(generator.integers(lag // 10))
            first = generator.integers(length // 10, size=batch)
            return length, first, length // 10 + generator.integers(length * 2 // 5, size=batch)
        if self.dialect == "bai":
            length, among, others = lag, lag, lag - 1
        else:
            length = lag + int(generator.integers(lag // 10 + 1))
            among, others = 10, lag // 2 - 1
        first = generator.integers(among, size=batch)
        second = generator.integers(others, size=batch)
        # The number of a place among those that are left: past the one taken, it is one further on.
        return length, first, second + (second >= first)

    def loss(self, outputs: Float[Tensor, "batch 1"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean squared error."""
        return F.mse_loss(outputs[:, 0], batch.targets)

    def score(self, outputs: Float[Tensor, "batch 1"], batch: Batch) -> float:
        """Give the share of the target's variance that is explained."""
        score = 1 - float(self.loss(outputs, batch)) / float(batch.context["variance"])
        return max(score, 0.0) if math.isfinite(score) else 0.0

    def chance(self, lag: int) -> Chance:
        """Give the constant answer: the target's mean, and its variance as the loss."""
        self.check(lag)
        if self.dialect == "pascanu":
            return Chance(0.0, 1 / 24, "Always answer the mean, .5; (1/12 + 1/12) / 4 = 1/24.")
        if self.dialect == "hs97":
            why = "Always answer the mean, .5; (2 - p) / 3 / 16, p the chance that a mark is void."
            return Chance(0.0, (2 - _void(lag)) / 48, why)
        mean = "0" if self.dialect == "campos" else "1"
        why = f"Always answer the mean, {mean}; the variance is 1/12 + 1/12 = 1/6."
        return Chance(0.0, 1 / 6, why)

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """List what is known to one who remembers the later mark and has lost the earlier."""
        whole = self.chance(lag).loss
        if self.dialect == "hs97":
            loss, why = (1 - _void(lag)) / 48, "The lost value's 1/3 / 16, where both marks count."
        else:
            loss, why = whole / 2, "The variance of the lost value: half of the sum's."
        return (Baseline("one mark remembered", 1 - loss / whole, loss, why, self._remember_one),)

    def _remember_one(self, batch: Batch) -> Float[Tensor, "batch 1"]:
        value = 0 if self.dialect != "pascanu" else 1
        time = torch.arange(batch.evidence.shape[1])
        last = torch.where(batch.evidence, time, -1).argmax(1)
        one = batch.inputs[torch.arange(len(last)), last, value]
        scale, mean = {"pascanu": (0.5, 0.25), "hs97": (0.25, 0.5), "campos": (1.0, 0.0)}.get(
            self.dialect, (1.0, 0.5)
        )
        return (scale * one + mean)[:, None]


def _void(lag: int) -> float:
    """Give the probability that a mark of `hs97` falls on the first pair."""
    # Either may: the first mark is one of ten, the second one of the lag // 2 - 1 that are left.
    return 1 / 10 + 9 / 10 / (lag // 2 - 1)
