"""How much of the gradient comes by the shortcut, and how much through the transformation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.probes._shortcut import NoProducts, pulled_back
from lightning_modules.probes.base import Probe, Row, first
from lightning_modules.stack import Stack
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import Passage, Walker, stacks, walker_of

EXAMPLES = 8


class SkipPaths(Probe):
    """The share of the gradient that comes by the shortcut, through time and through depth.

    A shortcut is what a step, or a wiring, passes on without a matrix product: f * c of an LSTM,
    (1 - T) * h of a highway, x + of a residual. Through time a random direction of the state
    behind each step is pulled back to the state before it; through depth the gradient of the last
    scored step's loss to what each layer takes in.

    | quantity | value |
    |---|---|
    | time_share | |s| / (|s| + |t|), s by the shortcut, t by the rest; over steps and examples |
    | time_shortcut, time_transformation | mean |s|, mean |t|, for a direction of length 1 |
    | depth_share | the same past a layer of a stack |
    | depth_shortcut, depth_transformation | mean over examples of the norms over all steps |
    """

    paper = "Srivastava 2015, arXiv:1505.00387; He 2016, arXiv:1603.05027"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        batch = first(batch, EXAMPLES)
        walker = walker_of(network)
        rows: list[Row] = []
        with _watched(walker) as crossings:
            walk = walker.walk(self.task, batch)
        for number, passage in enumerate(walk.passages):
            by_shortcut, through = self._through_time(passage, number)
            rows += _rows("time", by_shortcut, through, passage.name)
        for crossing in crossings:
            wanted = [
                w for w in (crossing.skipped, crossing.joined, crossing.entered) if w is not None
            ]
            found = torch.autograd.grad(walk.loss, wanted, retain_graph=True, allow_unused=True)
            skipped, joined, entered = (
                torch.zeros_like(w).flatten(1) if g is None else g.flatten(1)
                for g, w in zip(found, wanted, strict=True)
            )
            rows += _rows("depth", skipped, entered + joined - skipped, crossing.name)
        return rows

    def _through_time(self, passage: Passage, number: int) -> tuple[Tensor, Tensor]:
        shape = passage.states.flatten(0, 1).shape
        drawn = torch.from_numpy(self.generator(number).standard_normal(tuple(shape)))
        directions = drawn / drawn.norm(dim=1, keepdim=True)
        (whole,) = pulled_back(passage, [directions], by_shortcut=False)
        (by_shortcut,) = pulled_back(passage, [directions], by_shortcut=True)
        return by_shortcut, whole - by_shortcut


def _rows(kind: str, by_shortcut: Tensor, through: Tensor, layer: str) -> list[Row]:
    # A state that begins at minus infinity has no gradient at the first step.
    s, t = (part.nan_to_num(0.0, 0.0, 0.0).norm(dim=1) for part in (by_shortcut, through))
    there = s + t > 0
    share = (s[there] / (s + t)[there]).mean() if bool(there.any()) else s.new_zeros(())
    return [
        Row(f"{kind}_share", float(share), layer),
        Row(f"{kind}_shortcut", float(s.mean()), layer),
        Row(f"{kind}_transformation", float(t.mean()), layer),
    ]


@dataclass
class _Crossing:
    """Displacements of what one layer of a stack takes in: on each of its ways up."""

    name: str
    entered: Tensor | None = None
    joined: Tensor | None = None
    skipped: Tensor | None = None


@contextmanager
def _watched(walker: Walker) -> Iterator[list[_Crossing]]:
    """Displace what the layers of the copy's stacks take in, while it runs."""
    crossings: list[_Crossing] = []
    changed: list[tuple[Any, str]] = []
    for stack, is_reversed in stacks(walker.copy.layer):
        own = [
            _Crossing(f"{n} backwards" if is_reversed else str(n))
            for n in range(1, len(stack.layers) + 1)
        ]
        for norm, crossing in zip(stack.norms, own, strict=True):
            norm.forward = partial(_enter, norm.forward, crossing)
            changed.append((norm, "forward"))
        stack._join = partial(_join, stack, stack._join, own)  # type: ignore[method-assign]
        changed.append((stack, "_join"))
        crossings += own
    try:
        yield crossings
    finally:
        for owner, name in changed:
            # Of the instance: behind it stands the class's own.
            delattr(owner, name)


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros_like(like).requires_grad_()


def _enter(inner: Any, crossing: _Crossing, x: Tensor) -> Tensor:
    crossing.entered = _zeros(x)
    given: Tensor = inner(x + crossing.entered)
    return given


def _join(
    stack: Stack, inner: Any, crossings: list[_Crossing], number: int, x: Tensor, y: Tensor
) -> Tensor:
    crossing = crossings[number]
    crossing.joined, crossing.skipped = _zeros(x), _zeros(x)
    whole: Tensor = inner(number, x + crossing.joined, y)
    with NoProducts():
        bare = inner(number, x.detach() + crossing.skipped, y.detach())
    # Nothing but a way for the gradient: the numbers stay what they are.
    return whole + (bare - bare.detach())
