"""The Transformer's block."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Layer, Sequence, State
from lightning_modules.attention import CrossAttention
from lightning_modules.refusal import RefusedError

Steps = Int[Tensor, "batch time"]
BASE = 10_000
"""Of the angles' wavelengths, in both papers."""


class Transformer(Layer):
    """Transformer block: each step looks back at all steps at once, and none is forgotten.

    z_t = W_in x_t + b_in where widths differ, else x_t      (+ p_t: learned, sinusoidal)
    q_t, k_t, v_t = W_q u_t, W_k u_t, W_v u_t,   u_t = LN(z_t),   in `heads` parts
    a_t = z_t + W_o [sum_{s <= t} softmax_s(q_t k_s / sqrt(d)) v_s] + b_o        d: width of a part
    y_t = a_t + W_2 GELU(W_1 LN(a_t) + b_1) + b_2,    4 n units in between

    `positions`: rotary turns q_t and k_t by an angle that grows with t (Su 2021, arXiv:2104.09864);
    sinusoidal and learned add a vector to z_t, learned from N(0, .02^2) for at most `longest`
    steps; none tells the order by the mask alone. Pre-norm (Xiong 2020, arXiv:2002.04745), without
    dropout. In a stack each layer is a block; give the layers above the first `positions` none
    where they are to be added once.

    The state is the keys and values of all steps so far, and a 1 for each, so it grows with time; a
    0 is a step that is not there, for sequences of different lengths. Not `causal`, each step looks
    at all steps, those after it included, and there is no state to go on from. As a decoder that
    looks at a source it does so between its own attention and W_1 (`CrossAttention`); keys and
    values of the source are then part of the state.
    """

    paper = "Vaswani 2017, arXiv:1706.03762"
    combinations = ({"heads": 1}, {"heads": 3, "positions": "sinusoidal"})
    can_look = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        positions: Literal["rotary", "learned", "sinusoidal", "none"] = "rotary",
        causal: bool = True,
        heads: int = 2,
        longest: int = 128,
    ) -> None:
        super().__init__()
        if heads < 1 or longest < 1:
            raise ValueError(f"heads is {heads}, longest {longest}; at least 1 each")
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.positions, self.causal, self.heads, self.longest = positions, causal, heads, longest
        self.state_names = ("keys", "values", "steps") if causal else ()
        # Where the units cannot be divided among the heads, those left over are not looked with.
        self.width = max(1, hidden_size // heads)
        inner = heads * self.width
        self.W_in = nn.Linear(input_size, hidden_size) if input_size != hidden_size else None
        self.before_attention = nn.LayerNorm(hidden_size)
        self.W_qkv = nn.Linear(hidden_size, 3 * inner, bias=False)
        self.W_o = nn.Linear(inner, hidden_size)
        self.before_mlp = nn.LayerNorm(hidden_size)
        self.W_1 = nn.Linear(hidden_size, 4 * hidden_size)
        self.W_2 = nn.Linear(4 * hidden_size, hidden_size)
        self.P: nn.Parameter | None = None
        if positions == "learned":
            self.P = nn.Parameter(torch.empty(longest, hidden_size))
            nn.init.normal_(self.P, std=0.02)
        self.across: CrossAttention | None = None

    def look(self, size: int) -> None:
        """Have each step look at another sequence as well, of `size` numbers a step."""
        if not self.causal:
            raise RefusedError("a transformer that is not causal has no state to look from")
        self.across = CrossAttention(self.hidden_size, size, self.heads, self.width)
        seen = ("keys of the source", "values of the source", "steps of the source")
        self.state_names = (*self.state_names, *seen)

    def facing(
        self, h: Float[Tensor, "batch source size"], is_there: Bool[Tensor, "batch source"]
    ) -> State:
        """Give the state of no steps yet, with the source that all of them will look at."""
        assert self.across is not None
        none = h.new_zeros(len(h), 0, self.heads, self.width)
        return (none, none, h.new_zeros(len(h), 0), *self.across.remember(h), is_there)

    def forward(self, x: Sequence, state: State | None = None) -> tuple[Sequence, State]:
        """Run over a whole sequence, after the steps whose keys and values are given.

        Raises
        ------
        RefusedError
            When learned positions run out, a state is given to one that is not causal, or none to
            one that looks at a source.
        """
        if state is None and self.across is not None:
            raise RefusedError("a transformer that looks at a source begins from one: `facing`")
        if state is not None and not self.causal:
            raise RefusedError("a transformer that is not causal has no state to go on from")
        z = x if self.W_in is None else self.W_in(x)
        steps = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
        if state is not None:
            steps = steps + state[2].sum(1, keepdim=True).long()
        z = self._placed(z, steps)
        attended, after = self._attend(self.before_attention(z), state, steps)
        a = z + self.W_o(attended)
        if self.across is not None and state is not None:
            a, _ = self.across(a, *state[3:])
            after += state[3:]
        return a + self.W_2(F.gelu(self.W_1(self.before_mlp(a)))), after

    def _placed(self, z: Sequence, steps: Steps) -> Sequence:
        if self.P is not None:
            if not steps.is_meta and (last := int(steps.max())) >= self.longest:
                raise RefusedError(
                    f"learned positions end at step {self.longest}, and there are {last + 1}; "
                    "give longest=N"
                )
            return z + self.P[steps]
        if self.positions == "sinusoidal":
            angles = self._angles(steps, (self.hidden_size + 1) // 2)
            waves = torch.stack([angles.sin(), angles.cos()], 3).flatten(2)
            return z + waves[..., : self.hidden_size]
        return z

    def _angles(self, steps: Steps, count: int) -> Float[Tensor, "batch time count"]:
        """Give the angle of each step at each of `count` wavelengths, 2 pi to 2 pi BASE steps."""
        # In double precision: rounded to less, a step far on would be its neighbour.
        places = torch.arange(count, dtype=torch.float64, device=steps.device)
        rates = BASE ** (-places / max(count, 1))
        return (steps.double()[..., None] * rates).to(self.W_o.weight.dtype)

    def _attend(self, u: Sequence, state: State | None, steps: Steps) -> tuple[Sequence, State]:
        batch, time, _ = u.shape
        parts = self.W_qkv(u).view(batch, time, 3, self.heads, self.width)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        if self.positions == "rotary":
            angles = self._angles(steps, self.width // 2)[:, None]
            q, k = _turned(q, angles), _turned(k, angles)
        there = u.new_ones(batch, time)
        if state is not None:
            # In a state time comes second, as it does everywhere.
            k, v = (
                torch.cat([old.transpose(1, 2), new], 2)
                for old, new in zip(state[:2], (k, v), strict=True)
            )
            there = torch.cat([state[2], there], 1)
        scores = q @ k.transpose(2, 3) / self.width**0.5
        if self.causal:
            seen = (there != 0)[:, None].repeat(1, time, 1)
            seen[:, :, -time:] &= torch.ones_like(seen[:, :, -time:]).tril()
            scores = scores.masked_fill(~seen[:, None], -torch.inf)
        attended = (scores.softmax(3) @ v).transpose(1, 2).flatten(2)
        return attended, (k.transpose(1, 2), v.transpose(1, 2), there) if self.causal else ()


def _turned(
    vectors: Float[Tensor, "batch heads time width"], angles: Float[Tensor, "batch 1 time pairs"]
) -> Float[Tensor, "batch heads time width"]:
    """Turn the pairs of numbers of each step by its angles; one without a partner stays."""
    pairs = angles.shape[3]
    a, b, rest = vectors.split([pairs, pairs, vectors.shape[3] - 2 * pairs], 3)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], 3)
