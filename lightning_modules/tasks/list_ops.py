"""ListOps: the value of nested operations on lists of digits."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from lightning_modules.randomness import batch_generator
from lightning_modules.tasks._classes import ClassTask, entropy
from lightning_modules.tasks.base import Baseline, Batch, Chance

DEPTH, ARGUMENTS, NESTED = 10, 10, 0.25
"""How deep lists nest, the most arguments one has, and how often an argument is a list."""
MIN, MAX, MED, SM = range(11, 15)
END = 15
COUNTED = 4000
"""Examples over which chance is counted."""


@dataclass
class Level:
    """The nodes of many trees at one depth; those of one parent stand together."""

    tree: Int64[np.ndarray, " node"]
    parent: Int64[np.ndarray, " node"]
    symbol: Int64[np.ndarray, " node"]
    arguments: Int64[np.ndarray, " node"]

    def where(
        self, keep: Bool[np.ndarray, " node"], above: Int64[np.ndarray, " parent"]
    ) -> "Level":
        """Keep some nodes, whose parents now have the numbers `above`."""
        return Level(
            self.tree[keep], above[self.parent[keep]], self.symbol[keep], self.arguments[keep]
        )


class Drawn(NamedTuple):
    """Expressions of up to `lag` - 1 symbols, blanks before them, and their values."""

    symbols: Int64[np.ndarray, "batch time"]
    values: Int64[np.ndarray, " batch"]


Levels = dict[int, Level]
"""The nodes of many trees by their depth."""


class ListOps(ClassTask):
    """Give the value of nested lists, each the smallest, largest, middle or sum of what it holds.

    One example, lag 9 (0 is a blank, 1 to 10 are the digits 0 to 9, 11 to 14 are MIN MAX MED SM,
    15 ends a list; SM of 6, MAX of 3 and 2, and 4 is 13, of which the last figure counts)::

        inputs   14  7 12  4  3 15  5 15
        target                         3

    The last symbol ends the outermost list, and the answer is due there. MED is the median, of an
    even number of arguments the mean of the middle two, rounded down; SM the sum modulo 10.

    The lag, T, bounds the length, as in the published code (read), which keeps expressions longer
    than 500 and shorter than 2000: here T/4 < length < T, and T = 2000 is that. A list has 2 to 10
    arguments, each a list with probability 1/4, ten levels deep at most. The realised distance is
    the length less one, from the first symbol to the last. Blanks fill up shorter expressions in
    front. Unlike there, expressions are drawn for each batch instead of 100 000 once, and one that
    comes twice is not left out.

    Small and large digits are more common values than others: chance is the share of the most
    common. Who knows the outermost operator alone does better: a minimum is mostly 0. No paper
    states a threshold; .95 is asked for here.

    Examples are drawn independently in every split; at T = 5 there are 400, at T = 10 millions.
    """

    paper = "Nangia & Bowman 2018, arXiv:1804.06028; as in Tay et al. 2020, arXiv:2011.04006"
    version = 1
    dialects = {"lra": "MIN, MAX, MED and SM of 2 to 10 arguments (arXiv:2011.04006)"}
    provenance = {"lra": "code"}
    lag_means = "length that all expressions stay below"
    smallest_lag = {"lra": 5}
    answer = "last"
    causal = False
    input_size = END + 1
    output_size = 10
    solved_at = 0.95

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""
        self.check(lag)
        shown, values = drawn(batch, lag, generator)
        inputs = torch.from_numpy(shown)
        return Batch(
            inputs=inputs,
            targets=torch.from_numpy(values),
            mask=(torch.arange(lag - 1) == lag - 2).repeat(batch, 1),
            evidence=inputs > 0,
        )

    def chance(self, lag: int) -> Chance:
        """Give the answer of one who has seen nothing."""
        self.check(lag)
        shares = counted(lag).sum(0)
        return Chance(
            score=float(shares.max()),
            loss=entropy(shares),
            derivation=f"Always answer {shares.argmax()}, the most common value; the loss is the "
            f"entropy of the values. Counted over {COUNTED} examples of a seed of their own.",
        )

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """Know what the outermost list is of, and nothing of what it holds."""
        shares = counted(lag)
        loss = sum(entropy(row / row.sum()) * row.sum() for row in shares)
        logs = torch.from_numpy(np.log(shares.clip(0.1 / COUNTED)))

        def play(batch: Batch) -> Float[Tensor, "batch 10"]:
            first = (batch.inputs > 0).int().argmax(1, keepdim=True)
            return logs[batch.inputs.gather(1, first)[:, 0] - MIN].float()

        why = "The most common value for each outermost operator, counted as chance is."
        return (Baseline("the outermost operator", float(shares.max(1).sum()), loss, why, play),)


@cache
def counted(lag: int) -> np.ndarray:
    """Count the share of each outermost operator and value: [operator, value]."""
    symbols, values = drawn(COUNTED, lag, batch_generator(0, "chance", 0))
    first = symbols[np.arange(COUNTED), (symbols > 0).argmax(1)]
    pairs = np.bincount((first - MIN) * 10 + values, minlength=40)
    return pairs.reshape(4, 10) / COUNTED


def drawn(batch: int, lag: int, generator: np.random.Generator) -> Drawn:
    """Draw expressions until enough are of the right length."""
    found: list[Drawn] = []
    while sum(len(each.values) for each in found) < batch:
        levels, sizes = grown(2 * batch + 32, lag, generator)
        is_kept = (sizes > lag / 4) & (sizes < lag)
        found.append(_written(_only(levels, is_kept), int(is_kept.sum()), lag))
    parts = zip(*found, strict=True)
    return Drawn(*(np.concatenate(part)[:batch] for part in parts))


def grown(
    count: int, lag: int, generator: np.random.Generator
) -> tuple[Levels, Int64[np.ndarray, " tree"]]:
    """Grow trees level by level, all at once; those that get too long stop growing.

    A tree that is a digit is never long enough, so that all start with a list.
    """
    levels: Levels = {}
    tree, parent = np.arange(count), np.zeros(count, dtype=np.int64)
    sizes = np.zeros(count, dtype=np.int64)
    for depth in range(DEPTH):
        is_list = generator.random(len(tree)) < (1.0, NESTED)[depth > 0]
        is_list &= depth < DEPTH - 1
        digits = generator.integers(1, 11, size=len(tree))
        kinds = generator.integers(MIN, END, size=len(tree))
        arguments = generator.integers(2, ARGUMENTS + 1, size=len(tree)) * is_list
        levels[depth] = Level(tree, parent, np.where(is_list, kinds, digits), arguments)
        sizes += np.bincount(tree, weights=1 + is_list, minlength=count).astype(np.int64)
        # What is to come adds at least the arguments.
        arguments = arguments * (sizes < lag)[tree]
        tree, parent = np.repeat(tree, arguments), np.repeat(np.arange(len(tree)), arguments)
    return levels, sizes


def _only(levels: Levels, is_kept: Bool[np.ndarray, " tree"]) -> Levels:
    """Keep the nodes of some trees, and number trees and nodes anew."""
    trees = np.cumsum(is_kept) - 1
    kept: Levels = {}
    above = np.zeros(1, dtype=np.int64)
    for depth, level in levels.items():
        keep = is_kept[level.tree]
        level = level.where(keep, above)
        level.tree = trees[level.tree]
        kept[depth] = level
        above = np.cumsum(keep) - 1
    return kept


def _written(levels: Levels, count: int, lag: int) -> Drawn:
    """Write trees as symbols, and give their values."""
    below = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    measured = {}
    for depth, level in reversed(levels.items()):
        measured[depth] = below = _evaluated(level, *below)
    symbols = np.zeros((count, lag - 1), dtype=np.int64)
    starts = lag - 1 - measured[0][0]
    for depth, level in levels.items():
        sizes, _ = measured[depth]
        if depth > 0:
            before = np.cumsum(sizes) - sizes
            # What stands before a node in its list: the arguments since the first of its parent.
            first = np.searchsorted(level.parent, level.parent)
            starts = starts[level.parent] + 1 + before - before[first]
        symbols[level.tree, starts] = level.symbol
        is_list = level.arguments > 0
        symbols[level.tree[is_list], (starts + sizes - 1)[is_list]] = END
    return Drawn(symbols, measured[0][1])


def _evaluated(
    level: Level, sizes: Int[np.ndarray, " child"], values: Int[np.ndarray, " child"]
) -> tuple[Int64[np.ndarray, " node"], Int64[np.ndarray, " node"]]:
    """Give length and value of the nodes of a level from those of their arguments."""
    is_list = level.arguments > 0
    lengths, results = np.ones_like(level.symbol), level.symbol - 1
    if not is_list.any():
        return lengths, results
    counts = level.arguments[is_list]
    first = np.cumsum(counts) - counts
    lengths[is_list] = 2 + np.add.reduceat(sizes, first)
    ordered = values[np.lexsort((values, np.repeat(np.arange(len(counts)), counts)))]
    middle = ordered[first + (counts - 1) // 2] + ordered[first + counts // 2]
    each = [ordered[first], ordered[first + counts - 1], middle // 2]
    total = np.add.reduceat(values, first) % 10
    results[is_list] = np.choose(level.symbol[is_list] - MIN, [*each, total])
    return lengths, results
