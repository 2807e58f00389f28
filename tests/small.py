"""A study that takes seconds, for tests that really train."""

from typing import Any

from experiments.study import Arm, Budget, Recipe, Study, TaskAxis, Trial

RECIPE = Recipe(learning_rate=1e-2, steps=150, validation_size=64, test_size=64)


def small_study(**changes: Any) -> Study:
    """Give a study of two arms, one task, two lags, two seeds."""
    declared: dict[str, Any] = {
        "name": "small",
        "question": "Does the gate help?",
        "arms": [Arm(architecture="rnn"), Arm(architecture="highway")],
        "tasks": [TaskAxis(task="adding/arjovsky", lags=[4, 8])],
        "seeds": 2,
        "budget": Budget(parameters=1500),
        "reference": "rnn",
        "recipe": RECIPE,
    }
    return Study(**{**declared, **changes})


def small_trial(architecture: str = "highway", **recipe: Any) -> Trial:
    """Give one trial; keywords change its recipe."""
    study = small_study(
        arms=[Arm(architecture=architecture)],
        reference=architecture,
        recipe=RECIPE.but(**recipe),
    )
    return study.trials()[0]


def study_text(
    *, lags: str = "[4]", seeds: int = 2, recipe: str = "learning_rate=1e-2, steps=50"
) -> str:
    """Give such a study as a user's file."""
    return f"""
from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

STUDY = Study(
    name="small",
    question="Does the gate help?",
    arms=[Arm(architecture="rnn"), Arm(architecture="highway")],
    tasks=[TaskAxis(task="adding/arjovsky", lags={lags})],
    seeds={seeds},
    budget=Budget(parameters=1500),
    reference="rnn",
    recipe=Recipe({recipe}, validation_size=64, test_size=64),
)
"""
