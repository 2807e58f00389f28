"""What one step computes, as expressions over the rows of a batch.

A value is one row of `width` numbers for each example. Equal expressions are one object, so that
what two gates share is computed once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

UNARY = frozenset(
    "neg exp expm1 log log1p tanh sigmoid log_sigmoid relu abs sign sqrt sin cos erf".split()
)
BINARY = frozenset("add sub mul div maximum minimum gt ge lt le eq".split())
CHEAP = frozenset("add sub mul neg relu abs sign maximum minimum gt ge lt le eq where".split())
"""Computed again on the way back; what any other operation gave is kept."""
LEAVES = frozenset("input state constant gradient_out gradient_state".split())

Number = float | int


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on values; `index` numbers a leaf or a matrix, or is where a slice begins."""

    kind: str
    args: tuple["Node", ...]
    width: int
    index: int = 0
    number: float = 0.0


@dataclass
class Expressions:
    """A maker of nodes that gives the same node for the same expression."""

    _known: dict[object, Node] = field(default_factory=dict)

    def node(
        self, kind: str, args: Iterable[Node], width: int, index: int = 0, number: float = 0.0
    ) -> Node:
        """Give the node of an operation, made now or before."""
        args = tuple(args)
        # The text of a number tells -0.0 from 0.0.
        key = (kind, tuple(map(id, args)), width, index, repr(number))
        if key not in self._known:
            self._known[key] = Node(kind, args, width, index, number)
        return self._known[key]

    def literal(self, number: Number, width: int) -> Node:
        """Give a number, the same in every row."""
        return self.node("literal", (), width, number=float(number))

    def unary(self, kind: str, x: Node) -> Node:
        """Apply a function to each number."""
        assert kind in UNARY, kind
        return self.node(kind, (x,), x.width)

    def binary(self, kind: str, x: Node, y: Node) -> Node:
        """Combine two values of one width."""
        assert kind in BINARY and x.width == y.width, (kind, x.width, y.width)
        if (_is(y, 0.0) and kind in ("add", "sub")) or (_is(y, 1.0) and kind in ("mul", "div")):
            return x
        if (_is(x, 0.0) and kind == "add") or (_is(x, 1.0) and kind == "mul"):
            return y
        return self.node(kind, (x, y), x.width)

    def where(self, condition: Node, x: Node, y: Node) -> Node:
        """Take x where the condition is not 0, else y."""
        return self.node("where", (condition, x, y), x.width)

    def slice(self, x: Node, start: int, width: int) -> Node:
        """Take `width` numbers from `start` on."""
        if start == 0 and width == x.width:
            return x
        if x.kind == "slice":
            return self.slice(x.args[0], x.index + start, width)
        if x.kind == "literal":
            return self.literal(x.number, width)
        if x.kind == "cat":
            for begin, piece in pieces(x):
                if begin <= start and start + width <= begin + piece.width:
                    return self.slice(piece, start - begin, width)
        return self.node("slice", (x,), width, index=start)

    def cat(self, parts: Iterable[Node]) -> Node:
        """Put values side by side."""
        parts = tuple(parts)
        return parts[0] if len(parts) == 1 else self.node("cat", parts, sum(p.width for p in parts))

    def total(self, x: Node) -> Node:
        """Sum each row."""
        return self.node("sum", (x,), 1)

    def spread(self, x: Node, width: int) -> Node:
        """Repeat a row's one number."""
        if x.kind == "literal" or width == 1:
            return x if width == 1 else self.literal(x.number, width)
        return self.node("spread", (x,), width)

    def product(self, x: Node, matrix: int, width: int, *, transposed: bool = False) -> Node:
        """Multiply each row with matrix number `matrix`, or with its transpose."""
        kind = "product_transposed" if transposed else "product"
        return self.node(kind, (x,), width, index=matrix)


def pieces(cat: Node) -> Iterator[tuple[int, Node]]:
    """List the parts of a `cat` with where each begins."""
    begin = 0
    for part in cat.args:
        yield begin, part
        begin += part.width


def in_order(roots: Iterable[Node]) -> list[Node]:
    """List everything that the roots are made of, operands first."""
    order: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(list(roots))]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack += [(arg, False) for arg in reversed(node.args)]
    return list(order)


def _is(node: Node, number: float) -> bool:
    return node.kind == "literal" and node.number == number
