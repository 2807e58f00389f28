"""Highway connections through time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, State


class Highway(Recurrent):
    """Highway through time: a gate decides how much of the old state passes.

    T = sig(W_T x_t + U_T h_{t-1} + b_T)
    h_t = T * tanh(W x_t + U h_{t-1} + b) + (1 - T) * h_{t-1}

    A recurrent highway network of depth 1. `gate_bias` is the start of b_T: negative, so that at
    first nearly all of the old state passes. U starts orthogonal.
    """

    paper = "Srivastava 2015, arXiv:1505.00387; through time Zilly 2017, arXiv:1607.03474"

    def __init__(self, input_size: int, hidden_size: int, *, gate_bias: float = -3.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 2 * hidden_size)
        self.U = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        with torch.no_grad():
            for block in self.U.weight.split(hidden_size):
                block.copy_(nn.init.orthogonal_(torch.empty_like(block)))
            self.W.bias[hidden_size:] = gate_bias

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        return self.W(x)

    def gates(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> dict[str, Float[Tensor, "batch hidden"]]:
        candidate, transform = (p_t + self.U(state[0])).chunk(2, 1)
        return {"candidate": candidate.tanh(), "transform": transform.sigmoid()}

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch hidden"], State]:
        (h,) = state
        gate = self.gates(p_t, state)
        # The second equation in one kernel: half the time of the step, forward and backward.
        h = torch.lerp(h, gate["candidate"], gate["transform"])
        return h, (h,)
