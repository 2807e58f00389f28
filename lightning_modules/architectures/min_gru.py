"""The minimal gated recurrent unit."""

import torch
from torch import nn

from lightning_modules.architectures._scan import scan
from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class MinGRU(Recurrent):
    """Minimal GRU: a gate that sees the input alone mixes old and new, so time runs in parallel.

    z = sig(W_z x_t + b_z)        h_t = (1 - z) * h_{t-1} + z * (W_h x_t + b_h)

    The paper's first form; its second, for a scan over logarithms, bends the candidate to keep it
    positive. The scan here needs no logarithms. Weights start as torch's linear layers do.
    """

    paper = "Feng 2024, arXiv:2410.01201"
    path = "scan"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 2 * hidden_size)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        update, candidate = p_t.chunk(2, 1)
        return {"update": update.sigmoid(), "candidate": candidate}

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        gate = self.gates(p_t, state)
        h = torch.lerp(state[0], gate["candidate"], gate["update"])
        return h, (h,)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run all steps at once."""
        (h,) = state
        update, candidate = self.project(x).to(h.dtype).chunk(2, 2)
        z = update.sigmoid()
        y = scan(1 - z, z * candidate, h)
        return y, (y[:, -1],)
