"""The contract over every registered task and dialect, and oracles beside it."""

import hashlib
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules import registry
from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import Batch, FiniteTask, Task

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


def draw(task: Task, size: int, lag: int, seed: int = 0, index: int = 0) -> Batch:
    return task.sample(size, lag, batch_generator(seed, "train", index))


def tensors(batch: Batch) -> dict[str, Tensor]:
    return {**{k: v for k, v in vars(batch).items() if k != "context"}, **batch.context}


def part(batch: Batch, start: int, stop: int) -> Batch:
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
    return 30.0 * torch.nn.functional.one_hot(named, task.output_size).float()


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


# What the file of a task states


@pytest.mark.parametrize("name", NAMES)
def test_a_task_states_its_constants_in_its_source(name: str) -> None:
    constants = registry.describe("task", name).constants
    assert constants["paper"]
    assert constants["lag_means"]
    assert isinstance(constants["version"], int)
    assert constants["answer"] in ("last", "each")
    assert isinstance(constants["causal"], bool)
    assert all(constants["dialects"].values())
    assert constants["smallest_lag"].keys() == constants["dialects"].keys()
    assert min(constants["smallest_lag"].values()) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_task_shows_one_example_with_the_inputs_above_the_target(name: str) -> None:
    doc = registry.load("task", name).__doc__ or ""
    _, _, rest = doc.partition("::\n\n")
    example = [line.split() for line in rest.partition("\n\n")[0].splitlines()]
    assert len(example) >= 2
    assert example[-1][0] in ("target", "targets")


# The contract


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_batch_has_the_promised_shapes_types_and_ranges(case: str, data: Any) -> None:
    task = build(case)
    lag = data.draw(st.integers(smallest(task), smallest(task) + 60), "lag")
    size = data.draw(st.integers(1, 9), "batch")
    batch = draw(task, size, lag, data.draw(st.integers(0, 2**32), "seed"))
    time = batch.mask.shape[1]
    assert batch.mask.shape == batch.evidence.shape == (size, time)
    assert batch.mask.dtype == batch.evidence.dtype == torch.bool
    if batch.inputs.dtype == torch.int64:
        assert batch.inputs.shape == (size, time)
        assert 0 <= batch.inputs.min()
        assert batch.inputs.max() < task.input_size
    else:
        assert batch.inputs.dtype == torch.float32
        assert batch.inputs.shape == (size, time, task.input_size)
        assert batch.inputs.isfinite().all()
    assert batch.targets.shape == ((size,) if task.answer == "last" else (size, time))
    if batch.targets.dtype == torch.int64:
        assert 0 <= batch.targets.min()
        assert batch.targets.max() < task.output_size
    else:
        assert batch.targets.dtype == torch.float32
        assert task.output_size == 1
    if task.answer == "last":
        assert batch.mask[:, -1].all()
        assert not batch.mask[:, :-1].any()
    assert batch.mask.any(1).all()
    assert batch.evidence.any(1).all()
    assert (batch.distance() >= 0).all()
    assert all(isinstance(tensor, Tensor) for tensor in batch.context.values())


