"""Permutations, one after the other."""

import itertools
import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Baseline, Batch, Chance, Task

SIZES = {"s3": 3, "a5": 5, "s5": 5}
"""How many things are permuted."""


@cache
def elements(dialect: str) -> tuple[tuple[int, ...], ...]:
    """List the permutations of a group in lexicographic order: the number of one is its place."""
    everything = itertools.permutations(range(SIZES[dialect]))
    return tuple(p for p in everything if dialect != "a5" or is_even(p))


def is_even(permutation: tuple[int, ...]) -> bool:
    """Tell whether an even number of swaps makes a permutation."""
    return sum(a > b for a, b in itertools.combinations(permutation, 2)) % 2 == 0


@cache
def products(dialect: str) -> Int64[np.ndarray, "first then"]:
    """Give the number of the permutation that is one, and then another, by their numbers."""
    group = elements(dialect)
    numbers = {p: number for number, p in enumerate(group)}
    table = [[numbers[tuple(b[i] for i in a)] for b in group] for a in group]
    return np.array(table, dtype=np.int64)


class S5(Task):
    """Say to which permutation a series of permutations amounts.

    One example of the dialect `s3`, lag 4 (0 is 012, 1 is 021, 2 is 102, 3 is 120, 4 is 201, 5 is
    210; 1 and then 2 is 102 after 021, which takes 0 to 1, 1 to 2 and 2 to 0: it is 3)::

        inputs   1  2  2  5
        targets  1  3  1  4

    A permutation p takes i to p(i); the answer at each step is all permutations so far, the first
    applied first. The lag is their number, T: the realised distance is T - 1, from the first to the
    last step, which alone is scored. Each permutation counts: who has lost one knows nothing, but
    in `s3` and `s5` for the parity (of the permutation: even or odd), which one bit keeps.

    The loss asks for the answer at every step but the first, where nothing is to be composed, as
    the literature trains it. The permutations of five things, or the even ones of them, are the
    smallest groups that are not solvable: a word problem that is complete for NC1, which networks
    of fixed depth with a linear state cannot solve at all lengths, where one RNN layer can. `s3` is
    our small one, and solvable. No paper states a threshold; .99 is asked for here.

    Series are drawn independently in every split. There are k^T of them in a group of k: training
    meets those of the test at lag 2 (14 400 of `s5`, 36 of `s3`) and rarely later.
    """

    paper = "Merrill, Petty & Sabharwal 2024, arXiv:2404.08819; Liu et al. 2023, arXiv:2210.10749"
    version = 1
    dialects = {
        "s5": "all 120 permutations of five things (arXiv:2404.08819)",
        "a5": "the 60 even permutations of five things (arXiv:2404.08819)",
        "s3": "the 6 permutations of three things: small, and solvable",
    }
    provenance = {"s5": "memory", "a5": "memory", "s3": "ours"}
    lag_means = "number of permutations"
    smallest_lag = {"s5": 2, "a5": 2, "s3": 2}
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.input_size = self.output_size = len(elements(dialect))

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        table = products(self.dialect)
        shown = generator.integers(len(table), size=(batch, lag))
        targets = shown.copy()
        for step in range(1, lag):
            targets[:, step] = table[targets[:, step - 1], shown[:, step]]
        return Batch(
            inputs=torch.from_numpy(shown),
            targets=torch.from_numpy(targets),
            mask=(torch.arange(lag) == lag - 1).repeat(batch, 1),
            evidence=torch.ones(batch, lag, dtype=torch.bool),
        )

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean cross-entropy over all steps from the second on."""
        return F.cross_entropy(outputs[:, 1:].flatten(0, 1), batch.targets[:, 1:].flatten())

    def score(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> float:
        """Give the share of series whose last answer is right."""
        last = outputs[:, -1]
        is_right = (last.argmax(-1) == batch.targets[:, -1]) & last.isfinite().all(-1)
        return int(is_right.sum()) / len(is_right)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who misses any of the permutations."""
        self.check(lag)
        k = self.output_size
        why = f"All {k} permutations as likely as each other from step 2 on: 1/{k}, ln {k}."
        return Chance(1 / k, math.log(k), why)

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Keep the parity of the product, where it has one to keep."""
        if self.dialect == "a5":
            return ()
        k = self.output_size
        is_odd = torch.tensor([not is_even(p) for p in elements(self.dialect)])

        def play(batch: Batch) -> Float[Tensor, "batch time output"]:
            parities = is_odd[batch.inputs].int().cumsum(1) % 2
            return 30.0 * (parities[..., None] == is_odd.int()).float()

        why = f"Half of the {k} permutations are even, half odd: 2/{k}, ln {k // 2}."
        return (Baseline("even or odd", 2 / k, math.log(k / 2), why, play),)
