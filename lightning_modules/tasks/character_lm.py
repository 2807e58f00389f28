"""The next character of a text."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules import data_sets
from lightning_modules.refusal import RefusedError
from lightning_modules.tasks.base import Baseline, Batch, FiniteTask

MOST_SYMBOLS = 512
SHARES = (0.8, 0.1)
"""Of the text, from its beginning: for training, for validation; the rest is for the test."""


class CharacterLm(FiniteTask):
    """Say which character of a text comes next, at every step.

    One example, lag 9 (characters stand for their numbers)::

        inputs   a  _  s  t  a  t  e  m  e
        targets  _  s  t  a  t  e  m  e  n

    The lag is the length of the window of text that is read, T: nothing further back can be used.
    What is needed may be the last character or one T steps back; nobody can say which, so that all
    steps are evidence and all are scored.

    The loss is in bits per character, the mean of -log2 of what was given to the character that
    came. The score is the share of log2 V bits that this saves, 1 - loss / log2 V, not below 0, for
    V different characters in the text. No chance is stated and no threshold: how much of a text can
    be known without memory is not known. The baselines are the text's own: how common each
    character is, and how common after the one before.

    `english` is the prose that every Python carries, the topics of its `help()`: half a million
    characters, other ones in another Python. `file` is the user's own text, which LONGDEP_TEXT
    names, in UTF-8, of at most 512 different characters. The text of a trial is part of its
    declaration, by a hash. The first 8 tenths of a text are for training, the next for validation,
    the last for the test; windows begin anywhere in them and never reach into the next.
    """

    paper = "Sutskever, Martens & Hinton 2011, ICML: Generating Text with Recurrent Neural Networks"
    version = 1
    dialects = {
        "english": "the topics of Python's help(), half a million characters",
        "file": "the text file that LONGDEP_TEXT names",
    }
    provenance = {"english": "ours", "file": "ours"}
    reads = {"english": "english", "file": "text"}
    lag_means = "length of the window that is read"
    smallest_lag = {"english": 1, "file": 1}
    answer = "each"
    causal = True
    space = "finite"
    solved_at = None
    why_no_chance = "how much of a text can be known without memory is not known"

    parts: dict[str, range]

    def __init__(self, dialect: str, *, data: str = "") -> None:
        super().__init__(dialect)
        source = data_sets.text() if dialect == "file" else data_sets.english()
        data_sets.same(self.reads[dialect], data)
        self.symbols, self.codes = numbered(source)
        self.count = len(self.codes)
        self.input_size = self.output_size = len(self.symbols)
        first, second = (round(sum(SHARES[:k]) * self.count) for k in (1, 2))
        self.parts = {
            "train": range(first),
            "validation": range(first, second),
            "test": range(second, self.count),
        }

    def check(self, lag: int) -> None:
        """Refuse a window that is longer than a part of the text."""
        super().check(lag)
        most = min(map(len, self.parts.values())) - 1
        if lag > most:
            says = f"a text of {self.count} characters has windows of at most {most}"
            raise RefusedError(f"lag {lag} is too long for {self.dialect}: {says}")

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the windows that begin at these characters, or further front where a part ends."""
        self.check(lag)
        ends = np.array([part.stop for part in self.parts.values()])
        end = ends[np.searchsorted(ends, indices, side="right")]
        starts = np.minimum(indices, end - lag - 1)
        windows = self.codes[starts[:, None] + np.arange(lag + 1)]
        marked = torch.ones(len(indices), lag, dtype=torch.bool)
        return Batch(
            inputs=torch.from_numpy(windows[:, :-1].copy()),
            targets=torch.from_numpy(windows[:, 1:].copy()),
            mask=marked,
            evidence=marked,
        )

    def loss(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> Float[Tensor, ""]:
        """Give the bits per character."""
        nats = F.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())
        return nats / math.log(2)

    def score(self, outputs: Float[Tensor, "batch time output"], batch: Batch) -> float:
        """Give the share of the bits of an unknown character that is saved."""
        score = 1 - float(self.loss(outputs, batch)) / math.log2(self.output_size)
        return max(score, 0.0) if math.isfinite(score) else 0.0

    def chance(self, lag: int) -> None:
        """Give none: see `why_no_chance`."""

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Count the text's characters, alone and in pairs."""
        size = self.output_size
        pairs = np.bincount(self.codes[:-1] * size + self.codes[1:], minlength=size**2)
        counts = torch.from_numpy(pairs.reshape(size, size)).double()
        alone = counts.sum(0) / counts.sum()
        after = counts / counts.sum(1, keepdim=True).clamp(min=1)

        def bits(shares: Tensor) -> float:
            return -float((counts * shares.clamp(min=1e-12).log2()).sum() / counts.sum())

        def log(shares: Tensor) -> Tensor:
            return shares.clamp(min=1e-12).log().float()

        stated = (
            (
                "how common each character is",
                bits(alone),
                "The entropy of the text's characters.",
                lambda batch: log(alone).expand(*batch.inputs.shape, size),
            ),
            (
                "what follows the last character",
                bits(after),
                "The entropy of the text's characters, each given the one before it.",
                lambda batch: log(after)[batch.inputs],
            ),
        )
        return tuple(
            Baseline(name, 1 - loss / math.log2(size), loss, why, play)
            for name, loss, why, play in stated
        )


@cache
def numbered(text: str) -> tuple[str, Int64[np.ndarray, " character"]]:
    """Number the different characters of a text, in order, and write it in numbers."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    known, codes = np.unique(points, return_inverse=True)
    if not 2 <= len(known) <= MOST_SYMBOLS or len(points) < 100:
        says = f"at least 100 characters, of which 2 to {MOST_SYMBOLS} are different"
        raise RefusedError(f"{len(points)} characters, {len(known)} different: {says}")
    return "".join(map(chr, known)), codes.astype(np.int64)
