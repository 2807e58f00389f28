"""What the gates do, and how long what they keep lasts."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.probes._shortcut import pulled_back
from lightning_modules.probes.base import (
    Probe,
    Row,
    Value,
    first,
    has_gates,
    numbers,
    quantiles,
)
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import Passage, walk

EXAMPLES = 8
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN = 24
"""Units in the trace of a gate."""


class Gates(Probe):
    """What each gate does, and the time constants that follow: -1 / ln f, f what a step keeps.

    f of a unit is what a step passes on of it without a matrix product: the forget gate of an LSTM,
    1 - z of a GRU, 1 - a of a leaky integrator, |lambda| of a diagonal recurrence; the geometric
    mean over examples and steps, without the first, which has nothing to keep. So it is there for
    layers that name no gates as well.

    | quantity | part | index | value |
    |---|---|---|---|
    | gate | gate | share | quantiles (5, 25, 50, 75, 95 %) over steps, units and examples |
    | kept | tensor of the state | share | the same of f |
    | time_constant | tensor of the state | share | quantiles of -1 / ln f over units, in steps |
    | longest | tensor of the state | | the longest of them; none where f is 1 |
    | outlasting | tensor of the state | | share of units with a time constant above the lag |
    | trace | gate | unit, step | the gate in the first example, units by their mean, at most 24 |
    | evidence, answer | | number | the steps of that example that hold evidence, that are scored |
    """

    paper = "Tallec & Ollivier 2018, arXiv:1804.11188"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        batch = first(batch, EXAMPLES)
        rows: list[Row] = []
        if self.is_detailed:
            for name, steps in (("evidence", batch.evidence), ("answer", batch.mask)):
                at = numbers(steps[0].nonzero().flatten().double())
                rows.append(Row(name, at, is_detail=True))
        lag = float(batch.distance().mean())
        for passage in walk(network, self.task, batch).passages:
            if has_gates(passage.layer):
                for name, gate in passage.gates.items():
                    rows.append(Row("gate", quantiles(gate, SHARES), passage.name, name))
                    if self.is_detailed:
                        trace = _trace(gate[0], passage)
                        rows.append(Row("trace", trace, passage.name, name, is_detail=True))
            rows += _kept(passage, lag)
        return rows


def _trace(gate: Float[Tensor, "time unit"], passage: Passage) -> Value:
    """Give some units, from the least to the most open, in time."""
    order = gate.mean(0).argsort(stable=True)
    chosen = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().long()]
    shown = gate[:, chosen].T
    return numbers(shown.flip(1) if passage.is_reversed else shown)


def _kept(passage: Passage, lag: float) -> list[Row]:
    """Measure what a step keeps of each unit, by tensor of the state."""
    rows: list[Row] = []
    if passage.states.shape[1] < 2:
        return rows
    each = [passage.states.new_zeros(1, passage.watched.width) for _ in passage.parts]
    for ones, (_, span) in zip(each, passage.parts, strict=True):
        ones[:, span] = 1.0
    found = pulled_back(passage, each, by_shortcut=True)
    for (name, span), pulled in zip(passage.parts, found, strict=True):
        # Of a tensor that only moves on what another held, nothing stays where it was.
        if not bool(pulled[:, span].any()):
            continue
        units = span.stop - span.start
        same_size = [pulled[:, other] for _, other in passage.parts if _size(other) == units]
        # No square of what is kept: a small one would underflow.
        kept = functools.reduce(torch.hypot, same_size).abs()
        kept = kept.unflatten(0, passage.states.shape[:2])[:, 1:].flatten(0, 1)
        logs = kept.log().mean(0)
        constants = torch.where(logs < 0, -1 / logs, torch.inf)
        rows.append(Row("kept", quantiles(kept, SHARES), passage.name, name))
        # Of inf and a number no quantile lies between: what never fades is cut at 1e12 steps.
        shown = constants.clamp(max=1e12)
        rows.append(Row("time_constant", quantiles(shown, SHARES), passage.name, name))
        if bool(constants.isfinite().all()):
            rows.append(Row("longest", float(constants.max()), passage.name, name))
        outlasting = float((constants > lag).double().mean())
        rows.append(Row("outlasting", outlasting, passage.name, name))
    return rows


def _size(span: slice) -> int:
    return int(span.stop - span.start)
