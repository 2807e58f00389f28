"""Who answers a task without a network: who is told the answer, and who sees nothing."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import Batch, FiniteTask, Task

GUESSES = 5000
"""Examples that a blind guesser learns from, and as many that it is scored on."""


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


def blind(task: Task, batch: Batch, upto: int) -> Tensor:
    """Answer the first examples' mean or class shares, at each step on its own; read no input."""
    known = batch.targets[:upto]
    if known.is_floating_point():
        answer = known.mean(0)[..., None]
    else:
        counts = F.one_hot(known, task.output_size).sum(0)
        # Not zero: the logarithm must stay finite where a class never occurs.
        answer = (counts / upto).clamp(min=1e-7).log()
    return answer.expand(len(batch.targets), *answer.shape)


def blind_guess(task: Task, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Score one who sees nothing: (score, loss), and how far chance may be from either."""
    if isinstance(task, FiniteTask) and task.space != "large":
        batch = task.take(np.arange(task.count), lag, batch_generator(0, "test", 0))
        # All examples: what is left is float32, and the logarithm of 1e-7 for what never occurs.
        return _judged(task, blind(task, batch, task.count), batch), np.array([1e-9, 1e-5])
    # Of long sequences of many classes fewer: the tensors stay below some hundred MB.
    size = draw(task, 1, lag).mask.shape[1] * task.output_size
    half = min(GUESSES, max(250, 10**7 // size))
    batch = draw(task, 2 * half, lag)
    outputs = blind(task, batch, half)
    edges = np.linspace(half, 2 * half, 26).astype(int).tolist()
    parts = [_judged(task, outputs[a:b], part(batch, a, b)) for a, b in pairwise(edges)]
    found = _judged(task, outputs[half:], part(batch, half, 2 * half))
    # Five standard errors; the rest is for the guesser, who knows the mean from the half alone.
    return found, 5 * np.std(parts, axis=0) / 5 + 0.5 / half


def _judged(task: Task, outputs: Tensor, batch: Batch) -> np.ndarray:
    return np.array([task.score(outputs, batch), float(task.loss(outputs, batch))])


def is_same(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors are equal, shape and type included."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
