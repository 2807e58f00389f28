"""Handwritten digits, read piece by piece."""

from lightning_modules.tasks._digits import DigitTask

STEPS = {"rows": 8, "pixels": 64, "mnist_rows": 28, "mnist_pixels": 784}
"""Pieces of an image."""


class SequentialDigits(DigitTask):
    """Name a handwritten digit that was read row by row or pixel by pixel, some time ago.

    One example of the dialect `pixels`, lag 3 (the second channel asks, at the last step)::

        pixel    0  0  .3  .8  ...  .6  0  0  0  0  0
        asked    0  0   0   0  ...   0  0  0  0  0  1
        target                                      7

    Real images in ten classes, read from the top left: 1797 of 8 x 8 pixels, which come with
    scikit-learn, in `rows` 8 steps of 8 numbers, in `pixels` 64 steps of one; and the 70 000 of
    MNIST, 28 x 28, from the user's copy (the folder that LONGDEP_MNIST names, or data/mnist), in
    `mnist_rows` 28 steps and in `mnist_pixels` 784. Then come `lag` blank steps, and the step that
    asks. So the last piece of the image is lag + 1 steps back, and its first, from which the
    realised distance is counted, lag + steps. All steps of the image are evidence. The literature
    asks at the last pixel: two steps earlier than here at lag 1.

    Images, not draws, are divided among training, validation and test. The small images are shared
    out by number; MNIST has its own 10 000 for the test, and of the others the last 10 000 are for
    validation. A result on the small images says nothing of MNIST. Pixels are in [0, 1]. The MNIST
    that a trial has read is part of its declaration, by a hash.

    No paper states when it is solved; .9 is asked for here, which a linear classifier that sees the
    whole image at once exceeds.
    """

    paper = (
        "reading by pixel: Le, Jaitly & Hinton 2015, arXiv:1504.00941; images: Alpaydin & Kaynak "
        "1998, UCI Optical Recognition of Handwritten Digits, and LeCun et al. 1998 (MNIST)"
    )
    version = 1
    dialects = {
        "rows": "8 steps of 8 pixels, then the blank steps",
        "pixels": "64 steps of one pixel, then the blank steps",
        "mnist_rows": "28 steps of 28 pixels of MNIST, then the blank steps",
        "mnist_pixels": "784 steps of one pixel of MNIST, then the blank steps (arXiv:1504.00941)",
    }
    provenance = {
        "rows": "ours",
        "pixels": "ours",
        "mnist_rows": "ours",
        "mnist_pixels": "secondary",
    }
    reads = {"mnist_rows": "mnist", "mnist_pixels": "mnist"}
    lag_means = "blank steps between image and question"
    smallest_lag = {"rows": 1, "pixels": 1, "mnist_rows": 1, "mnist_pixels": 1}
    answer = "last"
    causal = False

    def __init__(self, dialect: str, *, data: str = "") -> None:
        super().__init__(dialect, STEPS.get(dialect, 1), data)
