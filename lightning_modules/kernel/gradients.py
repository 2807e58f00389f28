"""Expressions for the gradient of a step, by reverse accumulation (Griewank & Walther 2008, ch. 3).

At kinks the rules are torch's: 0 for |x| and relu at 0, a half each where two maxima are equal.
"""

import math
from collections.abc import Callable
from itertools import pairwise

from lightning_modules.kernel.expressions import LEAVES, Expressions, Node, in_order, pieces

Rule = Callable[[Expressions, Node, Node], tuple[Node | None, ...]]
"""(maker, node, gradient of its value) -> the gradients of its operands."""

Part = tuple[int, Node]
"""A contribution to a gradient, and where in the row it begins."""


def gradients(e: Expressions, seeds: dict[Node, Node]) -> dict[Node, Node]:
    """Give, for every value that `seeds` depend on, the gradient of sum(seed gradient * value)."""
    parts: dict[Node, list[Part]] = {node: [(0, seed)] for node, seed in seeds.items()}
    found: dict[Node, Node] = {}
    for node in reversed(in_order(seeds)):
        if node not in parts:
            continue
        found[node] = gradient = _joined(e, node.width, parts[node])
        if node.kind in LEAVES or node.kind == "literal":
            continue
        if node.kind == "slice":
            parts.setdefault(node.args[0], []).append((node.index, gradient))
            continue
        for arg, contribution in zip(node.args, RULES[node.kind](e, node, gradient), strict=True):
            if contribution is not None and arg.kind != "literal":
                parts.setdefault(arg, []).append((0, contribution))
    return found


def _joined(e: Expressions, width: int, parts: list[Part]) -> Node:
    """Add contributions to parts of a row: cut wherever one begins or ends."""
    ends = {0, width} | {at for begin, part in parts for at in (begin, begin + part.width)}
    cuts = sorted(ends)
    joined = []
    for start, end in pairwise(cuts):
        total = e.literal(0.0, end - start)
        for begin, part in parts:
            if begin <= start and end <= begin + part.width:
                total = e.binary("add", total, e.slice(part, start - begin, end - start))
        joined.append(total)
    return e.cat(joined)


def _times(factor: Callable[[Expressions, Node], Node]) -> Rule:
    return lambda e, node, g: (e.binary("mul", g, factor(e, node)),)


def _tanh(e: Expressions, y: Node) -> Node:
    return e.binary("sub", e.literal(1.0, y.width), e.binary("mul", y, y))


def _sigmoid(e: Expressions, y: Node) -> Node:
    return e.binary("mul", y, e.binary("sub", e.literal(1.0, y.width), y))


def _log_sigmoid(e: Expressions, y: Node) -> Node:
    return e.unary("sigmoid", e.unary("neg", y.args[0]))


def _erf(e: Expressions, y: Node) -> Node:
    x = y.args[0]
    bell = e.unary("exp", e.unary("neg", e.binary("mul", x, x)))
    return e.binary("mul", e.literal(2 / math.sqrt(math.pi), y.width), bell)


def _mul(e: Expressions, node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.args
    return e.binary("mul", g, y), e.binary("mul", g, x)


def _div(e: Expressions, node: Node, g: Node) -> tuple[Node, Node]:
    by_x = e.binary("div", g, node.args[1])
    return by_x, e.unary("neg", e.binary("mul", by_x, node))


def _extreme(kind: str) -> Rule:
    def rule(e: Expressions, node: Node, g: Node) -> tuple[Node, Node]:
        x, y = node.args
        half = e.binary("mul", e.literal(0.5, g.width), e.binary("eq", x, y))
        wins = e.binary("gt" if kind == "maximum" else "lt", x, y)
        of_x = e.binary("mul", g, e.binary("add", wins, half))
        return of_x, e.binary("sub", g, of_x)

    return rule


def _where(e: Expressions, node: Node, g: Node) -> tuple[None, Node, Node]:
    condition, zero = node.args[0], e.literal(0.0, g.width)
    return None, e.where(condition, g, zero), e.where(condition, zero, g)


def _nothing(e: Expressions, node: Node, g: Node) -> tuple[None, ...]:
    return (None,) * len(node.args)


def _cat(e: Expressions, node: Node, g: Node) -> tuple[Node, ...]:
    return tuple(e.slice(g, begin, piece.width) for begin, piece in pieces(node))


def _product(e: Expressions, node: Node, g: Node) -> tuple[Node]:
    is_transposed = node.kind == "product_transposed"
    return (e.product(g, node.index, node.args[0].width, transposed=not is_transposed),)


RULES: dict[str, Rule] = {
    "add": lambda e, node, g: (g, g),
    "sub": lambda e, node, g: (g, e.unary("neg", g)),
    "mul": _mul,
    "div": _div,
    "maximum": _extreme("maximum"),
    "minimum": _extreme("minimum"),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "sign"), _nothing),
    "where": _where,
    "neg": lambda e, node, g: (e.unary("neg", g),),
    "exp": _times(lambda e, y: y),
    "expm1": _times(lambda e, y: e.binary("add", y, e.literal(1.0, y.width))),
    "log": lambda e, node, g: (e.binary("div", g, node.args[0]),),
    "log1p": lambda e, node, g: (
        e.binary("div", g, e.binary("add", node.args[0], e.literal(1.0, g.width))),
    ),
    "tanh": _times(_tanh),
    "sigmoid": _times(_sigmoid),
    "log_sigmoid": _times(_log_sigmoid),
    "relu": _times(lambda e, y: e.binary("gt", y, e.literal(0.0, y.width))),
    "abs": _times(lambda e, y: e.unary("sign", y.args[0])),
    "sqrt": lambda e, node, g: (
        e.binary("div", g, e.binary("mul", e.literal(2.0, g.width), node)),
    ),
    "sin": _times(lambda e, y: e.unary("cos", y.args[0])),
    "cos": _times(lambda e, y: e.unary("neg", e.unary("sin", y.args[0]))),
    "erf": _times(_erf),
    "cat": _cat,
    "sum": lambda e, node, g: (e.spread(g, node.args[0].width),),
    "spread": lambda e, node, g: (e.total(g),),
    "product": _product,
    "product_transposed": _product,
}
