"""A walk over a network: every state of every recurrent layer, in float64, on a copy.

The copy's recurrent layers run `Watched` in their place: the same `step`, with a displacement added
to the state before it, and all that it carries on as its output. So the gradient with respect to a
displacement is that with respect to the state at this step, and where there is a compiler a kernel
is derived for this step as for any other.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from itertools import chain, pairwise
from weakref import WeakKeyDictionary, ref

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.network import Network
from lightning_modules.stack import Bidirectional, Stack
from lightning_modules.tasks.base import Batch, Task


class Watched(Recurrent):
    """A layer's step, its state displaced before it, all that it carries on beside its output."""

    paper = "ours"

    def __init__(self, inner: Recurrent) -> None:
        super().__init__(inner.input_size, getattr(inner, "hidden_size", inner.output_size))
        self.inner = inner
        self.state_names = inner.state_names
        self.shapes = [part.shape[1:] for part in inner.initial_state(1)]
        self.widths = [shape.numel() for shape in self.shapes]
        self.width = sum(self.widths)
        self.output_size = inner.output_size + self.width

    def initial_state(self, batch: int) -> State:
        return self.inner.initial_state(batch)

    def project(self, x: Tensor) -> Tensor:
        return torch.cat([self.inner.project(x[..., : -self.width]), x[..., -self.width :]], -1)

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        moved = self.split(p_t[:, -self.width :])
        state = tuple(part + by for part, by in zip(state, moved, strict=True))
        y_t, after = self.inner.step(p_t[:, : -self.width], state)
        return torch.cat([y_t, *(part.flatten(1) for part in after)], 1), after

    def split(self, rows: Tensor) -> State:
        """Give the tensors of the state that lie side by side in rows."""
        parts = rows.split(self.widths, 1)
        return tuple(p.reshape(-1, *shape) for p, shape in zip(parts, self.shapes, strict=True))


@dataclass
class Passage:
    """One recurrent layer's way over a sequence, in the order in which it takes the steps.

    `states` is [batch, time, all numbers of the state]: before each step. `after` is behind it.
    """

    name: str
    watched: Watched
    is_reversed: bool
    inputs: Tensor
    outputs: Tensor
    states: Tensor
    after: Tensor
    displacement: Tensor

    def answered_at(self, task: Task, batch: Batch) -> Int[Tensor, " batch"]:
        """Give the step, in this order, whose output the last answer of each example takes."""
        if not self.is_reversed:
            return last_scored(batch)
        end = self.inputs.shape[1] - 1
        # A network of two directions that answers once does so at the end of each.
        return end - last_scored(batch) * (task.answer == "each")

    @property
    def layer(self) -> Recurrent:
        """The layer."""
        return self.watched.inner

    @property
    def parts(self) -> list[tuple[str, slice]]:
        """The tensors of the state: their names, and where they lie in `states`."""
        ends = [0]
        for width in self.watched.widths:
            ends.append(ends[-1] + width)
        spans = (slice(a, b) for a, b in pairwise(ends))
        return list(zip(self.layer.state_names, spans, strict=True))

    def rows(self) -> tuple[Tensor, Tensor]:
        """Give what each step took, [batch * time, ...]: the projected input, and the state."""
        projected = self.layer.projected(self.inputs.detach()).flatten(0, 1)
        return projected, self.states.detach().flatten(0, 1)

    @cached_property
    def gates(self) -> dict[str, Float[Tensor, "batch time unit"]]:
        """The gates of all steps, by name."""
        projected, states = self.rows()
        batch = self.inputs.shape[0]
        with torch.no_grad():
            found = self.layer.gates(projected, self.watched.split(states))
        no_gate = ("candidate", *self.layer.state_names)
        return {
            name: gate.unflatten(0, (batch, -1)) for name, gate in found.items()
            if name not in no_gate
        }  # fmt: skip


@dataclass
class Walk:
    """What a network did on a batch; `loss` depends on the last scored step of an example alone.

    It is the sum over the batch, so that no example's gradient depends on how many there are.
    """

    outputs: Tensor
    loss: Tensor
    encoded: Tensor
    passages: list[Passage] = field(default_factory=list)


def leaves(
    module: nn.Module, name: str = "1", is_reversed: bool = False
) -> Iterator[tuple[str, Recurrent, bool]]:
    """Find the recurrent layers of a layer, lowest first: (name, layer, does it run backwards)."""
    if isinstance(module, Recurrent):
        yield f"{name} backwards" if is_reversed else name, module, is_reversed
    elif isinstance(module, Bidirectional):
        yield from leaves(module.forwards, name, is_reversed)
        yield from leaves(module.backwards, name, not is_reversed)
    elif isinstance(module, Stack):
        for number, layer in enumerate(module.layers, 1):
            yield from leaves(layer, str(number), is_reversed)
    else:
        for child in module.children():
            yield from leaves(child, name, is_reversed)


def stacks(module: nn.Module, is_reversed: bool = False) -> Iterator[tuple[Stack, bool]]:
    """Find the stacks of a layer, and whether each runs backwards."""
    if isinstance(module, Bidirectional):
        yield from stacks(module.forwards, is_reversed)
        yield from stacks(module.backwards, not is_reversed)
    elif isinstance(module, Stack):
        yield module, is_reversed


