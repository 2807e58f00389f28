"""Every registered task in each of its dialects, and what it draws."""

import hashlib

from lightning_modules import registry
from lightning_modules.data import batch_at
from lightning_modules.task_guessers import draw, tensors
from lightning_modules.tasks.base import Task

CASES = [
    f"{name}/{dialect}"
    for name in registry.names("task")
    for dialect in registry.describe("task", name).constants["dialects"]
]


def build(case: str) -> Task:
    name, _, dialect = case.partition("/")
    task: Task = registry.load("task", name)(dialect)
    return task


def smallest(task: Task) -> int:
    return task.smallest_lag[task.dialect]


def fingerprint(case: str) -> str:
    """Hash what a generator draws, at several lags, seeds and indices."""
    task = build(case)
    seen = hashlib.sha256()
    for lag in (smallest(task), smallest(task) + 1, 57):
        for seed, index in ((0, 0), (1, 2)):
            for name, tensor in tensors(draw(task, 8, lag, seed, index)).items():
                seen.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                seen.update(tensor.numpy().tobytes())
    return seen.hexdigest()[:16]


def stream_fingerprint(case: str) -> str:
    """Hash a batch of each split, as a trial is given them."""
    task = build(case)
    seen = hashlib.sha256()
    for split in ("train", "validation", "test"):
        batch = batch_at(task, smallest(task) + 3, 4, 5, split, 3)
        seen.update(batch.inputs.numpy().tobytes() + batch.targets.numpy().tobytes())
    return seen.hexdigest()[:16]
