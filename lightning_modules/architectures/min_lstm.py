"""The minimal long short-term memory."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from lightning_modules.architectures._scan import scan
from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class MinLSTM(Recurrent):
    """Minimal LSTM: two gates that see the input alone, normalised, so time runs in parallel.

    f, i = sig(W x_t + b)       f' = f / (f + i),  i' = i / (f + i)
    h_t = f' * h_{t-1} + i' * (W_h x_t + b_h)

    The paper's first form; its second, for a scan over logarithms, bends the candidate to keep it
    positive. The scan here needs no logarithms. f' is computed as sig(log f - log i), which is the
    same and sound where both gates are shut. Weights start as torch's linear layers do.
    """

    paper = "Feng 2024, arXiv:2410.01201"
    path = "scan"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 3 * hidden_size)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        return _gates(p_t)

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        gate = self.gates(p_t, state)
        h = gate["forget"] * state[0] + gate["input"] * gate["candidate"]
        return h, (h,)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run all steps at once."""
        (h,) = state
        gate = _gates(self.project(x).to(h.dtype))
        y = scan(gate["forget"], gate["input"] * gate["candidate"], h)
        return y, (y[:, -1],)


def _gates(p: Float[Tensor, "*any projected"]) -> dict[str, Float[Tensor, "*any hidden"]]:
    forget, write, candidate = p.chunk(3, -1)
    f = (logsigmoid(forget) - logsigmoid(write)).sigmoid()
    return {"forget": f, "input": 1 - f, "candidate": candidate}
