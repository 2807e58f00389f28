"""Planted faults: each is caught by `longdep check`, by the clause that names it.

Longer than a file should be: every clause has a fault that it must find.
"""

import jaxtyping
import pytest
import torch
from references import REFERENCES
from torch import Tensor, nn

from lightning_modules import contract, registry, shape_contract
from lightning_modules.architectures.base import Layer, Recurrent, State
from lightning_modules.architectures.transformer import Transformer


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


class GrowsItsState(Honest):
    """Carries one number more with every step."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0][:, : self.hidden_size]))
        return h, (torch.cat([h, state[0][:, :1]], 1),)


class NamesTooMuch(Honest):
    """Names a tensor that its state does not have."""

    state_names = ("hidden", "cell")

    def initial_state(self, batch: int) -> State:
        return (self.zeros(batch, self.hidden_size),)


class HasItsOwnWidth(Honest):
    """Takes no notice of the hidden size asked for."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, 5)


class LooksAtItsNumbers(Honest):
    """Cannot be built without drawing its weights."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.largest = float(self.U.weight.detach().abs().max())


class ReadsOnlyTheInput(Honest):
    """Carries a state that no output depends on."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0]))
        return torch.tanh(p_t), (h,)


class HasNoSlope(Honest):
    """Takes a root whose slope at 0 is infinite."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0])) + (0 * p_t).sqrt()
        return h, (h,)


class NeedsFloat32(Honest):
    """Mixes precisions that autocast does not."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.lerp(state[0], self.U(state[0]).tanh(), 0.5) + p_t.tanh()
        return h, (h,)


class SaysItNeedsFloat32(NeedsFloat32):
    """Says so."""

    no_bfloat16 = "it mixes precisions"


class AsksItsNumbers(Honest):
    """Decides by a number that a graph does not have."""

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(p_t + self.U(state[0]))
        if float(h.detach().sum()) > 1e6:
            h = torch.zeros_like(h)
        return h, (h,)


class WritesItsState(Honest):
    """Gives what its state becomes beside its gates."""

    def gates(self, p_t: Tensor, state: State) -> dict[str, Tensor]:
        return {"hidden": torch.tanh(p_t + self.U(state[0])) - 1}

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = self.gates(p_t, state)["hidden"]
        return h, (h,)


class SwapsItsGates(registry.load("architecture", "lstm")):  # type: ignore[misc]
    """Writes with the forget gate and forgets with the input gate."""

    def gates(self, p_t: Tensor, state: State) -> dict[str, Tensor]:
        i, f, g, o = p_t.chunk(4, 1)
        return super().gates(torch.cat([f, i, g, o], 1), state)

    def without_kernel(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.loop(x, state)


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


class Window(Layer):
    """The mean of the last inputs: a plain layer, with a state of fixed size."""

    paper = "nobody's"
    state_names = ("inputs",)
    sees = 3
    receptive_field = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.W = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch: int) -> State | None:
        return (self.W.weight.new_zeros(batch, self.sees - 1, self.input_size),)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        before = state or self.initial_state(len(x))
        assert before is not None
        shown = torch.cat([before[0], x], 1)
        y = self.W(shown.unfold(1, self.sees, 1).mean(3)).tanh()
        return y, (shown[:, shown.shape[1] - self.sees + 1 :],)


class SeesMore(Window):
    """Says that it sees fewer steps than it does."""

    receptive_field = 2


class SeesLess(Window):
    """Says that it sees more steps than it does."""

    receptive_field = 4


class HidesItsStart(Window):
    """Has a state of fixed size, and says that it grows."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return super().forward(x, state or Window.initial_state(self, len(x)))

    def initial_state(self, batch: int) -> State | None:
        return None


class BeginsElsewhere(Window):
    """Begins from another state than it gives as the first."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        return super().forward(x, state or (1 + Window.initial_state(self, len(x))[0],))


class SaysItLooksAhead(Window):
    """Says that it looks ahead, and does not."""

    causal = False


class GoesOnFromTheFuture(LooksAhead):
    """Looks ahead, says so, and yet takes a state."""

    causal = False


class KnowsItsDepth(Honest):
    """Behaves otherwise where its input is as wide as its state, as in a stack: it looks ahead."""

    def project(self, x: Tensor) -> Tensor:
        return self.W(x + x.roll(-1, 1)) if self.input_size == self.hidden_size else self.W(x)


class ReadsBackwards(Honest):
    """Counts its steps across calls."""

    calls = 0

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        self.calls += 1
        y, state = super().forward(x, state)
        return y * self.calls, state


class LooksBeyond(Transformer):
    """Looks at padding as if it were a source."""

    def facing(self, h: Tensor, is_there: Tensor) -> State:
        return super().facing(h, is_there | True)


