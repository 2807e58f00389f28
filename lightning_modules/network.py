"""The network around a layer: symbols in, layer, read-out, answers out."""

from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.architectures.base import Layer, Path, Recurrent, State
from lightning_modules.decoding import decode
from lightning_modules.kernel.running import kernel_for
from lightning_modules.reading import read
from lightning_modules.stack import Bidirectional, parts_of
from lightning_modules.tasks.base import Batch, Reply

SPEEDS: tuple[Path, ...] = ("kernel", "fused", "scan", "loop")


class Network(nn.Module):
    """A layer, or a stack of them, with a linear read-out, at the last step or at each.

    Of a task with a `reply` it is a language model of sources and replies: trained on what was
    said, scored on what it says itself, the likeliest symbol at each step.
    """

    looks_back = False
    """Whether it looks again at all that it read, so that what it keeps grows with time."""

    def __init__(
        self,
        layer: Layer | Bidirectional,
        output_size: int,
        answer: Literal["last", "each"],
        reply: Reply | None = None,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.answer = answer
        self.reply = reply
        self.read_out = nn.Linear(layer.output_size, output_size)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.read_out.weight.device

    def encode(self, inputs: Shaped[Tensor, "batch time ..."]) -> Float[Tensor, "batch time input"]:
        """Turn symbols into one-hot vectors, as the literature has it; pass real numbers on."""
        if inputs.is_floating_point():
            return inputs
        return F.one_hot(inputs, self.layer.input_size).to(self.read_out.weight.dtype)

    def forward(
        self, inputs: Shaped[Tensor, "batch time ..."]
    ) -> Float[Tensor, "batch ... output"]:
        """Answer at the last step, [batch, output], or at each, [batch, time, output]."""
        y, _ = self.layer(self.encode(inputs))
        return self.read_out(self._end(y) if self.answer == "last" else y)

    def _end(self, y: Float[Tensor, "batch time hidden"]) -> Float[Tensor, "batch hidden"]:
        return self.layer.ends(y) if isinstance(self.layer, Bidirectional) else y[:, -1]

    def predict(self, batch: Batch) -> Float[Tensor, "batch ... output"]:
        """Answer a batch as it is scored; the same as `forward` unless a network decodes."""
        return self(batch.inputs) if self.reply is None else decode(self, batch.inputs, self.reply)

    def one_step(self) -> None:
        """Do the products of one step of one example, by the plainest path."""
        y, _ = self.layer.loop(self.read_out.weight.new_zeros(1, 1, self.layer.input_size))
        self.read_out(y)

    def listen(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> State:
        """Read the sources of a task with a `reply`."""
        return read(self.layer, self.encode(source), lengths)[1]

    def speak(
        self, shown: Int[Tensor, " batch"], memory: State
    ) -> tuple[Float[Tensor, "batch output"], State]:
        """Read one more symbol, and answer it."""
        y, memory = self.layer(self.encode(shown[:, None]), memory)
        return self.read_out(y[:, -1]), memory


def count_parameters(module: nn.Module) -> int:
    """Count the numbers that training may change."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_state(module: Network | Layer | Bidirectional) -> int | None:
    """Count the numbers carried from one step to the next, or None where they grow with time.

    Of a stack those of all layers, of both directions those of both; of an encoder and a decoder as
    well, where there is nothing else to look at.
    """
    states = [part.initial_state(1) for part in parts_of(module)]
    is_growing = isinstance(module, Network) and module.looks_back
    if is_growing or any(state is None for state in states):
        return None
    return sum(tensor[0].numel() for state in states if state is not None for tensor in state)


def count_flops_per_step(network: Network) -> int:
    """Count the matrix-product FLOPs of one step of one example, forward, read-out included.

    Counted on the loop: every other path does the same products out of the counter's sight. Where
    the state grows with time it is the first step, which looks back at nothing.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.one_step()
    return int(counter.get_total_flops())


def path_of(module: Network | Layer | Bidirectional) -> Path:
    """Name the way a layer runs over a sequence; measured times of two paths are not compared.

    Of a stack, or an encoder and a decoder, whose layers may run in different ways, the slowest.
    """
    parts = parts_of(module)
    paths: set[Path] = {part.path if _why_no_kernel(part) else "kernel" for part in parts}
    return max(paths, key=SPEEDS.index)


def why_no_kernel(module: Network | Layer | Bidirectional) -> str:
    """Say why no kernel runs a layer, or one of several; an empty line where one runs all."""
    return next(filter(None, map(_why_no_kernel, parts_of(module))), "")


def _why_no_kernel(layer: Layer) -> str:
    if not isinstance(layer, Recurrent):
        return "it is no Recurrent"
    if type(layer).forward is not Recurrent.forward:
        return "it has a `forward` of its own"
    x = layer.zeros(1, 1, layer.input_size)
    found = kernel_for(layer, x, layer.initial_state(1))
    return found if isinstance(found, str) else ""
