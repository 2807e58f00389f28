"""The vanilla recurrent network."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.architectures._weights import Weights, with_one_bias
from lightning_modules.architectures.base import Path, Recurrent, Sequence, State, Vector


class RNN(Recurrent):
    """Vanilla recurrence: the whole state is rewritten at every step.

    h_t = tanh(W x_t + U h_{t-1} + b), or ReLU in place of tanh, or nothing (linear).

    `start` is the start of U: orthogonal; the identity (IRNN, meant for ReLU: b = 0 and
    W ~ N(0, .001^2); Le 2015, arXiv:1504.00941); zero; scaled, N(0, 1) divided by its spectral
    radius (Pascanu 2013, arXiv:1211.5063, has .95); or torch's default, uniform within 1/sqrt(n).
    `spectral_radius` is that of an orthogonal, identity or scaled start; W's start is multiplied by
    `input_scale`.
    """

    paper = "Elman 1990, Cognitive Science 14(2)"
    path: Path = "fused"
    combinations = ({"activation": "relu", "start": "identity"},)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Literal["tanh", "relu", "linear"] = "tanh",
        start: Literal["orthogonal", "identity", "zero", "scaled", "default"] = "orthogonal",
        spectral_radius: float = 1.0,
        input_scale: float = 1.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if start in ("zero", "default") and spectral_radius != 1:
            raise ValueError(f"the start {start} has a spectral radius of its own")
        self.activation = {"tanh": torch.tanh, "relu": torch.relu}.get(activation, nn.Identity())
        self.rnn: nn.Module
        if activation == "linear":
            self.path = "loop"
            self.rnn = Weights(input_size, hidden_size, 1)
        else:
            kernel = nn.RNN(input_size, hidden_size, nonlinearity=activation, batch_first=True)
            self.rnn = with_one_bias(kernel)
        with torch.no_grad():
            self._begin(start, spectral_radius)
            self.rnn.weight_ih_l0.mul_(input_scale)

    def _begin(self, start: str, spectral_radius: float) -> None:
        U = self.rnn.weight_hh_l0
        if start == "orthogonal":
            nn.init.orthogonal_(U)
        elif start == "identity":
            nn.init.eye_(U)
            nn.init.normal_(self.rnn.weight_ih_l0, std=0.001)
            nn.init.zeros_(self.rnn.bias_ih_l0)
        elif start == "zero":
            nn.init.zeros_(U)
        elif start == "scaled":
            nn.init.normal_(U)
            U.div_(torch.linalg.eigvals(U).abs().max())
        U.mul_(spectral_radius)

    def project(self, x: Sequence) -> Sequence:
        return F.linear(x, self.rnn.weight_ih_l0, self.rnn.bias_ih_l0)

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        (h,) = state
        h = self.activation(p_t + F.linear(h, self.rnn.weight_hh_l0))
        return h, (h,)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run torch's fused kernel, where it has one."""
        if self.path == "loop":
            return self.loop(x, state)
        (h,) = state
        y, h = self.rnn(x, h.unsqueeze(0))
        return y, (h.squeeze(0),)
