"""Nested brackets."""

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._classes import ClassTask, asked
from lightning_modules.tasks.base import Baseline, Batch, Chance

SHAPES = {"k2m4": (2, 4), "k8m4": (8, 4), "k2m8": (2, 8)}
"""Kinds of brackets, and how deep they nest."""


class Dyck(ClassTask):
    """Close the brackets that are open at the end of a string, the innermost first.

    One example of the dialect `k2m4`, lag 8 (0 and 1 open, 2 and 3 close; 4 asks)::

        inputs   0  1  1  3  0  2  0  0  4  4  4  4
        targets  0  0  0  0  0  0  0  0  0  0  1  0

    The strings are beginnings of words of Dyck-(k, m): k kinds of brackets, well nested, at most m
    open at a time. Each next bracket opens or closes with probability 1/2, where both are allowed,
    given that all m levels are open at the end; kinds are as likely as each other. So m closing
    brackets are due, and the answers are their kinds.

    The lag is the length of the string, T, or one more where that and m do not match (an odd
    number of brackets leaves an odd number open). The evidence is the m brackets that stay open.
    The realised distance is from the outermost of them, which stands anywhere from the first step
    to m before the end, to the first answer; that one is asked for m - 1 steps later still. Who
    remembers the d innermost alone scores (d + (m - d) / k) / m.

    Bounded nesting is what a network of limited memory can do (m levels of k kinds take m log k
    bits); here a memory of a fixed number of recent steps cannot, since what lies between two open
    brackets is of any length. The strings, and the question, which is ours, follow the paper's
    language, not its data. No paper states a threshold; .99 is asked for here.

    Strings are drawn independently in every split. At the smallest lag, m, all brackets stay open,
    and there are k^m strings.
    """

    paper = "Hewitt et al. 2020, arXiv:2010.07515"
    version = 1
    dialects = {
        "k2m4": "2 kinds of brackets, 4 levels",
        "k8m4": "8 kinds of brackets, 4 levels",
        "k2m8": "2 kinds of brackets, 8 levels",
    }
    provenance = {"k2m4": "ours", "k8m4": "ours", "k2m8": "ours"}
    lag_means = "length of the string"
    smallest_lag = {"k2m4": 4, "k8m4": 4, "k2m8": 8}
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.kinds, self.levels = SHAPES[dialect]
        self.input_size = 2 * self.kinds + 1
        self.output_size = self.kinds

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        length = lag + (lag - self.levels) % 2
        opens = openings(length, self.levels)
        coins = generator.random((batch, length))
        drawn = generator.integers(self.kinds, size=(batch, length))
        shown = np.empty((batch, length), dtype=np.int64)
        # What is open: the kind on each level, and the step at which it was opened.
        kinds, steps = np.zeros((2, batch, self.levels), dtype=np.int64)
        rows, depth = np.arange(batch), np.zeros(batch, dtype=np.int64)
        for t in range(length):
            is_opening = coins[:, t] < opens[t, depth]
            level = depth - ~is_opening
            kinds[rows, level] = np.where(is_opening, drawn[:, t], kinds[rows, level])
            steps[rows, level] = np.where(is_opening, t, steps[rows, level])
            shown[:, t] = kinds[rows, level] + np.where(is_opening, 0, self.kinds)
            depth = np.where(is_opening, depth + 1, level)
        evidence = np.zeros((batch, length), dtype=bool)
        evidence[rows[:, None], steps] = True
        return asked(shown, kinds[:, ::-1], ask=2 * self.kinds, evidence=evidence)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who remembers no bracket."""
        self.check(lag)
        k = self.kinds
        return Chance(1 / k, math.log(k), f"{k} kinds as likely as each other: 1/{k}, ln {k}.")

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Know what the innermost open bracket is, and no other."""
        k, m = self.kinds, self.levels

        def play(batch: Batch) -> Float[Tensor, "batch time output"]:
            outputs = torch.zeros(*batch.inputs.shape, k)
            outputs[:, -m] = 30.0 * F.one_hot(batch.targets[:, -m], k)
            return outputs

        score, loss = (1 + (m - 1) / k) / m, (m - 1) / m * math.log(k)
        why = f"One of {m} is right, the others at 1/{k} and ln {k}."
        return (Baseline("the innermost bracket alone", score, loss, why, play),)


def openings(length: int, levels: int) -> Float64[np.ndarray, "time depth"]:
    """Give the probability that a bracket opens, at each step and depth, if all end up open.

    Bayes' rule on a walk between 0 and `levels` that goes up or down with probability 1/2, and the
    only way there is at either end: up by P(up) P(end | one up) over the same plus its opposite.
    """
    up = np.full(levels + 1, 0.5)
    up[0], up[-1] = 1, 0
    ends = np.zeros((length + 1, levels + 1))
    ends[length, levels] = 1
    found = np.zeros((length, levels + 1))
    for t in reversed(range(length)):
        rise = up * np.append(ends[t + 1, 1:], 0)
        fall = (1 - up) * np.append(0, ends[t + 1, :-1])
        ends[t] = rise + fall
        found[t] = np.divide(rise, ends[t], out=np.zeros_like(rise), where=ends[t] > 0)
    return found
