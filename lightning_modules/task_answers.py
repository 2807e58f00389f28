"""The clauses of the contract for tasks about answers: loss, score, chance and baselines."""

import torch

from lightning_modules.contract import require
from lightning_modules.task_guessers import blind_guess, draw, played, told, usual_lag
from lightning_modules.tasks.base import Task


def who_knows_scores_one(task: Task) -> None:
    """Whoever is told the answer scores 1, with less loss than chance."""
    batch = draw(task, 50, usual_lag(task))
    outputs = told(task, batch)
    score, chance = task.score(outputs, batch), task.chance(usual_lag(task))
    require(abs(score - 1) < 1e-6, f"the right answer scores {score:.4g}")
    loss = float(task.loss(outputs, batch))
    if chance is not None:
        require(loss < chance.loss, f"the right answer has a loss of {loss:.4g}, as chance has")


def who_is_wrong_scores_zero(task: Task) -> None:
    """Whoever is wrong everywhere scores 0, and so do outputs that are not finite."""
    batch = draw(task, 50, usual_lag(task))
    score = task.score(told(task, batch, shift=1), batch)
    require(score == 0, f"wrong answers score {score:.4g}")
    for bad in (float("nan"), float("inf"), float("-inf")):
        outputs = told(task, batch)
        outputs[..., 0] = bad
        score = task.score(outputs, batch)
        require(score == 0, f"outputs of {bad} score {score:.4g}")


def the_loss_teaches(task: Task) -> None:
    """The loss is one number, with a gradient at every scored answer."""
    batch = draw(task, 6, usual_lag(task))
    outputs = torch.zeros_like(told(task, batch)).requires_grad_()
    loss = task.loss(outputs, batch)
    require(loss.shape == (), f"the loss has shape {tuple(loss.shape)}")
    (gradient,) = torch.autograd.grad(loss, outputs)
    scored = gradient if task.answer == "last" else gradient[batch.mask]
    least = float(scored.abs().sum(-1).min())
    require(least > 0, "an answer that is scored has no gradient")


def the_bar_is_above_chance(task: Task) -> None:
    """It counts as solved above chance and at 1 at most."""
    chance = task.chance(usual_lag(task))
    if chance is None:
        require(task.solved_at is None, f"solved_at is {task.solved_at}, but it states no chance")
        return
    says = f"solved_at is {task.solved_at}, chance scores {chance.score:.4g}"
    require(task.solved_at is not None and chance.score < task.solved_at <= 1, says)


def a_blind_guesser_scores_chance(task: Task) -> None:
    """Whoever sees no input comes to the stated chance, in score and loss."""
    lag = max(20, task.smallest_lag[task.dialect])
    chance = task.chance(lag)
    if chance is None:
        require(task.why_no_chance.strip() != "", "no chance, and no reason: `why_no_chance`")
        return
    require(chance.derivation.strip() != "", "its chance has no derivation")
    found, margin = blind_guess(task, lag)
    stated = chance.score, chance.loss
    for what, a, b, most in zip(("score", "loss"), found, stated, margin, strict=True):
        require(bool(abs(a - b) <= most), f"a blind guesser has the {what} {a:.4g}, not {b:.4g}")


def who_plays_a_baseline_comes_to_it(task: Task) -> None:
    """Whoever plays a baseline comes to its score and loss, between chance and the whole answer."""
    lag = usual_lag(task)
    chance = task.chance(lag)
    before = 0.0 if chance is None else chance.score
    for stated in task.baselines(lag):
        require(stated.derivation.strip() != "", f"{stated.name!r} has no derivation")
        says = f"{stated.name!r} scores {stated.score:.4g}, after {before:.4g}"
        require(before <= stated.score < 1, f"{says}: from chance up, and below 1")
        before = stated.score
        found, margin = played(task, lag, stated.play)
        pairs = zip(("score", "loss"), found, (stated.score, stated.loss), margin, strict=True)
        for what, a, b, most in pairs:
            says = f"who plays {stated.name!r} has the {what} {a:.4g}, not {b:.4g}"
            require(bool(abs(a - b) <= most), says)
