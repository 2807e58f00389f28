"""Layers upon layers, and two networks that meet: depth and direction, over any architecture."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lightning_modules.architectures.base import Layer, State
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Shape

GATE_BIAS = -2.0
"""Where b_T starts: nearly all of what came in passes by (Srivastava 2015 has -1 to -4)."""

Sequence = Float[Tensor, "batch time _"]
Make = Callable[[int, int], Layer]
"""Makes layer `number`, counted from 0 at the bottom, that takes in so many numbers a step."""


class Stack(Layer):
    """Layers of one architecture, the lowest first, joined by a wiring.

    y^l = layer_l(x^{l-1}), or with `norm` before layer_l(LN(x^{l-1}))
    plain      x^0 = x               x^l = y^l
    residual   x^0 = W_0 x + b_0     x^l = y^l + x^{l-1}
    highway    x^0 = W_0 x + b_0     x^l = T * y^l + (1 - T) * x^{l-1},  T = sig(W_T x^{l-1} + b_T)
    dense      x^0 = x               x^l = [x^0; y^1; ..; y^l]

    x^L is read out, with `output` all [x^1; ..; x^L]. LN normalises over the units of one step; the
    bare input is left as it is, since of two numbers it would leave the sign. b_T starts at -2.
    The state is that of all layers, the lowest first.
    """

    paper = (
        "residual He 2015, arXiv:1512.03385; highway Srivastava 2015, arXiv:1505.00387; dense"
        " Huang 2016, arXiv:1608.06993"
    )

    def __init__(self, make: Make, input_size: int, hidden_size: int, shape: Shape) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.wiring, self.output = shape.wiring, shape.output
        has_sums = shape.wiring in ("residual", "highway")
        self.W = nn.Linear(input_size, hidden_size) if has_sums else None
        self.layers, self.norms, self.T = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width, widths = hidden_size if has_sums else input_size, []
        for number in range(shape.layers):
            is_bare = number == 0 and not has_sums
            is_normed = shape.norm == "before" and not is_bare
            self.norms.append(nn.LayerNorm(width) if is_normed else nn.Identity())
            layer = make(number, width)
            self.layers.append(layer)
            if has_sums and layer.output_size != hidden_size:
                raise RefusedError(
                    f"a {shape.wiring} wiring adds what layers give to what they take in, so that "
                    f"both need one width: at {hidden_size} units, layer {number + 1} gives "
                    f"{layer.output_size} numbers"
                )
            if shape.wiring == "highway":
                gate = nn.Linear(hidden_size, hidden_size)
                nn.init.constant_(gate.bias, GATE_BIAS)
                self.T.append(gate)
            width = width + layer.output_size if shape.wiring == "dense" else layer.output_size
            widths.append(width)
        self.output_size = sum(widths) if shape.output == "all" else width
        self.causal = all(layer.causal for layer in self._each())
        reaches = [layer.receptive_field for layer in self._each()]
        if None not in reaches:
            self.receptive_field = 1 + sum(reach - 1 for reach in reaches if reach is not None)
        self._name_states()

    def _name_states(self) -> None:
        self.state_names = tuple(
            f"{name} of layer {number}"
            for number, layer in enumerate(self._each(), 1)
            for name in layer.state_names
        )

    def _each(self) -> Iterator[Layer]:
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield layer

    def initial_state(self, batch: int) -> State | None:
        """Give the states of all layers before the first step, unless one of them grows."""
        states = [layer.initial_state(batch) for layer in self._each()]
        if any(state is None for state in states):
            return None
        return tuple(part for state in states if state is not None for part in state)

    def look(self, size: int) -> None:
        """Have every layer look at another sequence as well, all at the same one."""
        for layer in self._each():
            layer.look(size)
        self._name_states()

    def facing(self, h: Sequence, is_there: Bool[Tensor, "batch time"]) -> State:
        """Give the states of all layers before the first step, each facing the sequence."""
        return tuple(part for layer in self._each() for part in layer.facing(h, is_there))

    def forward(self, x: Sequence, state: State | None = None) -> tuple[Sequence, State]:
        """Run over a whole sequence, each layer by its own path."""
        return self._run(x, state, lambda layer: layer)

    def loop(self, x: Sequence, state: State | None = None) -> tuple[Sequence, State]:
        """Run each layer by its plainest path."""
        return self._run(x, state, lambda layer: layer.loop)

    def _run(
        self,
        x: Sequence,
        state: State | None,
        path: Callable[[Layer], Callable[..., tuple[Sequence, State]]],
    ) -> tuple[Sequence, State]:
        parts = None if state is None else iter(state)
        x = x if self.W is None else self.W(x)
        given: list[Sequence] = []
        after: list[Tensor] = []
        for number, layer in enumerate(self._each()):
            own = None if parts is None else tuple(islice(parts, len(layer.state_names)))
            y, own = path(layer)(self.norms[number](x), own)
            after += own
            x = self._join(number, x, y)
            given.append(x)
        return torch.cat(given, 2) if self.output == "all" else x, tuple(after)

    def _join(self, number: int, x: Sequence, y: Sequence) -> Sequence:
        if self.wiring == "residual":
            return y + x
        if self.wiring == "dense":
            return torch.cat([x, y], 2)
        if self.wiring == "highway":
            transform = torch.sigmoid(self.T[number](x))
            return transform * y + (1 - transform) * x
        return y


class Bidirectional(nn.Module):
    """Two layers, or stacks: one runs from the beginning, one from the end, side by side.

    y_t = [f_t; b_t], where b_t has seen x_t and all that comes after it. Schuster & Paliwal 1997,
    IEEE Transactions on Signal Processing 45(11).

    It is no `Layer`, so that nothing takes it for one: it is not causal, and there is no state that
    it could go on from, as the end has to be there before the first answer. What it gives beside y
    are the states that the two ended with, each at its own end of the sequence.
    """

    def __init__(self, forwards: Layer, backwards: Layer) -> None:
        super().__init__()
        self.forwards, self.backwards = forwards, backwards
        self.input_size, self.hidden_size = forwards.input_size, forwards.hidden_size
        self.output_size = forwards.output_size + backwards.output_size

    def forward(self, x: Sequence) -> tuple[Sequence, State]:
        """Run over a whole sequence, from both of its ends."""
        return self._meet(self.forwards(x), self.backwards(x.flip(1)))

    def loop(self, x: Sequence) -> tuple[Sequence, State]:
        """Run both by their plainest path."""
        return self._meet(self.forwards.loop(x), self.backwards.loop(x.flip(1)))

    def ends(self, y: Sequence) -> Float[Tensor, "batch output"]:
        """Give what the two know that have seen everything: f at the end, b at the beginning."""
        size = self.forwards.output_size
        return torch.cat([y[:, -1, :size], y[:, 0, size:]], 1)

    def _meet(
        self, there: tuple[Sequence, State], back: tuple[Sequence, State]
    ) -> tuple[Sequence, State]:
        return torch.cat([there[0], back[0].flip(1)], 2), (*there[1], *back[1])


def receptive_field(layer: Layer | Bidirectional) -> int | None:
    """Give how many steps an output sees, in each of its directions, where that is limited."""
    return (layer.forwards if isinstance(layer, Bidirectional) else layer).receptive_field


def parts_of(module: nn.Module) -> list[Layer]:
    """List the layers that an architecture made, in a network or a part of one.

    Of a stack the lowest first, of two directions forwards first, an encoder before its decoder.
    """
    if isinstance(module, Layer) and not isinstance(module, Stack):
        return [module]
    return [part for inner in module.children() for part in parts_of(inner)]
