"""Handwritten digits, their pixels read in an order that makes no sense."""

import numpy as np

from lightning_modules.refusal import RefusedError
from lightning_modules.tasks._digits import DigitTask

STEPS = {"pixels": 64, "mnist_pixels": 784}


class PermutedDigits(DigitTask):
    """Name a handwritten digit whose pixels were read in a shuffled order, some time ago.

    One example of the dialect `pixels`, lag 3 (the second channel asks, at the last step)::

        pixel    0  .3  .9  0  ...  0  .2  0  0  0  0
        asked    0   0   0  0  ...  0   0  0  0  0  1
        target                                      7

    As `sequential_digits`, images, splits and distances included, but that the order of the pixels
    is a permutation, the same for all images: neighbours in the image are far from one another in
    time. Papers differ in it, and it decides how hard the task is. So its seed is part of the
    declaration, as in `pixels(permutation=1234)`: the order is numpy's
    RandomState(seed).permutation(pixels). 92916, the default, is the seed of the code of expRNN,
    1234 that of nnRNN (both read); others draw an order that nobody can repeat.
    """

    paper = "Le, Jaitly & Hinton 2015, arXiv:1504.00941; the seed: arXiv:1901.08428"
    version = 1
    dialects = {
        "pixels": "64 steps of one pixel, then the blank steps",
        "mnist_pixels": "784 steps of one pixel of MNIST, then the blank steps (arXiv:1504.00941)",
    }
    provenance = {"pixels": "ours", "mnist_pixels": "secondary"}
    reads = {"mnist_pixels": "mnist"}
    lag_means = "blank steps between image and question"
    smallest_lag = {"pixels": 1, "mnist_pixels": 1}
    answer = "last"
    causal = False

    def __init__(self, dialect: str, *, permutation: int = 92916, data: str = "") -> None:
        super().__init__(dialect, STEPS.get(dialect, 1), data)
        if not 0 <= permutation < 2**32:
            raise RefusedError(f"permutation {permutation}: a seed is from 0 to {2**32 - 1}")
        # The old generator, whose numbers never change: it is the one that the papers' code calls.
        self.order = np.random.RandomState(permutation).permutation(self.pixels)