@pytest.mark.parametrize("case", CASES)
def test_the_same_counters_give_the_same_batch_and_others_another(case: str) -> None:
    task, lag = build(case), 40
    first, again, other = (tensors(draw(task, 16, lag, 3, index)) for index in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["inputs"].shape != other["inputs"].shape or not torch.equal(
        first["inputs"], other["inputs"]
    )


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


@pytest.mark.parametrize("case", CASES)
def test_no_global_random_state_is_read_or_moved(case: str) -> None:
    task, lag = build(case), 40
    batches = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        torch.default_generator.manual_seed(seed)
        numpys, pythons = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
        torchs = torch.get_rng_state()
        batches.append(tensors(draw(task, 16, lag)))
        assert (np.random.get_state()[1] == numpys).all()  # noqa: NPY002
        assert random.getstate() == pythons
        assert torch.equal(torch.get_rng_state(), torchs)
    assert all(torch.equal(batches[0][name], batches[1][name]) for name in batches[0])


@pytest.mark.parametrize("case", CASES)
def test_a_lag_too_short_and_an_unknown_dialect_are_refused_in_one_line(case: str) -> None:
    task = build(case)
    for lag in {smallest(task) - 1, 0, -5}:
        with pytest.raises(ValueError, match=rf"^lag {lag} .* at least {smallest(task)}$"):
            draw(task, 4, lag)
    with pytest.raises(ValueError, match=r"^[^\n]*'nobody'.*known: .*") as refused:
        type(task)("nobody")
    assert all(dialect in str(refused.value) for dialect in task.dialects)


@pytest.mark.parametrize("case", CASES)
def test_who_is_told_the_answer_scores_one(case: str) -> None:
    task = build(case)
    batch = draw(task, 50, 40)
    outputs = told(task, batch)
    assert task.score(outputs, batch) == pytest.approx(1, abs=0)
    assert float(task.loss(outputs, batch)) < 1e-6
    assert 0 < task.solved_at <= 1


@pytest.mark.parametrize("case", CASES)
def test_who_is_wrong_everywhere_scores_zero(case: str) -> None:
    task = build(case)
    batch = draw(task, 50, 40)
    assert task.score(told(task, batch, shift=1), batch) == pytest.approx(0, abs=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("case", CASES)
def test_outputs_that_are_not_finite_score_zero(case: str, bad: float) -> None:
    task = build(case)
    batch = draw(task, 50, 40)
    outputs = told(task, batch)
    outputs[..., 0] = bad
    assert task.score(outputs, batch) == pytest.approx(0, abs=0)


@pytest.mark.parametrize("case", CASES)
def test_the_loss_is_one_number_with_a_gradient_at_every_scored_answer(case: str) -> None:
    task = build(case)
    batch = draw(task, 6, 40)
    outputs = torch.zeros_like(told(task, batch)).requires_grad_()
    loss = task.loss(outputs, batch)
    assert loss.shape == ()
    loss.backward()
    scored = outputs.grad if task.answer == "last" else outputs.grad[batch.mask]
    assert scored.abs().sum(-1).min() > 0


# Chance


def blind(task: Task, batch: Batch, upto: int) -> Tensor:
    """Answer the first examples' mean or class shares, at each step on its own; read no input."""
    known = batch.targets[:upto]
    if known.is_floating_point():
        answer = known.mean(0)[..., None]
    else:
        counts = torch.nn.functional.one_hot(known, task.output_size).sum(0)
        # Not zero: the logarithm must stay finite where a class never occurs.
        answer = (counts / upto).clamp(min=1e-7).log()
    return answer.expand(len(batch.targets), *answer.shape)


def chunks(task: Task, batch: Batch, outputs: Tensor, start: int, n: int) -> Iterator[np.ndarray]:
    edges = np.linspace(start, len(outputs), n + 1).astype(int)
    for a, b in pairwise(edges):
        some = part(batch, a, b)
        yield np.array([task.score(outputs[a:b], some), float(task.loss(outputs[a:b], some))])


@pytest.mark.parametrize("case", CASES)
def test_a_blind_guesser_scores_chance(case: str) -> None:
    task = build(case)
    lag = max(20, smallest(task))
    chance = task.chance(lag)
    if chance is None:
        pytest.skip("no strategy without memory can be stated")
    assert chance.derivation.endswith(".")
    if isinstance(task, FiniteTask) and task.space != "large":
        batch = task.take(np.arange(task.count), lag, batch_generator(0, "test", 0))
        outputs = blind(task, batch, task.count)
        assert task.score(outputs, batch) == pytest.approx(chance.score, abs=1e-12)
        # Float32, and the logarithm of 1e-7 for what never occurs.
        assert float(task.loss(outputs, batch)) == pytest.approx(chance.loss, abs=1e-5)
        return
    half = 5000
    batch = draw(task, 2 * half, lag)
    outputs = blind(task, batch, half)
    rest = part(batch, half, 2 * half)
    measured = np.array([task.score(outputs[half:], rest), float(task.loss(outputs[half:], rest))])
    spread = np.std(list(chunks(task, batch, outputs, half, 25)), axis=0) / 5
    expected = np.array([chance.score, chance.loss])
    # Five standard errors; 1e-4 is for the guesser, who knows the mean from 5000 examples alone.
    assert (np.abs(measured - expected) < 5 * spread + 1e-4).all(), (measured, expected, spread)


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


@pytest.mark.parametrize("case", CASES)
def test_a_space_that_is_not_large_has_a_count_and_is_taken_by_number(case: str) -> None:
    task = build(case)
    assert task.space in ("large", "finite", "exhaustive")
    assert hasattr(task, "count") == (task.space != "large")
    if task.space != "large":
        assert isinstance(task, FiniteTask)
        generator = batch_generator(0, "test", 0)
        last = task.take(np.array([task.count - 1]), smallest(task), generator)
        assert last.inputs.shape[0] == 1


def test_a_batch_moves_as_a_whole() -> None:
    batch = draw(build("adding/hs97"), 3, 20)
    assert batch.to("cpu") is batch
    moved = batch.to("meta")
    assert {tensor.device.type for tensor in tensors(moved).values()} == {"meta"}
