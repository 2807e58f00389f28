"""What the tasks share that read a string of symbols and are asked for classes after it."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.tasks.base import Batch, Task


class ClassTask(Task):
    """A task whose answers are classes: cross-entropy and accuracy over the scored answers."""

    def loss(self, outputs: Float[Tensor, "batch ..."], batch: Batch) -> Float[Tensor, ""]:
        """Give the cross-entropy, its mean over the scored answers."""
        return F.cross_entropy(*self._scored(outputs, batch))

    def score(self, outputs: Float[Tensor, "batch ..."], batch: Batch) -> float:
        """Give the share of the scored answers that are right."""
        outputs, targets = self._scored(outputs, batch)
        is_right = (outputs.argmax(-1) == targets) & outputs.isfinite().all(-1)
        return int(is_right.sum()) / len(is_right)

    def _scored(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        if self.answer == "last":
            return outputs, batch.targets
        return outputs[batch.mask], batch.targets[batch.mask]


def asked(
    strings: Int[np.ndarray, "batch time"],
    answers: Int[np.ndarray, "batch ..."],
    ask: int,
    evidence: Bool[np.ndarray, "batch time"] | None = None,
    scored: Bool[np.ndarray, "batch answers"] | None = None,
) -> Batch:
    """Ask for the answers after the strings: `ask` is shown once for each of them.

    One answer to an example [batch] is asked for at the last step; several [batch, answers] one
    after the other, and the target is 0 before them. All of the string is evidence and all answers
    are scored, unless given.
    """
    batch, length = strings.shape
    count = 1 if answers.ndim == 1 else answers.shape[1]
    shown = np.pad(strings, ((0, 0), (0, count)), constant_values=ask)
    if evidence is None:
        evidence = np.ones_like(strings, dtype=bool)
    if scored is None:
        scored = np.ones((batch, count), dtype=bool)
    targets = answers if answers.ndim == 1 else np.pad(answers, ((0, 0), (length, 0)))
    return Batch(
        inputs=torch.from_numpy(shown.astype(np.int64)),
        targets=torch.from_numpy(targets.astype(np.int64)),
        mask=torch.from_numpy(np.pad(scored, ((0, 0), (length, 0)))),
        evidence=torch.from_numpy(np.pad(evidence, ((0, 0), (0, count)))),
    )


def entropy(shares: Shaped[np.ndarray, " classes"]) -> float:
    """Give the entropy of class shares, in nats."""
    return -float(np.sum(shares * np.log(np.where(shares > 0, shares, 1))))
