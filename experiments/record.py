"""What `study.json` says of a study. Knows no torch."""

from typing import Any

from experiments.study import Claim, Group, Study, Trial
from lightning_modules import registry, task_names

SCHEMA = 1


def record(study: Study) -> dict[str, Any]:
    """Give what `study.json` holds: the declaration, and what an analysis needs to read it."""
    known = {_cell(trial) for trial in study.trials()}
    waiting = [trial for trial in study.untuned.trials() if _cell(trial) not in known]
    tuned = {
        "tuning": {
            "learning_rates": study.tuning.learning_rate,
            "seeds": study.tuning.own_seeds,
            "trials": study.tuning_size,
        },
        "tuned": [choice.model_dump(mode="json") for choice in study.choices],
        "waiting": [_place(trial) for trial in waiting],
    } if study.tuning else {}  # fmt: skip
    return {
        "schema": SCHEMA,
        "name": study.name,
        "question": study.question,
        "reference": study.resolved_reference,
        "arms": [
            {
                **arm.model_dump(),
                "paper": _entry(arm.architecture).constants.get("paper", ""),
                "summary": _entry(arm.architecture).summary,
            }
            for arm in study.resolved_arms
        ],
        "tasks": [
            {
                **axis.model_dump(),
                "task": task_names.without_folder(axis.task),
                "lag_means": axis.constants.get("lag_means", ""),
                "trained_at": axis.curriculum.text if axis.curriculum else "",
            }
            for axis in study.tasks
        ],
        "claims": [_claim(claim) for claim in study.resolved_claims],
        "budget": study.budget.model_dump(exclude_none=True),
        "trials": {trial.id: _place(trial) for trial in study.trials()},
        **tuned,
        **({"reproduces": study.reproduces.model_dump()} if study.reproduces else {}),
        "declaration": study.model_dump(mode="json"),
    }


def _place(trial: Trial) -> dict[str, Any]:
    return {
        "arm": trial.arm.label,
        "task": trial.place,
        "lag": trial.lag,
        "seed": trial.seed,
    }


def _cell(trial: Trial) -> tuple[Any, ...]:
    return tuple(_place(trial).values())


def _claim(claim: Claim) -> dict[str, Any]:
    def place(task: str | None) -> str | None:
        return None if task is None else task_names.without_folder(task)

    arm, task, lag = claim.other
    than = claim.than
    # The text is made of the task without the folder that it may lie in, as all that is shown.
    shown = claim.model_copy(
        update={
            "task": place(claim.task),
            "than": than.model_copy(update={"task": place(than.task)})
            if isinstance(than, Group)
            else than,
        }
    )
    return {
        "arm": claim.arm,
        "than": arm,
        "on": claim.on,
        "task": place(claim.task),
        "lag": claim.lag,
        "than_task": place(task),
        "than_lag": lag,
        "than_on": claim.other_on,
        "value": claim.value,
        "relation": claim.relation,
        "scale": claim.scale,
        "threshold": claim.threshold,
        "text": shown.text,
    }


def _entry(architecture: str) -> registry.Entry:
    return registry.describe("architecture", architecture)
