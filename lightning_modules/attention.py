"""Attention of a decoder over what its encoder gave: additive and multiplicative."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lightning_modules.shape import Attention as Kind


class Attention(nn.Module):
    """Weights over the symbols of the source, and their mean by them, for each state of a decoder.

    multiplicative   e_tj = s_t^T W h_j / sqrt(n)                Luong 2015, arXiv:1508.04025
    additive         e_tj = v^T tanh(W s_t + U h_j + b)          Bahdanau 2014, arXiv:1409.0473
    a_t = softmax over j of e_tj        c_t = sum_j a_tj h_j

    In Luong's arrangement: s_t is what the decoder gives at its step t, and c_t goes to the
    read-out. Bahdanau's c_t goes into the step that makes s_t; here it does not, for either, so
    that the decoder stays a recurrence over the reply alone and runs as fast as one.
    """

    def __init__(self, kind: Kind, decoder_size: int, encoder_size: int) -> None:
        super().__init__()
        self.kind, self.scale = kind, decoder_size**-0.5
        size = encoder_size if kind == "multiplicative" else decoder_size
        self.W = nn.Linear(decoder_size, size, bias=kind == "additive")
        if kind == "additive":
            self.U = nn.Linear(encoder_size, size, bias=False)
            self.v = nn.Linear(size, 1, bias=False)

    def forward(
        self,
        s: Float[Tensor, "batch reply decoder"],
        h: Float[Tensor, "batch source encoder"],
        is_heard: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch reply encoder"], Float[Tensor, "batch reply source"]]:
        """Give context and weights; what is not heard, the padding, has none."""
        if self.kind == "multiplicative":
            scores = self.W(s) @ h.transpose(1, 2) * self.scale
        else:
            met = torch.tanh(self.W(s)[:, :, None] + self.U(h)[:, None])
            scores = self.v(met)[..., 0]
        weights = scores.masked_fill(~is_heard[:, None], -torch.inf).softmax(2)
        return weights @ h, weights
