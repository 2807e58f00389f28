"""Parity of a string of bits."""

import math

import numpy as np

from lightning_modules.tasks._classes import ClassTask, asked
from lightning_modules.tasks.base import Batch, Chance


class Parity(ClassTask):
    """Say whether a string holds an odd number of ones.

    One example, lag 5 (2 asks for the answer)::

        inputs   1  0  1  1  0  2
        target                  1

    The lag is the length of the string, and the realised distance, since each bit counts: who has
    lost any one of them, and knows all the others, is at chance. So there is no partial solution.

    As in the published code (read), 0 is the class of an even number, and one empty step is
    appended, at which the answer is due. Solved there is an accuracy of .9, the mean over longer
    strings than were trained on; .99 at the lag itself is asked for here.

    Strings are drawn independently in every split. There are 2^T of them: at small lags training
    meets the strings of the test, and N training examples hold a given one with a probability of at
    most N / 2^T.
    """

    paper = "Delétang et al. 2022, arXiv:2207.02098"
    version = 1
    dialects = {"deletang": "bits, answered one step after the string (arXiv:2207.02098)"}
    provenance = {"deletang": "code"}
    lag_means = "length of the string"
    smallest_lag = {"deletang": 1}
    answer = "last"
    causal = False
    input_size = 3
    output_size = 2
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        bits = generator.integers(2, size=(batch, lag))
        return asked(bits, bits.sum(1) % 2, ask=2)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who misses any of the bits."""
        self.check(lag)
        return Chance(0.5, math.log(2), "Odd is as likely as even, whatever the other bits: ln 2.")
