"""The kernel of a traced step in Triton: its source, and the memory that it works on.

A program takes a block of rows of the batch through all of time: rows have nothing to do with each
other, so nobody waits for anybody. What is stored for the gradients of weights is added up after
the kernel, by one product each, so that the order of the sums is fixed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lightning_modules.kernel.derivation import PRODUCTS, Derivation, base
from lightning_modules.kernel.expressions import Node
from lightning_modules.kernel.memory import Layout
from lightning_modules.kernel.tracing import Trace
from lightning_modules.kernel.triton_function import Way, write_function
from lightning_modules.kernel.triton_places import Given, Place, Range, Target
from lightning_modules.kernel.triton_step import Step

HEADER = """
import triton
import triton.language as tl

from lightning_modules.kernel import triton_math as f

"""


@dataclass(frozen=True)
class Where:
    """Where the factor of a weight's gradient lies, for all steps.

    `kind` is "input", "history" or "kept"; `index` which; `ago` how many places into a history its
    first step lies. It is `width` numbers of a row, from `start` on.
    """

    kind: str
    index: int
    start: int
    width: int
    ago: int = 0


@dataclass(frozen=True)
class TritonProgram(Layout):
    """A kernel's source, and the memory that it works on.

    The gradient of a history is as long as it, but [1, batch, width] where its length is 0. Kept
    values and `stored`, gradients that the way back leaves, are [time, batch, width].

    `ahead` are products of (units of the input, matrix), made before, [batch, time, width]; those
    of `read_again` are read on the way back too. After the way back, `products` are (factor, number
    of what is stored, matrix) and `sums` (number of what is stored, constant); to the input's
    gradient, which the kernel writes where `writes_of_input`, `of_input` (number of what is stored,
    matrix) is added.
    """

    source: str
    arguments: tuple[tuple[str, ...], tuple[str, ...]]
    """Of forward and backward: tensors, then strides."""
    kept: tuple[int, ...]
    constants: tuple[int, ...]
    ahead: tuple[tuple[Range, int], ...]
    read_again: tuple[int, ...]
    stored: tuple[int, ...]
    products: tuple[tuple[Where, int, int], ...]
    sums: tuple[tuple[int, int], ...]
    of_input: tuple[tuple[int, int], ...]
    writes_of_input: bool


def derive(trace: Trace, target: Target) -> TritonProgram:
    """Derive forward and backward of a whole sequence from one step."""
    return _Writer(trace, target).program()


class _Writer(Derivation):
    """Writes the two ways in Triton."""

    def __init__(self, trace: Trace, target: Target) -> None:
        super().__init__(trace)
        self.target = target
        self.has_delays = any(chain.length for chain in self.chains)
        # What the input alone is multiplied with is done before, for all steps at once.
        self.ahead = [
            n for n in self.forward if n.kind in PRODUCTS and base(n.args[0]).kind == "input"
        ]
        self.kept = [n for n in self.kept if n not in self.ahead or n is trace.output]
        self.stored: dict[Node, int] = {}
        for node in (*self.products, *filter(self.has, map(self._constant, self.constants))):
            self.stored.setdefault(self.gradient[node], len(self.stored))

    def program(self) -> TritonProgram:
        self.read_again: tuple[int, ...] = ()
        self.rest: Node | None = None
        self.of_input: list[tuple[int, int]] = []
        self._split_the_gradient_of_the_input()
        (forth, taken), (back, taken_back) = self._forward(), self._backward()
        return TritonProgram(
            source=f"{HEADER}{forth}\n\n{back}",
            arguments=(taken, taken_back),
            chains=tuple(self.chains),
            delays=tuple(self.delays),
            output=self.output_chain,
            kept=tuple(node.width for node in self.kept),
            constants=tuple(sorted(self.constants)),
            ahead=tuple((_units(n.args[0]), n.index) for n in self.ahead),
            read_again=self.read_again,
            stored=tuple(node.width for node in self.stored),
            products=tuple(
                (self._where(n.args[0]), self.stored[self.gradient[n]], n.index)
                for n in self.products
            ),
            sums=tuple(
                (self.stored[self.gradient[n]], n.index)
                for n in map(self._constant, self.constants)
                if self.has(n)
            ),
            of_input=tuple(self.of_input),
            writes_of_input=self.rest is not None,
        )

    def _split_the_gradient_of_the_input(self) -> None:
        """Leave for after the kernel what is a product of what is stored."""
        terms = [t for n in filter(self.has, self.inputs) for t in _terms(self.gradient[n])]
        for term in terms:
            if term.kind == "product_transposed" and term.args[0] in self.stored:
                self.of_input.append((self.stored[term.args[0]], term.index))
            else:
                self.rest = term if self.rest is None else self.e.binary("add", self.rest, term)

    # What lies where

    def _constant(self, index: int) -> Node:
        return self.e.node("constant", (), self.constants[index], index=index)

    def _state(self, index: int) -> Node:
        return self.e.node("state", (), self.chains[self.delays[index][0]].width, index=index)

    def _seed(self, chain: int) -> Node:
        return self.e.node("gradient_state", (), self.chains[chain].width, index=chain)

    def _history(self, letter: str, chain: int, ago: int) -> Place:
        width = self.chains[chain].width
        return Place(f"{letter}{chain} + (i + {ago}) * batch * {width}", str(width))

    def _kept(self, index: int) -> Place:
        width = self.kept[index].width
        return Place(f"k{index} + i * batch * {width}", str(width))

    def _places(self) -> dict[Node, Place]:
        """Say where everything lies that is there before a step."""
        places = {node: _by_row("p", node.width) for node in self.inputs}
        for index, node in enumerate(self.ahead):
            places[node] = _by_row(f"x{index}", node.width)
        for index, (chain, delay) in enumerate(self.delays):
            places[self._state(index)] = self._history(
                "h", chain, self.chains[chain].length - delay
            )
        return places

    def _where(self, x: Node) -> Where:
        """Find the left factor of a product again, after the kernel."""
        below, start = base(x), x.index if x.kind == "slice" else 0
        values = [chain.value for chain in self.chains]
        if below.kind == "input":
            return Where("input", 0, start, x.width)
        if below.kind == "state":
            chain, delay = self.delays[below.index]
            return Where("history", chain, start, x.width, self.chains[chain].length - delay)
        if below in values:
            chain = values.index(below)
            return Where("history", chain, start, x.width, self.chains[chain].length + 1)
        return Where("kept", self.kept.index(below), start, x.width)

    # The two ways

    def _forward(self) -> tuple[str, tuple[str, ...]]:
        given, last = Given(self._places()), {}
        for index, (number, delay) in enumerate(self.delays):
            if delay == 0:
                given.carried[self._state(index)] = f"h{number}"
        for index, chain in enumerate(self.chains):
            place = self._history("h", index, chain.length + 1)
            given.homes.setdefault(chain.value, []).append(place)
            at = f"h{index} + {chain.length} * batch * {chain.width}"
            last[f"h{index}"] = chain.value, Place(at, str(chain.width))
        for index, node in enumerate(self.kept):
            given.homes.setdefault(node, []).append(self._kept(index))

        def write(step: Step) -> None:
            for node in given.homes:
                step.put(node)

        ahead = [f"x{i}" for i in range(len(self.ahead))]
        names = [*self._shared(), *ahead, *self._matrix_strides()]
        way = Way("forward", names, last, write, write, self.has_delays)
        return write_function(way, given, self.target)

    def _backward(self) -> tuple[str, tuple[str, ...]]:
        given, last = Given(self._places()), {}
        for index, node in enumerate(self.kept):
            given.places.setdefault(node, self._kept(index))
        leaf = self.e.node("gradient_out", (), self.trace.output.width)
        given.places[leaf] = _by_row("gy", leaf.width)
        for node, index in self.stored.items():
            place = Place(f"z{index} + i * batch * {node.width}", str(node.width))
            given.homes[node] = [place]
        for index, chain in enumerate(self.chains):
            given.places.setdefault(chain.value, self._history("h", index, chain.length + 1))
            if chain.length:
                given.places[self._seed(index)] = self._history("g", index, chain.length + 1)
            else:
                given.carried[self._seed(index)] = f"g{index}"
                total = self._total(index, 0) or self.e.literal(0.0, chain.width)
                last[f"g{index}"] = total, Place(f"g{index}", str(chain.width))

        def write(step: Step) -> None:
            for node in given.homes:
                step.put(node)
            for number, chain in enumerate(self.chains):
                for delay in range(chain.length + 1 if chain.length else 0):
                    if (total := self._total(number, delay)) is not None:
                        step.add(total, self._history("g", number, chain.length - delay))

        def finish(step: Step) -> None:
            # Most inputs are data, and nobody asks for their gradient.
            if self.rest is not None:
                begin = len(step.lines)
                step.add(self.rest, _by_row("gp", self.rest.width))
                inner = [f"    {line}" for line in step.lines[begin:]]
                step.lines[begin:] = ["if IS_WANTED:", *inner]
            self.read_again = tuple(k for k, n in enumerate(self.ahead) if n in step.read)

        tensors = [*self._shared(), "gy", "gp", *(f"g{i}" for i in range(len(self.chains)))]
        tensors += [f"z{i}" for i in range(len(self.stored))]
        tensors += [f"x{i}" for i in range(len(self.ahead))]
        names = [*tensors, *self._matrix_strides()]
        way = Way("backward", names, last, write, finish, self.has_delays)
        return write_function(way, given, self.target)

    def _total(self, chain: int, delay: int) -> Node | None:
        """Give the gradient of a place in a history, by all states that lie there."""
        total: Node | None = None
        for index, where in enumerate(self.delays):
            if where == (chain, delay) and self._state(index) in self.gradient:
                part = self.gradient[self._state(index)]
                total = part if total is None else self.e.binary("add", total, part)
        return total

    # Text

    def _shared(self) -> list[str]:
        names = ["p", *(f"h{i}" for i in range(len(self.chains)))]
        names += [f"k{i}" for i in range(len(self.kept))]
        names += [f"c{i}" for i in sorted(self.constants)]
        return names + [f"w{i}" for i in range(len(self.trace.matrices))]

    def _matrix_strides(self) -> list[str]:
        return [f"w{i}_{part}" for i in range(len(self.trace.matrices)) for part in "io"]


def _by_row(name: str, width: int) -> Place:
    """Place what is [batch, time, width]."""
    return Place(f"{name} + i * {width}", f"(time * {width})")


def _terms(node: Node) -> Iterator[Node]:
    """Split a sum."""
    if node.kind == "add":
        for arg in node.args:
            yield from _terms(arg)
    else:
        yield node


def _units(x: Node) -> Range:
    start = x.index if x.kind == "slice" else 0
    return start, start + x.width
