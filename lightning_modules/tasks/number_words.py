"""Numbers in words, translated."""

from typing import Literal

import numpy as np

from lightning_modules.refusal import RefusedError
from lightning_modules.tasks._numerals import Numerals, lists, numerals
from lightning_modules.tasks._replies import ReplyTask, laid
from lightning_modules.tasks.base import Batch, Reply


class NumberWords(ReplyTask):
    """Say a list of numbers, given in the words of one language, in those of another.

    One example, lag 7 (`>` asks; what was said has a stroke; `.` ends the reply)::

        inputs   ein und zwanzig , drei hundert sechs > twenty' one' ,' three' hundred' and' six'
        targets  0   0   0       0 0    0       0     twenty one , three hundred and six .

    (which is 21, 306). A word is what stands for one thing: German and Korean write several
    together, and are parted. The order of the words differs: German has the ones before the tens,
    Korean counts in ten thousands, so that what English calls its thousands is spread over two
    places. The lag is the number of words in the source, T, without its end, the commas between the
    numbers included. The first word of the reply may hang on any of them; nobody can say which, so
    that all are evidence. Replies are longer or shorter than sources.

    The numbers, 1 to 999 999, are written by num2words. Of each, the number of digits is drawn, 1
    to 6, and then one of so many digits, among those whose words leave the list its length. Lists
    are drawn independently in every split: at small lags training meets the lists of the test. No
    chance is stated: what was said tells much of what comes next, source or no source.
    """

    paper = "word order after Sutskever 2014, arXiv:1409.3215; as a task: ours"
    version = 1
    dialects = {"lists": "lists of numbers below a million, in the words of num2words"}
    provenance = {"lists": "ours"}
    lag_means = "words of the source"
    smallest_lag = {"lists": 1}
    answer = "each"
    causal = True
    replies = True
    has_words = True
    solved_at = None
    why_no_chance = (
        "how much of a number its own first words tell, without the source, is not known"
    )

    def __init__(
        self,
        dialect: str,
        *,
        source: Literal["german", "english", "korean"] = "german",
        target: Literal["english", "german", "korean"] = "english",
    ) -> None:
        super().__init__(dialect)
        if source == target:
            raise RefusedError(f"from {source} to {target}: two languages are needed")
        self.source: Numerals = numerals(source)
        self.target: Numerals = numerals(target)
        words = (*self.target.words, ".")
        self.reply = Reply(self.source.words, words, end=len(words) - 1)
        self.input_size, self.output_size = self.reply.input_size, len(words)

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        drawn = lists(self.source, batch, lag, generator)
        return laid(self.reply, *self.source.write(drawn), *self.target.write(drawn))

    def chance(self, lag: int) -> None:
        """Give none: see `why_no_chance`."""
