"""How layers make a network, as a declaration: depth, wiring, direction. Knows no torch."""

from typing import Any, Literal

from pydantic import StrictBool, StrictStr, model_validator

from lightning_modules.recipe import Declaration, Whole

Wiring = Literal["plain", "residual", "dense", "highway"]

Attention = Literal["none", "additive", "multiplicative", "cross"]


class Decoder(Declaration):
    """How a sequence is answered by a second network, begun from the first one's last state.

    The second network is of the first one's architecture, options and depth, unless told another
    registered `architecture`, which then has its default options. `attention` looks at what the
    first gave for each symbol of the source: at the read-out, or, `cross`, within each layer of an
    architecture that can. `source="reversed"` reads the source from its end. A `beam` of more than
    1 keeps so many replies in mind where it is scored.
    """

    architecture: StrictStr | None = None
    attention: Attention = "none"
    source: Literal["forward", "reversed"] = "forward"
    beam: Whole = 1

    def changed(self) -> dict[str, Any]:
        """Give the fields that are not at their defaults."""
        fields = type(self).model_fields
        return {k: v for k, v in self.model_dump().items() if v != fields[k].default}

    def in_words(self) -> str:
        """Say it in a few words."""
        words = ["decoder" if self.architecture is None else f"decoder {self.architecture}"]
        words += [f"{self.attention} attention"] * (self.attention != "none")
        words += ["source reversed"] * (self.source == "reversed")
        words += [f"beam {self.beam}"] * (self.beam > 1)
        return ", ".join(words)


class Shape(Declaration):
    """How many layers there are, what joins them, and which way they run.

    `norm="before"` normalises what each layer takes in; `output="all"` gives the read-out what all
    layers gave. `bidirectional` runs a second network from the end of the sequence.
    With a `decoder` all this is of the encoder; the decoder has the same, in one direction.
    """

    layers: Whole = 1
    wiring: Wiring = "plain"
    norm: Literal["none", "before"] = "none"
    output: Literal["last", "all"] = "last"
    bidirectional: StrictBool = False
    decoder: Decoder | None = None

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
        words += [self.decoder.in_words()] if self.decoder else []
        return ", ".join(words)
