"""Recurrent layers whose `step` is put together at random from what the kernel supports."""

import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Recurrent, State

SMOOTH = (
    torch.tanh, torch.sigmoid, torch.sin, torch.cos, torch.erf, F.logsigmoid, F.softplus, F.silu,
    F.gelu, torch.relu, torch.abs, F.leaky_relu, F.elu, torch.neg, F.hardtanh,
    lambda x: x.square(), lambda x: torch.exp(-x.abs()), lambda x: torch.log1p(x.abs()),
    lambda x: (x.square() + 1).sqrt(), lambda x: 1 / (1 + x.square()), lambda x: x.clamp(-0.5, 2),
    lambda x: (x.abs() + 0.5).log(), lambda x: 1 - x, lambda x: x * 0.5 + 0.25, lambda x: x**3,
    lambda x: x - x.mean(1, keepdim=True), lambda x: x / (1 + x.abs().sum(1, keepdim=True)),
    lambda x: torch.expm1(x.clamp(max=1)), lambda x: (x.square() + 1).rsqrt(),
)  # fmt: skip
PAIRS = (
    torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum,
    lambda x, y: x / (1 + y.square()), lambda x, y: torch.lerp(x, y, x.sigmoid()),
    lambda x, y: torch.where(x > y, x, 0.5 * y), lambda x, y: torch.addcmul(x, y, y, value=0.1),
    lambda x, y: torch.cat([y, x], 1).chunk(2, 1)[0],
    lambda x, y: torch.stack([x, y], 1)[:, 1], lambda x, y: F.glu(torch.cat([x, y], 1)),
    lambda x, y: torch.cat([x[:, :1], y[:, 1:]], 1), lambda x, y: x * (y >= 0),
    lambda x, y: torch.cat([x, y], 1)[:, x.shape[1] // 2 : x.shape[1] // 2 + x.shape[1]],
)  # fmt: skip


class RandomStep(Recurrent):
    """A recurrence drawn from a seed: states, products, functions, in any order."""

    paper = "none"

    def __init__(self, input_size: int, hidden_size: int, *, seed: int) -> None:
        super().__init__(input_size, hidden_size)
        torch.default_generator.manual_seed(seed)
        self.seed = seed
        self.state_names = tuple(f"part {i}" for i in range(random.Random(seed).randint(1, 3)))
        self.W = nn.Linear(input_size, 2 * hidden_size)
        self.U = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(2))
        self.V = nn.Linear(2 * hidden_size, hidden_size, bias=False)
        self.v = nn.Parameter(torch.randn(hidden_size))
        self.scale = nn.Parameter(torch.tensor(0.7))

    def project(self, x: Tensor) -> Tensor:
        return self.W(x)

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        draw = random.Random(self.seed)
        values = [*p_t.chunk(2, 1), *state]
        for _ in range(draw.randint(4, 10)):
            x, y = draw.choice(values), draw.choice(values)
            kind = draw.randrange(5)
            if kind == 0:
                made = draw.choice(list(self.U))(x)
            elif kind == 1:
                made = self.V(torch.cat([x, y], 1))
            elif kind == 2:
                made = draw.choice((self.v, self.scale, self.scale * self.v)) * x
            elif kind == 3:
                made = draw.choice(PAIRS)(x, y)
            else:
                made = draw.choice(SMOOTH)(x)
            # Bounded, or a few steps of squares and products overflow.
            values.append(torch.tanh(made) if draw.random() < 0.5 else made)
        used = values[-len(self.state_names) - 1 :]
        moved = tuple(draw.choice([torch.tanh(u), s]) for u, s in zip(used, state, strict=False))
        moved = moved + state[len(moved) :]
        moved = tuple(draw.sample(moved, len(moved)))
        return torch.cat(used[-2:], 1)[:, : self.hidden_size], moved
