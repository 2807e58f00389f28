"""DenseNet-style connections through time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, State


class DenseNet(Recurrent):
    """DenseNet-style connections through time: each step sees the last k states directly.

    h_t = tanh(W x_t + sum_{j=1..k} U_j h_{t-j} + b)

    The higher-order recurrence of Soltani & Jiang 2016 (arXiv:1605.00064) with the dense pattern of
    Huang 2017. The U_j start orthogonal and divided by k, so that together they neither grow nor
    shrink a constant state by more than one orthogonal matrix would.
    """

    paper = "Huang 2017, arXiv:1608.06993; through time Soltani & Jiang 2016, arXiv:1605.00064"

    def __init__(self, input_size: int, hidden_size: int, *, last: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        if last < 1:
            raise ValueError(f"last is {last}; a step sees at least 1 state")
        self.last = last
        self.state_names = tuple(f"hidden {j} back" for j in range(1, last + 1))
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(last * hidden_size, hidden_size, bias=False)
        with torch.no_grad():
            for block in self.U.weight.split(hidden_size, dim=1):
                block.copy_(nn.init.orthogonal_(torch.empty_like(block)) / last)

    def initial_state(self, batch: int) -> State:
        return tuple(self.zeros(batch, self.hidden_size) for _ in range(self.last))

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        return self.W(x)

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch hidden"], State]:
        h = torch.tanh(p_t + self.U(torch.cat(state, dim=1)))
        return h, (h, *state[:-1])
