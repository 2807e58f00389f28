"""Reading sequences of different lengths with one layer: nothing beyond an end is read."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.architectures.base import Layer, State
from lightning_modules.stack import Bidirectional


def read(
    layer: Layer | Bidirectional,
    x: Float[Tensor, "batch time input"],
    lengths: Int[Tensor, " batch"],
) -> tuple[Float[Tensor, "batch time output"], State]:
    """Run over sequences padded at the right; give the state that each had at its own end.

    Two networks that meet begin from each sequence's own two ends.

    The outputs beyond an end are those of padding, and for nobody to use. It is read in as many
    pieces as there are different lengths: a batch of one length in one. Who looks ahead, and has no
    state, reads the sequences of each length by themselves, so that none looks at padding.
    """
    if isinstance(layer, Bidirectional):
        there, end_state = read(layer.forwards, x, lengths)
        back, begin_state = read(layer.backwards, turned(x, lengths), lengths)
        return torch.cat([there, turned(back, lengths)], 2), (*end_state, *begin_state)
    ends = torch.unique(lengths).tolist()
    if not layer.causal:
        return _each(layer, x, lengths, ends), ()
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


def _each(layer: Layer, x: Tensor, lengths: Tensor, ends: list[int]) -> Tensor:
    """Read the sequences of each length by themselves."""
    rows = [(lengths == end).nonzero()[:, 0] for end in ends]
    given = [
        F.pad(layer(x[here, :end])[0], (0, 0, 0, x.shape[1] - end))
        for here, end in zip(rows, ends, strict=True)
    ]
    return torch.cat(given)[torch.cat(rows).argsort()]


def turned(
    x: Shaped[Tensor, "batch time ..."], lengths: Int[Tensor, " batch"]
) -> Shaped[Tensor, "batch time ..."]:
    """Turn each sequence around within its own length; padding stays at the right."""
    time = torch.arange(x.shape[1], device=x.device)
    back = lengths[:, None] - 1 - time
    places = torch.where(back >= 0, back, time)
    return x.gather(1, places.view(*places.shape, *[1] * (x.ndim - 2)).expand_as(x))


def _where(is_here: Tensor, state: State, kept: State) -> State:
    """Take the rows that end here from one state, the others from the other."""
    return tuple(
        torch.where(is_here.view(-1, *[1] * (a.ndim - 1)), a, _as_long(b, a))
        for a, b in zip(state, kept, strict=True)
    )


def _as_long(shorter: Tensor, longer: Tensor) -> Tensor:
    """Fill up a state that grows with time, with zeros: steps that are not there."""
    if shorter.shape == longer.shape:
        return shorter
    missing = longer.shape[1] - shorter.shape[1]
    return torch.cat([shorter, shorter.new_zeros(len(shorter), missing, *shorter.shape[2:])], 1)
