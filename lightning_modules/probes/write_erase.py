"""Where and when what the answer needs is held: the state is cleared, held or exchanged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, first, numbers
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import Walker, in_double, last_scored, walker_of

EXAMPLES, STEPS, UNITS = 16, 16, 64
Change = Callable[[int, Tensor], Tensor]
"""From the step and the state before it, [group, example, all numbers], to the state it takes."""


class WriteErase(Probe):
    """What becomes of the answer when a layer's state is cleared, held or exchanged at step s.

    `cleared`: set to its initial value before step s; `held`: kept from then on as it was before
    step s; `exchanged`: that of the next example of the batch, before step s. One layer at a time,
    the others run on. Where the loss rises when the state is exchanged, it held what the answer
    needs; where it rises when held, something was yet to be written.

    | quantity | part | index | value |
    |---|---|---|---|
    | loss | cleared, held, exchanged | s | rise of the loss; None where s was not tried |
    | answer | the same | s | change of the answers, of their spread around their mean |
    | unit | cleared | number | rise of the loss when one number of the state alone is cleared |
    | halfway | | | the step before which that is done |

    s counts in the order in which the layer takes the steps; halfway lies between the last evidence
    and the answer. Of a state of more than 64 numbers, 64 are tried, evenly.
    """

    paper = "Geiger 2021, arXiv:2106.02997"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        batch = in_double(first(batch, EXAMPLES))
        walker = walker_of(network)
        time = batch.inputs.shape[1]
        steps = sorted({int(s) for s in torch.linspace(0, time - 1, min(STEPS, time)).round()})
        rows: list[Row] = []
        for name, layer, is_reversed in walker.leaves:
            start = torch.cat([part.flatten(1) for part in layer.initial_state(1)], 1)
            with torch.no_grad():
                plain = self._outcome(walker, layer, batch, 1, lambda t, state: state)
                for part, change in (
                    ("cleared", partial(_cleared, steps, start)),
                    ("held", _Held(steps)),
                    ("exchanged", partial(_exchanged, steps)),
                ):
                    found = self._outcome(walker, layer, batch, len(steps), change)
                    rows += _rows(found, plain, steps, time, name, part)
                step = _halfway(batch, is_reversed)
                units = torch.linspace(0, start.shape[1] - 1, min(UNITS, start.shape[1]))
                chosen = units.round().long().tolist()
                change = partial(_cleared_units, step, chosen, start)
                losses, _ = self._outcome(walker, layer, batch, len(chosen), change)
            rise = (losses - plain[0]).tolist()
            rows += [Row("unit", numbers(rise), name, "cleared"), Row("halfway", float(step), name)]
        return rows

    def _outcome(
        self, walker: Walker, layer: Recurrent, batch: Batch, groups: int, change: Change
    ) -> tuple[Float[Tensor, " group"], Float[Tensor, "group ..."]]:
        """Give the losses and the answers of groups of the batch, each changed in its own way."""
        many = batch.inputs.repeat(groups, *[1] * (batch.inputs.dim() - 1))
        with _interfered(layer, groups, change):
            outputs = walker.copy(many).unflatten(0, (groups, -1))
        losses = torch.stack([self.task.loss(one, batch) for one in outputs])
        if self.task.answer == "each":
            outputs = outputs[:, batch.mask]
        return losses, outputs.flatten(1)


def _rows(
    found: tuple[Tensor, Tensor],
    plain: tuple[Tensor, Tensor],
    steps: list[int],
    time: int,
    layer: str,
    part: str,
) -> list[Row]:
    (losses, answers), (loss, answer) = found, plain
    spread = (answer - answer.mean()).square().mean().sqrt().clamp(min=1e-30)
    moved = (answers - answer).square().mean(1).sqrt() / spread
    rows = []
    for quantity, values in (("loss", losses - loss), ("answer", moved)):
        profile = torch.full((time,), torch.nan, dtype=values.dtype)
        profile[steps] = values
        rows.append(Row(quantity, numbers(profile), layer, part))
    return rows


def _halfway(batch: Batch, is_reversed: bool) -> int:
    """Give the step halfway between the last evidence and the first scored step after it."""
    time = batch.inputs.shape[1]
    answer = int(last_scored(batch).min())
    before = batch.evidence & (torch.arange(time) < answer)
    last = int(torch.arange(time).expand_as(before)[before].max()) if bool(before.any()) else 0
    step = (last + 1 + answer) // 2
    return time - 1 - step if is_reversed else step


def _cleared(steps: list[int], start: Tensor, t: int, state: Tensor) -> Tensor:
    return _where(torch.tensor([s == t for s in steps]), start, state)


def _exchanged(steps: list[int], t: int, state: Tensor) -> Tensor:
    return _where(torch.tensor([s == t for s in steps]), state.roll(1, 1), state)


def _cleared_units(step: int, units: list[int], start: Tensor, t: int, state: Tensor) -> Tensor:
    if t != step:
        return state
    state = state.clone()
    for group, unit in enumerate(units):
        state[group, :, unit] = start[0, unit]
    return state


class _Held:
    """Keeps each group's state as it was before its step."""

    def __init__(self, steps: list[int]) -> None:
        self._steps = torch.tensor(steps)
        self._kept: Tensor | None = None

    def __call__(self, t: int, state: Tensor) -> Tensor:
        kept = state if self._kept is None else _where(self._steps < t, self._kept, state)
        self._kept = kept
        return kept


def _where(is_meant: Tensor, then: Tensor, otherwise: Tensor) -> Tensor:
    return torch.where(is_meant[:, None, None], then, otherwise)


@contextmanager
def _interfered(layer: Recurrent, groups: int, change: Change) -> Iterator[None]:
    """Let a layer of the copy loop over its steps, its state changed before each."""
    before = layer.forward

    def forward(x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = layer.initial_state(x.shape[0]) if state is None else state
        shapes = [part.shape[1:] for part in state]
        widths = [shape.numel() for shape in shapes]
        outputs = []
        for t, p_t in enumerate(layer.projected(x).unbind(1)):
            whole = torch.cat([part.flatten(1) for part in state], 1).unflatten(0, (groups, -1))
            parts = change(t, whole).flatten(0, 1).split(widths, 1)
            state = tuple(p.reshape(-1, *s) for p, s in zip(parts, shapes, strict=True))
            y_t, state = layer.step(p_t, state)
            outputs.append(y_t)
        return torch.stack(outputs, 1), state

    layer.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        layer.forward = before  # type: ignore[method-assign]
