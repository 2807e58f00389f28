"""Fair tuning, declared: the same rates on the same seeds for every arm; what was chosen of them.

Knows no torch.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, field_validator

from experiments.axes import as_tuple, refuse_twice
from lightning_modules.recipe import Declaration, Positive, Whole

FIRST_SEED = 1_000_000
"""The seeds from here on are for tuning: a study that is tuned has its own below."""

SUFFIX = "-tuning"
"""Behind the name of a study: the name of its tuning."""


class Tuning(Declaration):
    """Learning rates that are tried with every arm, on every task and lag, before the study's own.

    `seeds` is how many seeds each rate has. They are none of the study's: what is chosen on some
    seeds looks better on those than it is.
    """

    learning_rate: Annotated[tuple[Positive, ...], BeforeValidator(as_tuple)]
    seeds: Annotated[StrictInt, Field(ge=1, le=1000)] = 2

    @field_validator("learning_rate")
    @classmethod
    def _several(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if len(rates) < 2:
            raise ValueError("needs at least two rates to choose from")
        refuse_twice("learning_rate", [f"{rate:g}" for rate in rates])
        return tuple(sorted(rates))

    @property
    def own_seeds(self) -> tuple[int, ...]:
        """The seeds of the tuning trials."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))


class Tried(Declaration):
    """What came of a rate: of its trials, and their mean over seeds and lags, on validation."""

    learning_rate: Positive
    trials: Whole
    solved: Annotated[StrictInt, Field(ge=0)]
    steps: Annotated[float, Field(ge=0)]
    score: Annotated[float, Field(ge=0, le=1)]


class Choice(Declaration):
    """The rate of an arm on a task, and what it was chosen from. It is made once, and stays."""

    arm: StrictStr
    task: StrictStr
    learning_rate: Positive
    tried: Annotated[tuple[Tried, ...], BeforeValidator(as_tuple)]

    @property
    def is_at_edge(self) -> bool:
        """Whether it is the smallest or the largest rate: a better one may lie beyond."""
        rates = [each.learning_rate for each in self.tried]
        return self.learning_rate in (min(rates), max(rates))

    @property
    def text(self) -> str:
        """The choice in words."""
        edge = ", at the edge of what was tried" if self.is_at_edge else ""
        return f"{self.arm} on {self.task} at learning rate {self.learning_rate:g}{edge}"


def refuse_others(choices: tuple[Choice, ...], tuning: Tuning | None, known: Any) -> None:
    """Refuse choices that are not of a tuning: of other arms, tasks or rates, or made twice."""
    refuse_twice("tuned", [(choice.arm, choice.task) for choice in choices])
    for choice in choices:
        is_one = tuning is not None and choice.learning_rate in tuning.learning_rate
        if not is_one or (choice.arm, choice.task) not in known:
            raise ValueError(f"tuned: {choice.text:.200}: the study tries no such thing")


def base(label: str, learning_rate: float) -> str:
    """Give the label of the study's arm that an arm of its tuning, at a rate, is of."""
    return label.removesuffix(f" lr={learning_rate:g}")
