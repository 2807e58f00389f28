"""The linear recurrent unit."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures._scan import scan
from lightning_modules.architectures.base import Recurrent, Sequence, State, Vector


class LRU(Recurrent):
    """Linear recurrent unit: a diagonal of complex numbers turns and shrinks the state.

    h_t = lambda * h_{t-1} + gamma * (B x_t)          lambda = exp(-exp(nu) + i exp(theta))
    v_t = Re(C h_t) + D x_t                           y_t = (W_1 u) * sig(W_2 u),  u = GELU(v_t)

    nu and theta start so that lambda is uniform on the ring between `r_min` and `r_max`, at angles
    up to `max_phase`; gamma starts at sqrt(1 - |lambda|^2), so that the state has the size of its
    input. B ~ N(0, 1 / 2m) and C ~ N(0, 1/n), real and imaginary parts each.

    Departures: D is a matrix, since input and state differ in width (a vector in the paper). Of the
    paper's block around the recurrence, `read` glu keeps the nonlinearity (without it, the whole
    layer is linear: `read` linear gives v_t), and leaves out normalisation and skip.
    """

    paper = "Orvieto 2023, arXiv:2303.06349"
    path = "scan"
    state_names = ("real", "imaginary")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        read: Literal["glu", "linear"] = "glu",
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 6.28,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(f"r_min is {r_min}, r_max {r_max}; 0 <= r_min < r_max <= 1")
        # Away from the ends, where a logarithm is infinite.
        u, angle = torch.empty(2, hidden_size).uniform_(1e-6, 1 - 1e-6)
        squared = u * (r_max**2 - r_min**2) + r_min**2
        self.nu = nn.Parameter(torch.log(-0.5 * torch.log(squared)))
        self.theta = nn.Parameter(torch.log(max_phase * angle))
        self.log_gamma = nn.Parameter(0.5 * torch.log(1 - squared))
        # The rows of B: real parts, then imaginary; the columns of C: real parts, then -imaginary.
        self.B = nn.Parameter(torch.randn(2 * hidden_size, input_size) / (2 * input_size) ** 0.5)
        self.C = nn.Parameter(torch.randn(hidden_size, 2 * hidden_size) / hidden_size**0.5)
        self.D = nn.Parameter(torch.randn(hidden_size, input_size) / input_size**0.5)
        self.glu = nn.Linear(hidden_size, 2 * hidden_size) if read == "glu" else None

    def project(self, x: Sequence) -> Sequence:
        scaled = self.log_gamma.exp().repeat(2).unsqueeze(1) * self.B
        return F.linear(x, torch.cat([scaled, self.D]))

    def eigenvalues(self) -> tuple[Float[Tensor, " hidden"], Float[Tensor, " hidden"]]:
        """Give the real and the imaginary parts of lambda."""
        size, angle = torch.exp(-self.nu.exp()), self.theta.exp()
        return size * angle.cos(), size * angle.sin()

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        (a, b), (re, im) = self.eigenvalues(), state
        p_re, p_im, direct = p_t.chunk(3, 1)
        re, im = a * re - b * im + p_re, a * im + b * re + p_im
        return self._read(re, im, direct), (re, im)

    def _read(self, re: Tensor, im: Tensor, direct: Tensor) -> Tensor:
        v = F.linear(torch.cat([re, im], -1), self.C) + direct
        return v if self.glu is None else F.glu(self.glu(F.gelu(v)), -1)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run all steps at once."""
        re, im = state
        p_re, p_im, direct = self.project(x).to(re.dtype).chunk(3, 2)
        eigenvalues = torch.complex(*self.eigenvalues()).expand(1, x.shape[1], -1)
        h = scan(eigenvalues, torch.complex(p_re, p_im), torch.complex(re, im))
        return self._read(h.real, h.imag, direct), (h.real[:, -1], h.imag[:, -1])
