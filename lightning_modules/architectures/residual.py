"""ResNet-style skips through time."""

from typing import Literal

import torch
from torch import nn

from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class Residual(Recurrent):
    """ResNet-style skip through time: the old state is added to what the step computes.

    naive          h_t = h_{t-1} + eps * tanh(W x_t + U h_{t-1} + b)
    weighted       h_t = sig(b_s) * h_{t-1} + sig(a_s) * tanh(W x_t + U h_{t-1} + b)
    leaky          h_t = (1 - leak) * h_{t-1} + leak * tanh(W x_t + U h_{t-1} + b)
    antisymmetric  h_t = h_{t-1} + eps * tanh(W x_t + A h_{t-1} + b),   A = M - M^T - gamma I
    gated_antisymmetric   the same, eps times a gate z = sig(W_z x_t + A h_{t-1} + b_z)
    distant        h_t = tanh(W x_t + U h_{t-1} + V h_{t-s} + b),   s = `distance`

    weighted is FastRNN (Kusupati 2018, arXiv:1901.02358), two trained scalars that start at `a`
    and `b`; leaky is Jaeger 2007 (Neural Networks 20(3)); the antisymmetric ones are Chang 2019
    (arXiv:1902.09689, eq. 12 and 13); distant is Zhang 2016 (arXiv:1602.08210), a skip through a
    matrix. U starts orthogonal, U and V together as two orthogonal halves, M from N(0, 1/n).
    """

    paper = "He 2016, arXiv:1512.03385; through time Kusupati 2018, arXiv:1901.02358"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        skip: Literal[
            "naive", "weighted", "leaky", "antisymmetric", "gated_antisymmetric", "distant"
        ] = "weighted",
        a: float = -3.0,
        b: float = 3.0,
        epsilon: float = 0.1,
        gamma: float = 0.01,
        leak: float = 0.1,
        distance: int = 4,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.skip, self.epsilon, self.gamma, self.leak = skip, epsilon, gamma, leak
        self.is_gated = skip == "gated_antisymmetric"
        self.W = nn.Linear(input_size, (1 + self.is_gated) * hidden_size)
        self.U = nn.Parameter(torch.empty(hidden_size, hidden_size))
        if "antisymmetric" in skip:
            nn.init.normal_(self.U, std=hidden_size**-0.5)
        else:
            nn.init.orthogonal_(self.U)
        if skip == "weighted":
            self.a = nn.Parameter(torch.tensor(a))
            self.b = nn.Parameter(torch.tensor(b))
        if skip == "distant":
            if distance < 2:
                raise ValueError(f"distance is {distance}; a skip passes over at least 1 state")
            self.state_names = tuple(f"hidden {j} back" for j in range(1, distance + 1))
            self.V = nn.Parameter(nn.init.orthogonal_(torch.empty_like(self.U)) / 2)
            self.U.data /= 2

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        h = state[0]
        if "antisymmetric" in self.skip:
            product = h @ (self.U.T - self.U) - self.gamma * h
        else:
            product = h @ self.U.T
        if self.skip == "distant":
            product = product + state[-1] @ self.V.T
        if not self.is_gated:
            return {"candidate": torch.tanh(p_t + product)}
        p, p_z = p_t.chunk(2, 1)
        return {"candidate": torch.tanh(p + product), "update": torch.sigmoid(p_z + product)}

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        h, gate = state[0], self.gates(p_t, state)
        candidate = gate["candidate"]
        if self.skip == "weighted":
            h = self.b.sigmoid() * h + self.a.sigmoid() * candidate
        elif self.skip == "leaky":
            h = (1 - self.leak) * h + self.leak * candidate
        elif self.skip == "distant":
            h = candidate
        else:
            h = h + self.epsilon * (candidate * gate["update"] if self.is_gated else candidate)
        return h, (h, *state[:-1])
