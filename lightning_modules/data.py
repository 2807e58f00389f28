"""Counter-based data: batch k of a split is a function of (task, lag, seed, split, k).

The lag is the trial's own, or for a training batch what the trial's curriculum makes of k.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytorch_lightning as pl
from jaxtyping import Int
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lightning_modules.curricula import Curriculum
from lightning_modules.randomness import batch_generator
from lightning_modules.schedule import Schedule
from lightning_modules.tasks.base import Batch, FiniteTask, Task

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""How a finite set is divided among the splits."""


def pool(task: FiniteTask, split: str) -> Int[np.ndarray, " count"]:
    """List the examples of a finite set that belong to a split, in a fixed shuffled order.

    The same for every seed and every arm. An exhaustive space is not split: all have all of it.
    """
    if task.space == "exhaustive":
        return np.arange(task.count)
    if task.parts is not None:
        return _shuffled(task.parts[split])
    # Keyed by a constant: which image is a test image must not depend on the trial.
    order = batch_generator(0, "pool", 0).permutation(task.count)
    train, validation = (round(SHARES[s] * task.count) for s in ("train", "validation"))
    parts = np.split(order, [train, train + validation])
    return dict(zip(SHARES, parts, strict=True))[split]


@cache
def _shuffled(numbers: range) -> Int[np.ndarray, " count"]:
    return batch_generator(0, "pool", 0).permutation(np.array(numbers))


def batch_at(task: Task, lag: int, size: int, seed: int, split: str, index: int) -> Batch:
    """Make batch `index` of a split."""
    generator = batch_generator(seed, split, index)
    if isinstance(task, FiniteTask) and task.space != "large":
        among = task.within(pool(task, split), lag)
        return task.take(among[generator.integers(len(among), size=size)], lag, generator)
    return task.sample(size, lag, generator)


def evaluation_batch(task: Task, lag: int, size: int, seed: int, split: str) -> Batch:
    """Make the one batch that a split is scored on: `size` examples, or all that a set has."""
    if isinstance(task, FiniteTask) and task.space != "large":
        among = task.within(pool(task, split), lag)[:size]
        return task.take(among, lag, batch_generator(seed, split, 0))
    return batch_at(task, lag, size, seed, split, 0)


class Stream(IterableDataset[Batch]):
    """The training batches from number `start` on, without end.

    With several loader workers, each makes every n-th batch, and the loader takes them in turn: the
    order is that of one process.
    """

    def __init__(self, task: Task, lag: int | Schedule, size: int, seed: int, start: int) -> None:
        self.task, self.size, self.seed, self.start = task, size, seed, start
        self.schedule = lag if isinstance(lag, Schedule) else Schedule([lag], seed)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        index = self.start + (worker.id if worker else 0)
        while True:
            lag = self.schedule.lag_at(index)
            yield batch_at(self.task, lag, self.size, self.seed, "train", index)
            index += worker.num_workers if worker else 1


class Data(pl.LightningDataModule):
    """The data of one trial: an endless training stream, one batch to validate on, one to test."""

    def __init__(
        self,
        task: Task,
        lag: int,
        *,
        seed: int,
        batch: int,
        validation_size: int,
        test_size: int,
        start: int = 0,
        workers: int = 0,
        curriculum: Curriculum | None = None,
    ) -> None:
        super().__init__()
        self.task, self.lag, self.seed = task, lag, seed
        lags = task.lags_up_to(lag) if curriculum else [lag]
        self.schedule = Schedule(lags, seed, curriculum)
        self.batch, self.start, self.workers = batch, start, workers
        self.sizes = {"validation": validation_size, "test": test_size}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the training batches in order, starting at `start`."""
        if self.workers and self.schedule.next_lag is not None:
            # A worker has a copy of the schedule, and makes batches far ahead.
            raise ValueError("a lag that grows when it is solved needs batches made by the trainer")
        stream = Stream(self.task, self.schedule, self.batch, self.seed, self.start)
        return DataLoader(stream, batch_size=None, num_workers=self.workers)

    def evaluation(self, split: str, lag: int | None = None) -> Batch:
        """Give the batch that "validation" or "test" is scored on, at another lag where given."""
        return evaluation_batch(self.task, lag or self.lag, self.sizes[split], self.seed, split)
