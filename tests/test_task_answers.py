"""Planted faults in loss, score, chance and baselines: each is named by its clause."""

import math
from collections.abc import Callable

import pytest
import torch
from test_task_contract import Honest, broken
from torch import Tensor
from torch.nn import functional as F

from lightning_modules import task_answers
from lightning_modules.task_guessers import blind, draw
from lightning_modules.tasks.base import Baseline, Batch, Chance, Task


class CountsEveryOther(Honest):
    def score(self, outputs: Tensor, batch: Batch) -> float:
        return super().score(outputs, batch) / 2


class TakesNaNForAnAnswer(Honest):
    def score(self, outputs: Tensor, batch: Batch) -> float:
        return int((outputs.argmax(-1) == batch.targets).sum()) / len(outputs)


class RewardsTheWrong(Honest):
    def score(self, outputs: Tensor, batch: Batch) -> float:
        return max(0.5, super().score(outputs, batch))


class LosesPerExample(Honest):
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs, batch.targets, reduction="none")


class LosesHalf(Honest):
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs[::2], batch.targets[::2])


class StatesTheWrongScore(Honest):
    def chance(self, lag: int) -> Chance:
        return Chance(1 / 5, math.log(4), "5 symbols, one of which never comes.")


class StatesTheWrongLoss(Honest):
    def chance(self, lag: int) -> Chance:
        return Chance(1 / 4, math.log(5), "5 symbols, one of which never comes.")


class StatesNoReason(Honest):
    def chance(self, lag: int) -> Chance:
        return Chance(1 / 4, math.log(4), "")


class IsSolvedByGuessing(Honest):
    solved_at = 0.25


class GivesNoReason(Honest):
    solved_at = None

    def chance(self, lag: int) -> None:
        return None


class IsSolvedThoughNobodyKnowsChance(GivesNoReason):
    why_no_chance = "it is unknown"
    solved_at = 0.5


def with_baseline(**change: object) -> type[Task]:
    """State what one comes to who knows that it is one of two, and change it."""

    def one_of_two(batch: Batch) -> Tensor:
        fits = torch.arange(4) // 2 == batch.targets[:, None] // 2
        return torch.where(fits, 0.0, -30.0)

    right: dict[str, object] = {
        "name": "half known",
        "score": 1 / 2,
        "loss": math.log(2),
        "derivation": "Two are left.",
        "play": one_of_two,
    }

    class WithBaseline(Honest):
        """Say which symbol came first.

        One example::

            inputs   2  0  3  4
            targets           2
        """

        def baselines(self, lag: int) -> tuple[Baseline, ...]:
            return (Baseline(**{**right, **change}),)  # type: ignore[arg-type]

    return WithBaseline


FAULTS = [
    (CountsEveryOther, task_answers.who_knows_scores_one, "scores 0.5"),
    (RewardsTheWrong, task_answers.who_is_wrong_scores_zero, "wrong answers score 0.5"),
    (TakesNaNForAnAnswer, task_answers.who_is_wrong_scores_zero, "outputs of nan score"),
    (LosesPerExample, task_answers.the_loss_teaches, "the loss has shape (6,)"),
    (LosesHalf, task_answers.the_loss_teaches, "no gradient"),
    (IsSolvedByGuessing, task_answers.the_bar_is_above_chance, "solved_at is 0.25"),
    (StatesTheWrongScore, task_answers.a_blind_guesser_scores_chance, "not 0.2"),
    (StatesTheWrongLoss, task_answers.a_blind_guesser_scores_chance, "not 1.609"),
    (StatesNoReason, task_answers.a_blind_guesser_scores_chance, "no derivation"),
    (GivesNoReason, task_answers.a_blind_guesser_scores_chance, "no reason: `why_no_chance`"),
    (
        IsSolvedThoughNobodyKnowsChance,
        task_answers.the_bar_is_above_chance,
        "solved_at is 0.5, but it states no chance",
    ),
    (
        with_baseline(score=0.6),
        task_answers.who_plays_a_baseline_comes_to_it,
        "'half known' has the score 0.5",
    ),
    (
        with_baseline(loss=0.5),
        task_answers.who_plays_a_baseline_comes_to_it,
        "'half known' has the loss 0.693",
    ),
    (
        with_baseline(score=0.1),
        task_answers.who_plays_a_baseline_comes_to_it,
        "scores 0.1, after 0.25: from chance up",
    ),
    (
        with_baseline(derivation=" "),
        task_answers.who_plays_a_baseline_comes_to_it,
        "'half known' has no derivation",
    ),
]


@pytest.mark.parametrize(
    ("fault", "clause", "words"),
    FAULTS,
    ids=[f"{f.__name__}-{n}" for n, (f, _, _) in enumerate(FAULTS)],
)
def test_a_planted_fault_is_named(
    fault: type[Task], clause: Callable[[Task], None], words: str
) -> None:
    name = (clause.__doc__ or "").strip().rstrip(".")
    assert words in broken(fault)[name]


def test_a_baseline_that_holds_breaks_no_clause_about_it() -> None:
    clause = task_answers.who_plays_a_baseline_comes_to_it
    assert (clause.__doc__ or "").strip().rstrip(".") not in broken(with_baseline())


def test_chance_that_knows_candidates_answers_one_of_them_and_nothing_else() -> None:
    task = Honest("plain")
    batch = draw(task, 400, 5)
    among = torch.stack((batch.targets, (batch.targets + 1) % 4), dim=1)
    known = Batch(**{**vars(batch), "context": {"among": among}})
    outputs = blind(task, known, 200)(known)
    assert outputs.exp().topk(2).indices.sort(1).values.equal(among.sort(1).values)
    assert float(task.loss(outputs, known)) == pytest.approx(math.log(2), abs=1e-5)


def test_who_sees_nothing_knows_which_steps_are_asked_and_no_more() -> None:
    class AskedAnywhere(Honest):
        answer = "each"

    task = AskedAnywhere("plain")
    time, place = torch.arange(6).expand(500, 6), torch.randint(6, (500, 1))
    mask = time == place
    targets = torch.where(mask, 3, 0)
    batch = Batch(inputs=targets, targets=targets, mask=mask, evidence=mask)
    outputs = blind(task, batch, 250)(batch)
    assert outputs.argmax(-1).equal(targets)