class LooksAway(Transformer):
    """Says that it looks, and does at the first step alone."""

    def facing(self, h: Tensor, is_there: Tensor) -> State:
        return super().facing(h[:, :1].expand_as(h), is_there)


class LooksOnce(Transformer):
    """Forgets the source once it has run."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        y, after = super().forward(x, state)
        return y, after if self.across is None else (*after[:3], *self.facing_nothing(after))

    def facing_nothing(self, state: State) -> State:
        return (torch.zeros_like(state[3]), torch.zeros_like(state[4]), state[5])


def broken(architecture: type[Layer]) -> set[str]:
    return {v.clause for v in contract.check(architecture) if v.problem}


def broken_in_a_stack(architecture: type[Layer]) -> set[str]:
    return {v.clause for v in shape_contract.check(architecture) if v.problem}


@pytest.mark.parametrize("honest", [Honest, SaysItNeedsFloat32, WritesItsState, Window])
def test_an_honest_architecture_breaks_no_clause(honest: type[Layer]) -> None:
    assert broken(honest) == set()
    assert broken_in_a_stack(honest) == set()


def test_swapped_gates_keep_the_contract_and_only_the_equations_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The tests check shapes as they run; those checks cannot be traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert broken(SwapsItsGates) == set()
    layer = contract.builder(SwapsItsGates, {})()
    step = REFERENCES["lstm"]({n: p.detach().numpy() for n, p in layer.named_parameters()}, {})
    x = torch.ones(1, 1, 3, dtype=torch.float64)
    expected, _ = step(x[0, 0].numpy(), [part[0].numpy() for part in layer.initial_state(1)])
    assert abs(layer(x)[0][0, 0].detach().numpy() - expected).max() > 0.01


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (DropsTheState, contract.a_carried_state_changes_nothing),
        (ForwardIsAnotherThing, contract.forward_is_the_loop),
        (LooksAhead, contract.nothing_looks_ahead),
        (MixesTheBatch, contract.examples_do_not_meet),
        (WrongSize, contract.outputs_have_the_promised_size),
        (GrowsItsState, contract.outputs_have_the_promised_size),
        (NamesTooMuch, contract.outputs_have_the_promised_size),
        (HasItsOwnWidth, contract.sizes_can_be_counted),
        (LooksAtItsNumbers, contract.sizes_can_be_counted),
        (RollsDice, contract.the_seed_decides),
        (IgnoresTheSeed, contract.the_seed_decides),
        (Forgets, contract.gradients_reach_the_first_step),
        (ReadsOnlyTheInput, contract.gradients_reach_the_first_step),
        (HasNoSlope, contract.gradients_reach_the_first_step),
        (NeedsFloat32, contract.it_runs_in_bfloat16),
        (AsksItsNumbers, contract.step_compiles),
        (CarriesDeadWeight, contract.every_weight_is_used),
        (HasNoPaper, contract.it_names_a_paper),
        (LeavesTheUnitInterval, contract.step_computes_the_gates),
        (SeesMore, contract.it_sees_as_far_as_it_says),
        (SeesLess, contract.it_sees_as_far_as_it_says),
        (LooksBeyond, contract.it_looks_at_what_is_there),
        (LooksAway, contract.it_looks_at_what_is_there),
        (LooksOnce, contract.it_looks_at_what_is_there),
        (HidesItsStart, contract.outputs_have_the_promised_size),
        (BeginsElsewhere, contract.outputs_have_the_promised_size),
        (SaysItLooksAhead, contract.nothing_looks_ahead),
        (GoesOnFromTheFuture, contract.a_carried_state_changes_nothing),
    ],
)
def test_a_planted_fault_is_named(fault: type[Layer], clause: object) -> None:
    assert (clause.__doc__ or "").strip().rstrip(".") in broken(fault)


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (WrongSize, shape_contract.stacks_have_their_sizes),
        (KnowsItsDepth, shape_contract.stacks_go_on_from_a_state),
        (ReadsBackwards, shape_contract.both_directions_are_two_networks),
    ],
)
def test_a_fault_that_only_a_stack_shows_is_named(fault: type[Layer], clause: object) -> None:
    assert (clause.__doc__ or "").strip().rstrip(".") in broken_in_a_stack(fault)


def test_an_argument_that_is_not_a_keyword_is_named() -> None:
    class Positional(Honest):
        """Takes an option by position."""

        def __init__(self, input_size: int, hidden_size: int, depth: int = 1) -> None:
            super().__init__(input_size, hidden_size)

    assert contract.options_are_keywords.__doc__.strip().rstrip(".") in broken(Positional)
