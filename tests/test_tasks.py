"""The contract over every registered task and dialect, and oracles beside it."""

import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_modules import registry, task_contract
from lightning_modules.randomness import batch_generator
from lightning_modules.task_guessers import draw, tensors, told
from lightning_modules.tasks.base import FiniteTask, Task

NAMES = registry.names("task")
CASES = [
    f"{name}/{dialect}"
    for name in NAMES
    for dialect in registry.describe("task", name).constants["dialects"]
]
WITH_ORACLE = [case for case in CASES if case in oracles.ORACLES]

GOLDEN = {
    "adding/arjovsky": (1, "1b1871103534c7ad"),
    "adding/bai": (1, "32da9d6117c8f8f9"),
    "adding/pascanu": (1, "4878a671fbd90798"),
    "adding/hs97": (1, "21c4d7b229949efe"),
    "copy_memory/arjovsky": (1, "b0c0e740cf49e51d"),
    "copy_memory/bai": (1, "e1cd0b42f519281c"),
    "copy_memory/exprnn": (1, "b91e791d03022a42"),
    "copy_memory/small": (1, "cc3816f45f215e5a"),
    "sequential_digits/rows": (1, "823c77376c1fdfd1"),
    "sequential_digits/pixels": (1, "a81e59c5e462ffdb"),
    "temporal_order/pascanu": (1, "a516323d70c6b716"),
    "temporal_order/pascanu3": (1, "3d9f789fbb0282c5"),
}
"""The version of each generator, and the hash of what it draws."""


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


# The contract


@pytest.mark.parametrize("clause", task_contract.CLAUSES)
@pytest.mark.parametrize("case", CASES)
def test_a_task_keeps_the_clause(case: str, clause: str) -> None:
    task_contract.CLAUSES[clause](build(case))


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_batch_of_any_lag_and_size_is_as_promised(case: str, data: Any) -> None:
    task = build(case)
    lag = data.draw(st.integers(smallest(task), smallest(task) + 60), "lag")
    size = data.draw(st.integers(1, 9), "batch")
    batch = draw(task, size, lag, data.draw(st.integers(0, 2**32), "seed"))
    task_contract.shapes(task, batch, size)
    task_contract.values(task, batch)
    task_contract.marks(task, batch)


def test_every_batch_is_the_same_in_another_process() -> None:
    code = "import test_tasks as t\nprint([t.fingerprint(case) for case in t.CASES])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(["tests", *sys.path]), "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == str([fingerprint(case) for case in CASES])


@pytest.mark.parametrize("case", GOLDEN)
def test_what_a_generator_draws_is_pinned_at_its_version(case: str) -> None:
    found = (build(case).version, fingerprint(case))
    assert found == GOLDEN[case], (
        f"{case} draws other numbers: raise `version` in the task, then write {found} here"
    )


# Oracles


@pytest.mark.parametrize("case", WITH_ORACLE)
def test_a_slow_oracle_agrees_on_every_example(case: str) -> None:
    task, oracle = build(case), oracles.ORACLES[case]
    low = smallest(task)
    examples = 0
    for index, lag in enumerate([low, low + 1, low + 9, 23, 30, 37] * 6):
        batch = draw(task, 30, lag, seed=1, index=index)
        rows = zip(*(t.tolist() for t in (batch.inputs, batch.targets)), strict=True)
        for row, (inputs, target) in enumerate(rows):
            expected = oracle(inputs, lag)
            # Sums of two float32 numbers.
            assert target == pytest.approx(expected.target, abs=1e-6)
            assert batch.mask[row].nonzero()[:, 0].tolist() == expected.scored
            assert batch.evidence[row].nonzero()[:, 0].tolist() == expected.evidence
            examples += 1
    assert examples >= 1000


@pytest.mark.parametrize("case", WITH_ORACLE)
def test_the_sizes_are_the_papers(case: str) -> None:
    task = build(case)
    assert (task.input_size, task.output_size, task.space) == oracles.SIZES[case]


