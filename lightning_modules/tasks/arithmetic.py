"""Sums and differences of numbers, read among letters that mean nothing."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from lightning_modules.randomness import batch_generator
from lightning_modules.tasks._classes import ClassTask, asked, entropy
from lightning_modules.tasks.base import Batch, Chance

DIGITS = {"jozefowicz": 8, "small": 2}
"""The most digits of a number."""
PLUS, MINUS, LETTERS, EQUALS = 10, 11, 12, 38
MINUS_SIGN, END = 10, 11
COUNTED = 100_000
"""Examples over which chance is counted."""


class Question(NamedTuple):
    """Numbers and what to do with them, as symbols from the left; behind them, what is unused."""

    symbols: Int64[np.ndarray, "batch place"]
    used: Bool[np.ndarray, "batch place"]
    answers: Int64[np.ndarray, "batch answer"]
    scored: Bool[np.ndarray, "batch answer"]


class Arithmetic(ClassTask):
    """Add or subtract two numbers whose digits stand among letters that mean nothing.

    One example of the dialect `small`, lag 7 (10 is plus, 11 minus, 12 to 37 are letters, 38
    asks; 5 - 29 is -24; of the answer 10 is the minus sign, and 11 ends it)::

        inputs    5 20 11  2 33  9 12 38 38 38 38
        targets   0  0  0  0  0  0  0 10  2  4 11

    The lag is the length of the question, T: numbers and sign in order, each at a random place, and
    letters elsewhere, which are no evidence. Each number has 1 to 8 digits (to 2 in `small`), as
    likely as each other, and no zero in front. The answer is written from its first figure on, one
    in a step, with an end mark, and is scored up to there; what comes later is not. The realised
    distance is from the first digit to the first figure, T at most.

    After the paper's description; it shows the network its own last figure, where here the question
    mark stands at each step of the answer. No paper states a threshold; .99 of all figures is asked
    for here.

    Chance knows how common each figure is at each step of the answer. Examples are drawn
    independently in every split; of two numbers of up to 8 digits and a sign there are 10^16, of up
    to 2 digits 20 000, in many places among many letters.
    """

    paper = "Jozefowicz, Zaremba & Sutskever 2015, PMLR 37; after Zaremba & Sutskever 2014"
    version = 1
    dialects = {
        "jozefowicz": "numbers of up to 8 digits (PMLR 37)",
        "small": "numbers of up to 2 digits",
    }
    provenance = {"jozefowicz": "secondary", "small": "ours"}
    lag_means = "length of the question, letters included"
    smallest_lag = {"jozefowicz": 17, "small": 5}
    answer = "each"
    causal = False
    input_size = EQUALS + 1
    output_size = END + 1
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        question = posed(batch, DIGITS[self.dialect], generator)
        shown = generator.integers(LETTERS, EQUALS, size=(batch, lag))
        # The places are the first of a random order of all, as many as are used, from the left.
        order = generator.random((batch, lag)).argsort(1)[:, : question.used.shape[1]]
        places = np.sort(np.where(question.used, order, lag), axis=1)[question.used]
        rows = question.used.nonzero()[0]
        shown[rows, places] = question.symbols[question.used]
        evidence = np.zeros((batch, lag), dtype=bool)
        evidence[rows, places] = True
        return asked(shown, question.answers, EQUALS, evidence, question.scored)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has seen none of the digits."""
        self.check(lag)
        score, loss = counted(self.dialect)
        return Chance(
            score=score,
            loss=loss,
            derivation="At each step the most common figure of those answers that are not yet at "
            f"their end, by its share. Counted over {COUNTED} examples of a seed of their own.",
        )


@cache
def counted(dialect: str) -> tuple[float, float]:
    """Count how well the most common figures do (score), and their shares (loss)."""
    question = posed(COUNTED, DIGITS[dialect], batch_generator(0, "chance", 0))
    is_figure = question.answers[..., None] == np.arange(END + 1)
    counts = (is_figure & question.scored[..., None]).sum(0)
    steps = counts.sum(1)
    losses = [entropy(row / row.sum()) for row in counts]
    return float(counts.max(1).sum() / steps.sum()), float(steps @ losses / steps.sum())


def posed(batch: int, most: int, generator: np.random.Generator) -> Question:
    """Draw two numbers of up to `most` digits and a sign, and work out the answers."""
    counts = generator.integers(1, most + 1, size=(batch, 2))
    figures = generator.integers(10, size=(batch, 2, most))
    # Only a number of one digit may begin with zero.
    firsts = 1 + generator.integers(9, size=counts.shape)
    figures[..., 0] = np.where(counts > 1, firsts, figures[..., 0])
    signs = generator.integers(2, size=batch)
    is_figure = np.arange(most) < counts[..., None]
    powers = 10 ** (counts[..., None] - 1 - np.arange(most)).clip(0)
    first, second = (figures * powers * is_figure).sum(2).T
    symbols = np.concatenate([figures[:, 0], (PLUS + signs)[:, None], figures[:, 1]], axis=1)
    used = np.concatenate([is_figure[:, 0], np.ones((batch, 1), bool), is_figure[:, 1]], axis=1)
    answers, scored = written(np.where(signs == 1, first - second, first + second), most)
    # Used ones to the left, in their order.
    order = (~used).argsort(axis=1, kind="stable")
    symbols, used = (np.take_along_axis(each, order, axis=1) for each in (symbols, used))
    return Question(symbols, used, answers, scored)


def written(
    values: Int64[np.ndarray, " batch"], most: int
) -> tuple[Int64[np.ndarray, "batch answer"], Bool[np.ndarray, "batch answer"]]:
    """Write numbers from their first figure on, with an end mark; and say which steps that takes.

    A sum has at most one digit more than its numbers, a difference a minus sign: one step in all.
    """
    steps = np.arange(most + 2)
    is_minus = (values < 0)[:, None]
    size = np.abs(values)[:, None]
    count = 1 + (size >= 10 ** np.arange(1, most + 1)).sum(1, keepdims=True)
    ends = count + is_minus
    figures = size // 10 ** (ends - 1 - steps).clip(0) % 10
    answers = np.where(is_minus & (steps == 0), MINUS_SIGN, np.where(steps < ends, figures, END))
    return answers, steps <= ends
