"""What the tasks share that answer a source with a sequence, said symbol by symbol."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_modules.tasks._classes import ClassTask
from lightning_modules.tasks.base import Batch, Reply


class ReplyTask(ClassTask):
    """A task whose answer is a sequence; its end is a symbol of it, and is scored as well.

    The loss is averaged over the symbols of the replies, so that padding has no part in it. The
    score is the share of symbols that are right in their places: what a network says after its own
    end, or beyond the place of the target's, counts for nothing.
    """

    answer = "each"
    causal = True
    replies = True
    reply: Reply
    has_words = False
    """Whether the symbols are words, so that BLEU and chrF say something."""

    def measures(
        self, outputs: Float[Tensor, "batch time output"], batch: Batch
    ) -> dict[str, float]:
        """Give the share of replies without a mistake; of words BLEU and chrF as well, from 0 to 1.

        BLEU counts words as they stand here, chrF their characters (sacrebleu).
        """
        is_right = (outputs.argmax(-1) == batch.targets) & outputs.isfinite().all(-1)
        found = {"exact": float((is_right | ~batch.mask).all(1).double().mean())}
        if not self.has_words:
            return found
        # Costs a third of a second, and only trials on such tasks have a use for it.
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF

        said = [self.text(row) for row in spoken(self.reply, outputs.argmax(-1), batch)]
        right = [self.text(row) for row in spoken(self.reply, batch.targets, batch)]
        bleu = BLEU(tokenize="none", force=True, effective_order=False, smooth_method="exp")
        return found | {
            "bleu": bleu.corpus_score(said, [right]).score / 100,
            "chrf": CHRF().corpus_score(said, [right]).score / 100,
        }

    def text(self, said: list[int]) -> str:
        """Write a reply in words."""
        return " ".join(self.reply.words[symbol] for symbol in said)


def spoken(reply: Reply, symbols: Int[Tensor, "batch time"], batch: Batch) -> list[list[int]]:
    """Read each reply up to its end, within the room that its target has."""
    rows = [row[mask].tolist() for row, mask in zip(symbols, batch.mask, strict=True)]
    return [row[: row.index(reply.end)] if reply.end in row else row for row in rows]


def laid(
    reply: Reply,
    sources: Int[np.ndarray, "batch longest_source"],
    source_lengths: Int[np.ndarray, " batch"],
    targets: Int[np.ndarray, "batch longest_target"],
    target_lengths: Int[np.ndarray, " batch"],
) -> Batch:
    """Lay out sources and targets: a source, `start`, the reply so far; padding at the right alone.

    What stands in `sources` and `targets` beyond the lengths is not read.
    """
    n, m = source_lengths[:, None], target_lengths[:, None]
    step = np.arange(int((n + m).max()) + 1) - n
    source = _at(sources, step + n)
    said = np.where(step <= m, _at(targets, step - 1), reply.end)
    due = np.where(step < m, _at(targets, step), reply.end)
    is_reply = (step >= 0) & (step <= m)
    inputs = np.where(step < 0, source, np.where(step == 0, reply.start, reply.start + 1 + said))
    return Batch(
        inputs=torch.from_numpy(inputs.astype(np.int64)),
        targets=torch.from_numpy(np.where(is_reply, due, 0).astype(np.int64)),
        mask=torch.from_numpy(is_reply),
        evidence=torch.from_numpy(step < 0),
    )


def _at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Read a place of each row; what lies outside it is read at its edge, and not used."""
    return np.take_along_axis(rows, np.clip(places, 0, rows.shape[1] - 1), axis=1)
