"""A string, twice."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._classes import ClassTask, asked
from lightning_modules.tasks.base import Baseline, Batch, Chance


class DuplicateString(ClassTask):
    """Say a string of bits again, twice.

    One example, lag 3 (2 asks, once for each symbol)::

        inputs   1  0  0  2  2  2  2  2  2
        targets  0  0  0  1  0  0  1  0  0

    The lag is the length of the string, T. Each symbol is due T and 2 T steps after it was shown;
    the realised distance, to its first answer, is T. The targets before the first answer are empty
    and not scored.

    As in the published code, one empty step is appended for each symbol that is asked for. Solved
    there is an accuracy of .9 over longer strings than were trained on; .99 at the lag itself is
    asked for here.

    Strings are drawn independently in every split. There are 2^T of them: at small lags training
    meets the strings of the test, and N training examples hold a given one with a probability of at
    most N / 2^T.
    """

    paper = "Delétang et al. 2022, arXiv:2207.02098"
    version = 1
    dialects = {"deletang": "bits, answered twice after the string (arXiv:2207.02098)"}
    provenance = {"deletang": "code"}
    lag_means = "length of the string"
    smallest_lag = {"deletang": 1}
    answer = "each"
    causal = False
    input_size = 3
    output_size = 2
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        bits = generator.integers(2, size=(batch, lag))
        return asked(bits, np.tile(bits, 2), ask=2)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who remembers no symbol."""
        self.check(lag)
        return Chance(0.5, math.log(2), "Two symbols as likely as each other: 1/2, ln 2.")

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Say the string once, and have forgotten it by then."""

        def play(batch: Batch) -> Float[Tensor, "batch time 2"]:
            outputs = torch.zeros(*batch.inputs.shape, 2)
            outputs[:, lag : 2 * lag] = 30.0 * F.one_hot(batch.inputs[:, :lag], 3)[..., :2]
            return outputs

        why = "Half of the answers are right, the others at 1/2 and ln 2."
        return (Baseline("the first copy alone", 0.75, math.log(2) / 2, why, play),)
