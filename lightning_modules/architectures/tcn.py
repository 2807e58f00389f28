"""The block of a temporal convolutional network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Layer, Sequence, State


class TCN(Layer):
    """Temporal convolutional block: each step sees a window of steps, dilated, and no further.

    z_t = relu(sum_{j < k} V_j x_{t - j d} + b)     k = `kernel`, d = `dilation`
    r_t = relu(sum_{j < k} W_j z_{t - j d} + c)
    y_t = relu(r_t + P x_t + p),  or relu(r_t + x_t) where widths are equal

    V and W are weight-normed: each unit's weights are a length times a direction (Salimans 2016,
    arXiv:1602.07868). `dropout` leaves out numbers of z and r in training. Two convolutions see
    1 + 2 (k - 1) d steps. In a stack layer l has the dilation 2^l, which takes an option a layer:
    layers=4, options={"dilation": (1, 2, 4, 8)} see 1 + 2 (k - 1) 15 steps.

    The state is the window: the last (k - 1) d inputs of each convolution, zeros at first.
    """

    paper = "Bai 2018, arXiv:1803.01271"
    state_names = ("inputs", "inner")
    combinations = ({"kernel": 2, "dilation": 4},)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        kernel: int = 3,
        dilation: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel < 1 or dilation < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"kernel is {kernel}, dilation {dilation}, dropout {dropout}; at least 1, at least "
                "1, and in [0, 1)"
            )
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.dropout = dropout
        self.reach = (kernel - 1) * dilation
        self.receptive_field = 1 + 2 * self.reach
        self.V = Convolution(input_size, hidden_size, kernel, dilation)
        self.W = Convolution(hidden_size, hidden_size, kernel, dilation)
        self.P = nn.Linear(input_size, hidden_size) if input_size != hidden_size else None

    def initial_state(self, batch: int) -> State:
        """Give the window before the first step: zeros."""
        like = self.V.bias
        return tuple(
            like.new_zeros(batch, self.reach, size) for size in (self.input_size, self.hidden_size)
        )

    def forward(self, x: Sequence, state: State | None = None) -> tuple[Sequence, State]:
        """Run over a whole sequence, after the windows that are given."""
        shown, inner = self.initial_state(x.shape[0]) if state is None else state
        shown = torch.cat([shown, x], 1)
        z = F.dropout(self.V(shown).relu(), self.dropout, self.training)
        inner = torch.cat([inner, z], 1)
        r = F.dropout(self.W(inner).relu(), self.dropout, self.training)
        y = (r + (x if self.P is None else self.P(x))).relu()
        return y, tuple(seen[:, seen.shape[1] - self.reach :] for seen in (shown, inner))


class Convolution(nn.Module):
    """A weight-normed convolution through time; it starts as torch's own do, and pads nothing."""

    def __init__(self, input_size: int, output_size: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        shape = output_size, input_size, kernel
        within = (input_size * kernel) ** -0.5
        self.direction = nn.Parameter(torch.empty(shape).uniform_(-within, within))
        self.bias = nn.Parameter(torch.empty(output_size).uniform_(-within, within))
        self.length = nn.Parameter(self.direction.detach().flatten(1).norm(dim=1))

    def forward(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch shorter output"]:
        norm = self.direction.flatten(1).norm(dim=1)
        weight: Tensor = self.direction * (self.length / norm)[:, None, None]
        return F.conv1d(x.transpose(1, 2), weight, self.bias, dilation=self.dilation).transpose(
            1, 2
        )
