"""The vanilla recurrent network."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Recurrent, State


class RNN(Recurrent):
    """Vanilla recurrence: the whole state is rewritten at every step.

    h_t = tanh(W x_t + U h_{t-1} + b), or ReLU in place of tanh.

    `start` is the start of U: orthogonal; the identity (IRNN, meant for ReLU: b = 0 and
    W ~ N(0, .001^2); Le 2015, arXiv:1504.00941); or torch's default, uniform within 1/sqrt(n).
    """

    paper = "Elman 1990, Cognitive Science 14(2)"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        start: Literal["orthogonal", "identity", "default"] = "orthogonal",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.activation = torch.tanh if activation == "tanh" else torch.relu
        self.rnn = nn.RNN(input_size, hidden_size, nonlinearity=activation, batch_first=True)
        # torch adds two biases; one of them is all that the equation has.
        self.rnn.bias_hh_l0.requires_grad_(False).zero_()
        if start == "orthogonal":
            nn.init.orthogonal_(self.rnn.weight_hh_l0)
        elif start == "identity":
            nn.init.eye_(self.rnn.weight_hh_l0)
            nn.init.normal_(self.rnn.weight_ih_l0, std=0.001)
            nn.init.zeros_(self.rnn.bias_ih_l0)

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        return F.linear(x, self.rnn.weight_ih_l0, self.rnn.bias_ih_l0)

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch hidden"], State]:
        (h,) = state
        h = self.activation(p_t + F.linear(h, self.rnn.weight_hh_l0))
        return h, (h,)

    def forward(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Run torch's fused kernel."""
        (h,) = self.initial_state(x.shape[0]) if state is None else state
        y, h = self.rnn(x, h.unsqueeze(0))
        return y, (h.squeeze(0),)
