"""The kernel of a traced step in C++: its source, and the memory that it works on."""

from collections import Counter
from dataclasses import dataclass

from lightning_modules.kernel.derivation import PRODUCTS, Derivation
from lightning_modules.kernel.expressions import Node, in_order
from lightning_modules.kernel.loops import Place, Sizes, Store
from lightning_modules.kernel.memory import Layout
from lightning_modules.kernel.source import Body, emit
from lightning_modules.kernel.tracing import Trace
from lightning_modules.kernel.vector_math import HEADER


@dataclass(frozen=True)
class Program(Layout):
    """A kernel's source, and the memory that it works on.

    The gradient of a history is a ring of length + 2 places in it. Kept values are
    [time, batch, width]; rooms are [batch, width] and live for one step.
    """

    source: str
    numbers: tuple[int, ...]
    takes_input: bool
    kept: tuple[int, ...]
    rooms: tuple[tuple[int, ...], tuple[int, ...]]
    constants: tuple[int, ...]
    """Those of the trace's constants that are used."""


def derive(trace: Trace) -> Program:
    """Derive forward and backward of a whole sequence from one step."""
    return _Writer(trace).program()


class _Writer(Derivation):
    """Writes the two ways in C++."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.sizes = Sizes()

    def program(self) -> Program:
        forth, back = self._write_forward(), self._write_backward()
        chains = tuple(self.chains)
        return Program(
            source=HEADER + forth[0] + back[0],
            numbers=tuple(self.sizes.values),
            takes_input=bool(self.inputs),
            chains=chains,
            delays=tuple(self.delays),
            output=self.output_chain,
            kept=tuple(n.width for n in self.kept),
            rooms=(forth[1], back[1]),
            constants=tuple(sorted(self.constants)),
        )

    def _places(self) -> dict[Node, Place]:
        """Say where everything lies that is there before a step."""
        places = {n: Place("p", "p_row") for n in self.inputs}
        for index, (chain, _) in enumerate(self.delays):
            width = self.chains[chain].width
            leaf = self.e.node("state", (), width, index=index)
            places[leaf] = Place(f"s{index}", self.sizes(width))
        for index, width in self.constants.items():
            places[self.e.node("constant", (), width, index=index)] = Place(f"c{index}", "")
        return places

    def _pointers(self) -> list[str]:
        """Point to the step's own part of what both ways use."""
        lines = ["T* const p = p_all + t * p_step;"] if self.inputs else []
        for index, (number, delay) in enumerate(self.delays):
            chain = self.chains[number]
            ago, width = chain.length - delay, self.sizes(chain.width)
            lines.append(f"T* const s{index} = h{number} + (t + {ago}) * B * {width};")
        for index, chain in enumerate(self.chains):
            after, width = chain.length + 1, self.sizes(chain.width)
            lines.append(f"T* const a{index} = h{index} + (t + {after}) * B * {width};")
        for index, node in enumerate(self.kept):
            lines.append(f"T* const k{index} = k_all{index} + t * B * {self.sizes(node.width)};")
        return lines

    def _arguments(self) -> list[str]:
        """Name what both ways are given."""
        names = ["p_all"] if self.inputs else []
        names += [f"h{i}" for i in range(len(self.chains))]
        names += [f"k_all{i}" for i in range(len(self.kept))]
        names += [f"c{i}" for i in sorted(self.constants)]
        return names + [f"w{i}" for i in range(len(self.trace.matrices))]

    def _write_forward(self) -> tuple[str, tuple[int, ...]]:
        stores = [
            Store(chain.value, Place(f"a{i}", self.sizes(chain.width)))
            for i, chain in enumerate(self.chains)
        ]
        stores += [
            Store(node, Place(f"k{i}", self.sizes(node.width))) for i, node in enumerate(self.kept)
        ]
        body = emit(stores, [], self._places(), self.sizes)
        return self._function("forward", [], body, self._pointers(), "long t = 0; t < time; ++t")

    def _write_backward(self) -> tuple[str, tuple[int, ...]]:
        known, pointers = self._places(), self._pointers()
        for index, node in enumerate(self.kept):
            known.setdefault(node, Place(f"k{index}", self.sizes(node.width)))
        pointers.append("T* const gy = gy_all + t * gy_step;")
        known[self.e.node("gradient_out", (), self.trace.output.width)] = Place("gy", "gy_row")
        for index, chain in enumerate(self.chains):
            width, ring = self.sizes(chain.width), chain.length + 2
            known.setdefault(chain.value, Place(f"a{index}", width))
            leaf = self.e.node("gradient_state", (), chain.width, index=index)
            known[leaf] = Place(f"ga{index}", width)
            at, new = (
                f"(t + {chain.length + 1}) % {ring} * B * {width}",
                f"t % {ring} * B * {width}",
            )
            pointers.append(f"T* const ga{index} = g{index} + {at};")
            pointers.append(f"std::memset(g{index} + {new}, 0, B * {width} * sizeof(T));")
        roots = [self.gradient[n] for n in self.forward if self.has(n)]
        users = Counter([*roots, *(arg for n in in_order(roots) for arg in n.args)])
        stores: list[Store] = []
        added: list[tuple[Node, Place]] = []
        for node in filter(self.has, self.inputs):
            # Most inputs are data, and nobody asks for their gradient: a product a step less.
            pointers.append("T* const gp = gp_all + t * gp_step;")
            place = Place("gp", "gp_row", only_if="gp_all")
            self._add(self.gradient[node], place, users, stores, added)
        for index, (number, delay) in enumerate(self.delays):
            chain = self.chains[number]
            leaf = self.e.node("state", (), chain.width, index=index)
            if leaf in self.gradient:
                at = f"(t + {chain.length - delay}) % {chain.length + 2}"
                width = self.sizes(chain.width)
                pointers.append(f"T* const gs{index} = g{number} + {at} * B * {width};")
                place = Place(f"gs{index}", width)
                self._add(self.gradient[leaf], place, users, stores, added)
        for index, count in self.constants.items():
            leaf = self.e.node("constant", (), count, index=index)
            if leaf in self.gradient:
                stores.append(Store(self.gradient[leaf], Place(f"gc{index}", ""), is_added=True))
        names = ["gy_all", "gp_all", *(f"g{i}" for i in range(len(self.chains)))]
        names += [f"gc{i}" for i in sorted(self.constants)]
        names += [f"gw{i}" for i in range(len(self.trace.matrices))]
        factors = [(n.args[0], self.gradient[n], n.index) for n in self.products]
        body = emit(stores, added, known, self.sizes, factors)
        return self._function("backward", names, body, pointers, "long t = time - 1; t >= 0; --t")

    def _add(
        self,
        node: Node,
        place: Place,
        users: Counter[Node],
        stores: list[Store],
        added: list[tuple[Node, Place]],
    ) -> None:
        for term in self._terms(node, users):
            if term.kind in PRODUCTS and users[term] == 1:
                added.append((term, place))
            else:
                stores.append(Store(term, place, is_added=True))

    def _terms(self, node: Node, users: Counter[Node]) -> list[Node]:
        """Split a sum that nobody else uses: a product in it goes straight to where it is added."""
        if node.kind == "add" and users[node] == 1:
            return [term for arg in node.args for term in self._terms(arg, users)]
        return [node]

    def _function(
        self, name: str, more: list[str], body: Body, pointers: list[str], loop: str
    ) -> tuple[str, tuple[int, ...]]:
        tensors = [*self._arguments(), *more, *(f"room{i}" for i in range(len(body.rooms)))]
        strides = ["p_row", "p_step", "gp_row", "gp_step", "gy_row", "gy_step"]
        for matrix in range(len(self.trace.matrices)):
            strides += [f"ldw{matrix}", f"turned{matrix}"]
        numbers = [*strides, *(f"n{i}" for i in range(len(self.sizes.values)))]
        text = [
            f'extern "C" void {name}(Gemm gemm, long time, long B, const long* d, void* const* q)',
            "{",
            *(f"  const long {n} = d[{i}];" for i, n in enumerate(numbers)),
            *(f"  T* const {n} = (T*)q[{i}];" for i, n in enumerate(tensors)),
            f"  for ({loop}) {{",
            *(f"    {line}" for line in pointers + body.lines),
            "  }",
            "}",
        ]
        return "\n".join(text) + "\n", tuple(body.rooms)
