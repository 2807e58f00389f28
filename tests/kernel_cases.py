"""What kernels are compared by: the layers, a traced step, and the distance from the loop."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lightning_modules import registry
from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.kernel.tracing import Trace, trace

RECURRENT = [
    name
    for name in registry.names("architecture")
    if issubclass(registry.load("architecture", name), Recurrent)
]


def traced(layer: Any, batch: int) -> Trace:
    """Trace a layer's step, its input product included."""

    def step(x_t: Tensor, state: State) -> tuple[Tensor, State]:
        return layer.step(layer.projected(x_t.unsqueeze(1)).select(1, 0), state)

    shapes = [part.shape for part in layer.initial_state(batch)]
    p_t, dtype = torch.Size((batch, layer.input_size)), next(layer.parameters()).dtype
    return trace(layer, step, p_t, shapes, dtype)


def off(run: Callable[..., Any], layer: Any, batch: int, length: int) -> float:
    """Give how far a kernel is off the loop: outputs, states, gradients, from a carried state.

    Relative to the largest number that is compared, or to 1.
    """
    weight = next(layer.parameters())
    generator = torch.Generator().manual_seed(batch * 100 + length)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(weight).requires_grad_()

    x = draw(batch, length, layer.input_size)
    state = tuple(draw(*part.shape) for part in layer.initial_state(batch))
    wanted = [x, *state, *(w for w in layer.parameters() if w.requires_grad)]
    found = []
    for way in (run, layer.loop):
        y, after = way(x, state)
        # Another weight for each number: equal gradients of a plain sum prove less.
        parts = [
            (part * torch.linspace(-1, 1, part.numel()).to(weight).view_as(part)).sum()
            for part in (y, *after)
        ]
        # What takes no part has no gradient on one path, and zeros on the other.
        grads = torch.autograd.grad(
            torch.stack(parts).sum(), wanted, allow_unused=True, materialize_grads=True
        )
        found.append([y, *after, *grads])
    worst = 0.0
    for ours, theirs in zip(*found, strict=True):
        size = max(1.0, float(theirs.detach().abs().max()))
        distance = float((ours - theirs).detach().abs().max()) / size
        # What is no number is as far off as can be.
        worst = max(worst, distance if distance == distance else float("inf"))
    return worst
