"""DenseNet-style connections through time."""

from typing import Literal

import torch
from torch import nn

from lightning_modules.architectures.base import Recurrent, Sequence, State, Vector


class DenseNet(Recurrent):
    """DenseNet-style connections through time: each step sees several earlier states directly.

    h_t = tanh(W x_t + sum_{j=1..k} U_j h_{t-d_j} + b),   k = `last`

    `delays` dense sees d_j = 1, 2, .. k; doubling sees 1, 2, 4, .. 2^(k-1) (DiPietro 2017,
    arXiv:1702.07805). `matrices` shared has one U and a trained scalar a_j each, U_j = a_j U. This
    is the higher-order recurrence of Soltani & Jiang with the dense pattern of Huang. The U_j start
    orthogonal and divided by k: together they move a constant state as one such matrix would.
    """

    paper = "Huang 2017, arXiv:1608.06993; through time Soltani & Jiang 2016, arXiv:1605.00064"
    combinations = ({"delays": "doubling", "matrices": "shared"},)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        last: int = 4,
        delays: Literal["dense", "doubling"] = "dense",
        matrices: Literal["own", "shared"] = "own",
    ) -> None:
        super().__init__(input_size, hidden_size)
        if last < 1:
            raise ValueError(f"last is {last}; a step sees at least 1 state")
        self.delays = [j + 1 if delays == "dense" else 2**j for j in range(last)]
        self.state_names = tuple(f"hidden {j} back" for j in range(1, self.delays[-1] + 1))
        self.W = nn.Linear(input_size, hidden_size)
        count = last if matrices == "own" else 1
        self.U = nn.Linear(count * hidden_size, hidden_size, bias=False)
        self.a = nn.Parameter(torch.full((last,), 1 / last)) if matrices == "shared" else None
        with torch.no_grad():
            for block in self.U.weight.split(hidden_size, dim=1):
                block.copy_(nn.init.orthogonal_(torch.empty_like(block)) / count)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        seen = [state[d - 1] for d in self.delays]
        if self.a is None:
            product = self.U(torch.cat(seen, dim=1))
        else:
            product = self.U(sum(a * h for a, h in zip(self.a, seen, strict=True)))
        h = torch.tanh(p_t + product)
        return h, (h, *state[:-1])
