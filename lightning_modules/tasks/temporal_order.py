"""The temporal order problem."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Baseline, Batch, Chance, Task

WINDOWS = {
    "pascanu": (10, 50),
    "pascanu3": (10, 30, 60),
    "hs97": (10, 50),
    "hs97_3": (10, 33, 66),
}
"""Where the windows begin in which the symbols that matter stand, in hundredths of the lag."""
START, END = 7, 6


class TemporalOrder(Task):
    """Say which of two symbols stood at each of two or three places, in order.

    One example of the dialect `pascanu`, lag 20 (A and B matter, c to f do not; the answer, class
    v0 + 2 v1 with A = 0 and B = 1, is asked for at the last step alone)::

        inputs   d e B c f f d c e d A f c e d f c d d e
        targets                                        1

    The lag is the sequence length T. The symbols stand, at a random place each, in [.1 T, .2 T) and
    [.5 T, .6 T), in `pascanu3` in [.1 T, .2 T), [.3 T, .4 T) and [.6 T, .7 T), as in the authors'
    published code; the realised distance, from the first of them to the last step, is about .8 T
    to .9 T. The symbols of the inputs are numbered A B c d e f.

    `hs97` and `hs97_3` are the original, from memory of it, and stated there for T = 100 alone:
    lengths (here one for a batch) from T to 1.1 T, places from .1 T to .2 T and from .5 T to .6 T,
    or from .1 T to .2 T, .33 T to .43 T and .66 T to .76 T, the last of them included, and a symbol
    of its own at either end: 7 at the start and 6, which asks, at the end.

    Solved, as in Pascanu et al., is 99 % of the sequences right.

    Examples are drawn independently in every split. At lag 10 each symbol that matters has one
    place to stand at, which leaves 4^9 sequences (of `pascanu`), so that training meets test
    sequences; at lag 20 there are 4^20.
    """

    paper = "Hochreiter & Schmidhuber 1997; as in Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"
    version = 1
    dialects = {
        "pascanu": "2 symbols that matter, 4 classes (arXiv:1211.5063)",
        "pascanu3": "3 symbols that matter, 8 classes (arXiv:1211.5063)",
        "hs97": "2 symbols that matter, lengths up to 1.1 T, ends marked (experiment 6a)",
        "hs97_3": "3 symbols that matter, lengths up to 1.1 T, ends marked (experiment 6b)",
    }
    provenance = {"pascanu": "code", "pascanu3": "code", "hs97": "memory", "hs97_3": "memory"}
    lag_means = "sequence length"
    smallest_lag = {"pascanu": 10, "pascanu3": 10, "hs97": 10, "hs97_3": 10}
    answer = "last"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.windows = WINDOWS[dialect]
        self.output_size = 2 ** len(self.windows)
        self.has_ends = dialect.startswith("hs97")
        self.input_size = 8 if self.has_ends else 6

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        rows, n = np.arange(batch)[:, None], len(self.windows)
        length = lag + int(generator.integers(lag // 10 + 1)) if self.has_ends else lag
        starts = lag * np.array(self.windows) // 100
        places = starts + generator.integers(lag // 10 + self.has_ends, size=(batch, n))
        shown = generator.integers(2, size=(batch, n))
        inputs = generator.integers(2, 6, size=(batch, length))
        inputs[rows, places] = shown
        if self.has_ends:
            inputs[:, 0], inputs[:, -1] = START, END
        evidence, mask = np.zeros((2, batch, length), dtype=bool)
        evidence[rows, places] = True
        mask[:, -1] = True
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(shown @ 2 ** np.arange(n)),
            mask=torch.from_numpy(mask),
            evidence=torch.from_numpy(evidence),
        )

    def loss(self, outputs: Float[Tensor, "batch output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the cross-entropy."""
        return F.cross_entropy(outputs, batch.targets)

    def score(self, outputs: Float[Tensor, "batch output"], batch: Batch) -> float:
        """Give the share of sequences that are classified right."""
        is_right = (outputs.argmax(-1) == batch.targets) & outputs.isfinite().all(-1)
        return int(is_right.sum()) / len(is_right)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has seen none of the symbols that matter."""
        k = self.output_size
        return Chance(1 / k, math.log(k), f"{k} classes as likely as each other: 1/{k}, ln {k}.")

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """List what is known to one who has lost the earliest of the symbols, or the first two."""
        self.check(lag)
        return tuple(self._without(lost) for lost in range(len(self.windows) - 1, 0, -1))

    def _without(self, lost: int) -> Baseline:
        k = 2**lost

        def play(batch: Batch) -> Float[Tensor, "batch output"]:
            # The earliest symbol is the lowest bit of the class: what is left is class // k.
            classes = torch.arange(self.output_size) // k
            fits = classes == batch.targets[:, None] // k
            return torch.where(fits, 0.0, -30.0)

        name = f"{len(self.windows) - lost} of {len(self.windows)} symbols remembered"
        why = f"{k} classes are left, as likely as each other: 1/{k}, ln {k}."
        return Baseline(name, 1 / k, math.log(k), why, play)
