"""Counter-based data: what batch k is depends on its counters alone, and no split sees another."""

import itertools
import subprocess
import sys

import pytest
import torch

from lightning_modules import registry
from lightning_modules.data import Data, batch_at, pool
from lightning_modules.tasks.base import Batch, FiniteTask, Task

CASES = [
    (name, dialect)
    for name in registry.names("task")
    for dialect in registry.describe("task", name).constants["dialects"]
]


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
    return torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)


@pytest.mark.parametrize(("name", "dialect"), CASES)
def test_a_stream_can_be_entered_anywhere(name: str, dialect: str) -> None:
    task = make(name, dialect)
    whole = first(data(task), 6)
    for a, b in zip(whole[4:], first(data(task, start=4), 2), strict=True):
        assert same(a, b)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_loader_workers_changes_nothing(workers: int) -> None:
    task = make("adding", "arjovsky")
    loader = data(task, workers=workers).train_dataloader()
    alone = first(data(task), 9)
    batches = iter(loader)
    for expected in alone:
        assert same(next(batches), expected)
    del batches


def test_another_process_makes_the_same_batch() -> None:
    code = (
        "from lightning_modules.data import batch_at\n"
        "from lightning_modules.tasks.adding import Adding\n"
        "print(float(batch_at(Adding('arjovsky'), 20, 8, 5, 'train', 3).inputs.double().sum()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = batch_at(make("adding", "arjovsky"), 20, 8, 5, "train", 3)
    assert float(done.stdout) == float(here.inputs.double().sum())


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
    if isinstance(task, FiniteTask) and task.space != "large":
        examples = {tuple(row.flatten().tolist()) for row in batch.inputs}
        assert len(examples) == len(batch.inputs)


def test_all_arms_see_the_same_data_for_a_seed() -> None:
    task, again = make("adding", "bai"), make("adding", "bai")
    for a, b in zip(first(data(task, seed=3), 3), first(data(again, seed=3), 3), strict=True):
        assert same(a, b)
