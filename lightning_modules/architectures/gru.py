"""The gated recurrent unit."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.architectures._weights import Weights, with_one_bias
from lightning_modules.architectures.base import Gates, Path, Recurrent, Sequence, State, Vector


class GRU(Recurrent):
    """Gated recurrent unit: one gate mixes old and new, another hides the old from the new.

    r, z = sig(W x_t + U h_{t-1} + b)           h_t = (1 - z) * h~ + z * h_{t-1}
    after    h~ = tanh(W_h x_t + r * (U_h h_{t-1}) + b_h)       torch's, and the fused kernel's
    before   h~ = tanh(W_h x_t + U_h (r * h_{t-1}) + b_h)       Cho 2014

    `reset` says whether r acts after or before the product with U_h. torch has a second b_h inside
    the bracket; it is held at 0, so that both forms have the same parameters.
    """

    paper = "Cho 2014, arXiv:1406.1078"
    path: Path = "fused"

    def __init__(
        self, input_size: int, hidden_size: int, *, reset: Literal["after", "before"] = "after"
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.gru: nn.Module
        if reset == "after":
            self.gru = with_one_bias(nn.GRU(input_size, hidden_size, batch_first=True))
        else:
            self.path = "loop"
            self.gru = Weights(input_size, hidden_size, 3)

    def project(self, x: Sequence) -> Sequence:
        return F.linear(x, self.gru.weight_ih_l0, self.gru.bias_ih_l0)

    def gates(self, p_t: Vector, state: State) -> Gates:
        (h,) = state
        # In torch's order of the blocks.
        U, U_h = self.gru.weight_hh_l0.split([2 * self.hidden_size, self.hidden_size])
        p, p_h = p_t.split([2 * self.hidden_size, self.hidden_size], 1)
        r, z = (p + F.linear(h, U)).sigmoid().chunk(2, 1)
        product = r * F.linear(h, U_h) if self.path == "fused" else F.linear(r * h, U_h)
        return {"reset": r, "update": z, "candidate": torch.tanh(p_h + product)}

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        gate = self.gates(p_t, state)
        h = torch.lerp(gate["candidate"], state[0], gate["update"])
        return h, (h,)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run torch's fused kernel, where the reset gate acts after the product."""
        if self.path == "loop":
            return self.loop(x, state)
        (h,) = state
        y, h = self.gru(x, h.unsqueeze(0))
        return y, (h.squeeze(0),)
