"""A string, said again."""

import numpy as np

from lightning_modules.tasks._strings import StringTask


class CopyTranslation(StringTask):
    """Say a string again, symbol by symbol, and then that it has ended.

    One example, lag 3 (`>` asks; what was said has a stroke; `.` ends the reply)::

        inputs   4  0  7  >  4'  0'  7'
        targets  0  0  0  4  0   7   .

    The lag is the length of the source, T. The first symbol is due T steps after it was shown, and
    so is each of the others: it is not the distance that grows within a reply, but what has to be
    held at once, which is the whole string when it has ended. The end is due T steps after the
    first answer. The targets before it are empty and not scored.

    Strings are drawn independently in every split. There are A^T of them, for an alphabet of A
    symbols (10, unless told otherwise): at small lags training meets the strings of the test, and N
    training examples hold a given one with a probability of at most N / A^T.
    """

    paper = "Cho 2014, arXiv:1409.1259; as a task: ours"
    version = 1
    dialects = {"digits": "a string of symbols, each as likely as the others"}
    provenance = {"digits": "ours"}
    lag_means = "length of the source"
    smallest_lag = {"digits": 1}
    answer = "each"
    causal = True
    replies = True

    def __init__(self, dialect: str, *, alphabet: int = 10) -> None:
        super().__init__(dialect, alphabet)

    def translated(self, strings: np.ndarray) -> np.ndarray:
        """Give the strings as they are."""
        return strings
