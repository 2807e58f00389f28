"""The copy memory problem."""

import math

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Batch, Chance, FiniteTask

DISTRACTORS = 8


class CopyMemory(FiniteTask):
    """Say a list of symbols again, a long time after it was shown.

    One example of the dialect `small`, lag 4 (0 is the blank, 5 the marker that asks)::

        inputs   2  4  1  0  0  0  5  0  0  0
        targets  0  0  0  0  0  0  0  2  4  1

    The lag is the gap T; a sequence has T + 2 n steps for a list of n. Each symbol is asked for
    T + n steps after it was shown, the same for all of them, and that is the realised distance.

    The dialects differ in the marker. In `arjovsky` and `small` T-1 blanks lie between list and
    marker, and the first symbol is due one step after the marker. `exprnn` has T blanks, and the
    first symbol is due at the marker itself. `bai` is `arjovsky` with the marker standing to the
    end, n+1 times; its input is one real number, the symbol's (0 to 9), and the marker is a tenth
    class of the output that is never right. The others are one-hot and have no such class.

    Three more are `arjovsky` with one thing changed. In `henaff` the marker stands g steps after
    the list, g drawn from 1 to T for each example; blanks follow the recall, so that all are
    T + 2 n long, and the realised distance is g + n: what has to be learned is to wait for the
    marker, not to count. `reversed` asks for the list from its end: the last symbol is asked for
    after T + 1 steps, the first after T + 2 n - 1. In `distractors` every blank of the input is one
    of eight symbols that mean nothing (10 to 17) instead.

    The loss is the mean over all steps, as in the literature; in `small`, which is ours, over the
    n steps of the recall, since three steps in twenty-six would hardly be heard. The score is the
    accuracy on the n steps of the recall alone: blanks everywhere would be right on (T+n)/(T+2n) of
    all steps. No paper states when the task is solved; .99 of the symbols is what is asked here.

    Ten symbols of eight give 2^30 lists, drawn independently in every split: N training examples
    hold a given test list with a probability of at most N / 2^30. `small` has three symbols of
    four, 64 lists: training and test are the same, and evaluation takes each list once.
    """

    paper = "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464; after Hochreiter & Schmidhuber 1997"
    version = 1
    dialects = {
        "arjovsky": "10 of 8 symbols, recalled after the marker (arXiv:1511.06464)",
        "bai": "as arjovsky, the marker repeated, one real number as the input (arXiv:1803.01271)",
        "exprnn": "10 of 8 symbols, recalled from the marker on (arXiv:1901.08428)",
        "small": "as arjovsky, 3 of 4 symbols: 64 lists, all of them seen in training",
        "henaff": "as arjovsky, the marker after 1 to T steps (arXiv:1602.06662)",
        "reversed": "as arjovsky, recalled from the end of the list",
        "distractors": "as arjovsky, with symbols that mean nothing in place of the blanks",
    }
    provenance = {
        "arjovsky": "code",
        "bai": "code",
        "exprnn": "code",
        "small": "ours",
        "henaff": "secondary",
        "reversed": "ours",
        "distractors": "ours",
    }
    lag_means = "gap between list and marker"
    smallest_lag = {
        "arjovsky": 1,
        "bai": 1,
        "exprnn": 1,
        "small": 1,
        "henaff": 1,
        "reversed": 1,
        "distractors": 1,
    }
    answer = "each"
    causal = False
    solved_at = 0.99

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.items, self.values = (3, 4) if dialect == "small" else (10, 8)
        self.marker = self.values + 1
        if dialect == "small":
            self.space, self.count = "exhaustive", self.values**self.items
        sizes = {"bai": 1, "distractors": self.marker + 1 + DISTRACTORS}
        self.input_size = sizes.get(dialect, self.marker + 1)
        self.output_size = self.values + 1 + (dialect == "bai")

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the examples of these lists: a list's number, written in base `values`."""
        self.check(lag)
        symbols = 1 + indices[:, None] // self.values ** np.arange(self.items) % self.values
        shape = (len(indices), lag + 2 * self.items)
        waits = generator.integers(1, lag + 1, size=shape[0]) if self.dialect == "henaff" else lag
        recall = np.broadcast_to(self.items + waits, shape[0])[:, None]
        since = np.arange(shape[1]) - recall
        is_recall = (0 <= since) & (since < self.items)
        inputs, targets = np.zeros((2, *shape), dtype=np.int64)
        inputs[:, : self.items] = symbols
        targets[is_recall] = (symbols[:, ::-1] if self.dialect == "reversed" else symbols).ravel()
        marked = 0 if self.dialect == "exprnn" else -1
        is_marker = since >= marked if self.dialect == "bai" else since == marked
        inputs[is_marker] = self.marker
        if self.dialect == "distractors":
            others = generator.integers(self.marker + 1, self.input_size, size=shape)
            inputs = np.where(inputs == 0, others, inputs)
        shown = torch.from_numpy(inputs)
        return Batch(
            inputs=shown.float()[:, :, None] if self.dialect == "bai" else shown,
            targets=torch.from_numpy(targets),
            mask=torch.from_numpy(is_recall),
            evidence=torch.arange(shape[1]).expand(shape) < self.items,
        )

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw lists, each as likely as the others."""
        return self.take(generator.integers(self.values**self.items, size=batch), lag, generator)

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the mean cross-entropy over all steps; in `small`, over the recall alone."""
        if self.dialect == "small":
            return F.cross_entropy(outputs[batch.mask], batch.targets[batch.mask])
        return F.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())

    def score(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> float:
        """Give the accuracy over the steps of the recall."""
        is_right = (outputs.argmax(-1) == batch.targets) & outputs.isfinite().all(-1)
        return int(is_right[batch.mask].sum()) / int(batch.mask.sum())

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows the layout and none of the symbols."""
        n, k = self.items, self.values
        if self.dialect == "small":
            why = f"{k} symbols as likely as each other: ln {k} at each step of the recall."
            return Chance(1 / k, math.log(k), why)
        return Chance(
            score=1 / k,
            loss=n * math.log(k) / (lag + 2 * n),
            derivation=f"Blanks up to the recall, then {k} symbols as likely as each other: "
            f"{n} ln {k} / (T + {2 * n}).",
        )
