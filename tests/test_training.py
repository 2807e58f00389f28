"""Training: what a step does, what ends a trial, and what does not disturb it."""

import math
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from lightning_modules.architectures.highway import Highway
from lightning_modules.assembly import assemble
from lightning_modules.data import Data
from lightning_modules.recipe import Recipe
from lightning_modules.tasks.adding import Adding
from lightning_modules.training import OPTIMIZERS, Row, Training

LAG = 6


def training(start: int = 0, **recipe: Any) -> tuple[Training, list[Row]]:
    task = Adding("arjovsky")
    data = Data(task, LAG, seed=0, batch=8, validation_size=32, test_size=32, start=start)
    network = assemble(Highway, {}, task, 6, seed=0)
    rows: list[Row] = []
    declared = Recipe(**{"learning_rate": 1e-2, "steps": 20, "validation_every": 5, **recipe})
    return Training(network, data, declared, solved_at=0.94, on_row=rows.append), rows


def fit(trained: Training) -> Training:
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=-1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(trained, datamodule=trained.data)
    return trained


def weights(trained: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trained.network.parameters()])


pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")


def test_a_row_stands_at_every_interval_and_at_the_end() -> None:
    trained, rows = training(steps=12)
    fit(trained)
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert set(rows[-1]) == {
        "step", "train/loss", "train/gradient_norm", "validation/loss", "validation/score",
        "seconds",
    }  # fmt: skip


def test_a_step_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, rows = training(steps=3, validation_every=3, clip=0.01)
    reference, _ = training()
    optimizer = torch.optim.Adam(reference.network.parameters(), lr=1e-2)
    losses, norms = [], []
    stream = iter(reference.data.train_dataloader())
    for _ in range(3):
        batch = next(stream)
        optimizer.zero_grad()
        loss = reference.task.loss(reference.network(batch.inputs), batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(reference.network.parameters(), 0.01))
        losses.append(loss.detach())
        optimizer.step()
    fit(trained)
    # Adam's fused kernel sums in another order than the plain one; float32, three steps.
    torch.testing.assert_close(weights(trained), weights(reference), atol=1e-6, rtol=1e-5)
    assert rows[0]["train/loss"] == pytest.approx(float(torch.stack(losses).mean()))
    assert rows[0]["train/gradient_norm"] == pytest.approx(float(torch.stack(norms).mean()))
    assert rows[0]["train/gradient_norm"] > 0.01, "measured before clipping"


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_trial_before_the_update(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, rows = training(clip=1.0)
    loss = trained.task.loss
    before = {}

    def explode(outputs: torch.Tensor, batch: Any) -> torch.Tensor:
        if trained.step == 7 and outputs.requires_grad:
            before["weights"] = weights(trained)
            if what == "loss":
                return loss(outputs, batch) * math.nan
            # The loss is 0 and finite, its gradient infinite.
            return torch.sqrt(outputs.sum() * 0)
        return loss(outputs, batch)

    monkeypatch.setattr(trained.task, "loss", explode)
    fit(trained)
    assert trained.outcome == "diverged" and trained.step == 8
    assert torch.equal(weights(trained), before["weights"])
    assert bool(weights(trained).isfinite().all())
    assert not math.isfinite(rows[-1]["train/loss"] + rows[-1]["train/gradient_norm"])
    assert math.isfinite(rows[-1]["validation/loss"])


def scored(trained: Training, monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    given = iter(scores)
    monkeypatch.setattr(trained, "evaluate", lambda batch: (0.0, next(given)))


def test_solved_is_what_has_held_several_times_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, rows = training(steps=100, solved_for=3)
    scored(trained, monkeypatch, [0.95, 0.95, 0.9, 0.94, 0.95, 0.96, 0.97])
    fit(trained)
    assert (trained.outcome, trained.solved_step, trained.step) == ("solved", 20, 30)
    assert len(rows) == 6


def test_what_did_not_hold_long_enough_is_unsolved(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, _ = training(steps=15, solved_for=2)
    scored(trained, monkeypatch, [0.95, 0.1, 0.95])
    fit(trained)
    assert (trained.outcome, trained.solved_step) == ("unsolved", None)


def test_a_budget_is_run_to_its_end_and_a_solution_stays_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained, rows = training(steps=25, stop="budget")
    scored(trained, monkeypatch, [0.1, 0.95, 0.95, 0.1, 0.1])
    fit(trained)
    assert (trained.outcome, trained.solved_step, trained.step) == ("solved", 10, 25)
    assert len(rows) == 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_going_on_from_a_state_gives_the_same_bits(optimizer: str) -> None:
    whole, rows = training(steps=20, optimizer=optimizer)
    fit(whole)
    first, first_rows = training(steps=10, optimizer=optimizer)
    fit(first)
    second, second_rows = training(start=10, steps=20, optimizer=optimizer)
    second.restore(first.state())
    fit(second)
    assert torch.equal(weights(whole), weights(second))
    together = [*first_rows, *second_rows]
    for a, b in zip(rows, together, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }
    assert together[-1]["seconds"] > together[1]["seconds"]


def test_how_often_it_is_evaluated_does_not_change_the_weights() -> None:
    often, _ = training(validation_every=1, stop="budget")
    seldom, _ = training(validation_every=20, stop="budget")
    assert torch.equal(weights(fit(often)), weights(fit(seldom)))


def test_noise_in_training_comes_from_the_step_and_not_from_before() -> None:
    def noisy(start: int) -> torch.Tensor:
        trained, _ = training(start=start, steps=6)
        drawn: list[torch.Tensor] = []
        trained.network.register_forward_pre_hook(lambda *_: drawn.append(torch.rand(1)))
        trained.step = start
        torch.rand(100)
        fit(trained)
        return torch.cat([d for d in drawn][-2:])

    assert torch.equal(noisy(0), noisy(3))


def test_the_test_split_is_its_own() -> None:
    trained, _ = training()
    validation, test = (trained.data.evaluation(split) for split in ("validation", "test"))
    assert not torch.equal(validation.inputs, test.inputs)
    loss, score = trained.evaluate(test)
    assert trained.test() == {"loss": loss, "score": score}
