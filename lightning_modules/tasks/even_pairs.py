"""Even pairs: whether a string ends as it began."""

import math

import numpy as np

from lightning_modules.tasks._classes import ClassTask, asked
from lightning_modules.tasks.base import Batch, Chance


class EvenPairs(ClassTask):
    """Say whether the neighbours that differ in a string of bits are odd in number.

    One example, lag 5 (2 asks; 1 0, 0 1 and 1 0 differ: an odd number, class 1)::

        inputs   1  0  1  1  0  2
        target                  1

    The bit changes an even number of times exactly where the string ends as it began. So the
    evidence is the first symbol and the last, and the rest may be forgotten: an easy task that
    reaches far. The lag is the length of the string, T, and the realised distance. Who remembers
    one of the two symbols alone is at chance: there is no partial solution.

    The class of an even number is 0, and one empty step is appended, as in the published code
    (read). Solved there is an accuracy of .9 over longer strings than were trained on; .99 at the
    lag itself is asked for here.

    Strings are drawn independently in every split. There are 2^T of them: at small lags training
    meets the strings of the test, and N training examples hold a given one with a probability of at
    most N / 2^T.
    """

    paper = "Delétang et al. 2022, arXiv:2207.02098"
    version = 1
    dialects = {"deletang": "bits, answered one step after the string (arXiv:2207.02098)"}
    provenance = {"deletang": "code"}
    lag_means = "length of the string"
    smallest_lag = {"deletang": 2}
    answer = "last"
    causal = False
    input_size = 3
    output_size = 2
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        bits = generator.integers(2, size=(batch, lag))
        ends = np.zeros((batch, lag), dtype=bool)
        ends[:, [0, -1]] = True
        return asked(bits, bits[:, 0] ^ bits[:, -1], ask=2, evidence=ends)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who misses one of the two ends."""
        self.check(lag)
        return Chance(0.5, math.log(2), "The ends differ as often as they agree: 1/2, ln 2.")
