"""Long short-term memory."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Recurrent, State


class LSTM(Recurrent):
    """Long short-term memory: gates erase, write and read a cell that is otherwise left alone.

    i, f, o = sig(W x_t + U h_{t-1} + b)        g = tanh(W_g x_t + U_g h_{t-1} + b_g)
    c_t = f * c_{t-1} + i * g                   h_t = o * tanh(c_t)

    The forget gate is Gers 2000's; `forget_bias` is its start (1: Jozefowicz 2015, PMLR 37).
    """

    paper = "Hochreiter & Schmidhuber 1997, Neural Computation 9(8)"
    state_names = ("hidden", "cell")

    def __init__(self, input_size: int, hidden_size: int, *, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        # torch adds two biases; a forget bias set on both would count twice.
        self.lstm.bias_hh_l0.requires_grad_(False).zero_()
        with torch.no_grad():
            self.lstm.bias_ih_l0[hidden_size : 2 * hidden_size] = forget_bias

    def initial_state(self, batch: int) -> State:
        return self.zeros(batch, self.hidden_size), self.zeros(batch, self.hidden_size)

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        return F.linear(x, self.lstm.weight_ih_l0, self.lstm.bias_ih_l0)

    def gates(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> dict[str, Float[Tensor, "batch hidden"]]:
        i, f, g, o = (p_t + F.linear(state[0], self.lstm.weight_hh_l0)).chunk(4, 1)
        return {
            "input": i.sigmoid(),
            "forget": f.sigmoid(),
            "candidate": g.tanh(),
            "output": o.sigmoid(),
        }

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch hidden"], State]:
        gate = self.gates(p_t, state)
        c = gate["forget"] * state[1] + gate["input"] * gate["candidate"]
        h = gate["output"] * c.tanh()
        return h, (h, c)

    def forward(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Run torch's fused kernel."""
        h, c = self.initial_state(x.shape[0]) if state is None else state
        y, (h, c) = self.lstm(x, (h.unsqueeze(0), c.unsqueeze(0)))
        return y, (h.squeeze(0), c.squeeze(0))
