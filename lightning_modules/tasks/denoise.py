"""The denoise problem."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks import _draws
from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance

ITEMS, VALUES = 10, 8
MARKER = VALUES + 1


class Denoise(ClassTask):
    """Say ten symbols again that stood at random places between blanks, a marker asking for them.

    One example of the dialect `goru`, lag 4 (0 is the blank, 9 the marker that asks)::

        inputs   2  0  4  1  8  0  8  5  3  0  1  6  7  9  0  0  0  0  0  0  0  0  0  0
        targets  0  0  0  0  0  0  0  0  0  0  0  0  0  0  2  4  1  8  8  5  3  1  6  7

    The lag T is the gap of the copy memory problem, whose layout this is (dialect `arjovsky`): ten
    symbols and T-1 blanks, here in any order, the marker, ten blanks. The first symbol is due one
    step after the marker; the realised distance, from wherever it stands, is 11 to T + 10 steps.

    The loss is the mean over all T + 20 steps, the score the accuracy on the ten steps of the
    recall alone. Solved is .99 of the symbols; no paper states when. Original unread: the layout is
    from memory.

    Examples are drawn independently in every split: N training examples hold a given test example
    with a probability of at most N / 2^30.
    """

    paper = "Jing et al. 2017, Gated orthogonal recurrent units, arXiv:1706.02761"
    version = 1
    dialects = {"goru": "10 of 8 symbols between T-1 blanks (arXiv:1706.02761)"}
    provenance = {"goru": "memory"}
    lag_means = "blanks among the symbols, and one"
    smallest_lag = {"goru": 1}
    answer = "each"
    causal = False
    input_size = VALUES + 2
    output_size = VALUES + 1
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        recall = lag + ITEMS
        places = np.sort(_draws.distinct(generator, batch, ITEMS, among=recall - 1))
        symbols = generator.integers(1, VALUES + 1, size=places.shape)
        inputs = np.zeros((batch, recall + ITEMS), dtype=np.int64)
        inputs[:, recall - 1] = MARKER
        np.put_along_axis(inputs, places, symbols, axis=1)
        shown = torch.from_numpy(inputs)
        return Batch(
            inputs=shown,
            targets=F.pad(torch.from_numpy(symbols), (recall, 0)),
            mask=torch.arange(inputs.shape[1]).expand(inputs.shape) >= recall,
            evidence=(shown > 0) & (shown < MARKER),
        )

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean cross-entropy over all steps."""
        return F.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows the layout and none of the symbols."""
        self.check(lag)
        why = f"Blanks up to the recall, then {VALUES} symbols as likely as each other: "
        loss = ITEMS * math.log(VALUES) / (lag + 2 * ITEMS)
        return Chance(1 / VALUES, loss, f"{why}{ITEMS} ln {VALUES} / (T + {2 * ITEMS}).")
