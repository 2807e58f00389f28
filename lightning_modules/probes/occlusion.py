"""How far back the answer depends on what the network was shown."""

import numpy as np
import torch
from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, first, number, numbers
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import in_double, last_scored, walker_of

EXAMPLES = 32
ROWS = 2048
CLOSE, FAR = 24, 40


class Occlusion(Probe):
    """How much the loss rises when the input of lag k is another example's: a causal reach.

    The lag is counted from the last scored step of each example; the loss is the task's own, over
    all that it counts. What stands at a lag is exchanged for what the next example of the batch
    has there. Beyond 24 steps back some lags stand for those between them.

    | quantity | index | value |
    |---|---|---|
    | rise | k | of the loss; None where k was not tried, or no example is so long |
    | loss | | as it is |
    | reach | | the smallest k that holds 95 % of the rise, falls left out; none without a rise |
    """

    paper = "Zeiler & Fergus 2014, ECCV; Khandelwal 2018, arXiv:1805.04623"
    needs = "layer"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        batch = in_double(first(batch, EXAMPLES))
        copy = walker_of(network).copy
        answer, examples = last_scored(batch), len(batch.inputs)
        lags = _lags(int(answer.min()))

        def losses(inputs: Tensor, groups: int) -> list[float]:
            with torch.no_grad():
                outputs = copy(inputs).unflatten(0, (groups, examples))
            return [float(self.task.loss(one, batch)) for one in outputs]

        (loss,) = losses(batch.inputs, 1)
        other, rows = batch.inputs.roll(1, 0), torch.arange(examples)
        rises: list[float] = []
        many = max(1, ROWS // examples)
        for some in (lags[i : i + many] for i in range(0, len(lags), many)):
            shown = []
            for k in some:
                changed = batch.inputs.clone()
                changed[rows, answer - k] = other[rows, answer - k]
                shown.append(changed)
            rises += [found - loss for found in losses(torch.cat(shown), len(some))]
        profile = [float("nan")] * (lags[-1] + 1)
        for k, rise in zip(lags, rises, strict=True):
            profile[k] = rise
        found = [Row("rise", numbers(profile)), Row("loss", number(loss))]
        reach = _reach(lags, rises, loss)
        return found if reach is None else [*found, Row("reach", reach)]


def _lags(longest: int) -> list[int]:
    """List every lag up to 24, and 40 of those beyond."""
    close = {*range(min(CLOSE, longest) + 1)}
    if longest <= CLOSE:
        return sorted(close)
    return sorted(close | {round(k) for k in np.geomspace(CLOSE + 1, longest, FAR)})


def _reach(lags: list[int], rises: list[float], loss: float) -> float | None:
    """Give the lag up to which 95 % of the rise lies, each rise standing for the gap behind it."""
    gaps = np.diff([-1, *lags])
    mass = np.clip(np.array(rises), 0, None) * gaps
    if not np.isfinite(mass).all() or mass.sum() <= 1e-9 * max(abs(loss), 1e-12):
        return None
    return float(lags[int(np.searchsorted(np.cumsum(mass), 0.95 * mass.sum()))])
