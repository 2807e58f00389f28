"""All steps of a linear recurrence at once. Shared by the architectures that have one."""

import torch
from jaxtyping import Inexact
from torch import Tensor


def scan(
    a: Inexact[Tensor, "#batch time hidden"],
    b: Inexact[Tensor, "batch time hidden"],
    before: Inexact[Tensor, "batch hidden"],
) -> Inexact[Tensor, "batch time hidden"]:
    """Solve h_t = a_t * h_{t-1} + b_t for all t, from the state before the first step.

    Two steps in a row are one step of the same form: half as many are solved, and the steps between
    follow (Blelloch 1990, CMU-CS-90-190): 2 log2(time) rounds, work linear in time. There are
    products of a's and no quotients or logarithms: with |a| <= 1 nothing overflows, and what
    underflows is 0 in the loop too.
    """
    first = b[:, :1] + a[:, :1] * before.unsqueeze(1)
    return _from_zero(a, torch.cat([first, b[:, 1:]], 1))


def _from_zero(a: Tensor, b: Tensor) -> Tensor:
    time = b.shape[1]
    if time == 1:
        return b
    pairs = time // 2
    a_odd, a_even = a[:, 1::2], a[:, : 2 * pairs : 2]
    b_odd, b_even = b[:, 1::2], b[:, : 2 * pairs : 2]
    odd = _from_zero(a_odd * a_even, a_odd * b_even + b_odd)
    after = odd[:, : (time - 1) // 2]
    even = torch.cat([b[:, :1], a[:, 2::2] * after + b[:, 2::2]], 1)
    woven = torch.stack([even[:, :pairs], odd], 2).flatten(1, 2)
    return woven if time % 2 == 0 else torch.cat([woven, even[:, -1:]], 1)
