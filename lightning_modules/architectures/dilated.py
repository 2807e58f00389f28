"""Dilated recurrence."""

from typing import Literal

import torch
from torch import nn

from lightning_modules.architectures.base import Recurrent, Sequence, State, Vector


class Dilated(Recurrent):
    """Dilated recurrence: each step sees the state d steps back, and none between.

    h_t = tanh(W x_t + U h_{t-d} + b),   d = `dilation`

    d chains run side by side and never meet: h_t knows the inputs at t, t-d, t-2d, ... alone. In a
    stack, where the layers below have smaller d, y_t = h_t (`read` latest). For a layer alone,
    `read` all gives y_t = [h_t; ..; h_{t-d+1}]: with the linear read-out after it, that is the
    1-by-d convolution by which Chang 2017 joins the chains. U starts orthogonal.
    """

    paper = "Chang 2017, arXiv:1710.02224"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dilation: int = 4,
        read: Literal["all", "latest"] = "all",
    ) -> None:
        super().__init__(input_size, hidden_size)
        if dilation < 1:
            raise ValueError(f"dilation is {dilation}; a step sees at least 1 step back")
        self.read = read
        self.output_size = dilation * hidden_size if read == "all" else hidden_size
        self.state_names = tuple(f"hidden {j} back" for j in range(1, dilation + 1))
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)
        nn.init.orthogonal_(self.U.weight)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        h = torch.tanh(p_t + self.U(state[-1]))
        state = (h, *state[:-1])
        return torch.cat(state, 1) if self.read == "all" else h, state
