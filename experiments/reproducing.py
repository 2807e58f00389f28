"""What a study reproduces, as a declaration, and the collection of those. Knows no torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictStr, ValidationInfo, field_validator, model_validator

from experiments.axes import Text, plain_text
from experiments.claims import Tag
from lightning_modules.recipe import Declaration

NAME = "repro"
PREFIX = f"{NAME}_"
"""The studies whose names begin so stand on the board that the commands know as `repro`."""

Kind = Literal["first", "spare", "again", "large"]
"""See `Reproduces`."""

Told = Annotated[StrictStr, Field(max_length=600)]


class Reproduces(Declaration):
    """A published finding that a study asks for again.

    `finding` says it in a sentence, `says` what the paper reports, `source` where; `tag` how that
    is known, as with `Published`. `differs` is what this study does otherwise, and why. The claims
    of the study are the expectation, set before it runs: the finding is reproduced where all of
    them are supported.

    | kind | what it is |
    |---|---|
    | first | one of the collection: `longdep run repro` runs it |
    | spare | one more at this size, run by its own name |
    | again | one that came out too little or otherwise, asked a second time: the first stands too |
    | large | one at published scale, run by its own name |

    `like` is the study that asks for the same: the first asking, or the form for two cores of a
    large one. `needs` says what a large one needs to be run.
    """

    finding: Text
    says: Told
    source: Text
    tag: Tag
    differs: Told
    kind: Kind = "first"
    like: Annotated[StrictStr, Field(max_length=64)] = ""
    needs: Annotated[StrictStr, Field(max_length=600)] = ""

    @field_validator("finding", "says", "source", "differs", "like", "needs")
    @classmethod
    def _readable(cls, text: str, info: ValidationInfo) -> str:
        is_left_out = not text and info.field_name in ("like", "needs")
        return text if is_left_out else plain_text(text)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "again" and not self.like:
            raise ValueError("asked again: like=... names the study that asked first")
        if self.kind == "large" and not self.needs:
            raise ValueError("at published scale: needs=... says what it needs to be run")
        return self
