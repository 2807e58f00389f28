"""What every architecture keeps when its layers are joined: the contract of `contract.py`, over
depth and direction. Nothing of it has to be written: a layer that keeps its own contract does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from lightning_modules import contract
from lightning_modules.architectures.base import Layer
from lightning_modules.assembly import arranged
from lightning_modules.contract import HIDDEN, INPUT, BrokenClauseError, Build, Verdict, require
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Shape
from lightning_modules.stack import Bidirectional

SHAPES = (
    Shape(layers=2),
    Shape(layers=2, wiring="residual", norm="before"),
    Shape(layers=2, wiring="highway", output="all"),
    Shape(layers=2, wiring="dense", norm="before"),
)

Make = Callable[[Shape], Build]
"""Gives what makes the layers of a shape, in float64, their start drawn from a seed."""


def check(architecture: type[Layer], options: Mapping[str, Any] | None = None) -> Iterator[Verdict]:
    """Try every clause on an architecture."""
    make = maker(architecture, options or {})
    for clause, try_it in CLAUSES.items():
        try:
            try_it(make)
        except BrokenClauseError as broken:
            yield Verdict(clause, str(broken))
        except Exception as error:
            yield Verdict(clause, " ".join(f"{type(error).__name__}: {error}".split()))
        else:
            yield Verdict(clause, None)


def maker(architecture: type[Layer], options: Mapping[str, Any]) -> Make:
    """Give what makes stacks of an architecture, small and in float64."""

    def make(shape: Shape) -> Build:
        def build(input_size: int = INPUT, hidden_size: int = HIDDEN, seed: int = 0) -> Layer:
            torch.default_generator.manual_seed(seed)
            made = arranged(architecture, options, input_size, hidden_size, shape)
            assert isinstance(made, Layer)
            return made.double()

        return build

    return make


def stacks_have_their_sizes(make: Make) -> None:
    """Stacked by any wiring, outputs and state have their sizes, or the line says why not."""
    for build in _stacks(make):
        contract.outputs_have_the_promised_size(build)
        contract.sizes_can_be_counted(build)


def stacks_go_on_from_a_state(make: Make) -> None:
    """Stacked by any wiring, a carried state changes nothing, and nothing looks ahead."""
    for build in _stacks(make):
        contract.a_carried_state_changes_nothing(build)
        contract.nothing_looks_ahead(build)
        contract.it_sees_as_far_as_it_says(build)


def both_directions_are_two_networks(make: Make) -> None:
    """In both directions it is two networks: on the sequence, and on its reverse."""
    there, back = make(Shape())(seed=1), make(Shape())(seed=2)
    if not there.causal:
        return
    x = contract.sample()
    both = Bidirectional(there, back)
    y, _ = both(x)
    contract.same(y[..., : there.output_size], there(x)[0], "what runs forwards")
    turned = back(x.flip(1))[0].flip(1)
    contract.same(y[..., there.output_size :], turned, "what runs backwards")
    require(y.shape[2] == both.output_size, f"{y.shape[2]} outputs, not {both.output_size}")


def _stacks(make: Make) -> Iterator[Build]:
    """Give the stacks that there are; of outputs wider than the hidden size there are no sums."""
    width = make(Shape())().output_size
    for shape in SHAPES:
        build = make(shape)
        if width == HIDDEN or shape.wiring in ("plain", "dense"):
            yield build
            continue
        try:
            build()
        except RefusedError as refused:
            require(f"{width} numbers" in str(refused), f"the line hides the width: {refused}")
        else:
            require(False, f"outputs of {width} numbers are added to {HIDDEN}")


CLAUSES: dict[str, Callable[[Make], None]] = {
    (clause.__doc__ or "").strip().rstrip("."): clause
    for clause in (
        stacks_have_their_sizes,
        stacks_go_on_from_a_state,
        both_directions_are_two_networks,
    )
}
