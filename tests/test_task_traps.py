"""What went wrong elsewhere, one test for each trap, and the baselines as they were published."""

import itertools

import numpy as np
import pytest
import torch
from task_cases import CASES, build, smallest
from torch.utils.data import DataLoader

from lightning_modules.data import Stream, batch_at, evaluation_batch
from lightning_modules.randomness import batch_generator
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw, tensors, told
from lightning_modules.tasks.base import FiniteTask

BLANKS = {
    case: 2 if case.endswith("five_bit") else 5 if case.endswith("twenty_bit") else 0
    for case in CASES
    if case.startswith(("copy_memory/", "denoise/", "noiseless_memorization/", "selective_copy/"))
}
"""The tasks with blanks, and the class of the blank."""


# Copy accuracy that counts blanks: the net that says nothing has .990 in TCN's script at T = 1000.
@pytest.mark.parametrize("case", BLANKS)
def test_accuracy_counts_no_blanks(case: str) -> None:
    task = build(case)
    batch = draw(task, 50, 1000)
    outputs = torch.zeros(*batch.targets.shape, task.output_size)
    outputs[..., BLANKS[case]] = 1
    over_all_steps = (outputs.argmax(-1) == batch.targets).float().mean()
    assert over_all_steps > 0.98
    assert task.score(outputs, batch) == pytest.approx(0, abs=0)
    right = told(task, batch)
    right[~batch.mask] = outputs.roll(1, -1)[~batch.mask]
    assert task.score(right, batch) == pytest.approx(1, abs=0)


# A random generator copied into each worker: of MAD-Lab's 200 sequences 103 are different.
# In a test process that keeps to one core torch finds two workers too many.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_no_loader_worker_repeats_what_another_has_drawn() -> None:
    stream = Stream(build("selective_copy/mamba"), 40, 16, seed=0, start=0)
    loader = DataLoader(stream, batch_size=None, num_workers=2)
    inputs = torch.cat([batch.inputs for batch in itertools.islice(iter(loader), 12)])
    assert len(inputs.unique(dim=0)) == len(inputs) == 12 * 16


# All 40 test sequences of MAD-Lab's were among the training sequences, which only warned.
@pytest.mark.parametrize("case", CASES)
def test_no_test_example_was_trained_on(case: str) -> None:
    task = build(case)
    if task.space == "exhaustive":
        return
    lag = max(40, smallest(task))
    trained = {
        row.tobytes()
        for index in range(10)
        for row in batch_at(task, lag, 50, 0, "train", index).inputs.numpy()
    }
    # As many as in a training batch: a generator that ignores its split then draws the same.
    tested = [row.tobytes() for row in evaluation_batch(task, lag, 50, 0, "test").inputs.numpy()]
    assert not trained.intersection(tested)


# A generator of numpy's that no seed reaches: two equal runs of TCN's, two results.
def test_a_seed_that_is_set_elsewhere_changes_no_data() -> None:
    task = build("adding/bai")
    first = draw(task, 8, 40)
    np.random.seed(1111)  # noqa: NPY002
    torch.default_generator.manual_seed(1111)
    assert torch.equal(draw(task, 8, 40).inputs, first.inputs)


# Lightning: the same loader gave other data with workers that persist than with new ones.
# In a test process that keeps to one core torch finds two workers too many.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_a_second_pass_over_the_loader_begins_again() -> None:
    stream = Stream(build("first_symbol/eight"), 20, 4, seed=0, start=3)
    loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
    passes = [[b.inputs for b in itertools.islice(iter(loader), 4)] for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*passes, strict=True))


# Zoology's first generator asked for three keys, however many there were.
@pytest.mark.parametrize("lag", [64, 128, 256])
def test_each_key_is_asked_for_once(lag: int) -> None:
    batch = draw(build("associative_recall/zoology"), 20, lag)
    assert set(batch.mask.sum(1).tolist()) == {lag // 16}


def test_a_sequence_as_long_as_the_vocabulary_is_refused_in_one_line() -> None:
    with pytest.raises(RefusedError, match="lag 8192 is too long for zoology: at most 8191"):
        draw(build("associative_recall/zoology"), 1, 8192)


# Zoology fills the steps between with random tokens, some of which are keys of the sequence.
def test_no_filler_is_a_key() -> None:
    batch = draw(build("associative_recall/small"), 200, 40)
    filler = batch.inputs[:, 8:][~batch.mask[:, 8:]]
    assert set(filler.tolist()) == {0}


# Zoology's forgetting variant may give a key its old value again, as if it were a new one.
def test_a_value_that_is_overwritten_is_another() -> None:
    batch = draw(build("associative_recall/forgetting"), 500, 40)
    pairs = batch.inputs[:, :12].view(500, 6, 2)
    for example in pairs.tolist():
        first = dict(example[:4])
        assert all(first[key] != value for key, value in example[4:])


# Zoology's quick start asks for a class that there is not: `Target 135 is out of bounds`.
@pytest.mark.parametrize("case", CASES)
def test_every_class_that_is_asked_for_can_be_answered(case: str) -> None:
    task = build(case)
    batch = draw(task, 200, max(24, smallest(task)))
    if batch.targets.is_floating_point():
        return
    assert int(batch.targets.max()) < task.output_size
    assert int(batch.targets[batch.mask if task.answer == "each" else ...].min()) >= 0


# POPGym's delays were off by one: the echo is exactly k steps late, at the first step and the last.
@pytest.mark.parametrize("lag", [1, 2, 9])
def test_an_echo_is_late_by_the_lag_exactly(lag: int) -> None:
    batch = draw(build("delayed_echo/symbols"), 50, lag)
    assert torch.equal(batch.targets[:, lag:], batch.inputs[:, :-lag])
    assert batch.distance().unique().tolist() == [lag]


def test_the_constant_answer_is_almost_right_by_the_papers_count_of_multiplication() -> None:
    task = build("multiplication/pascanu")
    targets = draw(task, 20_000, 20).targets
    assert float(((targets - 0.25) ** 2 < 0.04).float().mean()) > 0.6
    assert task.chance(20).loss == pytest.approx(0.0486, abs=1e-4)


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
