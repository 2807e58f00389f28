"""Planted faults: each is caught by `longdep check`, by the clause that names it."""

import pytest
import torch
from torch import Tensor, nn

from lightning_modules import contract
from lightning_modules.architectures.base import Recurrent, State


class Honest(Recurrent):
    """A plain tanh recurrence."""

    paper = "Elman 1990"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)

    def project(self, x: Tensor) -> Tensor:
        return self.W(x)

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0]))
        return h, (h,)


class DropsTheState(Honest):
    """Begins anew whenever it is called."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return Recurrent.forward(self, x, None)


class ForwardIsAnotherThing(Honest):
    """Has a fast path that is not the loop."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        y, state = Recurrent.forward(self, x, state)
        return y * 1.000001, state


class LooksAhead(Honest):
    """Sees the next input."""

    def project(self, x: Tensor) -> Tensor:
        return self.W(x + x.roll(-1, 1))


class MixesTheBatch(Honest):
    """Centres its state over the batch."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0] - state[0].mean(0)))
        return h, (h,)


class WrongSize(Honest):
    """Gives one number more than it says."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0]))
        return torch.cat([h, h[:, :1]], 1), (h,)


class RollsDice(Honest):
    """Adds noise that no seed decides."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0])) + 0.01 * torch.randn_like(p_t)
        return h, (h,)


class IgnoresTheSeed(Honest):
    """Starts from constants."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        for weight in self.parameters():
            nn.init.constant_(weight, 0.1)


class Forgets(Honest):
    """Has no way from one step to the next."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + 0 * self.U(state[0].detach()))
        return h, (h,)


class CarriesDeadWeight(Honest):
    """Has a weight that takes no part."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.spare = nn.Parameter(torch.zeros(3))


class HasNoPaper(Honest):
    """Says nowhere where it comes from."""

    paper = ""


class LeavesTheUnitInterval(Honest):
    """Has gates that leave [0, 1]."""

    def gates(self, p_t: Tensor, state: State) -> dict[str, Tensor]:
        return {"forget": 1.5 + p_t.sigmoid()}

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0])) * self.gates(p_t, state)["forget"]
        return h, (h,)


def broken(architecture: type[Recurrent]) -> set[str]:
    return {v.clause for v in contract.check(architecture) if v.problem}


def test_an_honest_architecture_breaks_no_clause() -> None:
    assert broken(Honest) == set()


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (DropsTheState, contract.a_carried_state_changes_nothing),
        (ForwardIsAnotherThing, contract.forward_is_the_loop),
        (LooksAhead, contract.nothing_looks_ahead),
        (MixesTheBatch, contract.examples_do_not_meet),
        (WrongSize, contract.outputs_have_the_promised_size),
        (RollsDice, contract.the_seed_decides),
        (IgnoresTheSeed, contract.the_seed_decides),
        (Forgets, contract.gradients_reach_the_first_step),
        (CarriesDeadWeight, contract.every_weight_is_used),
        (HasNoPaper, contract.it_names_a_paper),
        (LeavesTheUnitInterval, contract.step_computes_the_gates),
    ],
)
def test_a_planted_fault_is_named(fault: type[Recurrent], clause: object) -> None:
    assert (clause.__doc__ or "").strip().rstrip(".") in broken(fault)


def test_an_argument_that_is_not_a_keyword_is_named() -> None:
    class Positional(Honest):
        """Takes an option by position."""

        def __init__(self, input_size: int, hidden_size: int, depth: int = 1) -> None:
            super().__init__(input_size, hidden_size)

    assert contract.options_are_keywords.__doc__.strip().rstrip(".") in broken(Positional)
