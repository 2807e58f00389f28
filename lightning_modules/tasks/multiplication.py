"""The multiplication problem."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._numbers import explained
from lightning_modules.tasks.base import Baseline, Batch, Chance, Task


class Multiplication(Task):
    """Multiply the two marked numbers of a sequence.

    One example of the dialect `pascanu`, lag 10 (the answer is asked for at the last step alone)::

        mark      1    0    0    1    0    0    0    0    0    0
        value    .5   .8   .1   .6   .9   .2   .7   .3   .4   .1
        target                                                 .3

    The lag is the sequence length T; the length itself is drawn, one for a batch, from T up to
    1.1 T. One mark stands in the first tenth and one in the four tenths after it, so that the
    realised distance, from the earlier mark to the last step, is .9 to 1 of the length.

    The score is the share of the target's variance that is explained, 1 - MSE / variance, clipped
    to [0, 1]; solved is .94, as in the adding problem (an MSE of .0029). The paper counts a squared
    error above .04 as an error, which is next to nothing here: the constant answer has an MSE of
    7/144 = .0486, and is within .04 for most sequences.

    Values are real numbers: no two splits share an example.
    """

    paper = "Hochreiter & Schmidhuber 1997; as in Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"
    version = 1
    dialects = {"pascanu": "marks in the first tenth and up to the half (arXiv:1211.5063)"}
    provenance = {"pascanu": "code"}
    lag_means = "sequence length"
    smallest_lag = {"pascanu": 10}
    answer = "last"
    causal = False
    input_size = 2
    output_size = 1
    solved_at = 0.94

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples, all of one length."""
        self.check(lag)
        length = lag + int(generator.integers(lag // 10))
        rows = np.arange(batch)
        first = generator.integers(length // 10, size=batch)
        second = length // 10 + generator.integers(length * 2 // 5, size=batch)
        values = generator.random((batch, length), dtype=np.float32)
        marks, is_last = np.zeros((2, batch, length), dtype=bool)
        marks[rows, first] = marks[rows, second] = is_last[:, -1] = True
        return Batch(
            inputs=torch.from_numpy(np.stack((marks.astype(np.float32), values), axis=2)),
            targets=torch.from_numpy(values[rows, first] * values[rows, second]),
            mask=torch.from_numpy(is_last),
            evidence=torch.from_numpy(marks),
        )

    def loss(self, outputs: Float[Tensor, "batch 1"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean squared error."""
        return F.mse_loss(outputs[:, 0], batch.targets)

    def score(self, outputs: Float[Tensor, "batch 1"], batch: Batch) -> float:
        """Give the share of the target's variance that is explained."""
        return explained(self.loss(outputs, batch), variance=7 / 144)

    def chance(self, lag: int) -> Chance:
        """Give the constant answer: the target's mean, and its variance as the loss."""
        self.check(lag)
        return Chance(0.0, 7 / 144, "Always answer the mean, 1/4; (1/3)^2 - (1/4)^2 = 7/144.")

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """List what is known to one who remembers the later factor and has lost the earlier."""
        self.check(lag)
        why = "Half of the factor that is left: its mean square, 1/3, times the other's variance."
        return (Baseline("one factor remembered", 3 / 7, 1 / 36, why, self._remember_one),)

    def _remember_one(self, batch: Batch) -> Float[Tensor, "batch 1"]:
        time = torch.arange(batch.evidence.shape[1])
        last = torch.where(batch.evidence, time, -1).argmax(1)
        return batch.inputs[torch.arange(len(last)), last, 1][:, None] / 2
