"""From expressions to C++: one pass over the batch between two products, for every step."""

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_modules.kernel.expressions import Node
from lightning_modules.kernel.loops import CrossesPiecesError, Loop, Place, Sizes, Store, flat

BARRIERS = frozenset("product product_transposed sum".split())
"""Done for the whole batch before anything goes on."""


@dataclass
class Body:
    """The C++ of one step, and the room that it needs for [batch, width] values of its own."""

    lines: list[str]
    rooms: list[int]


def emit(
    stores: list[Store],
    products: list[tuple[Node, Place]],
    known: dict[Node, Place],
    sizes: Sizes,
    factors: Sequence[tuple[Node, Node, int]] = (),
) -> Body:
    """Write one step: every store, and products that add straight to a place.

    `known` says where values lie that are there before the step. Each (x, z, matrix) of `factors`
    adds x^T z to the gradient of a matrix.
    """
    crossed: set[Node] = set()
    while True:
        writer = _Writer(stores, products, known, sizes, factors, crossed)
        try:
            return writer.write()
        except CrossesPiecesError as found:
            crossed.add(found.node)


class _Writer:
    def __init__(
        self,
        stores: list[Store],
        products: list[tuple[Node, Place]],
        known: dict[Node, Place],
        sizes: Sizes,
        factors: Sequence[tuple[Node, Node, int]],
        crossed: set[Node],
    ) -> None:
        self.sizes, self.crossed = sizes, crossed
        self.placed = dict(known)
        self.lines: list[str] = []
        self.rooms: list[int] = []
        self.added, self.factors = products, factors
        ends = [node for x, z, _ in factors for node in (x, z)]
        roots = [s.node for s in stores] + [node for node, _ in products] + ends
        self.order = [n for n in _reached(roots, known) if n not in known]
        self.home = {s.node: s.place for s in stores if not s.is_added and not s.start}
        direct = {node for node, _ in products}
        needed = {base: None for base in map(_base, ends) if base not in known}
        for node in self.order:
            if node.kind in BARRIERS:
                if node.kind != "sum" and (base := _base(node.args[0])) not in known:
                    needed[base] = None
                if node not in direct:
                    needed[node] = None
            elif node in crossed:
                needed[node] = None
            elif node.kind == "spread" and node.args[0] not in known:
                needed[node.args[0]] = None
        self.barriers = [n for n in self.order if n.kind in BARRIERS]
        self.waiting = list(stores)
        for node in needed:
            if node not in self.home:
                self.home[node] = self._room(node.width)
                if node.kind not in BARRIERS:
                    self.waiting.append(Store(node, self.home[node]))
        # What a product or a sum gives is written where it is made; elsewhere it is copied to.
        self.waiting = [
            s
            for s in self.waiting
            if s.node not in self.barriers or s.is_added or s.place != self.home[s.node]
        ]

    def write(self) -> Body:
        left = list(self.barriers)
        while self.waiting or left:
            ready = [s for s in self.waiting if self._is_ready(s.node)]
            self._pass(ready)
            self.waiting = [s for s in self.waiting if s not in ready]
            done = [node for node in left if self._barrier(node)]
            left = [node for node in left if node not in done]
            assert ready or done, "a circle of values"
        self.lines += [self._factor(*factor) for factor in self.factors]
        return Body(self.lines, self.rooms)

    def _factor(self, x: Node, z: Node, matrix: int) -> str:
        size = self.sizes
        operands = [f"{pointer}, {stride}" for pointer, stride in map(self._operand, (x, z))]
        return (
            f"product_of_rows(gemm, B, {size(x.width)}, {size(z.width)}, {', '.join(operands)}, "
            f"turned{matrix}, gw{matrix});"
        )

    def _operand(self, node: Node) -> tuple[str, str]:
        """Give where the rows of an operand begin, and how far apart they are."""
        place = self.placed[_base(node)]
        start = node.index if node.kind == "slice" else 0
        pointer = f"{place.pointer} + {self.sizes(start)}" if start else place.pointer
        return pointer, place.stride

    def _room(self, width: int) -> Place:
        self.rooms.append(width)
        return Place(f"room{len(self.rooms) - 1}", self.sizes(width))

    def _is_ready(self, root: Node) -> bool:
        """Tell whether all that a value needs from memory is there."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node in self.placed or node.kind == "literal":
                continue
            is_apart = node.kind in BARRIERS or (node in self.crossed and node is not root)
            if is_apart or (node.kind == "spread" and node.args[0] not in self.placed):
                return False
            stack += node.args
        return True

    def _barrier(self, node: Node) -> bool:
        """Do a product or a sum, if what it takes is there."""
        (x,) = node.args
        if node.kind == "sum":
            if not self._is_ready(x):
                return False
            self._sum(node, x)
        else:
            if _base(x) not in self.placed:
                return False
            source, stride = self._operand(x)
            size, w = self.sizes, node.index
            turned = "!" if node.kind == "product_transposed" else ""
            head = (
                f"product(gemm, B, {size(x.width)}, {size(node.width)}, {source}, {stride}, "
                f"w{w}, ldw{w}, {turned}turned{w}"
            )
            for target, into in self.added:
                if target is node:
                    when = f"if ({into.only_if}) " if into.only_if else ""
                    self.lines.append(f"{when}{head}, 1, {into.pointer}, {into.stride});")
            if node in self.home:
                into = self.home[node]
                self.lines.append(f"{head}, 0, {into.pointer}, {into.stride});")
        if node in self.home:
            self.placed[node] = self.home[node]
        return True

    def _sum(self, node: Node, x: Node) -> None:
        into = self.home[node]
        loop = Loop(self.placed, self.sizes, x.width)
        value = loop.value(x, 0)
        self.lines += [
            "for (long b = 0; b < B; ++b) {",
            *loop.rows(),
            "  V sum = {};",
            *loop.body([f"sum += keep * {value};"]),
            f"  {into.pointer}[b * {into.stride}] = total(sum);",
            "}",
        ]

    def _pass(self, stores: list[Store]) -> None:
        """Write values of one width after another, each width in one loop."""
        loops: dict[tuple[int, str], list[Store]] = {}
        for store in stores:
            for start, piece in flat(store.node):
                if store.is_added and piece.kind == "literal" and piece.number == 0:
                    continue
                part = Store(piece, store.place, store.start + start, store.is_added)
                loops.setdefault((piece.width, store.place.only_if), []).append(part)
        for (width, only_if), parts in loops.items():
            loop = Loop(self.placed, self.sizes, width)
            ends = [loop.put(part) for part in parts]
            self.lines += [
                f"{f'if ({only_if}) ' if only_if else ''}for (long b = 0; b < B; ++b) {{",
                *loop.rows(),
                *loop.body(ends),
                "}",
            ]
        for store in stores:
            if not store.is_added:
                self.placed.setdefault(store.node, store.place)


def _base(node: Node) -> Node:
    """Give what has to lie in memory for a product to take `node`."""
    return node.args[0] if node.kind == "slice" else node


def _reached(roots: list[Node], known: dict[Node, Place]) -> list[Node]:
    """List what the roots are made of, operands first, down to what is known."""
    order: dict[Node, None] = {}
    stack = [(node, False) for node in reversed(roots)]
    while stack:
        node, is_done = stack.pop()
        if is_done or node in known:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack += [(arg, False) for arg in reversed(node.args)]
    return list(order)
