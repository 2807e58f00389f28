"""Reading sequences of different lengths with one layer: nothing beyond an end is read."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_modules.architectures.base import Layer, State


def read(
    layer: Layer, x: Float[Tensor, "batch time input"], lengths: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch time output"], State]:
    """Run over sequences padded at the right; give the state that each had at its own end.

    The outputs beyond an end are those of padding, and for nobody to use. It is read in as many
    pieces as there are different lengths: a batch of one length in one.
    """
    ends = torch.unique(lengths).tolist()
    outputs, state, kept = [], None, None
    begin = 0
    for end in ends:
        y, state = layer(x[:, begin:end], state)
        outputs.append(y)
        kept = state if kept is None else _where(lengths == end, state, kept)
        begin = end
    assert kept is not None
    if begin < x.shape[1]:
        outputs.append(outputs[-1].new_zeros(len(x), x.shape[1] - begin, outputs[-1].shape[2]))
    return torch.cat(outputs, 1), kept


def _where(is_here: Tensor, state: State, kept: State) -> State:
    """Take the rows that end here from one state, the others from the other."""
    return tuple(
        torch.where(is_here.view(-1, *[1] * (a.ndim - 1)), a, b)
        for a, b in zip(state, kept, strict=True)
    )
