"""A cohort: trainings that differ in the seed alone, stacked and trained together."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils.data import DataLoader, IterableDataset

from lightning_modules.network import Network, why_no_kernel
from lightning_modules.randomness import random_state, reseed
from lightning_modules.tasks.base import Batch
from lightning_modules.training import OPTIMIZERS, Training

Batches = dict[int, Batch]
"""A batch for each member, by its number."""

SHARED = "step"
"""What an optimizer counts once for all numbers of a weight."""

TOLERANCE = 1e-3
"""How far stacked outputs may lie from a network's own, relative to the largest: above rounding."""


def draws(network: Network, batch: Batch) -> bool:
    """Tell whether a network draws random numbers in training: dropout, noise."""
    with torch.no_grad(), _kept(network):
        # The first call may make a kernel, which is tried on random numbers.
        network(inputs := batch.inputs.to(network.device))
        before = random_state(network.device)
        network(inputs)
    return not torch.equal(before, random_state(network.device))


@contextlib.contextmanager
def _kept(network: Network) -> Iterator[None]:
    """Undo what passes change in a network: the means that some layers keep."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in network.named_buffers():
            buffer.copy_(before[name])


class Cohort(pl.LightningModule):
    """Train members together; each ends as it would alone, within rounding.

    Weights, gradients and the optimizer's moments of all members lie in one tensor each,
    [member, ...]; the members' networks hold views of the weights. One clip and one optimizer step
    serve all, each member by its own norm. Forward and backward are one pass for all (`is_stacked`,
    by `vmap`), or where a kernel runs the layer, or `vmap` cannot follow it (`why_in_turn`), each
    member's own in turn.

    A member that is over leaves: one whose loss or gradient is not finite before the update, any
    other behind its row. `on_row` and `on_over` are called with a member and what has come of it,
    `after_step` with the number of each step; what it answers with True stops all there. Seconds
    are a member's share.
    """

    def __init__(
        self,
        members: list[Training],
        *,
        on_over: Callable[[Training], None] = lambda member: None,
        on_rows: Callable[[], None] = lambda: None,
        after_step: Callable[[int], bool] = lambda step: False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.members = tuple(members)
        self.on_over, self.on_rows, self.after_step = on_over, on_rows, after_step
        self.left = [member for member in members if not member.is_over]
        if len({member.step for member in self.left}) > 1:
            raise ValueError("the members of a cohort stand at one step")
        first = members[0]
        self.task, self.recipe = first.task, first.recipe
        self.why_in_turn = self._why_in_turn(first.data.evaluation("validation"))
        self.is_stacked = not self.why_in_turn
        self._stack()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give the optimizer of all members."""
        return self.optimizer

    def train_dataloader(self) -> DataLoader[Batches]:
        """Give the members' training batches, each from the step where it stands."""
        return DataLoader(_Streams(self), batch_size=None)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._clock = time.perf_counter()

    def training_step(self, batches: Batches, index: int) -> None:
        """Do one step of every member that is left."""
        self._trained = tuple(self.left)
        self.optimizer.zero_grad()
        own = [batches[self.members.index(member)] for member in self.left]
        losses = self._backward(own)
        gradients = [weight.grad for weight in self._weights.values() if weight.grad is not None]
        norms = _norms(gradients)
        lengths = norms.tolist()
        is_sound = [
            member.note(loss, length)
            for member, loss, length in zip(self.left, losses, lengths, strict=True)
        ]
        if not all(is_sound):
            self._leave([m for m, sound in zip(self.left, is_sound, strict=True) if not sound])
            norms = norms[torch.tensor(is_sound, device=norms.device)]
        if self.left:
            self._clip(norms)
            self.optimizer.step()
            self._share_moments()

    def on_train_batch_end(self, outputs: Any, batch: Batches, batch_idx: int) -> None:
        """Evaluate those for which it is due, write their rows, let go of those that are over."""
        is_asked_to_stop = self.after_step(self._trained[0].step)
        due = [member for member in self._trained if member.is_row_due]
        if due or is_asked_to_stop:
            share = (time.perf_counter() - self._clock) / len(self._trained)
            for member in self._trained:
                member.seconds += share
            for member in due:
                member.on_row(member.row())
            over = [member for member in self._trained if member.is_over]
            self._leave([member for member in over if member in self.left])
            if due:
                self.on_rows()
            for member in over:
                self.on_over(member)
            self._clock = time.perf_counter()
        if not self.left or is_asked_to_stop:
            self.trainer.should_stop = True

    def release(self) -> None:
        """Give the members that are left what is theirs, to go on or be saved by themselves."""
        self._leave(list(self.left))

    def _why_in_turn(self, batch: Batch) -> str:
        network = self.members[0].network
        if not why_no_kernel(network.layer):
            return "a kernel runs each"
        few = batch.inputs[:2].to(network.device)
        weights = {name: tensor.unsqueeze(0) for name, tensor in _tensors(network).items()}
        try:
            with torch.no_grad(), _kept(network):
                stacked, own = _stacked(network, weights, few.unsqueeze(0))[0], network(few)
        except Exception as error:
            return " ".join(f"{type(error).__name__}: {error}".split())[:200]
        worst = float((stacked - own).abs().max()) / max(float(own.abs().max()), 1e-30)
        return "" if worst <= TOLERANCE else f"stacked, it is off by {worst:.1g}"

    def _stack(self) -> None:
        """Move what is left into common tensors, of which the members' networks hold views."""
        self._weights: dict[str, nn.Parameter] = {}
        self._others: dict[str, Tensor] = {}
        self._shared: set[str] = set()
        if not self.left:
            return
        held = [_tensors(member.network) for member in self.left]
        for name, of_first in held[0].items():
            together = torch.stack([tensors[name].detach() for tensors in held])
            for tensors, view in zip(held, together, strict=True):
                tensors[name].data = view
            if of_first.requires_grad:
                self._weights[name] = nn.Parameter(together)
            else:
                self._others[name] = together
        make = OPTIMIZERS[self.recipe.optimizer]
        self.optimizer = make(list(self._weights.values()), self.recipe.learning_rate)
        for name, weight in self._weights.items():
            moments = [m.optimizer.state[m.network.get_parameter(name)] for m in self.left]
            for key, of_first in moments[0].items():
                self.optimizer.state[weight][key] = (
                    of_first if key == SHARED else torch.stack([own[key] for own in moments])
                )
        self._share_moments()

    def _share_moments(self) -> None:
        """Let the members' own optimizers hold views of the moments: a checkpoint is made of them.

        They stay true: a step of the optimizer changes the moments where they are.
        """
        states = {n: s for n, w in self._weights.items() if (s := self.optimizer.state[w])}
        if states.keys() == self._shared:
            return
        self._shared = set(states)
        for name, together in states.items():
            for number, member in enumerate(self.left):
                own = member.optimizer.state[member.network.get_parameter(name)]
                for key, value in together.items():
                    own[key] = value if key == SHARED else value[number]

    def _leave(self, leaving: list[Training]) -> None:
        """Give members what is theirs; what stays moves together, with its gradients."""
        if not leaving:
            return
        stays = [number for number, m in enumerate(self.left) if m not in leaving]
        gradients = {
            name: weight.grad[stays]
            for name, weight in self._weights.items()
            if weight.grad is not None
        }
        for member in self.left:
            for tensor in _tensors(member.network).values():
                tensor.data = tensor.data.clone()
            for own in member.optimizer.state.values():
                own.update({key: value.clone() for key, value in own.items()})
        self.left = [self.left[number] for number in stays]
        self._stack()
        for name, weight in self._weights.items():
            weight.grad = gradients.get(name)

    def _backward(self, batches: list[Batch]) -> list[float]:
        """Leave the gradients of all members in the stacked weights, and give the losses."""
        # For what a loss may draw; a network that draws is in no cohort.
        reseed(self.left[0].data.seed, "training step", self.left[0].step)
        if self.is_stacked:
            losses = self._losses(batches)
            torch.stack(losses).sum().backward()
            return [loss.item() for loss in losses]
        losses = []
        for member, batch in zip(self.left, batches, strict=True):
            member.optimizer.zero_grad()
            loss = self.task.loss(member.network(batch.inputs), batch)
            loss.backward()
            losses.append(loss)
        for name, weight in self._weights.items():
            own = [member.network.get_parameter(name).grad for member in self.left]
            found = [gradient for gradient in own if gradient is not None]
            if found and len(found) < len(own):
                raise RuntimeError(f"{name} is used for some batches only: no cohort can train it")
            weight.grad = torch.stack(found) if found else None
        return [loss.item() for loss in losses]

    def _losses(self, batches: list[Batch]) -> list[Tensor]:
        """Pass all members' batches of one shape through one network at once."""
        alike: dict[torch.Size, list[int]] = {}
        for number, batch in enumerate(batches):
            alike.setdefault(batch.inputs.shape, []).append(number)
        losses: dict[int, Tensor] = {}
        stacked = {**self._weights, **self._others}
        for numbers in alike.values():
            is_whole = len(numbers) == len(batches)
            weights = stacked if is_whole else {n: w[numbers] for n, w in stacked.items()}
            inputs = torch.stack([batches[number].inputs for number in numbers])
            outputs = _stacked(self.left[0].network, weights, inputs)
            for number, output in zip(numbers, outputs, strict=True):
                losses[number] = self.task.loss(output, batches[number])
        return [losses[number] for number in range(len(batches))]

    def _clip(self, norms: Float[Tensor, " member"]) -> None:
        most = self.recipe.clip
        if most is None or bool((norms <= most).all()):
            return
        # As torch clips, and only where the norm is above.
        scale = torch.where(norms > most, most / (norms + 1e-6), 1)
        for weight in self._weights.values():
            if weight.grad is not None:
                weight.grad.mul_(scale.reshape(-1, *[1] * (weight.dim() - 1)))


class _Streams(IterableDataset[Batches]):
    """The training batches of the members that are left, together."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort

    def __iter__(self) -> Iterator[Batches]:
        members = self.cohort.members
        streams = {m: iter(m.data.train_dataloader()) for m in self.cohort.left}
        while True:
            # One more is made than is used, while a member may be leaving.
            yield {members.index(m): next(streams[m]) for m in self.cohort.left}


def _tensors(network: Network) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _stacked(
    network: Network, weights: dict[str, Tensor], inputs: Tensor
) -> Float[Tensor, "member batch ..."]:
    def answer(weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
        outputs: Tensor = functional_call(network, weights, (inputs,))
        return outputs

    outputs: Tensor = vmap(answer)(weights, inputs)
    return outputs


def _norms(gradients: list[Tensor]) -> Float[Tensor, " member"]:
    """Give the norm of each member's gradient."""
    own = [gradient.reshape(len(gradient), -1).norm(dim=1) for gradient in gradients]
    return torch.stack(own).norm(dim=0)
