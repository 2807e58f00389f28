"""The user's own sentence pairs."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Literal

import numpy as np
from jaxtyping import Int, Shaped

from lightning_modules import data_sets, sentence_pairs
from lightning_modules.randomness import batch_generator
from lightning_modules.refusal import RefusedError
from lightning_modules.tasks._replies import ReplyTask, laid
from lightning_modules.tasks.base import Batch, FiniteTask, Reply

SHARES = (0.8, 0.1)
"""Of the different sources: for training, for validation; the rest is for the test."""
LEAST_PAIRS = 10
UNKNOWN, END = "<unknown>", "<end>"


class Translation(ReplyTask, FiniteTask):
    """Say a sentence in another language, after the user's own pairs.

    One example, lag 3 (`>` asks; what was said has a stroke; `.` ends the reply)::

        inputs   das ist gut > that' is' good'
        targets  0   0   0   that is good .

    The pairs are the lines of the file that LONGDEP_PAIRS names, in UTF-8: source, tab, target.
    Words are what stands between spaces. Known are the words most common in the training part, up
    to `vocabulary` on each side; all others are read and said as one unknown word, which is scored
    as any other. The file is part of a trial's declaration, by a hash.

    The lag is the number of words in the source, T, without its end. As sentences come in all
    lengths, a lag is a bucket of `bucket` lengths, of which it is the longest: at lag 10, with
    buckets of 5, sources have 6 to 10 words. Nobody can say which words of a source are needed, so
    that all are evidence.

    Lines that are no pair (no tab, an empty side, more columns than two, not UTF-8, more than
    `longest` words) stop the run, each named by its number, with `faulty=refuse`; with
    `faulty=skip` they are left out and told. Of the different sources 8 tenths are for training,
    the next tenth is for validation, the last for the test: no source stands in two of them.
    """

    paper = "Sutskever 2014, arXiv:1409.3215; the data is the user's own"
    version = 1
    dialects = {"file": "the sentence pairs of the file that LONGDEP_PAIRS names"}
    provenance = {"file": "ours"}
    reads = {"file": "pairs"}
    lag_means = "words of the source, the most of its bucket"
    smallest_lag = {"file": 1}
    answer = "each"
    causal = True
    replies = True
    has_words = True
    space = "finite"
    solved_at = None
    why_no_chance = "how much of a sentence its own first words tell is not known"

    parts: dict[str, range]

    def __init__(
        self,
        dialect: str,
        *,
        vocabulary: int = 2000,
        bucket: int = 5,
        longest: int = 100,
        faulty: Literal["refuse", "skip"] = "refuse",
        data: str = "",
    ) -> None:
        super().__init__(dialect)
        for name, value in (("vocabulary", vocabulary), ("bucket", bucket), ("longest", longest)):
            if value < 1:
                raise RefusedError(f"{name} {value}: at least 1")
        path = data_sets.pairs()
        data_sets.same("pairs", data)
        found = sentence_pairs.read(path, path.stat().st_mtime_ns, longest)
        if found.faults and faulty == "refuse":
            says = "; ".join(found.told)
            raise RefusedError(f"{path}: {says}. With faulty=skip the rest is used")
        self.remarks = tuple(f"{path.name}: {told}" for told in found.told)
        self.bucket = bucket
        order, self.parts = _divided(found.sources)
        self.count = len(order)
        sources = [found.sources[k] for k in order]
        targets = [found.targets[k] for k in order]
        trained = len(self.parts["train"])
        read, said = (_known(side[:trained], vocabulary) for side in (sources, targets))
        self.reply = Reply(read, (*said, END), end=len(said))
        self.input_size, self.output_size = self.reply.input_size, len(said) + 1
        self.source_lengths, self.sources = _numbered(sources, read)
        self.target_lengths, self.targets = _numbered(targets, said)

    def check(self, lag: int) -> None:
        """Refuse a bucket from which a part of the pairs has none."""
        super().check(lag)
        for name, part in self.parts.items():
            if not len(self.within(np.array(part), lag)):
                low = max(1, lag - self.bucket + 1)
                there = sorted(set(self.source_lengths[part.start : part.stop].tolist()))
                says = f"no source of {low} to {lag} words in the {name} part"
                raise RefusedError(f"lag {lag}: {says}; it has {_ranges(there)}")

    def within(self, numbers: Shaped[np.ndarray, " count"], lag: int) -> np.ndarray:
        """Keep the pairs of the bucket."""
        lengths = self.source_lengths[numbers]
        return numbers[(lengths > lag - self.bucket) & (lengths <= lag)]

    def lags_up_to(self, lag: int) -> Sequence[int]:
        """List the lags whose buckets hold pairs to train on."""
        lengths = {int(n) for n in self.source_lengths[: len(self.parts["train"])]}
        return [
            low for low in range(1, lag + 1) if lengths & set(range(low - self.bucket + 1, low + 1))
        ]

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw pairs of the bucket, each as likely as the others."""
        self.check(lag)
        return super().sample(batch, lag, generator)

    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Lay out the pairs of these numbers."""
        return laid(
            self.reply,
            self.sources[indices],
            self.source_lengths[indices],
            self.targets[indices],
            self.target_lengths[indices],
        )

    def chance(self, lag: int) -> None:
        """Give none: see `why_no_chance`."""


Words = tuple[str, ...]


def _divided(sources: Sequence[Words]) -> tuple[list[int], dict[str, range]]:
    """Order the pairs by parts, all pairs of one source in one of them."""
    by_source: dict[Words, list[int]] = {}
    for k, source in enumerate(sources):
        by_source.setdefault(source, []).append(k)
    if len(by_source) < LEAST_PAIRS:
        raise RefusedError(f"{len(by_source)} different sources; at least {LEAST_PAIRS}")
    alike = list(by_source.values())
    # Keyed by a constant: what is tested must not depend on the trial.
    shuffled = [alike[k] for k in batch_generator(0, "pool", 0).permutation(len(alike))]
    edges = [0, *(round(sum(SHARES[:k]) * len(alike)) for k in (1, 2)), len(alike)]
    groups = [list(chain(*shuffled[a:b])) for a, b in pairwise(edges)]
    ends = np.cumsum([0, *map(len, groups)]).tolist()
    names = ("train", "validation", "test")
    parts = {name: range(a, b) for name, (a, b) in zip(names, pairwise(ends), strict=True)}
    return list(chain(*groups)), parts


def _known(sentences: Sequence[Words], most: int) -> Words:
    """List the words most common in some sentences, and the unknown one at the end."""
    counts = Counter(chain(*sentences))
    common = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    return (*sorted(common), UNKNOWN)


def _numbered(
    sentences: Sequence[Words], known: Words
) -> tuple[Int[np.ndarray, " count"], Int[np.ndarray, "count longest"]]:
    numbers = {word: number for number, word in enumerate(known)}
    lengths = np.array([len(sentence) for sentence in sentences])
    table = np.zeros((len(sentences), lengths.max()), dtype=np.int64)
    for row, sentence in zip(table, sentences, strict=True):
        row[: len(sentence)] = [numbers.get(word, len(known) - 1) for word in sentence]
    return lengths, table


def _ranges(numbers: list[int]) -> str:
    """Write whole numbers in order as 1-4, 7, 9-12."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)
