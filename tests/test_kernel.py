"""The kernel derived from `step` equals the loop over it, wherever there is one.

Longer than a file should be: every form of step that the kernel takes, or refuses, has its test.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_steps import RandomStep
from test_architectures import CASES
from torch import Tensor, nn

from lightning_modules import registry
from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.kernel.compiler import compiler
from lightning_modules.kernel.running import Kernel, kernel_for

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
LIMITS = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Relative to the largest number compared; in float32 a matrix exponential loses digits."""


RECURRENT = [
    name
    for name in registry.names("architecture")
    if issubclass(registry.load("architecture", name), Recurrent)
]


def why_none(layer: Recurrent) -> str:
    found = kernel_for(layer, layer.zeros(1, 1, layer.input_size), layer.initial_state(1))
    return "" if isinstance(found, Kernel) else found


def assert_the_kernel_is_the_loop(
    layer: Recurrent, batch: int, time: int, dtype: torch.dtype
) -> None:
    """Compare outputs, last state and every gradient, from a carried state."""
    layer = layer.to(dtype)
    generator = torch.Generator().manual_seed(batch * 100 + time)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    x = draw(batch, time, layer.input_size)
    state = tuple(draw(*part.shape) for part in layer.initial_state(batch))
    assert why_none(layer) == ""
    wanted = [x, *state, *(w for w in layer.parameters() if w.requires_grad)]
    found = []
    for run in (layer, layer.loop):
        y, after = run(x, state)
        # Other weights for each number: equal gradients of a plain sum prove less.
        loss = sum(
            (part * torch.linspace(-1, 1, part.numel(), dtype=dtype).view_as(part)).sum()
            for part in (y, *after)
        )
        found.append([y, *after, *torch.autograd.grad(loss, wanted, allow_unused=True)])
    for ours, theirs in zip(*found, strict=True):
        if ours is None or theirs is None:
            # What takes no part has no gradient on one path, and zeros on the other.
            assert not any(g.any() for g in (ours, theirs) if g is not None)
            continue
        limit = LIMITS[dtype] * max(1.0, float(theirs.detach().abs().max()))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=limit)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(*case, marks=[pytest.mark.slow] if case[1] else [])
        for case in CASES
        if case[0] in RECURRENT
    ],
    ids=str,
)
def test_every_architecture_has_a_kernel_in_every_variant(
    name: str, options: dict[str, Any]
) -> None:
    layer = registry.load("architecture", name)(3, 5, **options)
    assert_the_kernel_is_the_loop(layer, 2, 5, torch.float64)


@pytest.mark.parametrize("name", RECURRENT)
@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(
    batch=st.integers(1, 9), time=st.integers(1, 12), hidden=st.integers(2, 40),
    width=st.integers(1, 6), is_double=st.booleans(),
)  # fmt: skip
def test_at_any_size_the_kernel_is_the_loop(
    name: str, batch: int, time: int, hidden: int, width: int, is_double: bool
) -> None:
    torch.default_generator.manual_seed(hidden)
    layer = registry.load("architecture", name)(width, hidden)
    dtype = torch.float64 if is_double else torch.float32
    assert_the_kernel_is_the_loop(layer, batch, time, dtype)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_step_has_a_kernel_that_is_the_loop(seed: int) -> None:
    assert_the_kernel_is_the_loop(RandomStep(3, 6, seed=seed), 3, 4, torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 200))
def test_many_a_random_step_has_a_kernel_that_is_the_loop(seed: int) -> None:
    assert_the_kernel_is_the_loop(RandomStep(3, 18, seed=seed), 3, 4, torch.float64)


def test_without_gradients_there_is_none() -> None:
    layer, x = registry.load("architecture", "lstm")(3, 5), torch.ones(2, 4, 3)
    with torch.no_grad():
        assert not layer(x)[0].requires_grad
    layer(x)[0].sum().backward()
    assert all(w.grad is not None for w in layer.parameters() if w.requires_grad)


def test_an_output_overwritten_before_the_way_back_is_an_error() -> None:
    layer = registry.load("architecture", "highway")(3, 5)
    y, _ = layer(torch.ones(2, 4, 3))
    loss = y.sum()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# What a trace cannot see


class Plain(Recurrent):
    """A layer from outside, in plain torch."""

    paper = "none"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(hidden_size, hidden_size)

    def project(self, x: Tensor) -> Tensor:
        return self.W(x)

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        h = self.move(p_t, state[0])
        return h, (h,)

    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(p_t + self.U(h))


class Branches(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h) if bool(self.U.bias[0] > 0) else p_t


class BranchesOnTheState(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h) if bool((h > 0).any()) else p_t


class Lists(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h) * (1.0 if h.detach().tolist()[0][0] > 0 else 0.5)


class Rolls(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h) * torch.rand_like(h)


class Rolls2(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h) * torch.rand(self.hidden_size)


class Mixes(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h - h.mean(0))


class Counts(Plain):
    count = 0

    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        self.count = self.count + 1
        return super().move(p_t, h) / self.count


