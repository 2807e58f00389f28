"""A step's shortcut: what it passes on without a matrix product."""

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from lightning_modules.walk import Passage

PRODUCTS = {
    F.linear,
    F.bilinear,
    torch.matmul,
    torch.mm,
    torch.bmm,
    torch.mv,
    torch.addmm,
    torch.addmv,
    torch.baddbmm,
    torch.einsum,
    torch.tensordot,
    torch.conv1d,
    Tensor.matmul,
    Tensor.__matmul__,
    Tensor.__rmatmul__,
    Tensor.mm,
    Tensor.bmm,
    Tensor.mv,
    Tensor.addmm,
}


class NoProducts(TorchFunctionMode):
    """Let no gradient through a matrix product: what arrives has come by the shortcut."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in PRODUCTS:
            args, kwargs = tree_map_only(Tensor, Tensor.detach, (args, kwargs))
        return func(*args, **kwargs)


def pulled_back(passage: Passage, vectors: Sequence[Tensor], *, by_shortcut: bool) -> list[Tensor]:
    """Pull vectors on the state behind each step back to the state before it.

    Each is [batch * time, all numbers of the state], or one row for all.
    """
    projected, before = passage.rows()
    before = before.requires_grad_()
    with torch.enable_grad():
        state = passage.watched.split(before)
        with NoProducts() if by_shortcut else contextlib.nullcontext():
            _, after = passage.layer.step(projected, state)
        rows = torch.cat([part.flatten(1) for part in after], 1)
    if not rows.requires_grad:
        return [torch.zeros_like(before) for _ in vectors]
    pulled = []
    for vector in vectors:
        (found,) = torch.autograd.grad(
            rows, before, vector.expand_as(rows), retain_graph=True, allow_unused=True
        )
        pulled.append(torch.zeros_like(before) if found is None else found)
    return pulled