@pytest.mark.parametrize("case", WITH_ORACLE)
def test_evidence_stands_wherever_the_paper_lets_it_at_the_documented_distance(case: str) -> None:
    task = build(case)
    batches = [draw(task, 300, oracles.LAG, index=index) for index in range(30)]
    places = {t for b in batches for t in b.evidence.any(0).nonzero()[:, 0].tolist()}
    assert places == oracles.PLACES[case]
    distances = torch.cat([b.distance() for b in batches])
    assert (int(distances.min()), int(distances.max())) == oracles.DISTANCES[case]


@pytest.mark.parametrize("case", WITH_ORACLE)
def test_the_smallest_lag_is_the_first_at_which_the_definition_makes_sense(case: str) -> None:
    # A lag is at least 1 step.
    defined = [lag for lag in range(1, 100) if oracles.IS_DEFINED[case](lag)]
    assert defined == list(range(smallest(build(case)), 100))


# What went wrong elsewhere


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("copy_memory/")])
def test_copy_accuracy_counts_no_blanks(case: str) -> None:
    task = build(case)
    batch = draw(task, 50, 1000)
    outputs = torch.zeros(*batch.targets.shape, task.output_size)
    outputs[..., 0] = 1
    over_all_steps = (outputs.argmax(-1) == batch.targets).float().mean()
    assert over_all_steps > 0.98
    assert task.score(outputs, batch) == pytest.approx(0, abs=0)
    right = told(task, batch)
    right[~batch.mask] = outputs.roll(1, -1)[~batch.mask]
    assert task.score(right, batch) == pytest.approx(1, abs=0)


def test_the_adding_baseline_is_a_sixth_and_not_the_misprint() -> None:
    for dialect in ("arjovsky", "bai"):
        assert build(f"adding/{dialect}").chance(600).loss == pytest.approx(1 / 6, abs=1e-15)


def test_a_mark_on_the_first_pair_lowers_the_variance_of_hs97_by_its_exact_share() -> None:
    # All pairs of places at T = 30: one of ten, then one of the first 14 that are left.
    pairs = [(i, j + (j >= i)) for i in range(10) for j in range(14)]
    variance = sum(((i > 0) + (j > 0)) / 3 / 16 for i, j in pairs) / len(pairs)
    assert build("adding/hs97").chance(30).loss == pytest.approx(variance, rel=1e-12)


def test_the_copy_baselines_are_the_published_ones() -> None:
    published = {60: 0.2599, 100: 0.1733, 200: 0.0945, 500: 0.03999, 1000: 0.02039}
    for lag, loss in published.items():
        assert build("copy_memory/arjovsky").chance(lag).loss == pytest.approx(loss, rel=1e-3)


def test_adding_is_solved_at_a_squared_error_of_a_hundredth() -> None:
    task = build("adding/arjovsky")
    batch = draw(task, 50, 40)
    for error, is_solved in ((0.0999, True), (0.1001, False)):
        score = task.score(batch.targets[:, None] + error, batch)
        assert (score >= task.solved_at) == is_solved


@pytest.mark.parametrize(("dialect", "share"), [("arjovsky", 3 / 4), ("bai", 2 / 3)])
def test_the_earlier_mark_is_as_far_back_as_documented(dialect: str, share: float) -> None:
    distance = draw(build(f"adding/{dialect}"), 5000, 200).distance() / 200
    # Its standard error is below .004.
    assert float(distance.mean()) == pytest.approx(share, abs=0.015)


def test_the_small_copy_has_64_lists_and_the_digits_1797_images() -> None:
    for case, count in (("copy_memory/small", 64), ("sequential_digits/rows", 1797)):
        task = build(case)
        assert isinstance(task, FiniteTask)
        assert task.count == count
        generator = batch_generator(0, "test", 0)
        batch = task.take(np.arange(count), 5, generator)
        assert len(batch.inputs.flatten(1).unique(dim=0)) == count
        assert draw(task, 3000, 5).inputs.flatten(1).unique(dim=0).shape[0] > 0.8 * count


def test_a_batch_moves_as_a_whole() -> None:
    batch = draw(build("adding/hs97"), 3, 20)
    assert batch.to("cpu") is batch
    moved = batch.to("meta")
    assert {tensor.device.type for tensor in tensors(moved).values()} == {"meta"}
