"""A recurrence whose matrix stays orthogonal."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, Sequence, State, Vector


class Orthogonal(Recurrent):
    """Orthogonal recurrence (expRNN): the matrix is trained, and neither grows nor shrinks a state.

    h_t = modReLU(W x_t + exp(A) h_{t-1}),  A skew-symmetric     modReLU(z) = sgn(z) relu(|z| + b)

    What is trained is the upper triangle of A. A starts as 2 x 2 rotations by angles that are
    uniform within pi (henaff; Henaff 2016, arXiv:1602.06662), or -sqrt((1 - cos u) / (1 + cos u))
    with u uniform within 0 and pi/2 (cayley; Helfrich 2018, arXiv:1707.09520). W starts N(0, 2/m),
    b within .01. Departure: the authors train A at a tenth of the learning rate.
    """

    paper = "Lezcano-Casado & Martinez-Rubio 2019, arXiv:1901.08428"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        start: Literal["henaff", "cayley"] = "henaff",
    ) -> None:
        super().__init__(input_size, hidden_size)
        rotations = torch.empty(hidden_size // 2)
        if start == "henaff":
            rotations.uniform_(-math.pi, math.pi)
        else:
            cosines = rotations.uniform_(0, math.pi / 2).cos()
            rotations = -torch.sqrt((1 - cosines) / (1 + cosines))
        A = torch.zeros(hidden_size, hidden_size)
        pair = torch.arange(0, hidden_size - 1, 2)
        A[pair, pair + 1] = rotations
        rows, columns = torch.triu_indices(hidden_size, hidden_size, 1)
        self.A = nn.Parameter(A[rows, columns])
        self.W = nn.Linear(input_size, hidden_size, bias=False)
        nn.init.kaiming_normal_(self.W.weight)
        self.b = nn.Parameter(torch.empty(hidden_size).uniform_(-0.01, 0.01))

    def recurrent_matrix(self) -> Float[Tensor, "hidden hidden"]:
        """Give exp(A)."""
        n = self.hidden_size
        upper = self.A.new_zeros(n, n)
        rows, columns = torch.triu_indices(n, n, 1, device=self.A.device)
        upper[rows, columns] = self.A
        return torch.linalg.matrix_exp(upper - upper.T)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        h = self._turn(p_t, state[0], self.recurrent_matrix())
        return h, (h,)

    def _turn(self, p_t: Tensor, h: Tensor, U: Tensor) -> Tensor:
        z = p_t + h @ U.T
        return z.sign() * torch.relu(z.abs() + self.b)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Loop with exp(A) computed once: it is the same for all steps."""
        (h,) = state
        U = self.recurrent_matrix()
        outputs = []
        for p_t in self.projected(x).unbind(1):
            h = self._turn(p_t, h, U)
            outputs.append(h)
        return torch.stack(outputs, 1), (h,)
