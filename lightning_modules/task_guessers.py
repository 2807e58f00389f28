"""Who answers a task without a network: who is told the answer, and who sees nothing."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import Batch, FiniteTask, Task

GUESSES = 5000
"""Examples that a blind guesser learns from, and as many that it is scored on."""
PARTS = 25
LAG = 40
"""Where one lag is enough, this one, or the smallest that is longer."""


def usual_lag(task: Task) -> int:
    """Give the lag at which a task is tried where one lag is enough."""
    return max(LAG, task.smallest_lag[task.dialect])


def draw(task: Task, size: int, lag: int, seed: int = 0, index: int = 0) -> Batch:
    """Draw a training batch."""
    return task.sample(size, lag, batch_generator(seed, "train", index))


def tensors(batch: Batch) -> dict[str, Tensor]:
    """Give all tensors of a batch by name."""
    return {**{k: v for k, v in vars(batch).items() if k != "context"}, **batch.context}


def part(batch: Batch, start: int, stop: int) -> Batch:
    """Cut some examples out of a batch."""

    def cut(tensor: Tensor) -> Tensor:
        return tensor[start:stop] if tensor.ndim else tensor

    context = {name: cut(tensor) for name, tensor in batch.context.items()}
    named = {k: cut(v) for k, v in vars(batch).items() if k != "context"}
    return Batch(**named, context=context)


def told(task: Task, batch: Batch, shift: int = 0) -> Tensor:
    """Build the outputs of one who knows the answer, or is wrong everywhere where `shift` is 1."""
    if batch.targets.is_floating_point():
        return batch.targets[..., None] + 10.0 * shift
    named = (batch.targets + shift) % task.output_size
    return 30.0 * F.one_hot(named, task.output_size).float()


def blind(task: Task, batch: Batch, upto: int) -> Callable[[Batch], Tensor]:
    """Learn from the first examples what is answered when, and answer so; read no input.

    Such a one knows which steps are asked, and answers the mean or the class shares that the k-th
    answer of an example had; what is not asked has shares of its own, step by step where all
    examples are asked at the same steps. With `among` in the context, one class is as likely as the
    others.
    """
    known = part(batch, 0, upto)
    slots, targets = _slots(task, known), known.targets
    if targets.is_floating_point():
        total = torch.zeros(2 * known.mask.shape[1])
        seen = total.clone().index_put_((slots,), torch.tensor(1.0), accumulate=True)
        table = (total.index_put_((slots,), targets, accumulate=True) / seen)[:, None]
    else:
        places = (slots * task.output_size + targets).flatten()
        counts = torch.bincount(places, minlength=2 * known.mask.shape[1] * task.output_size)
        shares = counts.view(-1, task.output_size).float()
        # Not zero: the logarithm must stay finite where a class never occurs.
        table = (shares / shares.sum(1, keepdim=True)).clamp(min=1e-7).log()

    def answer(asked: Batch) -> Tensor:
        if "among" not in asked.context:
            return table[_slots(task, asked)]
        among = asked.context["among"]
        shares = torch.full((len(among), task.output_size), math.log(1e-7))
        shares.scatter_(1, among, -math.log(among.shape[1]))
        if task.answer == "last":
            return shares
        return shares[:, None].expand(*asked.mask.shape, task.output_size)

    return answer


def _slots(task: Task, batch: Batch) -> Tensor:
    """Number what is answered alike: asked for the k-th time, or not asked at this step."""
    mask = batch.mask
    if task.answer == "last":
        return torch.zeros(len(mask), dtype=torch.int64)
    length = mask.shape[1]
    is_fixed = bool((mask == mask[0]).all())
    others = length + (torch.arange(length) if is_fixed else torch.tensor(0))
    return torch.where(mask, mask.cumsum(1) - 1, others)


def blind_guess(task: Task, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Score one who sees nothing: (score, loss), and how far chance may be from either."""
    if isinstance(task, FiniteTask) and task.space != "large":
        batch = task.take(np.arange(task.count), lag, batch_generator(0, "test", 0))
        # All examples: what is left is float32, and the logarithm of 1e-7 for what never occurs.
        found = _judged(task, blind(task, batch, task.count), batch)
        return found, np.array([1e-9, 1e-5])
    batch = many(task, lag)
    half = len(batch.mask) // 2
    found, margin = _in_parts(task, blind(task, batch, half), part(batch, half, 2 * half))
    # The guesser knows the shares from the half alone, and loses (classes - 1) / (2 half) by it.
    return found, margin + np.array([0.5, task.output_size]) / half


def played(task: Task, lag: int, play: Callable[[Batch], Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Score one who plays a baseline: (score, loss), and how far it may be from what is stated."""
    return _in_parts(task, play, many(task, lag))


def many(task: Task, lag: int) -> Batch:
    """Draw as many examples as a guesser needs; of long ones with many classes fewer."""
    size = draw(task, 1, lag).mask.shape[1] * task.output_size
    return draw(task, 2 * min(GUESSES, max(250, 10**7 // size)), lag)


def _in_parts(
    task: Task, answer: Callable[[Batch], Tensor], batch: Batch
) -> tuple[np.ndarray, np.ndarray]:
    """Score by parts, as all outputs at once may be large: the mean and five standard errors."""
    edges = np.linspace(0, len(batch.mask), PARTS + 1).astype(int).tolist()
    parts = [_judged(task, answer, part(batch, a, b)) for a, b in pairwise(edges)]
    margin = 5 * np.std(parts, axis=0) / PARTS**0.5 + 1e-6
    # A share of variance is clipped at 0: its mean over parts is not its value for all.
    is_clipped = batch.targets.is_floating_point()
    return _judged(task, answer, batch) if is_clipped else np.mean(parts, axis=0), margin


def _judged(task: Task, answer: Callable[[Batch], Tensor], batch: Batch) -> np.ndarray:
    outputs = answer(batch)
    return np.array([task.score(outputs, batch), float(task.loss(outputs, batch))])


def is_same(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors are equal, shape and type included."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
