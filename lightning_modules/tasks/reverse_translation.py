"""A string, said from its end."""

import numpy as np

from lightning_modules.tasks._strings import StringTask


class ReverseTranslation(StringTask):
    """Say a string from its end to its beginning, symbol by symbol, and then that it has ended.

    One example, lag 3 (`>` asks; what was said has a stroke; `.` ends the reply)::

        inputs   4  0  7  >  7'  0'  4'
        targets  0  0  0  7  0   4   .

    The lag is the length of the source, T. The last symbol is due one step after it was shown, the
    first 2 T - 1 steps after; the realised distance, from the first symbol to the first answer, is
    T. To whom the source is read backwards this is `copy_translation`, and the other way round. The
    targets before the first answer are empty and not scored.

    Strings are drawn independently in every split. There are A^T of them, for an alphabet of A
    symbols (10, unless told otherwise): at small lags training meets the strings of the test, and N
    training examples hold a given one with a probability of at most N / A^T.
    """

    paper = "Sutskever 2014, arXiv:1409.3215; as a task: ours"
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
        """Give the strings from their ends."""
        return strings[:, ::-1]
