"""What torch's other operations are as expressions: views, parts, sums and products of rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_modules.kernel.expressions import Number
from lightning_modules.kernel.operations import TABLE, Handler, register
from lightning_modules.kernel.tracing import UntraceableError

if TYPE_CHECKING:
    from lightning_modules.kernel.tracing import Recorder

__all__ = ["TABLE"]
aten: Any = torch.ops.aten


def _log_sigmoid(recorder: "Recorder", result: Sequence[Tensor], x: Tensor) -> None:
    recorder.take(result[0], recorder.expressions.unary("log_sigmoid", recorder.row(x)))


register(_log_sigmoid, aten.log_sigmoid_forward.default)


# The same numbers under another shape


def _same(recorder: "Recorder", result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> None:
    if result.shape[:1] != x.shape[:1] or result.numel() != x.numel():
        raise UntraceableError("`step` moves the examples of a batch")
    if result.is_floating_point() and x.is_floating_point() and result.dtype != x.dtype:
        raise UntraceableError(f"`step` computes in {result.dtype}")
    recorder.take(result, recorder.row(x))


register(
    _same,
    *(aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.clone.default),
    *(aten.unsqueeze.default, aten.squeeze.dim, aten.alias.default, aten.detach.default),
    *(aten._to_copy.default, aten.contiguous.default, aten.lift_fresh.default),
)


def _expand(recorder: "Recorder", result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> None:
    recorder.take(result, recorder.operand(x, result.shape))


register(_expand, aten.expand.default)


def _like(number: float) -> Handler:
    def handle(recorder: "Recorder", result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> None:
        recorder.take(result, recorder.expressions.literal(number, result.shape[1:].numel()))

    return handle


register(_like(0.0), aten.zeros_like.default)
register(_like(1.0), aten.ones_like.default)


def _full_like(
    recorder: "Recorder", result: Tensor, x: Tensor, number: Number, **kwargs: Any
) -> None:
    recorder.take(result, recorder.expressions.literal(number, result.shape[1:].numel()))


register(_full_like, aten.full_like.default)


# Parts of a row, and rows side by side


def _begin(x: Tensor, dim: int, index: int) -> tuple[int, int]:
    """Give where part `index` along a dimension begins in a row, and how wide one such part is."""
    dim %= x.ndim
    if dim == 0:
        raise UntraceableError("`step` picks examples out of the batch")
    if any(size != 1 for size in x.shape[1:dim]):
        raise UntraceableError(f"`step` cuts a state of shape {tuple(x.shape[1:])} across")
    stride = x.shape[dim + 1 :].numel()
    return index % x.shape[dim] * stride if index else 0, stride


def _part(recorder: "Recorder", result: Tensor, x: Tensor, dim: int, index: int) -> None:
    start, _ = _begin(x, dim, index)
    width = result.shape[1:].numel()
    recorder.take(result, recorder.expressions.slice(recorder.row(x), start, width))


def _slice(
    recorder: "Recorder",
    result: Tensor,
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> None:
    if result.shape == x.shape:
        recorder.take(result, recorder.row(x))
        return
    if step != 1:
        raise UntraceableError("`step` takes every n-th unit")
    _part(recorder, result, x, dim, start or 0)


def _split(
    recorder: "Recorder", result: Sequence[Tensor], x: Tensor, sizes: Any, dim: int = 0
) -> None:
    begin = 0
    for part in result:
        _part(recorder, part, x, dim, begin)
        begin += part.shape[dim]


def _unbind(recorder: "Recorder", result: Sequence[Tensor], x: Tensor, dim: int = 0) -> None:
    for index, part in enumerate(result):
        _part(recorder, part, x, dim, index)


def _cat(recorder: "Recorder", result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> None:
    _begin(result, dim, 0)
    rows = [recorder.operand(t, torch.Size((result.shape[0], *t.shape[1:]))) for t in tensors]
    recorder.take(result, recorder.expressions.cat(rows))


register(_part, aten.select.int)
register(_slice, aten.slice.Tensor)
register(_split, aten.split.Tensor, aten.split_with_sizes.default)
register(_unbind, aten.unbind.int)
register(_cat, aten.cat.default, aten.stack.default)


def _glu(recorder: "Recorder", result: Tensor, x: Tensor, dim: int = -1) -> None:
    _begin(x, dim, 0)
    e, row, width = recorder.expressions, recorder.row(x), result.shape[1:].numel()
    gate = e.unary("sigmoid", e.slice(row, width, width))
    recorder.take(result, e.binary("mul", e.slice(row, 0, width), gate))


register(_glu, aten.glu.default)


# Sums over a row


def _sum(
    recorder: "Recorder",
    result: Tensor,
    x: Tensor,
    dims: Sequence[int] | None = None,
    keepdim: bool = False,
    **kwargs: Any,
) -> None:
    reduced = {d % x.ndim for d in dims} if dims is not None else set()
    if x.ndim != 2 or reduced != {1}:
        raise UntraceableError("`step` sums over more or less than the units of one example")
    recorder.take(result, recorder.expressions.total(recorder.row(x)))


def _mean(recorder: "Recorder", result: Tensor, x: Tensor, *args: Any, **kwargs: Any) -> None:
    _sum(recorder, result, x, *args, **kwargs)
    e, total = recorder.expressions, recorder.row(result)
    recorder.take(result, e.binary("mul", total, e.literal(1 / x.shape[1], 1)))


register(_sum, aten.sum.dim_IntList)
register(_mean, aten.mean.dim)


# Products with a matrix of weights


def _product(recorder: "Recorder", result: Tensor, x: Tensor, matrix: Tensor) -> None:
    if recorder.is_row(matrix) or not recorder.is_row(x) or x.ndim != 2:
        raise UntraceableError("`step` multiplies by a matrix that is not of weights alone")
    number = recorder.matrix(matrix)
    recorder.take(result, recorder.expressions.product(recorder.row(x), number, result.shape[1]))


def _product_added(
    recorder: "Recorder",
    result: Tensor,
    added: Tensor,
    x: Tensor,
    matrix: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
) -> None:
    if (alpha, beta) != (1, 1):
        raise UntraceableError("`step` uses addmm with factors")
    _product(recorder, result, x, matrix)
    e = recorder.expressions
    total = e.binary("add", recorder.row(result), recorder.operand(added, result.shape))
    recorder.take(result, total)


register(_product, aten.mm.default)
register(_product_added, aten.addmm.default)
