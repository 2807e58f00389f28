"""Loops over the units of a row, as C++.

Sizes are numbers at run time: one source serves an architecture at every size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lightning_modules.kernel.expressions import Node, pieces


@dataclass(frozen=True)
class Place:
    """Where a value of the running step lies: a pointer for the step, and the numbers per row.

    `stride` is "" where all rows share one (a constant). Nothing is written where `only_if`, a
    pointer, is null.
    """

    pointer: str
    stride: str
    only_if: str = ""


@dataclass(frozen=True)
class Store:
    """A value to be put, or added, into a place, from number `start` of the row on."""

    node: Node
    place: Place
    start: int = 0
    is_added: bool = False


@dataclass
class Sizes:
    """The numbers that a source leaves open, in the order in which they first came up."""

    values: list[int] = field(default_factory=list)

    def __call__(self, value: int) -> str:
        """Give the name of a number."""
        if value not in self.values:
            self.values.append(value)
        return f"n{self.values.index(value)}"


class CrossesPiecesError(Exception):
    """A part of a `cat` is read across the border of two pieces, so it has to be written down."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node


class Loop:
    """A loop over the units of a row: what it reads, computes and writes, each once."""

    def __init__(self, placed: dict[Node, Place], sizes: Sizes, width: int) -> None:
        self.placed, self.sizes, self.width = placed, sizes, width
        self._rows: dict[Place, str] = {}
        self._lines: list[str] = []
        self._names: dict[tuple[Node, int], str] = {}

    def value(self, node: Node, start: int) -> str:
        """Give the name of a node's numbers from `start` on, as wide as the loop."""
        if (node, start) not in self._names:
            text = self._text(node, start)
            name = f"v{len(self._names)}"
            self._lines.append(f"const V {name} = {text};")
            self._names[node, start] = name
        return self._names[node, start]

    def put(self, store: Store) -> str:
        """Give the statement that stores a value."""
        name = self.value(store.node, 0)
        pointer = self._pointer(store.place, store.start)
        if store.is_added:
            return f"put({pointer}, get({pointer}) + keep * {name});"
        return f"put({pointer}, {name});"

    def rows(self) -> list[str]:
        """Give the pointers to the running row."""
        return [
            f"  T* const {name} = {place.pointer} + b * {place.stride};"
            for place, name in self._rows.items()
            if place.stride
        ]

    def body(self, ends: list[str]) -> list[str]:
        """Give the loop itself, whole vectors and the rest: `PASS` is a macro of the kernel."""
        return [f"  PASS({self.sizes(self.width)}, {{", *self._indented(ends), "  })"]

    def _indented(self, ends: list[str]) -> Iterator[str]:
        return (f"    {line}" for line in [*self._lines, *ends])

    def _text(self, node: Node, start: int) -> str:
        if node in self.placed:
            return f"get({self._pointer(self.placed[node], start)})"
        if node.kind == "literal":
            return f"splat({_number(node.number)})"
        if node.kind == "slice":
            return self.value(node.args[0], start + node.index)
        if node.kind == "spread":
            return f"splat(*{self._pointer(self.placed[node.args[0]], -1)})"
        if node.kind == "cat":
            for begin, piece in pieces(node):
                if begin <= start and start + self.width <= begin + piece.width:
                    return self.value(piece, start - begin)
            raise CrossesPiecesError(node)
        args = ", ".join(self.value(arg, start) for arg in node.args)
        return f"k_{node.kind}({args})"

    def _pointer(self, place: Place, start: int) -> str:
        """Give the address of a row's number `start`; -1: of its only one, whatever the unit."""
        row = self._rows.setdefault(place, f"r{len(self._rows)}") if place.stride else place.pointer
        if start < 0:
            return row
        return f"{row} + {self.sizes(start)} + j" if start else f"{row} + j"


def flat(node: Node) -> Iterator[tuple[int, Node]]:
    """List the pieces of a `cat` in a `cat`, with where each begins."""
    if node.kind != "cat":
        yield 0, node
        return
    for begin, piece in pieces(node):
        for inner, part in flat(piece):
            yield begin + inner, part


def _number(number: float) -> str:
    if number != number or number in (float("inf"), -float("inf")):
        return "T(NAN)" if number != number else f"T({'-' if number < 0 else ''}INFINITY)"
    return f"T({number!r})"
