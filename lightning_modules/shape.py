"""How layers make a network, as a declaration: depth, wiring, direction. Knows no torch."""

from typing import Literal

from pydantic import StrictBool, model_validator

from lightning_modules.recipe import Declaration, Whole

Wiring = Literal["plain", "residual", "dense", "highway"]


class Shape(Declaration):
    """How many layers there are, what joins them, and which way they run.

    `norm="before"` normalises what each layer takes in; `output="all"` gives the read-out what all
    layers gave. `bidirectional` runs a second network from the end of the sequence.
    """

    layers: Whole = 1
    wiring: Wiring = "plain"
    norm: Literal["none", "before"] = "none"
    output: Literal["last", "all"] = "last"
    bidirectional: StrictBool = False

    @model_validator(mode="after")
    def _means_something(self) -> "Shape":
        if self.layers == 1 and self.norm == "before" and self.wiring in ("plain", "dense"):
            raise ValueError('norm="before" needs a second layer: the bare input is left as it is')
        if self.output == "all" and (self.layers == 1 or self.wiring == "dense"):
            what = "one layer" if self.layers == 1 else "a dense wiring"
            raise ValueError(f'output="all" is what {what} gives already; leave it out')
        return self

    @property
    def is_single(self) -> bool:
        """Whether a layer alone is meant, with nothing around it."""
        return self.layers == 1 and self.wiring == "plain"

    def in_words(self) -> str:
        """Say it in a few words, or nothing where it is one plain layer."""
        count = "1 layer" if self.layers == 1 else f"{self.layers} layers"
        words = [] if self.is_single else [count, self.wiring]
        words += ["normalised before each"] * (self.norm == "before")
        words += ["all layers read out"] * (self.output == "all")
        words += ["both directions"] * self.bidirectional
        return ", ".join(words)
