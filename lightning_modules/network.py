"""The network around a layer: symbols in, layer, read-out, answers out."""

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.architectures.base import Layer, Path, Recurrent
from lightning_modules.kernel.running import Kernel, kernel_for
from lightning_modules.tasks.base import Batch


class Network(nn.Module):
    """A layer with a linear read-out, at the last step or at each."""

    def __init__(self, layer: Layer, output_size: int, answer: Literal["last", "each"]) -> None:
        super().__init__()
        self.layer = layer
        self.answer = answer
        self.read_out = nn.Linear(layer.output_size, output_size)

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
        return self.read_out(y[:, -1] if self.answer == "last" else y)

    def predict(self, batch: Batch) -> Float[Tensor, "batch ... output"]:
        """Answer a batch as it is scored; the same as `forward` unless a network decodes."""
        return self(batch.inputs)


def count_parameters(module: nn.Module) -> int:
    """Count the numbers that training may change."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_state(layer: Layer) -> int | None:
    """Count the numbers carried from one step to the next, or None where they grow with time."""
    if not isinstance(layer, Recurrent):
        return None
    return sum(part[0].numel() for part in layer.initial_state(1))


def count_flops_per_step(network: Network) -> int:
    """Count the matrix-product FLOPs of one step of one example, forward, read-out included.

    Counted on the loop: every other path does the same products out of the counter's sight.
    """
    layer = network.layer
    x = torch.zeros(1, 1, layer.input_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        y, _ = layer.loop(x) if isinstance(layer, Recurrent) else layer(x)
        network.read_out(y)
    return int(counter.get_total_flops())


def path_of(layer: Layer) -> Path:
    """Name the way a layer runs over a sequence; measured times of two paths are not compared."""
    return layer.path if why_no_kernel(layer) else "kernel"


def why_no_kernel(layer: Layer) -> str:
    """Say why no kernel runs a layer; an empty line where one does."""
    if not isinstance(layer, Recurrent):
        return "it is no Recurrent"
    if type(layer).forward is not Recurrent.forward:
        return "it has a `forward` of its own"
    x = layer.zeros(1, 1, layer.input_size)
    found = kernel_for(layer, x, layer.initial_state(1))
    return "" if isinstance(found, Kernel) else found
