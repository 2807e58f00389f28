"""What each of torch's elementwise operations is as an expression over rows of a batch."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_modules.kernel.expressions import Expressions, Node, Number
from lightning_modules.kernel.tracing import UntraceableError

if TYPE_CHECKING:
    from lightning_modules.kernel.tracing import Recorder

aten: Any = torch.ops.aten
Handler = Callable[..., None]
TABLE: dict[Any, Handler] = {}
"""For an operation: (recorder, its result, its arguments) -> the result is known as a row."""


def _elementwise(function: Callable[..., Node], operands: int) -> Handler:
    """Take the first arguments as rows of the result's shape, and pass the others on."""

    def handle(recorder: "Recorder", result: Tensor, *args: Any, **kwargs: Any) -> None:
        rows = [recorder.operand(a, result.shape) for a in args[:operands]]
        node = function(recorder.expressions, *rows, *args[operands:], **kwargs)
        recorder.take(result, node)

    return handle


def register(handler: Handler, *operations: Any) -> None:
    """Take note of what some operations of torch are."""
    TABLE.update(dict.fromkeys(operations, handler))


def _unary(kind: str) -> Callable[..., Node]:
    return lambda e, x: e.unary(kind, x)


def _binary(kind: str) -> Callable[..., Node]:
    return lambda e, x, y: e.binary(kind, x, y)


def _scaled(kind: str) -> Callable[..., Node]:
    def function(e: Expressions, x: Node, y: Node, alpha: Number = 1) -> Node:
        return e.binary(kind, x, e.binary("mul", y, e.literal(alpha, y.width)))

    return function


def _reversed_sub(e: Expressions, x: Node, y: Node, alpha: Number = 1) -> Node:
    return e.binary("sub", y, e.binary("mul", x, e.literal(alpha, x.width)))


def _not_equal(e: Expressions, x: Node, y: Node) -> Node:
    return e.binary("sub", e.literal(1.0, x.width), e.binary("eq", x, y))


def _power(e: Expressions, x: Node, exponent: Number) -> Node:
    if exponent == 0.5:
        return e.unary("sqrt", x)
    if exponent == -0.5:
        return e.binary("div", e.literal(1.0, x.width), e.unary("sqrt", x))
    if exponent not in (1, 2, 3, 4, -1, -2):
        raise UntraceableError(f"`step` raises to the power {exponent}")
    result = x
    for _ in range(abs(int(exponent)) - 1):
        result = e.binary("mul", result, x)
    return result if exponent > 0 else e.binary("div", e.literal(1.0, x.width), result)


def _lerp(e: Expressions, x: Node, y: Node, weight: Node) -> Node:
    return e.binary("add", x, e.binary("mul", weight, e.binary("sub", y, x)))


def _addcmul(e: Expressions, x: Node, y: Node, z: Node, value: Number = 1) -> Node:
    product = e.binary("mul", y, z)
    return e.binary("add", x, e.binary("mul", product, e.literal(value, x.width)))


def _clamp(e: Expressions, x: Node, low: Number | None = None, high: Number | None = None) -> Node:
    # By `where`, not `maximum`: at the bound itself torch lets the whole gradient through.
    if low is not None:
        bound = e.literal(low, x.width)
        x = e.where(e.binary("lt", x, bound), bound, x)
    if high is not None:
        bound = e.literal(high, x.width)
        x = e.where(e.binary("gt", x, bound), bound, x)
    return x


def _softplus(e: Expressions, x: Node, beta: Number = 1, threshold: Number = 20) -> Node:
    scaled = e.binary("mul", x, e.literal(beta, x.width))
    soft = e.unary("neg", e.unary("log_sigmoid", e.unary("neg", scaled)))
    soft = e.binary("mul", soft, e.literal(1 / beta, x.width))
    return e.where(e.binary("gt", scaled, e.literal(threshold, x.width)), x, soft)


def _silu(e: Expressions, x: Node) -> Node:
    return e.binary("mul", x, e.unary("sigmoid", x))


