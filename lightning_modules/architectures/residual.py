"""ResNet-style skips through time."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, State


class Residual(Recurrent):
    """ResNet-style skip through time: the old state is added to what the step computes.

    naive          h_t = h_{t-1} + eps * tanh(W x_t + U h_{t-1} + b)
    weighted       h_t = sig(b_s) * h_{t-1} + sig(a_s) * tanh(W x_t + U h_{t-1} + b)
    antisymmetric  h_t = h_{t-1} + eps * tanh(W x_t + (M - M^T - gamma I) h_{t-1} + b)

    weighted is FastRNN (Kusupati 2018, arXiv:1901.02358), two trained scalars that start at `a`
    and `b`; antisymmetric is Chang 2019 (arXiv:1902.09689, eq. 12). U starts orthogonal, M from
    N(0, 1/n).
    """

    paper = "He 2016, arXiv:1512.03385; through time Kusupati 2018, arXiv:1901.02358"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        skip: Literal["naive", "weighted", "antisymmetric"] = "weighted",
        a: float = -3.0,
        b: float = 3.0,
        epsilon: float = 0.1,
        gamma: float = 0.01,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.skip, self.epsilon, self.gamma = skip, epsilon, gamma
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Parameter(torch.empty(hidden_size, hidden_size))
        if skip == "antisymmetric":
            nn.init.normal_(self.U, std=hidden_size**-0.5)
        else:
            nn.init.orthogonal_(self.U)
        if skip == "weighted":
            self.a = nn.Parameter(torch.tensor(a))
            self.b = nn.Parameter(torch.tensor(b))

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        return self.W(x)

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch hidden"], State]:
        (h,) = state
        if self.skip == "antisymmetric":
            product = h @ (self.U.T - self.U) - self.gamma * h
        else:
            product = h @ self.U.T
        candidate = torch.tanh(p_t + product)
        if self.skip == "weighted":
            h = self.b.sigmoid() * h + self.a.sigmoid() * candidate
        else:
            h = h + self.epsilon * candidate
        return h, (h,)
