"""The random permutation problem."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Chance

SYMBOLS = 100


class RandomPermutation(ClassTask):
    """Say that the symbol which began a sequence comes again after its end.

    One example of the dialect `pascanu`, lag 6 (0 or 1 begins; 2 to 99 follow)::

        inputs   1 57  4 98 31  4
        targets 57  4 98 31  4  1

    The lag is the sequence length T. At every step the next symbol is the answer, and the one after
    the last step is the first again: it is scored alone, T-1 steps after it was shown, which is the
    realised distance. In between, each symbol is drawn on its own, as in the published code: it is
    no permutation, in spite of the name. `pascanu` trains on the last answer, `sutskever` on the
    answers at all steps, T-1 of which nobody can know.

    Solved is .99 of the sequences, as in the temporal order problem of Pascanu et al. Who has kept
    one bit has solved it; it is hard because 98 of the 100 symbols are noise.

    Examples are drawn independently in every split. There are 2 * 98^(T-1) of them: N training
    examples hold a given test example with a probability of at most N / 98^(T-1).
    """

    paper = "Hochreiter & Schmidhuber 1997; as in Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"
    version = 1
    dialects = {
        "pascanu": "100 symbols, trained on the last answer (arXiv:1211.5063)",
        "sutskever": "100 symbols, trained on the answers at all steps",
    }
    provenance = {"pascanu": "code", "sutskever": "code"}
    lag_means = "sequence length"
    smallest_lag = {"pascanu": 2, "sutskever": 2}
    answer = "each"
    causal = True
    input_size = output_size = SYMBOLS
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        inputs = generator.integers(2, SYMBOLS, size=(batch, lag))
        inputs[:, 0] = generator.integers(2, size=batch)
        shown = torch.from_numpy(inputs)
        time = torch.arange(lag).expand(batch, lag)
        return Batch(
            inputs=shown, targets=shown.roll(-1, 1), mask=time == lag - 1, evidence=time == 0
        )

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the cross-entropy: of the last answer, in `sutskever` of all, their mean."""
        if self.dialect == "sutskever":
            return F.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())
        return super().loss(outputs, batch)

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who knows which two symbols may be asked for."""
        self.check(lag)
        if self.dialect == "pascanu":
            return Chance(1 / 2, math.log(2), "0 and 1 are as likely as each other: 1/2, ln 2.")
        loss = ((lag - 1) * math.log(SYMBOLS - 2) + math.log(2)) / lag
        why = "0 and 1 are as likely at the end, 98 others before: (ln 2 + (T-1) ln 98) / T."
        return Chance(1 / 2, loss, why)
