"""A cohort: each member ends as it would alone, whatever becomes of the others."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from experiments.fitting import fit
from lightning_modules import cohort as cohorts
from lightning_modules import registry
from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.architectures.highway import Highway
from lightning_modules.architectures.rnn import RNN
from lightning_modules.assembly import ONE_LAYER, assemble
from lightning_modules.cohort import Cohort
from lightning_modules.data import Data, batch_at
from lightning_modules.kernel import running
from lightning_modules.recipe import Recipe
from lightning_modules.shape import Shape
from lightning_modules.tasks.base import Batch
from lightning_modules.training import OPTIMIZERS, Row, Training

SEEDS = range(8)


def double(batch: Batch) -> Batch:
    """Give a batch in float64."""

    def wide(tensor: Tensor) -> Tensor:
        return tensor.double() if tensor.is_floating_point() else tensor

    moved = {f.name: wide(getattr(batch, f.name)) for f in fields(batch) if f.name != "context"}
    return replace(batch, **moved)


class Doubled(IterableDataset[Batch]):
    """A stream in float64."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Batch]:
        return map(double, iter(self.stream))


class DoubleData(Data):
    """A trial's data in float64."""

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(Doubled(super().train_dataloader().dataset), batch_size=None)

    def evaluation(self, split: str, lag: int | None = None) -> Batch:
        return double(super().evaluation(split, lag))


def member(
    seed: int,
    architecture: Any = Highway,
    task: str = "adding",
    dialect: str = "arjovsky",
    lag: int = 6,
    hidden: int = 6,
    shape: Shape = ONE_LAYER,
    **recipe: Any,
) -> tuple[Training, list[Row]]:
    """Give a training in float64, and the list that its rows go to."""
    made = registry.load("task", task)(dialect)
    start = recipe.pop("start", 0)
    data = DoubleData(made, lag, seed=seed, batch=8, validation_size=32, test_size=32, start=start)
    network = assemble(architecture, {}, made, hidden, shape=shape, seed=seed).double()
    declared = Recipe(**{"learning_rate": 1e-2, "steps": 20, "validation_every": 5, **recipe})
    rows: list[Row] = []
    return Training(network, data, declared, solved_at=0.94, on_row=rows.append), rows


def together(members: list[Training], **calls: Any) -> Cohort:
    """Train members as a cohort."""
    made = Cohort(members, **calls)
    fit(made, None, Path("nowhere"))
    return made


def alone(trained: Training) -> Training:
    fit(trained, trained.data, Path("nowhere"))
    return trained


def weights(trained: Training) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trained.network.parameters()])


