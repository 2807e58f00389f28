"""The scalar LSTM of xLSTM."""

import math
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class SLSTM(Recurrent):
    """Scalar LSTM: an exponential input gate can outweigh all that was written before.

    z = tanh(z~),  i = exp(i~),  f = sig(f~) or exp(f~),  o = sig(o~),  ~: W x_t + U h_{t-1} + b
    c_t = f * c_{t-1} + i * z        n_t = f * n_{t-1} + i        h_t = o * c_t / n_t

    Nothing overflows: c and n are kept divided by exp(m_t), m_t = max(log f + m_{t-1}, log i), and
    `gates` gives i and f after that division. m starts at minus infinity, so that n is at least 1
    from the first step on (the authors' code starts it at 0, and asks whether n is 0).

    Starts of the authors' code, first block: U zero, W ~ N(0, 2 / 5m), the bias of f from 5 down to
    -7 by a power law over the units, the others 0. Departures: one head, so U is a full matrix; the
    block around it (normalisation, convolution, projections) is left out.
    """

    paper = "Beck 2024, arXiv:2405.04517"
    state_names = ("hidden", "cell", "normaliser", "stabiliser")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget: Literal["sigmoid", "exponential"] = "sigmoid",
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.forget = forget
        self.W = nn.Linear(input_size, 4 * hidden_size)
        self.U = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        unit = torch.linspace(0, 1, hidden_size)
        with torch.no_grad():
            nn.init.normal_(self.W.weight, std=(2 / (5 * input_size)) ** 0.5)
            nn.init.zeros_(self.W.bias)
            nn.init.zeros_(self.U.weight)
            self.W.bias[hidden_size : 2 * hidden_size] = 5 - 12 * unit**0.3

    def initial_state(self, batch: int) -> State:
        zero = self.zeros(batch, self.hidden_size)
        return zero, zero, zero, torch.full_like(zero, -math.inf)

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        h, _, _, m = state
        log_i, f, z, o = (p_t + self.U(h)).chunk(4, 1)
        kept = m + (logsigmoid(f) if self.forget == "sigmoid" else f)
        m = torch.maximum(kept, log_i)
        return {
            "input": torch.exp(log_i - m),
            "forget": torch.exp(kept - m),
            "candidate": z.tanh(),
            "output": o.sigmoid(),
            "stabiliser": m,
        }

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        gate = self.gates(p_t, state)
        c = gate["forget"] * state[1] + gate["input"] * gate["candidate"]
        n = gate["forget"] * state[2] + gate["input"]
        h = gate["output"] * c / n
        return h, (h, c, n, gate["stabiliser"])
