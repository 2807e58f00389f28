"""From one step to a whole sequence: histories, gradients, and what to keep on the way forth.

States that are an earlier state moved on (a delay line) are not copied: each chain has one history,
and a state further down the chain is an earlier place in it.
"""

from dataclasses import dataclass

from lightning_modules.kernel.expressions import CHEAP, Expressions, Node, in_order
from lightning_modules.kernel.gradients import gradients
from lightning_modules.kernel.tracing import Trace

PRODUCTS = ("product", "product_transposed")


@dataclass(frozen=True)
class Chain:
    """A history, and how many steps back in it the last state of the chain lies."""

    value: Node
    width: int
    length: int


class Derivation:
    """What the kernels of a traced step have in common, whatever they are written in.

    `chains` are the histories, `delays` where in them each state lies: (chain, steps back);
    `output_chain` is the history that the output is, or None. `gradient` has an expression for each
    value of `forward`, and `kept` is what the way back reads of the way forth beside histories.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.e: Expressions = trace.expressions
        self._follow_chains()
        self.forward = in_order([trace.output, *trace.states])
        self.constants = {n.index: n.width for n in self.forward if n.kind == "constant"}
        self.inputs = [n for n in self.forward if n.kind == "input"]
        self._differentiate()
        self.products = [n for n in self.forward if n.kind in PRODUCTS and n in self.gradient]
        self._choose_kept()

    def has(self, node: Node) -> bool:
        """Tell whether the way back has something to give to a value."""
        return node in self.gradient and node.kind in ("input", "state", "constant", *PRODUCTS)

    def _follow_chains(self) -> None:
        """Find the states that are only moved on, and the histories that they lie in."""
        states = self.trace.states
        self.chains: list[Chain] = []
        found: dict[int, tuple[int, int]] = {}

        def resolve(index: int, seen: tuple[int, ...]) -> tuple[int, int]:
            after = states[index]
            if index not in found and after.kind == "state" and after.index not in seen:
                chain, delay = resolve(after.index, (*seen, after.index))
                found.setdefault(index, (chain, delay + 1))
            if index not in found:
                self.chains.append(Chain(after, after.width, 0))
                found[index] = len(self.chains) - 1, 0
            return found[index]

        self.delays = [resolve(index, (index,)) for index in range(len(states))]
        lengths = [max(d for c, d in self.delays if c == k) for k in range(len(self.chains))]
        self.chains = [
            Chain(c.value, c.width, n) for c, n in zip(self.chains, lengths, strict=True)
        ]
        values = [chain.value for chain in self.chains]
        output = self.trace.output
        self.output_chain = values.index(output) if output in values else None

    def _differentiate(self) -> None:
        seeds: dict[Node, Node] = {}
        for index, chain in enumerate(self.chains):
            leaf = self.e.node("gradient_state", (), chain.width, index=index)
            before = seeds.get(chain.value)
            seeds[chain.value] = leaf if before is None else self.e.binary("add", before, leaf)
        output = self.trace.output
        leaf = self.e.node("gradient_out", (), output.width)
        before = seeds.get(output)
        seeds[output] = leaf if before is None else self.e.binary("add", before, leaf)
        self.gradient = gradients(self.e, seeds)

    def _choose_kept(self) -> None:
        """Keep what the way back needs and cannot cheaply compute again."""
        wanted = [self.gradient[n] for n in self.forward if self.has(n)]
        there = {chain.value for chain in self.chains}
        kept: dict[Node, None] = {}
        if self.output_chain is None:
            kept[self.trace.output] = None
        for node in self.products:
            below = base(node.args[0])
            if below.kind not in ("state", "input") and below not in there:
                kept[below] = None
        is_forward = set(self.forward)
        seen: set[Node] = set()
        stack = list(wanted)
        while stack:
            node = stack.pop()
            if node in seen or not node.args or node in there or node in kept:
                continue
            seen.add(node)
            if node in is_forward and node.kind not in (*CHEAP, "slice", "cat", "spread"):
                kept[node] = None
            else:
                stack += node.args
        self.kept = list(kept)


def base(node: Node) -> Node:
    """Give what has to lie in memory for a product to take `node`."""
    return node.args[0] if node.kind == "slice" else node