def is_close(a: float, b: float, relative: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= relative * abs(b)


def assert_same(
    ours: tuple[Training, list[Row]], own: tuple[Training, list[Row]], relative: float = 1e-5
) -> None:
    """Hold a member against its single training: outcome, steps, and every row."""
    (one, rows), (other, expected) = ours, own
    assert (one.outcome, one.step, one.solved_step) == (
        other.outcome,
        other.step,
        other.solved_step,
    )
    assert len(rows) == len(expected)
    for a, b in zip(rows, expected, strict=True):
        assert a.keys() == b.keys()
        for key in a.keys() - {"seconds"}:
            assert is_close(a[key], b[key], relative), (key, a, b)
    torch.testing.assert_close(weights(one), weights(other), rtol=relative, atol=1e-9)


@pytest.fixture(params=["stacked", "in turn"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Train stacked, as without a compiler, or each by its kernel in turn."""
    if request.param == "stacked":
        monkeypatch.setattr(running, "compiler", lambda: None)
    elif running.compiler() is None:
        pytest.skip("needs a C++ compiler")
    return str(request.param)


@pytest.mark.slow
def test_eight_members_equal_eight_single_trials_over_200_steps(way: str) -> None:
    declared = {"steps": 200, "validation_every": 10, "stop": "budget"}
    ours = [member(seed, **declared) for seed in SEEDS]
    cohort = together([trained for trained, _ in ours])
    assert cohort.is_stacked == (way == "stacked")
    for seed, made in zip(SEEDS, ours, strict=True):
        own = member(seed, **declared)
        alone(own[0])
        assert_same(made, own)
        assert made[0].test() == pytest.approx(own[0].test(), rel=1e-5)


@pytest.mark.slow
def test_members_that_are_solved_leave_and_the_others_go_on(way: str) -> None:
    declared = {"steps": 400, "validation_every": 10, "lag": 3, "learning_rate": 3e-2}
    ours = [member(seed, **declared) for seed in range(4)]
    over: list[Training] = []
    together([trained for trained, _ in ours], on_over=over.append)
    assert len({trained.step for trained in over}) > 1, "they should end at different steps"
    assert [t.step for t in over] == sorted(t.step for t in over)
    for seed, made in enumerate(ours):
        own = member(seed, **declared)
        alone(own[0])
        assert_same(made, own)


def test_a_member_that_diverges_touches_no_other(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [member(seed, steps=30, stop="budget", clip=0.5) for seed in range(4)]
    task, before = ours[0][0].task, {}
    loss = task.loss

    def explode(outputs: Tensor, batch: Batch) -> Tensor:
        if outputs.requires_grad and torch.equal(batch.inputs, bad.inputs):
            before["weights"] = weights(ours[2][0]).clone()
            return loss(outputs, batch) * math.nan
        return loss(outputs, batch)

    # Batch 7 of member 2.
    data = ours[2][0].data
    bad = double(batch_at(task, data.lag, data.batch, data.seed, "train", 7))
    monkeypatch.setattr(task, "loss", explode)
    for trained, _ in ours:
        trained.task = task
    over: list[tuple[int, int]] = []
    together([t for t, _ in ours], on_over=lambda m: over.append((m.data.seed, m.step)))
    monkeypatch.undo()
    gone, rows = ours[2]
    assert (gone.outcome, gone.step) == ("diverged", 8)
    assert over[0] == (2, 8)
    assert torch.equal(weights(gone), before["weights"])
    assert not math.isfinite(rows[-1]["train/loss"] + rows[-1]["train/gradient_norm"])
    assert math.isfinite(rows[-1]["validation/loss"])
    if way == "stacked":
        monkeypatch.setattr(running, "compiler", lambda: None)
    for seed in (0, 1, 3):
        own = member(seed, steps=30, stop="budget", clip=0.5)
        alone(own[0])
        assert_same(ours[seed], own)


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "adam")) for name in OPTIMIZERS],
)
def test_members_go_on_from_their_states(optimizer: str, way: str) -> None:
    declared = {"optimizer": optimizer, "stop": "budget", "learning_rate": 3e-3}
    whole = [member(seed, steps=12, **declared) for seed in range(3)]
    together([trained for trained, _ in whole])
    first = [member(seed, steps=7, **declared) for seed in range(3)]
    together([trained for trained, _ in first])
    second = [member(seed, steps=12, start=7, **declared) for seed in range(3)]
    for (trained, _), (saved, _) in zip(second, first, strict=True):
        trained.restore(saved.state())
    together([trained for trained, _ in second])
    for (ended, _), (resumed, _) in zip(whole, second, strict=True):
        assert torch.equal(weights(ended), weights(resumed))
    # And a member may go on alone.
    lone, _ = member(1, steps=12, start=7, **declared)
    lone.restore(first[1][0].state())
    alone(lone)
    torch.testing.assert_close(weights(lone), weights(whole[1][0]), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_sequences_of_different_lengths_are_trained_together(way: str) -> None:
    place = {"task": "temporal_order", "dialect": "hs97", "lag": 30, "steps": 10}
    ours = [member(seed, **place) for seed in range(4)]
    together([trained for trained, _ in ours])
    for seed, made in enumerate(ours):
        own = member(seed, **place)
        alone(own[0])
        assert_same(made, own)


@pytest.mark.slow
@pytest.mark.parametrize("wiring", ["residual", "dense"])
def test_stacks_in_both_directions_train_together(wiring: Any, way: str) -> None:
    deep = {"shape": Shape(layers=2, wiring=wiring, bidirectional=True), "hidden": 4, "steps": 4}
    ours = [member(seed, **deep) for seed in range(2)]
    cohort = together([trained for trained, _ in ours])
    assert cohort.is_stacked == (way == "stacked"), cohort.why_in_turn
    for seed, made in enumerate(ours):
        own = member(seed, **deep)
        alone(own[0])
        assert_same(made, own)


class Branching(RNN):
    """A recurrence whose step asks for a number, which neither a kernel nor vmap can follow."""

    paper = "none"

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        y, after = super().step(p_t, state)
        return (y * 0.5, after) if float(y.sum()) > 0 else (y, after)


def test_what_cannot_be_stacked_is_trained_in_turn_and_says_why() -> None:
    ours = [member(seed, Branching, steps=5) for seed in range(2)]
    cohort = together([trained for trained, _ in ours])
    assert not cohort.is_stacked and cohort.why_in_turn != "a kernel runs each"
    for seed, made in enumerate(ours):
        own = member(seed, Branching, steps=5)
        alone(own[0])
        assert_same(made, own)


class Dropping(Highway):
    """A highway that forgets at random."""

    paper = "none"

    def project(self, x: Tensor) -> Tensor:
        return torch.nn.functional.dropout(super().project(x), 0.5, self.training)


def test_dropout_is_found_out() -> None:
    for architecture, expected in ((Dropping, True), (Highway, False)):
        trained, _ = member(0, architecture)
        assert cohorts.draws(trained.network, trained.data.evaluation("validation")) is expected


def test_it_stops_where_it_is_asked_to_and_gives_each_what_is_its_own() -> None:
    ours = [member(seed) for seed in range(3)]
    made = together([trained for trained, _ in ours], after_step=lambda step: step == 7)
    made.release()
    for trained, _ in ours:
        assert trained.step == 7 and not trained.is_over
        for tensor in trained.network.state_dict().values():
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("architecture"))
def test_every_architecture_trains_in_a_cohort(name: str, way: str) -> None:
    architecture = registry.load("architecture", name)
    if way == "in turn" and not issubclass(architecture, Recurrent):
        way = "stacked"  # no kernel is derived of a layer without a `step`
    ours = [member(seed, architecture, steps=6, validation_every=3) for seed in range(3)]
    cohort = together([trained for trained, _ in ours])
    assert cohort.is_stacked == (way == "stacked"), cohort.why_in_turn
    for seed, made in enumerate(ours):
        own = member(seed, architecture, steps=6, validation_every=3)
        alone(own[0])
        assert_same(made, own)
