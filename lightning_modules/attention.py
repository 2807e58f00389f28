"""Attention of a decoder over what its encoder gave: at its read-out, or within its layers."""

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


class CrossAttention(nn.Module):
    """The same from within a layer of a decoder, in `heads` parts, added to what came in.

    q_t, k_j, v_j = W_q LN(a_t), W_k LN(h_j), W_v LN(h_j),   in `heads` parts of `width` d
    a_t + W_o [sum_j softmax_j(q_t k_j / sqrt(d)) v_j] + b_o

    Vaswani 2017, arXiv:1706.03762; both are normalised before (Xiong 2020, arXiv:2002.04745).
    """

    def __init__(self, size: int, source_size: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        inner = heads * width
        self.before = nn.LayerNorm(size)
        self.before_source = nn.LayerNorm(source_size)
        self.W_q = nn.Linear(size, inner, bias=False)
        self.W_kv = nn.Linear(source_size, 2 * inner, bias=False)
        self.W_o = nn.Linear(inner, size)

    def remember(self, h: Float[Tensor, "batch source encoder"]) -> tuple[Tensor, Tensor]:
        """Give the keys and the values of a source: they are the same for all of a reply.

        Of shape [batch, source, heads, width] each.
        """
        parts = self.W_kv(self.before_source(h)).unflatten(2, (2, self.heads, self.width))
        return parts[:, :, 0], parts[:, :, 1]

    def forward(
        self,
        a: Float[Tensor, "batch reply size"],
        keys: Float[Tensor, "batch source heads width"],
        values: Float[Tensor, "batch source heads width"],
        is_heard: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch reply size"], Float[Tensor, "batch heads reply source"]]:
        """Add what was looked at; give the weights as well: what is not heard has none."""
        q = self.W_q(self.before(a)).unflatten(2, (self.heads, self.width)).transpose(1, 2)
        scores = q @ keys.permute(0, 2, 3, 1) / self.width**0.5
        weights = scores.masked_fill(~is_heard[:, None, None], -torch.inf).softmax(3)
        met = (weights @ values.transpose(1, 2)).transpose(1, 2).flatten(2)
        return a + self.W_o(met), weights
