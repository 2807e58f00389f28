"""Counter-based data: what batch k is depends on its counters alone, and no split sees another."""

import itertools
from collections.abc import Iterator
from operator import itemgetter

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from lightning_modules import registry
from lightning_modules.data import Data, Stream, batch_at, pool
from lightning_modules.task_guessers import tensors
from lightning_modules.tasks.base import Batch, FiniteTask, Task

CASES = [
    (name, dialect)
    for name in registry.names("task")
    for dialect in registry.describe("task", name).constants["dialects"]
]
# Of each task its first dialect, where starting processes is what takes the time.
DEFAULTS = [(name, next(dialects)[1]) for name, dialects in itertools.groupby(CASES, itemgetter(0))]


def make(name: str, dialect: str) -> Task:
    return registry.load("task", name)(dialect)


def data(task: Task, *, start: int = 0, workers: int = 0, seed: int = 0) -> Data:
    lag = max(task.smallest_lag.values()) + 3
    return Data(
        task,
        lag,
        seed=seed,
        batch=4,
        validation_size=50,
        test_size=50,
        start=start,
        workers=workers,
    )  # fmt: skip


def first(stream: Data, count: int) -> list[Batch]:
    return list(itertools.islice(iter(stream.train_dataloader()), count))


def same(a: Batch, b: Batch) -> bool:
    ours, others = tensors(a), tensors(b)
    return ours.keys() == others.keys() and all(torch.equal(ours[k], others[k]) for k in ours)


@pytest.mark.parametrize(("name", "dialect"), CASES)
def test_a_stream_can_be_entered_anywhere(name: str, dialect: str) -> None:
    task = make(name, dialect)
    whole = first(data(task), 6)
    for a, b in zip(whole[4:], first(data(task, start=4), 2), strict=True):
        assert same(a, b)


class EveryTask(IterableDataset[Batch]):
    """Two batches of each task from each loader worker."""

    def __iter__(self) -> Iterator[Batch]:
        for name, dialect in DEFAULTS:
            task = make(name, dialect)
            lag = max(task.smallest_lag.values()) + 3
            yield from itertools.islice(iter(Stream(task, lag, 4, seed=0, start=0)), 2)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_loader_workers_changes_nothing_in_any_task(workers: int) -> None:
    batches = iter(DataLoader(EveryTask(), batch_size=None, num_workers=workers))
    for name, dialect in DEFAULTS:
        task = make(name, dialect)
        alone = first(data(task), 2 * workers)
        assert all(same(next(batches), expected) for expected in alone), f"{name}/{dialect}"
    assert next(batches, None) is None


@pytest.mark.parametrize(("name", "dialect"), CASES)
def test_splits_seeds_and_batches_differ(name: str, dialect: str) -> None:
    task = make(name, dialect)
    lag = max(task.smallest_lag.values()) + 3
    batches = [
        batch_at(task, lag, 16, seed, split, index)
        for seed in (0, 1)
        for split in ("train", "validation", "test")
        for index in (0, 1)
    ]
    assert not any(same(a, b) for a, b in itertools.combinations(batches, 2))


@pytest.mark.parametrize(("name", "dialect"), CASES)
def test_a_finite_set_is_split_by_index_and_an_exhaustive_one_is_not(
    name: str, dialect: str
) -> None:
    task = make(name, dialect)
    if not isinstance(task, FiniteTask) or task.space == "large":
        return
    pools = {split: set(pool(task, split).tolist()) for split in ("train", "validation", "test")}
    everything = set(range(task.count))
    if task.space == "exhaustive":
        assert all(found == everything for found in pools.values())
        return
    assert set.union(*pools.values()) == everything
    assert sum(len(found) for found in pools.values()) == task.count, "a leak between splits"
    assert len(pools["train"]) > len(pools["validation"]) > 0 < len(pools["test"])


@pytest.mark.parametrize(("name", "dialect"), CASES)
def test_no_example_is_scored_twice_in_a_finite_set(name: str, dialect: str) -> None:
    task = make(name, dialect)
    batch = data(task).evaluation("validation")
    # A text says the same twice: there, no place is scored twice, as of the pools above.
    if isinstance(task, FiniteTask) and task.space != "large" and name != "character_lm":
        examples = {tuple(row.flatten().tolist()) for row in batch.inputs}
        assert len(examples) == len(batch.inputs)


def test_all_arms_see_the_same_data_for_a_seed() -> None:
    task, again = make("adding", "bai"), make("adding", "bai")
    for a, b in zip(first(data(task, seed=3), 3), first(data(again, seed=3), 3), strict=True):
        assert same(a, b)
