"""Highway connections through time."""

from typing import Literal

import torch
from torch import nn

from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class Highway(Recurrent):
    """Highway through time: a gate decides how much of the old state passes.

    T = sig(W_T x_t + U_T h_{t-1} + b_T)
    h_t = T * tanh(W x_t + U h_{t-1} + b) + C * h_{t-1}

    A recurrent highway network of depth 1. `carry` coupled has C = 1 - T; separate has a gate
    C = sig(W_C x_t + U_C h_{t-1} + b_C). `gate_bias` is the start of b_T, and -`gate_bias` of b_C:
    negative, so that at first nearly all of the old state passes. U starts orthogonal.
    """

    paper = "Srivastava 2015, arXiv:1505.00387; through time Zilly 2017, arXiv:1607.03474"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        gate_bias: float = -3.0,
        carry: Literal["coupled", "separate"] = "coupled",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.blocks = 2 if carry == "coupled" else 3
        self.W = nn.Linear(input_size, self.blocks * hidden_size)
        self.U = nn.Linear(hidden_size, self.blocks * hidden_size, bias=False)
        with torch.no_grad():
            for block in self.U.weight.split(hidden_size):
                block.copy_(nn.init.orthogonal_(torch.empty_like(block)))
            self.W.bias[hidden_size : 2 * hidden_size] = gate_bias
            self.W.bias[2 * hidden_size :] = -gate_bias

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        candidate, transform, *carry = (p_t + self.U(state[0])).chunk(self.blocks, 1)
        gate = {"candidate": candidate.tanh(), "transform": transform.sigmoid()}
        if carry:
            gate["carry"] = carry[0].sigmoid()
        return gate

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        (h,) = state
        gate = self.gates(p_t, state)
        if "carry" in gate:
            h = gate["transform"] * gate["candidate"] + gate["carry"] * h
        else:
            # The second equation in one kernel: half the time of the step, forward and backward.
            h = torch.lerp(h, gate["candidate"], gate["transform"])
        return h, (h,)
