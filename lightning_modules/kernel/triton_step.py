"""One step of a sequence in Triton: the values of a block of rows, in registers.

A row is cut into tiles: wherever a `cat` in it has a border, so that a product with a `cat` is a
sum of products and no value is ever put together from two, and then to a width that registers hold.
A tile is padded to a power of two.
"""

from collections.abc import Collection, Iterator
from itertools import pairwise

from lightning_modules.kernel.derivation import PRODUCTS, base
from lightning_modules.kernel.expressions import Node, pieces
from lightning_modules.kernel.triton_places import Given, Place, Range, Target, carried_name

LEAST = 16
"""The least width of a tile, but for single numbers."""

OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
COMPARISONS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=="}


class Step:
    """What one step computes, line by line, each value once.

    `cuts` are where products and what is carried have to be cut: they are found while writing, and
    where `is_settled` is false in the end, more came up, and the step is to be written again. No
    tile is wider than `widest`.

    Weights are read once, before the first step. Where `is_far`, they are more than the chip holds:
    a product reads matrix and row from memory, a few units at a time.
    """

    def __init__(
        self,
        given: Given,
        cuts: dict[Node, set[int]],
        target: Target,
        widest: int,
        *,
        is_far: bool,
    ) -> None:
        self.places, self.carried, self.homes = given.places, given.carried, given.homes
        self.cuts, self.target, self.widest, self.is_far = cuts, target, widest, is_far
        self.before: list[str] = []
        self.lines: list[str] = []
        self.widths: set[int] = set()
        self.read: set[Node] = set()
        self.is_settled = True
        self.bytes_of_weights = 0
        self._count = 0
        self._names: dict[object, str] = {}
        self._borders: dict[Node, frozenset[int]] = {}
        self._stored: set[tuple[Node, Range]] = set()
        self._fresh: set[Node] = set()

    def tiles(self, node: Node, cuts: Collection[int] = ()) -> Iterator[Range]:
        """List the tiles of a value, cut at some more places."""
        ends = sorted({0, node.width, *self._inner(node), *cuts})
        for first, last in pairwise(ends):
            for begin in range(first, last, self.widest):
                yield begin, min(begin + self.widest, last)

    def value(self, node: Node, tile: Range) -> str:
        """Give the name of a tile, [BLOCK, its padded width]."""
        if node.kind == "slice" and node not in self.places:
            return self.value(node.args[0], (tile[0] + node.index, tile[1] + node.index))
        if node.kind == "cat" and node not in self.places:
            for begin, piece in pieces(node):
                if begin <= tile[0] and tile[1] <= begin + piece.width:
                    return self.value(piece, (tile[0] - begin, tile[1] - begin))
            raise AssertionError("a tile across a border")
        if self._is_cut(node):
            self._cut(node, tile)
        if node in self.carried:
            return carried_name(self.carried[node], tile)
        key = (node, tile)
        if key not in self._names:
            self._names[key] = self._made(node, tile)
            if node in self.homes:
                # At once: it may not have to be held until the end of the step.
                self._leave(node, tile)
        return self._names[key]

    def pointers(self, place: Place, tile: Range) -> str:
        """Give the addresses of a tile."""
        return f"{self._pointer(place)} + rows * {place.row} + {self.units(tile)}"

    def _pointer(self, place: Place) -> str:
        key = place.pointer
        if key not in self._names:
            self._names[key] = self._name(place.pointer, self.lines)
        return self._names[key]

    def units(self, tile: Range) -> str:
        """Give which numbers of a row a tile is."""
        units = f"u{self._padded(tile)}"
        return f"({tile[0]} + {units})" if tile[0] else units

    def mask(self, tile: Range) -> str:
        """Give where a tile has numbers."""
        inside = self._inside(tile)
        return f"here & ({inside})" if inside else "here"

    def load(self, place: Place, tile: Range) -> str:
        """Give the expression that reads a tile."""
        return f"tl.load({self.pointers(place, tile)}, mask={self.mask(tile)}, other=0.0)"

    def put(self, node: Node) -> None:
        """Store a value in its homes, as far as it is not."""
        for tile in self.tiles(node):
            self._leave(node, tile)

    def add(self, node: Node, place: Place) -> None:
        """Add a value to what is in a place."""
        for tile in self.tiles(node):
            value = self.value(node, tile)
            self._store(f"{self.load(place, tile)} + {value}", place, tile)

    def _leave(self, node: Node, tile: Range) -> None:
        if (node, tile) not in self._stored:
            self._stored.add((node, tile))
            value = self.value(node, tile)
            for place in self.homes[node]:
                self._store(value, place, tile)
            self._fresh.add(node)

    def _store(self, value: str, place: Place, tile: Range) -> None:
        at, mask = self.pointers(place, tile), self.mask(tile)
        self.lines.append(f"tl.store({at}, {value}, mask={mask})")

    # Tiles

    def _inner(self, node: Node) -> frozenset[int]:
        """Find where a value has to be cut."""
        if node not in self._borders:
            self._borders[node] = frozenset(self._cuts_of(node))
        return self._borders[node]

    def _cuts_of(self, node: Node) -> Iterator[int]:
        if self._is_cut(node):
            yield from self.cuts.get(node, ())
        elif node in self.places or node.kind in ("sum", "spread"):
            return
        elif node.kind == "slice":
            moved = (at - node.index for at in self._inner(node.args[0]))
            yield from (at for at in moved if 0 < at < node.width)
        elif node.kind == "cat":
            for begin, piece in pieces(node):
                yield from (begin + at for at in (0, *self._inner(piece)))
        else:
            for arg in node.args:
                yield from self._inner(arg)

    def _is_cut(self, node: Node) -> bool:
        """Tell whether a value has to be read tile by tile as it was made."""
        return node in self.carried or (node.kind in PRODUCTS and node not in self.places)

    def _cut(self, node: Node, tile: Range) -> None:
        known = self.cuts.setdefault(node, set())
        new = {at for at in tile if 0 < at < node.width} - known
        # Everything that is read of it in any other way is cut there too, the next time.
        known |= new
        self.is_settled = self.is_settled and not new

    def _padded(self, tile: Range) -> int:
        width = tile[1] - tile[0]
        padded = 1 if width == 1 else max(LEAST, 1 << (width - 1).bit_length())
        self.widths.add(padded)
        return padded

    def _inside(self, tile: Range) -> str:
        width, padded = tile[1] - tile[0], self._padded(tile)
        return "" if width == padded else f"u{padded} < {width}"

    def _zeroed(self, node: Node, tile: Range) -> str:
        """Give a tile whose padding is 0, whatever a function made of it."""
        inside, value = self._inside(tile), self.value(node, tile)
        return f"tl.where({inside}, {value}, 0.0)" if inside else value

    # Expressions

    def _name(self, text: str, lines: list[str]) -> str:
        self._count += 1
        name = f"v{self._count}"
        lines.append(f"{name} = {text}")
        return name

    def _made(self, node: Node, tile: Range) -> str:
        if node.kind in PRODUCTS and node not in self.places:
            return self._product(node, tile)
        is_fixed = node.kind in ("constant", "literal")
        return self._name(self._text(node, tile), self.before if is_fixed else self.lines)

    def _text(self, node: Node, tile: Range) -> str:
        if node in self.places:
            self.read.add(node)
            return self.load(self.places[node], tile)
        shape, dtype = f"[BLOCK, {self._padded(tile)}]", self.target.dtype
        if node.kind == "literal":
            return f"tl.full({shape}, {_number(node.number)}, {dtype})"
        if node.kind == "constant":
            inside = self._inside(tile) or f"u{self._padded(tile)} >= 0"
            read = f"tl.load(c{node.index} + {self.units(tile)}, mask={inside}, other=0.0)"
            return f"tl.broadcast_to({read}, {shape})"
        if node.kind == "spread":
            return f"tl.broadcast_to({self.value(node.args[0], (0, 1))}, {shape})"
        if node.kind == "sum":
            (x,) = node.args
            sums = (f"tl.sum({self._zeroed(x, t)}, 1, keep_dims=True)" for t in self.tiles(x))
            return " + ".join(sums)
        args = [self.value(arg, tile) for arg in node.args]
        if node.kind in OPERATORS:
            return f"{args[0]} {OPERATORS[node.kind]} {args[1]}"
        if node.kind in COMPARISONS:
            return f"({args[0]} {COMPARISONS[node.kind]} {args[1]}).to({dtype})"
        if node.kind == "where":
            return f"tl.where({args[0]} != 0.0, {args[1]}, {args[2]})"
        return f"f.{node.kind}({', '.join(args)})"

    def _product(self, node: Node, tile: Range) -> str:
        (x,) = node.args
        if self.is_far and x.width > 1 and tile[1] - tile[0] > 1 and self._find(x) is not None:
            return self._far_product(node, tile)
        total = ""
        for part in self.tiles(x):
            row, w = self._zeroed(x, part), self._weight(node, part, tile)
            if part[1] - part[0] == 1:
                # One number of the row times a row of the matrix.
                text = f"{row} * {w}"
            elif tile[1] - tile[0] == 1:
                text = f"tl.sum({row} * tl.trans({w}), 1, keep_dims=True)"
            else:
                text = f'tl.dot({row}, {w}, input_precision="ieee")'
            total = self._name(f"{total} + {text}" if total else text, self.lines)
        return total

    def _weight(self, node: Node, part: Range, tile: Range) -> str:
        """Give a part of a matrix, read before the first step."""
        rows, columns = self._padded(part), self._padded(tile)
        key = (node.index, node.kind, part, tile)
        if key not in self._names:
            self.bytes_of_weights += rows * columns * self.target.size
            inside = [f"d{rows} < {part[1] - part[0]}", f"u{columns} < {tile[1] - tile[0]}"]
            down, across = _strides(node)
            down, across = f"({part[0]} + d{rows}) * {down}", f"({tile[0]} + u{columns}) * {across}"
            at, mask = f"w{node.index} + {down} + {across}", f"({inside[0]}) & ({inside[1]})"
            text = f"tl.load({at}, mask={mask}, other=0.0)"
            self._names[key] = self._name(text, self.before)
        return self._names[key]

    def _find(self, x: Node) -> tuple[Node, int] | None:
        """Find what lies in memory, or will, of which x is a part: and where in it x begins."""
        for node, start in ((x, 0), (base(x), x.index if x.kind == "slice" else 0)):
            if node in self.homes or node in self.places:
                return node, start
        return None

    def _far_product(self, node: Node, tile: Range) -> str:
        found = self._find(node.args[0])
        assert found is not None
        x, start = found
        if x not in self.places:
            self.put(x)
        if x in self._fresh:
            # What one of the program's threads has written, the others read.
            self.lines.append("tl.debug_barrier()")
            self._fresh.clear()
        place = self.places[x] if x in self.places else self.homes[x][0]
        down, across = _strides(node)
        row = f"{self._pointer(place)} + {start}, {place.row}"
        matrix = f"w{node.index} + {tile[0]} * {across}, {down}, {across}"
        sizes = f"{node.args[0].width}, {tile[1] - tile[0]}, {self._padded(tile)}, BLOCK"
        return self._name(f"f.product({row}, rows, here, {matrix}, {sizes})", self.lines)


def _strides(node: Node) -> tuple[str, str]:
    """Name how far apart a matrix's rows and columns are, or those of its transpose."""
    down, across = "io" if node.kind == "product" else "oi"
    return f"w{node.index}_{down}", f"w{node.index}_{across}"


def _number(number: float) -> str:
    is_finite = number - number == 0
    return repr(number) if is_finite else f'float("{number}")'
