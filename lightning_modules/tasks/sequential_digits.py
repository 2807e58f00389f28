"""Handwritten digits, read piece by piece."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Batch, Chance, FiniteTask


@cache
def digits() -> tuple[Float32[np.ndarray, "count 8 8"], Int64[np.ndarray, " count"]]:
    """Give the images, in [0, 1], and their classes: the set that comes with scikit-learn."""
    # It takes a second to import, and nothing else of the task needs it.
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return (images / 16).reshape(-1, 8, 8).astype(np.float32), classes.astype(np.int64)


class SequentialDigits(FiniteTask):
    """Name a handwritten digit that was read row by row or pixel by pixel, some time ago.

    One example of the dialect `pixels`, lag 3 (the second channel asks, at the last step)::

        pixel    0  0  .3  .8  ...  .6  0  0  0  0  0
        asked    0  0   0   0  ...   0  0  0  0  0  1
        target                                      7

    1797 real images of 8 x 8 pixels in ten classes, read from the top left: in `rows` 8 steps of 8
    numbers, in `pixels` 64 steps of one. Then come `lag` blank steps, and the step that asks. So
    the last piece of the image is lag + 1 steps back, and its first, from which the realised
    distance is counted, lag + 8 or lag + 64. All steps of the image are evidence.

    Images, not draws, are divided among training, validation and test. It is a small relative of
    sequential MNIST (784 pixels, 60 000 training images), whose results are a different claim. No
    paper states when it is solved; .9 is asked for here, which a linear classifier that sees the
    whole image at once exceeds.
    """

    paper = (
        "images: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits; "
        "reading by pixel: Le, Jaitly & Hinton 2015, arXiv:1504.00941"
    )
    version = 1
    dialects = {
        "rows": "8 steps of 8 pixels, then the blank steps",
        "pixels": "64 steps of one pixel, then the blank steps",
    }
    lag_means = "blank steps between image and question"
    smallest_lag = {"rows": 1, "pixels": 1}
    answer = "last"
    causal = False
    space = "finite"
    count = 1797
    output_size = 10
    solved_at = 0.9

    def __init__(self, dialect: str) -> None:
        super().__init__(dialect)
        self.steps = {"rows": 8, "pixels": 64}[dialect]
        self.input_size = 64 // self.steps + 1

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the examples of these images."""
        self.check(lag)
        images, classes = digits()
        batch, length = len(indices), self.steps + lag + 1
        inputs = np.zeros((batch, length, self.input_size), dtype=np.float32)
        inputs[:, : self.steps, :-1] = images[indices].reshape(batch, self.steps, -1)
        inputs[:, -1, -1] = 1
        time = torch.arange(length).expand(batch, length)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(classes[indices]),
            mask=time == length - 1,
            evidence=time < self.steps,
        )

    def loss(self, outputs: Float[Tensor, "batch 10"], batch: Batch) -> Float[Tensor, ""]:
        """Give the cross-entropy."""
        return F.cross_entropy(outputs, batch.targets)

    def score(self, outputs: Float[Tensor, "batch 10"], batch: Batch) -> float:
        """Give the share of images that are named right."""
        is_right = (outputs.argmax(-1) == batch.targets) & outputs.isfinite().all(-1)
        return int(is_right.sum()) / len(is_right)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows how common each class is, and has seen no image."""
        shares = np.bincount(digits()[1]) / self.count
        return Chance(
            score=float(shares.max()),
            loss=-math.fsum(shares * np.log(shares)),
            derivation=f"Always answer {shares.argmax()}, the most common digit "
            f"({shares.max():.4f} of the images); the loss is the entropy of the classes.",
        )