def _gelu(e: Expressions, x: Node, approximate: str = "none") -> Node:
    if approximate != "none":
        raise UntraceableError(f"`step` uses gelu with approximate={approximate!r}")
    bell = e.unary("erf", e.binary("mul", x, e.literal(math.sqrt(0.5), x.width)))
    half = e.binary("mul", x, e.literal(0.5, x.width))
    return e.binary("mul", half, e.binary("add", bell, e.literal(1.0, x.width)))


def _elu(
    e: Expressions, x: Node, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1
) -> Node:
    zero = e.literal(0.0, x.width)
    inner = e.binary("mul", x, e.literal(input_scale, x.width))
    # The unused side must not overflow: its gradient would be 0 * inf.
    low = e.unary("expm1", e.where(e.binary("gt", x, zero), zero, inner))
    low = e.binary("mul", low, e.literal(alpha * scale, x.width))
    high = e.binary("mul", x, e.literal(scale, x.width))
    return e.where(e.binary("gt", x, zero), high, low)


def _leaky_relu(e: Expressions, x: Node, slope: Number = 0.01) -> Node:
    low = e.binary("mul", x, e.literal(slope, x.width))
    return e.where(e.binary("gt", x, e.literal(0.0, x.width)), x, low)


for name in ("neg", "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "relu", "abs", "sqrt"):
    register(_elementwise(_unary(name), 1), getattr(aten, name).default)
for name in ("sign", "sin", "cos", "erf"):
    register(_elementwise(_unary(name), 1), getattr(aten, name).default)
for name in ("mul", "div"):
    register(_elementwise(_binary(name), 2), getattr(aten, name).Tensor, getattr(aten, name).Scalar)
for name in ("gt", "ge", "lt", "le", "eq"):
    register(_elementwise(_binary(name), 2), getattr(aten, name).Tensor, getattr(aten, name).Scalar)
for name in ("maximum", "minimum"):
    register(_elementwise(_binary(name), 2), getattr(aten, name).default)
for name in ("add", "sub"):
    register(_elementwise(_scaled(name), 2), getattr(aten, name).Tensor, getattr(aten, name).Scalar)
register(_elementwise(_not_equal, 2), aten.ne.Tensor, aten.ne.Scalar)
register(_elementwise(_reversed_sub, 2), aten.rsub.Tensor, aten.rsub.Scalar)
register(_elementwise(_power, 1), aten.pow.Tensor_Scalar)
register(_elementwise(_lerp, 3), aten.lerp.Tensor, aten.lerp.Scalar)
register(_elementwise(_addcmul, 3), aten.addcmul.default)
register(_elementwise(_clamp, 1), aten.clamp.default)
register(_elementwise(lambda e, x, low: _clamp(e, x, low), 1), aten.clamp_min.default)
register(_elementwise(lambda e, x, high: _clamp(e, x, None, high), 1), aten.clamp_max.default)
register(_elementwise(_softplus, 1), aten.softplus.default)
register(_elementwise(_silu, 1), aten.silu.default)
register(_elementwise(_gelu, 1), aten.gelu.default)
register(_elementwise(_elu, 1), aten.elu.default)
register(_elementwise(_leaky_relu, 1), aten.leaky_relu.default)
register(_elementwise(lambda e, c, x, y: e.where(c, x, y), 3), aten.where.self)
register(
    _elementwise(lambda e, x: e.binary("div", e.literal(1.0, x.width), x), 1),
    aten.reciprocal.default,
)
register(
    _elementwise(lambda e, x: e.binary("div", e.literal(1.0, x.width), e.unary("sqrt", x)), 1),
    aten.rsqrt.default,
)


def _hardtanh(recorder: "Recorder", result: Tensor, x: Tensor, *bounds: Number) -> None:
    low, high = bounds if len(bounds) == 2 else (-1.0, 1.0)
    node = _clamp(recorder.expressions, recorder.row(x), low, high)
    recorder.take(result, node)


register(_hardtanh, aten.hardtanh.default)
