"""Where the values of a step in Triton lie, and what a source is written for."""

from dataclasses import dataclass, field

from lightning_modules.kernel.expressions import Node

Range = tuple[int, int]
"""Units of a row: the first, and the one after the last."""


@dataclass(frozen=True)
class Place:
    """Where a value of the running step lies: its first row, and how far it is to the next."""

    pointer: str
    row: str


@dataclass(frozen=True)
class Target:
    """What a source is written for: a type of `size` bytes, and `room` bytes for weights on chip.

    Tiles are of `near` units at most where the weights fit into it, else of `far`.
    """

    dtype: str
    size: int
    room: int
    near: int
    far: int


@dataclass
class Given:
    """What a step begins with, and where it leaves what.

    What is `carried` from the step before, by name, lies in `places` as well where it is a state.
    """

    places: dict[Node, Place] = field(default_factory=dict)
    carried: dict[Node, str] = field(default_factory=dict)
    homes: dict[Node, list[Place]] = field(default_factory=dict)


def carried_name(name: str, tile: Range) -> str:
    """Name a tile of what one step hands to the next."""
    return f"{name}_{tile[0]}_{tile[1]}"
