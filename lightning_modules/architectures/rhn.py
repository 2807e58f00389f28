"""Recurrent highway networks, and other deep transitions."""

from typing import Literal

import torch
from torch import nn

from lightning_modules.architectures.base import Gates, Recurrent, Sequence, State, Vector


class RHN(Recurrent):
    """Recurrent highway network: one step through time is several layers deep.

    s_0 = h_{t-1},  h_t = s_D,  z_d = R_d s_{d-1} + b_d + W x_t [d = 1],  and for d = 1 .. D:
    highway    s_d = T_d * tanh(z_d) + (1 - T_d) * s_{d-1},   T_d = sig(its own z_d)
    plain      s_d = tanh(z_d)                  DT-RNN, Pascanu 2014, arXiv:1312.6026
    residual   s_d = s_{d-1} + tanh(z_d)
    dense      s_d = tanh(R_d [s_0; ..; s_{d-1}] + b_d + W x_t [d = 1])

    `gate_bias` is the start of T's bias. The R_d start orthogonal, in dense transitions each block
    divided by d (Zilly: uniform within .04). Without a gate, nothing passes untouched: a plain
    transition of depth D multiplies D Jacobians at every step.
    """

    paper = "Zilly 2017, arXiv:1607.03474"
    combinations = ({"depth": 1}, {"depth": 1, "transition": "dense"})

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 3,
        transition: Literal["highway", "plain", "residual", "dense"] = "highway",
        gate_bias: float = -2.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if depth < 1:
            raise ValueError(f"depth is {depth}; a step is at least 1 layer deep")
        self.transition = transition
        rows = 2 * hidden_size if transition == "highway" else hidden_size
        self.W = nn.Linear(input_size, rows)
        self.R = nn.ModuleList(
            # At d = 1 the bias is W's.
            nn.Linear((d if transition == "dense" else 1) * hidden_size, rows, bias=d > 1)
            for d in range(1, depth + 1)
        )
        with torch.no_grad():
            for R in self.R:
                for row in R.weight.split(hidden_size):
                    for block in (blocks := row.split(hidden_size, dim=1)):
                        start = nn.init.orthogonal_(torch.empty_like(block))
                        block.copy_(start / len(blocks))
            for layer in (self.W, *self.R[1:]):
                layer.bias[hidden_size:] = gate_bias

    def project(self, x: Sequence) -> Sequence:
        return self.W(x)

    def gates(self, p_t: Vector, state: State) -> Gates:
        (s,) = state
        gate, seen = {}, [s]
        for d, R in enumerate(self.R, 1):
            z = R(torch.cat(seen, 1) if self.transition == "dense" else s)
            z = z + p_t if d == 1 else z.to(s.dtype)
            if self.transition == "highway":
                candidate, transform = z.chunk(2, 1)
                gate[f"transform {d}"] = transform.sigmoid()
                s = torch.lerp(s, candidate.tanh(), gate[f"transform {d}"])
            else:
                s = s + z.tanh() if self.transition == "residual" else z.tanh()
            seen.append(s)
        return {**gate, "hidden": s}

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        h = self.gates(p_t, state)["hidden"]
        return h, (h,)
