"""The hidden size nearest to a budget, found by counting."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lightning_modules.network import Network, count_parameters, count_state
from lightning_modules.refusal import RefusedError

TOLERANCE = 0.03
"""A budget missed by more than this share is refused: the arms would not be comparable."""


class BudgetError(RefusedError):
    """No hidden size comes near enough to the budget."""


@dataclass(frozen=True)
class Match:
    """A hidden size, what was counted at it, and how far from the budget that is."""

    hidden_size: int
    counted: int
    budget: int

    @property
    def deviation(self) -> float:
        """The share by which the count differs from the budget, signed."""
        return self.counted / self.budget - 1


def match(build: Callable[[int], Network], *, measure: str, budget: int) -> Match:
    """Find the hidden size whose count is nearest to the budget.

    Parameters
    ----------
    build
        Makes the network of a hidden size.
    measure
        What is held equal: "parameters" or "state".
    budget
        The count to come near to.

    Raises
    ------
    BudgetError
        When the nearest size misses the budget by more than `TOLERANCE`.
    """

    def count(hidden_size: int) -> int:
        # On the meta device nothing is allocated or drawn: counting 10 sizes takes milliseconds.
        with torch.device("meta"):
            network = build(hidden_size)
            counted = count_state(network) if measure == "state" else None
        if measure == "state" and counted is None:
            raise BudgetError("the state grows with time; match by parameters instead")
        return count_parameters(network) if counted is None else counted

    high = 1
    while count(high) < budget:
        high *= 2
    low = high // 2 or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < budget else (low, middle)
    nearest = min({low, high}, key=lambda size: (abs(count(size) - budget), size))
    found = Match(nearest, count(nearest), budget)
    if abs(found.deviation) > TOLERANCE:
        raise BudgetError(
            f"no hidden size has {budget:,} {measure}: the nearest, {nearest}, has "
            f"{found.counted:,} ({found.deviation:+.1%}; at most {TOLERANCE:.0%} is allowed)"
        )
    return found
