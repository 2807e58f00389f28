"""How far back the gradient of the last answer reaches."""

import math

import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, first, log_norm, number, numbers
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import last_scored, walk

EXAMPLES = 8
LIFT = 690.0
"""ln of what the loss is multiplied by where a gradient would leave the range of float64."""
NEAR_ZERO = -600.0


class GradientReach(Probe):
    """Where the gradient dies: its norm at each step before the last answer, as a logarithm.

    g(k) = E ||dL / ds||, the mean over examples, L the loss of the last scored step alone and s the
    state that the step k back has carried on to the next one.

    | quantity | index | value |
    |---|---|---|
    | state | k | ln g(k); None at k = 0, which no state carries |
    | input | k | ln E ||dL / dx||, x the input k steps back |
    | output | k | ln E ||dL / dy||, y what a layer gives those above it; where there are several |
    | slope | | of ln g by step of lag, fitted between T/4 and 3T/4 back; negative: it vanishes |
    | slope_low, slope_high | | 95 % interval of its mean over examples |
    | half_life | | steps to half the norm, ln 2 / -slope; none where it does not vanish |
    | half_life_low, half_life_high | | from the interval of the slope; none: without end |

    A state of several tensors (an LSTM's hidden and cell) is measured whole, and its profile and
    slope by tensor. In float64, lifted where that underflows: what is below e^-1300 is None.
    """

    paper = "Hochreiter 1998, IJUFKS 6(2); Pascanu 2013, arXiv:1211.5063"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        batch = first(batch, EXAMPLES)
        walked = walk(network, self.task, batch)
        passages = walked.passages
        wanted = [walked.encoded, *(p.displacement for p in passages)]
        wanted += [p.outputs for p in passages] if len(passages) > 1 else []
        found = _gradients(walked.loss, wanted)
        is_near_zero = any(bool((log_norm(g) < NEAR_ZERO).any()) for g in found)
        lifted = _gradients(walked.loss * math.exp(LIFT), wanted) if is_near_zero else None
        norms = _Norms(found, lifted)
        inputs = _by_lag(norms.of(0), last_scored(batch))
        rows = [Row("input", numbers(_mean(inputs)))]
        for number_of, passage in enumerate(passages, 1):
            parts, answer = passage.parts, passage.answered_at(self.task, batch)
            for name, span in [("", slice(None)), *(parts if len(parts) > 1 else [])]:
                by_lag = _by_lag(_behind(norms.of(number_of, span)), answer)
                rows += _rows(by_lag, passage.name, name)
            if len(passages) > 1:
                given = _by_lag(norms.of(number_of + len(passages)), answer)
                rows.append(Row("output", numbers(_mean(given)), passage.name))
        return rows


def _gradients(loss: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(found, wanted, strict=True)]


class _Norms:
    """ln of the norms of gradients, from where they are within range."""

    def __init__(self, found: list[Tensor], lifted: list[Tensor] | None) -> None:
        self.found, self.lifted = found, lifted

    def of(self, index: int, span: slice = slice(None)) -> Float[Tensor, "batch time"]:
        plain = log_norm(self.found[index][..., span])
        if self.lifted is None:
            return plain
        high = log_norm(self.lifted[index][..., span]) - LIFT
        return torch.where(plain < NEAR_ZERO, high, plain)


def _behind(gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Of the states before each step, make those behind each; none stands behind the last."""
    none = gradient.new_full((gradient.shape[0], 1), math.nan)
    return torch.cat([gradient[:, 1:], none], 1)


def _by_lag(
    values: Float[Tensor, "batch time"], answer: Int[Tensor, " batch"]
) -> Float[Tensor, "batch lag"]:
    """Order by the steps back from each example's answer."""
    at = answer.unsqueeze(1) - torch.arange(int(answer.max()) + 1, device=answer.device)
    taken = values.gather(1, at.clamp(min=0))
    return torch.where(at >= 0, taken, math.nan)


def _mean(logs: Float[Tensor, "batch lag"]) -> Float[Tensor, " lag"]:
    """Give ln of the mean over the examples that reach so far."""
    is_there = ~logs.isnan()
    total = torch.where(is_there, logs, -math.inf).logsumexp(0)
    return torch.where(is_there.any(0), total - is_there.sum(0).log(), math.nan)


def _rows(by_lag: Float[Tensor, "batch lag"], layer: str, part: str) -> list[Row]:
    profile = _mean(by_lag)
    rows = [Row("state", numbers(profile), layer, part)]
    length = by_lag.shape[1]
    slopes = _slopes(by_lag[:, length // 4 : 3 * length // 4 + 1])
    if not len(slopes):
        return rows
    slope, half = float(slopes.mean()), 0.0
    if part:
        return [*rows, Row("slope", slope, layer, part)]
    if len(slopes) > 1:
        half = float(stats.t.ppf(0.975, len(slopes) - 1) * slopes.std() / len(slopes) ** 0.5)
    found = {"slope": slope, "slope_low": slope - half, "slope_high": slope + half}
    rows += [Row(name, value, layer, part) for name, value in found.items()]
    for name, source in (
        ("half_life", "slope"),
        ("half_life_low", "slope_low"),
        ("half_life_high", "slope_high"),
    ):
        if found[source] < 0:
            rows.append(Row(name, number(math.log(2) / -found[source]), layer, part))
    return rows


def _slopes(logs: Float[Tensor, "batch lag"]) -> Float[Tensor, " some"]:
    """Fit a line to each example's finite values; those with fewer than three have no slope."""
    is_there = logs.isfinite()
    k = torch.arange(logs.shape[1], dtype=logs.dtype, device=logs.device).expand_as(logs)
    count = is_there.sum(1, keepdim=True).clamp(min=1)
    y = torch.where(is_there, logs, 0.0)
    x = torch.where(is_there, k - torch.where(is_there, k, 0.0).sum(1, keepdim=True) / count, 0.0)
    fitted = (x * y).sum(1) / x.square().sum(1).clamp(min=1e-300)
    return fitted[is_there.sum(1) >= 3]
