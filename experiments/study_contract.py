"""What a study keeps before its trials are worth starting, clause by clause."""

import math
from collections.abc import Callable, Iterator

from experiments.preparing import prepare
from experiments.sizes import matched, task_of
from experiments.study import Study, Trial
from lightning_modules.contract import Verdict
from lightning_modules.data import batch_at
from lightning_modules.refusal import RefusedError
from lightning_modules.training import Training


def check(study: Study) -> Iterator[Verdict]:
    """Try every clause on a study; nothing is written."""
    for clause, (trials_of, try_it) in CLAUSES.items():
        trials = trials_of(study)
        problems = (_problem(place, trial, try_it) for place, trial in trials.items())
        yield Verdict(clause, next(filter(None, problems), None))


def _problem(place: str, trial: Trial, try_it: Callable[[Trial], None]) -> str | None:
    try:
        try_it(trial)
    except RefusedError as error:
        return f"{place}: {error}"
    except Exception as error:
        return f"{place}: {' '.join(f'{type(error).__name__}: {error}'.split())}"
    return None


def meets_the_budget(trial: Trial) -> None:
    """Every arm meets the budget on every task."""
    matched(trial)


def makes_a_batch(trial: Trial) -> None:
    """Every task makes a batch at every lag."""
    shortest = [trial.curriculum.start] if trial.curriculum else []
    for lag in (*shortest, trial.lag, *trial.test_lags):
        batch_at(task_of(trial), lag, trial.recipe.batch, trial.seed, "train", 0)


def takes_a_step(trial: Trial) -> None:
    """Every arm takes a step of training on every task at its smallest lag, and is scored."""
    network, data = prepare(trial)
    training = Training(network, data, trial.recipe, solved_at=1.0)
    training.training_step(batch_at(data.task, trial.lag, trial.recipe.batch, 0, "train", 0), 0)
    if training.diverged:
        raise RefusedError("loss or gradient of the first step is not finite")
    loss, score = training.evaluate(data.evaluation("validation"))
    if not (math.isfinite(loss) and 0 <= score <= 1):
        raise RefusedError(f"after one step the loss is {loss:.4g} and the score {score:.4g}")


def _pairs(study: Study) -> dict[str, Trial]:
    """Give a trial of each (arm, task), at the task's smallest lag."""
    found: dict[str, Trial] = {}
    for trial in sorted(study.untuned.trials(), key=lambda trial: trial.lag):
        found.setdefault(f"{trial.arm.label} on {trial.task}/{trial.dialect}", trial)
    return found


def _places(study: Study) -> dict[str, Trial]:
    """Give a trial of each (task, lag)."""
    return {f"{t.task}/{t.dialect} at lag {t.lag}": t for t in study.untuned.trials()}


CLAUSES: dict[str, tuple[Callable[[Study], dict[str, Trial]], Callable[[Trial], None]]] = {
    (clause.__doc__ or "").strip().rstrip("."): (trials_of, clause)
    for trials_of, clause in (
        (_pairs, meets_the_budget),
        (_places, makes_a_batch),
        (_pairs, takes_a_step),
    )
}
