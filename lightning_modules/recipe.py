"""How a network is trained, as a declaration. Knows no torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Whole = Annotated[StrictInt, Field(ge=1)]
Count = Annotated[StrictInt, Field(ge=0)]


class Declaration(BaseModel):
    """A frozen, closed model: an unknown field is an error where it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Recipe(Declaration):
    """How a network is trained and when it stops.

    Every `validation_every` steps the network is scored on `validation_size` examples; the task
    counts as solved when that score has held `solved_for` times in a row. `stop="solved"` ends the
    trial there, `stop="budget"` at the last step. `clip` bounds the norm of the gradient.
    With `steps=0` nothing is trained: the outcome is `measured`, on the network as it starts.
    """

    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    clip: Positive | None = 1.0
    batch: Whole = 32
    steps: Count = 1000
    validation_every: Whole = 25
    validation_size: Whole = 256
    test_size: Whole = 1024
    solved_for: Whole = 2
    stop: Literal["solved", "budget"] = "solved"

    def but(self, **changes: Any) -> "Recipe":
        """Give the same recipe with some values changed."""
        return Recipe(**{**self.model_dump(), **changes})
