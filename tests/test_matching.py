"""Budgets: the nearest size, found by counting; too far is refused."""

import pytest
import torch

from lightning_modules import registry
from lightning_modules.architectures.base import Recurrent
from lightning_modules.matching import BudgetError, match
from lightning_modules.network import Network, count_parameters, count_state


def build(name: str, **options: object) -> object:
    architecture = registry.load("architecture", name)
    return lambda size: Network(architecture(3, size, **options), 2, "last")


@pytest.mark.parametrize("name", registry.names("architecture"))
@pytest.mark.parametrize("budget", [5000, 50_000])
def test_the_nearest_size_is_found(name: str, budget: int) -> None:
    make = build(name)
    found = match(make, measure="parameters", budget=budget)
    # More units are more weights, so that a size beyond twice the found one cannot be nearer.
    with torch.device("meta"):
        sizes = range(1, 2 * found.hidden_size, 1 + found.hidden_size // 100)
        near = range(max(1, found.hidden_size - 5), found.hidden_size + 6)
        off = {size: abs(count_parameters(make(size)) - budget) for size in {*sizes, *near}}
    assert off[found.hidden_size] == min(off.values())
    assert found.counted == count_parameters(make(found.hidden_size))
    assert found.deviation == pytest.approx(found.counted / budget - 1)


@pytest.mark.parametrize("name", registry.names("architecture"))
def test_a_state_can_be_the_budget(name: str) -> None:
    make = build(name)
    if make(5).layer.initial_state(1) is None:
        with pytest.raises(BudgetError, match="the state grows with time; match by parameters"):
            match(make, measure="state", budget=64)
        return
    found = match(make, measure="state", budget=64)
    assert count_state(make(found.hidden_size).layer) == 64


def test_counting_draws_no_numbers_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    match(build("rnn"), measure="parameters", budget=5000)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_budget_that_no_size_meets_is_refused_with_the_nearest() -> None:
    with pytest.raises(BudgetError, match=r"nearest, 1, has 24 \(\+140.0%; at most 3% is allowed"):
        match(build("lstm"), measure="parameters", budget=10)


def test_the_smaller_of_two_equally_near_sizes_is_taken() -> None:
    class Wide(Recurrent):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__(input_size, 100 * hidden_size)
            self.w = torch.nn.Parameter(torch.empty(100 * hidden_size))

    make = lambda size: Network(Wide(1, size), 1, "last")  # noqa: E731
    # 200 h + 1 parameters: 10,001 at 50 and 10,201 at 51.
    assert match(make, measure="parameters", budget=10_101).hidden_size == 50
