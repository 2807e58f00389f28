"""Steps around a cycle."""

import numpy as np
from jaxtyping import Float64

from lightning_modules.tasks._classes import ClassTask, asked, entropy
from lightning_modules.tasks.base import Batch, Chance

LENGTH = 5
"""Positions of the cycle."""


class CycleNavigation(ClassTask):
    """Say where on a cycle of five positions a walk ends.

    One example, lag 5 (0 is a step back, 1 stays, 2 is a step on; 3 asks)::

        inputs   2  0  1  0  0  3
        target                  3

    The walk starts at position 0. The lag is the number of its steps, T, and the realised distance:
    each step counts. Symbols and classes are those of the published code (read), with one empty
    step appended at which the answer is due. Solved there is an accuracy of .9 over longer walks
    than were trained on; .99 at the lag itself is asked for here.

    A short walk ends near its start more often than elsewhere, so chance is above .2, where it
    comes to at long lags. Who has lost one step is little better than chance.

    Walks are drawn independently in every split. There are 3^T of them: at small lags training
    meets the walks of the test, and N training examples hold a given one with a probability of at
    most N / 3^T.
    """

    paper = "Delétang et al. 2022, arXiv:2207.02098"
    version = 1
    dialects = {"deletang": "back, stay or on, around 5 positions (arXiv:2207.02098)"}
    provenance = {"deletang": "code"}
    lag_means = "steps of the walk"
    smallest_lag = {"deletang": 1}
    answer = "last"
    causal = False
    input_size = 4
    output_size = LENGTH
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        moves = generator.integers(3, size=(batch, lag))
        return asked(moves, (moves - 1).sum(1) % LENGTH, ask=3)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has seen no step."""
        self.check(lag)
        shares = ends(lag)
        return Chance(
            score=float(shares.max()),
            loss=entropy(shares),
            derivation="Always answer where most walks of this length end; shares by the characters"
            " of the cycle, a step having (1 + 2 cos(2 pi k / 5)) / 3 to the power of T.",
        )


def ends(steps: int) -> Float64[np.ndarray, " position"]:
    """Give the probability of each position after so many steps, from its Fourier sum."""
    angles = 2 * np.pi * np.arange(LENGTH) / LENGTH
    characters = ((1 + 2 * np.cos(angles)) / 3) ** steps
    shares: np.ndarray = np.cos(np.outer(np.arange(LENGTH), angles)) @ characters / LENGTH
    return shares.clip(0)
