"""What a study reproduces, as a declaration, and the collection of those. Knows no torch."""

from typing import Annotated

from pydantic import Field, StrictStr, field_validator

from experiments.axes import Text, plain_text
from experiments.claims import Tag
from lightning_modules.recipe import Declaration

NAME = "repro"
PREFIX = f"{NAME}_"
"""The studies whose names begin so are the collection that the commands know as `repro`."""

Told = Annotated[StrictStr, Field(max_length=600)]


class Reproduces(Declaration):
    """A published finding that a study asks for again.

    `finding` says it in a sentence, `says` what the paper reports, `source` where; `tag` how that
    is known, as with `Published`. `differs` is what this study does otherwise, and why. The claims
    of the study are the expectation, set before it runs: the finding is reproduced where all of
    them are supported.
    """

    finding: Text
    says: Told
    source: Text
    tag: Tag
    differs: Told

    @field_validator("finding", "says", "source", "differs")
    @classmethod
    def _readable(cls, text: str) -> str:
        return plain_text(text)
