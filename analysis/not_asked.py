"""Published findings that were to be asked for and could not be declared: what is lacking."""

NOT_ASKED = (
    (
        "On permuted MNIST convolutions and orthogonal networks lead the LSTM",
        "Bai 2018, arXiv:1803.01271, table 1 (TCN 97.2, GRU 87.3, LSTM 85.7, RNN 25.3)",
        "R",
        (
            "The files of MNIST, which do not come with the project, and without which a study "
            "of them is refused. With the files in place the task is permuted_digits/mnist_pixels; "
            "its form of 64 steps is another claim, and not put in its place."
        ),
    ),
    (
        "More layers give networks with input-only gates selective copying back",
        "Feng 2024, arXiv:2410.01201",
        "none",
        (
            "The paper has not been opened: its numbers are known from memory alone, which is no "
            "reference."
        ),
    ),
)
"""Finding, source, tag, what is lacking."""
