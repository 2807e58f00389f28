"""What the tasks share that show a handwritten digit piece by piece and ask for its name."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules import data_sets
from lightning_modules.tasks.base import Batch, Chance, FiniteTask

HELD_BACK = 6
"""Of the training images of MNIST the last sixth is for validation: 10 000, as is usual."""


@cache
def small_digits() -> tuple[Float32[np.ndarray, "count pixel"], Int64[np.ndarray, " count"]]:
    """Give the 8 x 8 images, in [0, 1], and their classes: the set that comes with scikit-learn."""
    # It takes a second to import, and nothing else of the task needs it.
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return (images / 16).reshape(-1, 64).astype(np.float32), classes.astype(np.int64)


class DigitTask(FiniteTask):
    """Show an image in `steps` equal pieces, then blank steps, then ask which digit it was.

    A subclass gives `order`, in which the pixels are shown.
    """

    answer = "last"
    causal = False
    space = "finite"
    output_size = 10
    solved_at = 0.9

    def __init__(self, dialect: str, steps: int, data: str) -> None:
        super().__init__(dialect)
        self.is_large = dialect.startswith("mnist")
        if self.is_large:
            found = data_sets.mnist()
            data_sets.same("mnist", data)
            kept = found.trained - found.trained // HELD_BACK
            self.count = len(found.classes)
            self.parts = {
                "train": range(kept),
                "validation": range(kept, found.trained),
                "test": range(found.trained, self.count),
            }
        else:
            self.count = 1797
        self.pixels = 784 if self.is_large else 64
        self.steps = steps
        self.input_size = self.pixels // steps + 1
        self.order: Int64[np.ndarray, " pixel"] = np.arange(self.pixels)

    def images(self, indices: Shaped[np.ndarray, " batch"]) -> Float32[np.ndarray, "batch pixel"]:
        """Give these images as rows of numbers in [0, 1]."""
        if self.is_large:
            chosen = data_sets.mnist().pixels[indices].reshape(-1, 784)
            return chosen.astype(np.float32) / np.float32(255)
        return small_digits()[0][indices]

    def classes(self) -> Int64[np.ndarray, " count"]:
        """Give the class of every image."""
        return data_sets.mnist().classes if self.is_large else small_digits()[1]

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the examples of these images."""
        self.check(lag)
        batch, length = len(indices), self.steps + lag + 1
        inputs = np.zeros((batch, length, self.input_size), dtype=np.float32)
        pieces = self.images(indices)[:, self.order].reshape(batch, self.steps, -1)
        inputs[:, : self.steps, :-1] = pieces
        inputs[:, -1, -1] = 1
        time = torch.arange(length).expand(batch, length)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(self.classes()[indices]),
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
        shares = np.bincount(self.classes(), minlength=10) / self.count
        common = shares[shares > 0]
        return Chance(
            score=float(shares.max()),
            loss=-math.fsum(common * np.log(common)),
            derivation=f"Always answer {shares.argmax()}, the most common digit "
            f"({shares.max():.4f} of the images); the loss is the entropy of the classes.",
        )
