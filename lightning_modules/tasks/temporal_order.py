"""The temporal order problem."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Batch, Chance, Task

WINDOWS = {"pascanu": (1, 5), "pascanu3": (1, 3, 6)}
"""Where the symbols that matter stand: each in a window of a tenth, that begins at this tenth."""


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

    Solved, as in the paper, is 99 % of the sequences right. Not here is the original of 1997: it
    is stated for a single length, of about 100 steps, with a symbol of its own at either end.

    Examples are drawn independently in every split. At lag 10 each symbol that matters has one
    place to stand at, which leaves 4^9 sequences (of `pascanu`), so that training meets test
    sequences; at lag 20 there are 4^20.
    """

    paper = "Hochreiter & Schmidhuber 1997; as in Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"
    version = 1
    dialects = {
        "pascanu": "2 symbols that matter, 4 classes (arXiv:1211.5063)",
        "pascanu3": "3 symbols that matter, 8 classes (arXiv:1211.5063)",
    }
    lag_means = "sequence length"
    smallest_lag = {"pascanu": 10, "pascanu3": 10}
    answer = "last"
    causal = False
    input_size = 6
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.windows = WINDOWS[dialect]
        self.output_size = 2 ** len(self.windows)

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        rows, n = np.arange(batch)[:, None], len(self.windows)
        starts = lag * np.array(self.windows) // 10
        places = starts + generator.integers(lag // 10, size=(batch, n))
        shown = generator.integers(2, size=(batch, n))
        inputs = generator.integers(2, 6, size=(batch, lag))
        inputs[rows, places] = shown
        evidence, mask = np.zeros((2, batch, lag), dtype=bool)
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
