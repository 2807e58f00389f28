"""Arithmetic modulo five."""

import numpy as np

from lightning_modules.tasks._classes import ClassTask, asked, entropy
from lightning_modules.tasks.base import Batch, Chance

MODULUS = 5
PLUS, MINUS, TIMES, ASK = range(MODULUS, MODULUS + 4)


class ModularArithmetic(ClassTask):
    """Give the value of an expression of digits 0 to 4 and + - *, modulo five.

    One example, lag 5 (5 is plus, 6 minus, 7 times; 8 asks; 1 + 2 * 3 = 7, which is 2)::

        inputs   1  5  2  7  3  8
        target                  2

    A product goes before a sum. The lag is the length of the expression, T, and the realised
    distance; an expression has odd length. For an even T the published code (read) takes T - 1,
    the paper's text T + 1: a dialect each. One empty step is appended, at which the answer is due.
    Solved in the paper is an accuracy of .9 over longer expressions than were trained on; .99 at
    the lag itself is asked for here.

    Products are often 0, and so is the answer in short expressions: chance is above .2, where it
    comes to at long lags. Who has lost a digit that no zero voids knows nothing of the answer.

    Expressions are drawn independently in every split. n digits and n - 1 signs make 5^n 3^(n-1) of
    them: at small lags training meets those of the test.
    """

    paper = "Delétang et al. 2022, arXiv:2207.02098"
    version = 1
    dialects = {
        "code": "an even length is one less, as in the published code (arXiv:2207.02098)",
        "paper": "an even length is one more, as in the paper's text (arXiv:2207.02098)",
    }
    provenance = {"code": "code", "paper": "text"}
    lag_means = "length of the expression"
    smallest_lag = {"code": 1, "paper": 1}
    answer = "last"
    causal = False
    input_size = ASK + 1
    output_size = MODULUS
    solved_at = 0.99

    def digits(self, lag: int) -> int:
        """Count the digits of an expression."""
        return (lag + 1) // 2 if self.dialect == "code" else lag // 2 + 1

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        count = self.digits(lag)
        values = generator.integers(MODULUS, size=(batch, count))
        signs = generator.integers(PLUS, ASK, size=(batch, count - 1))
        total, term = np.zeros(batch, dtype=np.int64), values[:, 0]
        for sign, value in zip(signs.T, values[:, 1:].T, strict=True):
            is_factor = sign == TIMES
            total = np.where(is_factor, total, total + term) % MODULUS
            signed = np.where(sign == MINUS, -value, value)
            term = np.where(is_factor, term * value, signed) % MODULUS
        shown = np.empty((batch, 2 * count - 1), dtype=np.int64)
        shown[:, ::2], shown[:, 1::2] = values, signs
        return asked(shown, (total + term) % MODULUS, ask=ASK)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has seen nothing."""
        self.check(lag)
        tilt = zeros(self.digits(lag))
        shares = np.array([1 + 4 * tilt, *[1 - tilt] * 4]) / MODULUS
        return Chance(
            score=float(shares[0]),
            loss=entropy(shares),
            derivation="Always answer 0, whose share is (1 + 4 f) / 5: a product of k digits leans "
            "to 0 by 1 - .8^(k-1), a sum by the product of that over its terms, f is the mean.",
        )


def zeros(digits: int) -> float:
    """Give by how much the value of an expression leans to 0: 0 not at all, 1 always 0.

    Of k digits the product is 0 with probability 1 - .8^k and else uniform on the four others: its
    character is 1 - .8^(k-1) at each frequency. Characters of independent terms multiply, and a
    term goes on with probability 1/3.
    """
    lean = [1.0]
    for n in range(1, digits + 1):
        products = [(1 / 3) ** (k - 1) * (1 - 0.8 ** (k - 1)) for k in range(1, n + 1)]
        ended = [2 / 3 * p * lean[n - k] for k, p in enumerate(products[:-1], 1)]
        lean.append(sum(ended) + products[-1])
    return lean[digits]