class Walker:
    """A copy of a network in float64 that is walked over; made once, its weights set each time."""

    def __init__(self, network: Network) -> None:
        self.copy = copy.deepcopy(network).double().eval().requires_grad_(False)
        self.leaves = list(leaves(self.copy.layer))
        self.watched = {id(layer): Watched(layer).eval() for _, layer, _ in self.leaves}
        self._passages: list[Passage] | None = None
        for number, (_, layer, _) in enumerate(self.leaves):
            # Of the instance: the module that holds the layer calls this in its place. It does not
            # hold us: in a circle, what a walk keeps would stay until Python looks for circles,
            # and a few tensors of 100 MB do not make it look.
            layer.forward = partial(_through, ref(self), number)  # type: ignore[method-assign]

    def follow(self, network: Network) -> None:
        """Take over the weights and buffers of a network."""
        take_over(network, self.copy)

    def walk(self, task: Task, batch: Batch) -> Walk:
        """Run over a batch, forward, and keep what gradients need."""
        encoded = self.copy.encode(batch.inputs).double().detach().requires_grad_()
        with self._noted() as passages, torch.enable_grad():
            outputs = self.copy(encoded)
        with torch.enable_grad():
            loss = loss_of_last(task, outputs, batch) * batch.inputs.shape[0]
        return Walk(outputs, loss, encoded, passages)

    def run(self, inputs: Tensor) -> list[Passage]:
        """Run over inputs without a loss or gradients, and give the way of each layer."""
        with self._noted() as passages, torch.no_grad():
            self.copy(self.copy.encode(inputs).double())
        return passages

    @contextlib.contextmanager
    def _noted(self) -> Iterator[list[Passage]]:
        """Note the way of each layer that runs meanwhile; none of it is kept here afterwards."""
        self._passages = []
        try:
            yield self._passages
        finally:
            self._passages = None

    def step_through(
        self, number: int, x: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Run a layer of the copy over a sequence in its own place, and note its way if asked."""
        name, layer, is_reversed = self.leaves[number]
        watched = self.watched[id(layer)]
        start = layer.initial_state(x.shape[0]) if state is None else state
        displacement = x.new_zeros(*x.shape[:2], watched.width).requires_grad_()
        seen, end = Recurrent.forward(watched, torch.cat([x, displacement], -1), start)
        y, after = seen[..., : layer.output_size], seen[..., layer.output_size :]
        begun = torch.cat([part.flatten(1) for part in start], 1).unsqueeze(1)
        before = torch.cat([begun, after[:, :-1].detach()], 1)
        if self._passages is not None:
            self._passages.append(
                Passage(name, watched, is_reversed, x, y, before, after.detach(), displacement)
            )
        return y, end


def take_over(network: Network, by: Network) -> None:
    """Write the weights and buffers of a network into a copy, in its own type and place."""
    with torch.no_grad():
        theirs = chain(network.parameters(), network.buffers())
        for mine, its in zip(chain(by.parameters(), by.buffers()), theirs, strict=True):
            mine.copy_(its)


def _through(
    walker: "ref[Walker]", number: int, x: Tensor, state: State | None = None
) -> tuple[Tensor, State]:
    its = walker()
    assert its is not None, "the copy is not used apart from its walker"
    return its.step_through(number, x, state)


def loss_of_last(task: Task, outputs: Tensor, batch: Batch) -> Tensor:
    """Give the loss, as far as it depends on the last scored step of each example."""
    if task.answer == "each":
        steps = torch.arange(outputs.shape[1], device=outputs.device)
        is_last = steps == last_scored(batch).unsqueeze(1)
        outputs = torch.where(is_last.unsqueeze(-1), outputs, outputs.detach())
    return task.loss(outputs, in_double(batch))


def in_double(batch: Batch) -> Batch:
    """Give a batch whose real numbers are in float64."""
    return changed(batch, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def last_scored(batch: Batch) -> Int[Tensor, " batch"]:
    """Give the last step that the score counts, per example."""
    time = batch.mask.shape[1]
    return time - 1 - batch.mask.flip(1).int().argmax(1)


def changed(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Give a batch whose tensors are changed, those of its context as well."""
    context = {name: change(tensor) for name, tensor in batch.context.items()}
    named = {f.name: change(getattr(batch, f.name)) for f in fields(batch) if f.name != "context"}
    return Batch(**named, context=context)


_walkers: "WeakKeyDictionary[Network, Walker]" = WeakKeyDictionary()


def walker_of(network: Network) -> Walker:
    """Give the walker of a network, with the weights that it has now."""
    walker = _walkers.get(network)
    if walker is None:
        walker = _walkers[network] = Walker(network)
    walker.follow(network)
    return walker


_kept: dict[tuple[int, int, torch.Size], Walk] | None = None


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let all probes that are asked meanwhile share their walks: no weight may change meanwhile."""
    global _kept
    before, _kept = _kept, {}
    try:
        yield
    finally:
        _kept = before


def walk(network: Network, task: Task, batch: Batch) -> Walk:
    """Walk over a network on a batch of a task."""
    if _kept is None:
        return walker_of(network).walk(task, batch)
    # The first examples of one batch lie in one place, whoever cut them off.
    key = (id(network), batch.inputs.data_ptr(), batch.inputs.shape)
    if key not in _kept:
        _kept[key] = walker_of(network).walk(task, batch)
    return _kept[key]