class Unknown(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return super().move(p_t, h.cumsum(1))


class LooksAround(Plain):
    def project(self, x: Tensor) -> Tensor:
        return self.W(x) + self.W(x)[:, :1]


class Squares(Plain):
    def move(self, p_t: Tensor, h: Tensor) -> Tensor:
        return p_t + h @ (h.T @ h)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Branches, "branches on data"),
        (BranchesOnTheState, "branches on data, or compares it (aten.any.default)"),
        (Lists, "reads numbers out of a tensor"),
        (Rolls, "draws random numbers"),
        (Rolls2, "draws random numbers"),
        (Mixes, "sums over more or less"),
        (Counts, "changes an attribute"),
        (Unknown, "cumsum"),
        (LooksAround, "off the loop"),
        (Squares, "does not know"),
    ],
)
def test_what_cannot_be_a_kernel_says_why_and_trains_as_the_loop(
    layer: Callable[..., Plain], reason: str
) -> None:
    made = layer(3, 5)
    assert reason in why_none(made)
    y, _ = made(torch.ones(2, 4, 3))
    y.sum().backward()
    assert made.W.weight.grad is not None


def test_a_plain_layer_has_a_kernel_and_follows_its_attributes() -> None:
    class Turns(Plain):
        is_soft = True

        def move(self, p_t: Tensor, h: Tensor) -> Tensor:
            z = p_t + self.U(h)
            return z.tanh() if self.is_soft and self.training else z.relu()

    layer, x = Turns(3, 5), torch.randn(2, 4, 3)
    assert why_none(layer) == ""
    for change in (lambda: setattr(layer, "is_soft", False), layer.eval, layer.train):
        change()
        torch.testing.assert_close(layer(x)[0], layer.loop(x)[0])


def test_a_step_may_do_something_else_with_another_batch_list_or_function() -> None:
    class Depends(Plain):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__(input_size, hidden_size)
            self.powers, self.bend = [1.0, 0.5], torch.tanh

        def move(self, p_t: Tensor, h: Tensor) -> Tensor:
            z = p_t + sum(power * self.U(h) for power in self.powers)
            return self.bend(z) if h.shape[0] > 2 else z

    def relu(z: Tensor) -> Tensor:
        return z.relu()

    def soft(z: Tensor) -> Tensor:
        return z.sigmoid()

    layer = Depends(3, 5)
    layer.bend = relu
    for change in (
        lambda: None,
        lambda: layer.powers.append(2.0),
        lambda: setattr(layer, "bend", soft),
    ):
        change()
        for batch in (2, 3):
            x = torch.randn(batch, 4, 3)
            assert why_none(layer) == ""
            torch.testing.assert_close(layer(x)[0], layer.loop(x)[0])


def test_an_input_may_be_expanded_turned_or_cut() -> None:
    layer, x = Plain(3, 5), torch.randn(4, 6, 3)
    ways = (
        x[:1].expand(4, 6, 3),
        x[:, :1].expand(4, 6, 3),
        x[:, :, :1].expand(4, 6, 3),
        x.transpose(0, 1),
        torch.randn(3, 6, 4).transpose(0, 2),
        torch.randn(4, 6, 8)[..., 2:5],
        x[::2, ::3],
        x[:1, :1],
    )
    for seen in ways:
        (y, _), (expected, _) = layer(seen), layer.loop(seen)
        torch.testing.assert_close(y, expected)
        ours = torch.autograd.grad(y.square().sum(), list(layer.parameters()))
        theirs = torch.autograd.grad(expected.square().sum(), list(layer.parameters()))
        torch.testing.assert_close(ours, theirs)


def test_weights_that_change_are_seen() -> None:
    layer, x = Plain(3, 5), torch.randn(2, 4, 3)
    before = layer(x)[0]
    with torch.no_grad():
        layer.U.weight.mul_(2)
    assert not torch.allclose(before, layer(x)[0])
    torch.testing.assert_close(layer(x)[0], layer.loop(x)[0])


# Functions, against torch's, in units in the last place


class Applies(Recurrent):
    """Applies a function to its input."""

    paper = "none"

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__(1, 1)
        self.function, self.w = function, nn.Parameter(torch.zeros(()))

    def step(self, p_t: Tensor, state: State) -> tuple[Tensor, State]:
        return self.function(p_t) + self.w * p_t, state


POSITIVE = (torch.log, torch.log1p, torch.sqrt)
FUNCTIONS = (
    *(torch.exp, torch.expm1, torch.tanh, torch.sigmoid, nn.functional.logsigmoid, *POSITIVE),
    *(torch.sin, torch.cos, torch.erf, nn.functional.softplus, nn.functional.gelu, torch.sign),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_a_function_is_torchs_to_some_units_in_the_last_place(
    function: Any, dtype: torch.dtype
) -> None:
    x = torch.cat([torch.linspace(-80, 80, 3001), torch.linspace(-1e-3, 1e-3, 501)]).to(dtype)
    x = x.abs() + 1e-6 if function in POSITIVE else x
    layer = Applies(function).to(dtype)
    with torch.no_grad():
        y = layer(x.view(-1, 1, 1))[0].flatten()
    assert why_none(layer) == ""
    expected = function(x.double())
    unit = torch.finfo(dtype).eps * expected.abs().clamp(min=1e-36)
    if function is nn.functional.gelu:
        # Its left tail is a difference of nearly equal numbers, in torch's own kernel too.
        unit = unit.clamp(min=torch.finfo(dtype).eps)
    assert float(((y.double() - expected) / unit).abs().max()) < 3


@pytest.mark.parametrize("function", [torch.exp, torch.tanh, torch.sigmoid, torch.log, torch.relu])
def test_what_is_not_finite_is_torchs(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 0.0, 1000.0, -1000.0])
    layer = Applies(function)
    with torch.no_grad():
        y = layer(x.view(-1, 1, 1))[0].flatten()
    # The added 0 * x is not finite where x is not: `where` keeps what the function gave.
    expected = function(x) + 0 * x
    torch.testing.assert_close(y, expected, equal_nan=True)
