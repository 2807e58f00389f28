"""Depth and direction: every wiring in slow numpy, and two networks that meet.

Longer than a file should be: each wiring has its slow form here.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from references import REFERENCES
from torch import Tensor, nn

from lightning_modules import contract, registry
from lightning_modules.architectures.base import Layer, State
from lightning_modules.architectures.dilated import Dilated
from lightning_modules.architectures.lstm import LSTM
from lightning_modules.architectures.rnn import RNN
from lightning_modules.assembly import arranged
from lightning_modules.kernel import running
from lightning_modules.network import (
    Network,
    count_flops_per_step,
    count_parameters,
    count_state,
    path_of,
    why_no_kernel,
)
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Shape
from lightning_modules.stack import Bidirectional, Stack, parts_of

WIRINGS = ("plain", "residual", "highway", "dense")
SHAPES = [
    Shape(layers=3, wiring=wiring, norm=norm, output=output)
    for wiring, norm, output in product(WIRINGS, ("none", "before"), ("last", "all"))
    if (wiring, output) != ("dense", "all")
]
M, N, TIME = 3, 5, 6


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without kernels: each would be built, and they are held equal to the loop elsewhere."""
    monkeypatch.setattr(running, "compiler", lambda: None)


without_kernel = pytest.mark.usefixtures("no_kernel")


def make(name: str, shape: Shape, *, size: int = M, **options: Any) -> Any:
    """Make layers in float64, moved off their start: zeros would hide a fault."""
    torch.manual_seed(0)
    layer = arranged(registry.load("architecture", name), options, size, N, shape).double()
    with torch.no_grad():
        for weight in layer.parameters():
            if weight.requires_grad:
                weight.add_(0.2 * torch.randn_like(weight))
    return layer


def inputs(size: int = M, time: int = TIME) -> Tensor:
    return torch.randn(
        2, time, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def slow(name: str, stack: Stack, shape: Shape, x: np.ndarray) -> np.ndarray:
    """Go through the equations of a wiring, one example, step by step and layer by layer."""
    steps = [REFERENCES[name](weights(layer), {}) for layer in parts_of(stack)]
    states = [[part[0].numpy() for part in layer.initial_state(1)] for layer in parts_of(stack)]
    w, outputs = weights(stack), []
    for x_t in x:
        has_sums = shape.wiring in ("residual", "highway")
        below = w["W.weight"] @ x_t + w["W.bias"] if has_sums else x_t
        seen = []
        for number, step in enumerate(steps):
            taken = below
            if shape.norm == "before" and (number > 0 or has_sums):
                scale, bias = w[f"norms.{number}.weight"], w[f"norms.{number}.bias"]
                spread = np.sqrt(((below - below.mean()) ** 2).mean() + 1e-5)
                taken = scale * (below - below.mean()) / spread + bias
            y, states[number] = step(taken, states[number])
            match shape.wiring:
                case "plain":
                    below = y
                case "residual":
                    below = y + below
                case "highway":
                    z = w[f"T.{number}.weight"] @ below + w[f"T.{number}.bias"]
                    gate = 1 / (1 + np.exp(-z))
                    below = gate * y + (1 - gate) * below
                case "dense":
                    below = np.concatenate([below, y])
            seen.append(below)
        outputs.append(np.concatenate(seen) if shape.output == "all" else below)
    return np.array(outputs)


@without_kernel
@pytest.mark.parametrize("shape", SHAPES, ids=Shape.in_words)
@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_every_wiring_is_its_equation_in_slow_numpy(name: str, shape: Shape) -> None:
    stack, x = make(name, shape), inputs()
    y, _ = stack(x)
    assert y.shape == (2, TIME, stack.output_size)
    for example in range(2):
        expected = slow(name, stack, shape, x[example].numpy())
        # Three layers of six steps: 1e-12 leaves room for another order of summation.
        np.testing.assert_allclose(y[example].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_a_dense_wiring_has_the_parameters_of_its_formula(layers: int) -> None:
    stack = arranged(RNN, {}, M, N, Shape(layers=layers, wiring="dense"))
    # Layer l takes in m + (l - 1) n numbers; W, U and b of each: n (m + (l - 1) n) + n^2 + n.
    formula = layers * N * M + layers * (layers - 1) // 2 * N * N + layers * (N * N + N)
    assert count_parameters(stack) == formula
    assert stack.output_size == M + layers * N
    k = 2
    assert count_parameters(Network(stack, k, "last")) == formula + k * (M + layers * N) + k


@without_kernel
@pytest.mark.parametrize("norm", ["none", "before"])
def test_a_residual_stack_with_its_branches_at_zero_is_the_identity(norm: Any) -> None:
    stack, x = make("rnn", Shape(layers=12, wiring="residual", norm=norm), size=N), inputs(N)
    with torch.no_grad():
        for layer in stack.layers:
            for weight in layer.parameters():
                weight.zero_()
        stack.W.weight.copy_(torch.eye(N))
        stack.W.bias.zero_()
    assert torch.equal(stack(x)[0], x)


@without_kernel
def test_a_highway_stack_with_its_gates_shut_is_the_identity() -> None:
    stack, x = make("rnn", Shape(layers=12, wiring="highway"), size=N), inputs(N)
    with torch.no_grad():
        for gate in stack.T:
            gate.bias.fill_(-800)
        stack.W.weight.copy_(torch.eye(N))
        stack.W.bias.zero_()
    assert torch.equal(stack(x)[0], x)


@without_kernel
@pytest.mark.parametrize("shape", [Shape(), *SHAPES], ids=Shape.in_words)
def test_both_directions_are_two_networks_on_the_sequence_and_its_reverse(shape: Shape) -> None:
    both, x = make("gru", shape.model_copy(update={"bidirectional": True})), inputs()
    there, back = make("gru", shape), make("gru", shape)
    there.load_state_dict(both.forwards.state_dict())
    back.load_state_dict(both.backwards.state_dict())
    (f, f_end), (b, b_end) = there(x), back(x.flip(1))
    y, ends = both(x)
    assert torch.equal(y, torch.cat([f, b.flip(1)], 2))
    assert all(torch.equal(p, q) for p, q in zip(ends, (*f_end, *b_end), strict=True))
    # What is read at the end has seen the whole sequence, in both.
    assert torch.equal(both.ends(y), torch.cat([f[:, -1], b[:, -1]], 1))
    network = Network(both, 2, "last").double()
    torch.testing.assert_close(network(x), network.read_out(both.ends(y)), atol=0, rtol=0)
    assert Network(both, 2, "each").double()(x).shape == (2, TIME, 2)


@without_kernel
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_torch_stacks_is_torchs(bidirectional: bool) -> None:
    count = 1 if bidirectional else 3
    layer, x = make("lstm", Shape(layers=count, bidirectional=bidirectional)), inputs()
    theirs = nn.LSTM(M, N, count, batch_first=True, bidirectional=bidirectional).double()
    parts = parts_of(layer)
    endings = ["_l0", "_l0_reverse"] if bidirectional else [f"_l{k}" for k in range(count)]
    for part, ending in zip(parts, endings, strict=True):
        for name, weight in part.lstm.named_parameters():
            getattr(theirs, name.replace("_l0", ending)).data.copy_(weight)
    torch.testing.assert_close(layer(x)[0], theirs(x)[0], atol=1e-12, rtol=0)


@without_kernel
def test_a_stack_of_one_plain_layer_is_the_layer() -> None:
    assert type(arranged(LSTM, {}, M, N, Shape())) is LSTM
    one, x = make("lstm", Shape(layers=1, wiring="residual")), inputs()
    (layer,) = parts_of(one)
    torch.testing.assert_close(one(x)[0], layer(one.W(x))[0] + one.W(x), atol=0, rtol=0)


# The contract, over stacks


def built(name: str, shape: Shape, **options: Any) -> contract.Build:
    def build(input_size: int = M, hidden_size: int = N, seed: int = 0) -> Layer:
        torch.default_generator.manual_seed(seed)
        architecture = registry.load("architecture", name)
        return arranged(architecture, options, input_size, hidden_size, shape).double()

    return build


OF_ONE_LAYER = (contract.options_are_keywords, contract.step_computes_the_gates)
OF_A_STACK = {
    clause: try_it
    for clause, try_it in contract.CLAUSES.items()
    if try_it not in (*OF_ONE_LAYER, contract.step_compiles)
}


@without_kernel
@pytest.mark.parametrize("clause", OF_A_STACK, ids=lambda c: c[:40])
@pytest.mark.parametrize("shape", SHAPES[::2], ids=Shape.in_words)
def test_a_stack_keeps_the_contract_of_a_layer(shape: Shape, clause: str) -> None:
    OF_A_STACK[clause](built("rnn", shape))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES[1::2], ids=Shape.in_words)
def test_a_stack_keeps_it_with_a_kernel_in_each_layer(shape: Shape) -> None:
    for try_it in OF_A_STACK.values():
        try_it(built("gru", shape))


@without_kernel
def test_layers_may_have_options_of_their_own() -> None:
    shape = Shape(layers=3)
    options = {"dilation": (1, 2, 4), "read": "latest"}
    stack, x = make("dilated", shape, **options), inputs(time=12)
    assert [len(layer.state_names) for layer in stack.layers] == [1, 2, 4]
    assert len(stack.state_names) == 7
    contract.a_carried_state_changes_nothing(built("dilated", shape, **options))
    # The widest layer alone reaches 4 steps back; a change comes through from 1 + 2 + 4 as well.
    changed = x.clone()
    changed[:, 0] += 1
    moved = (stack(changed)[0] - stack(x)[0]).abs().amax((0, 2))
    assert bool((moved[:8] > 0).all())


def test_a_carried_state_has_a_name_for_each_tensor() -> None:
    stack = arranged(LSTM, {}, M, N, Shape(layers=2))
    assert stack.state_names == tuple(
        f"{what} of layer {k}" for k in (1, 2) for what in ("hidden", "cell")
    )
    state = stack.initial_state(4)
    assert state is not None and [tuple(part.shape) for part in state] == [(4, N)] * 4


# What is counted


def test_depth_and_direction_are_counted() -> None:
    two = arranged(LSTM, {}, M, N, Shape(layers=2))
    both = arranged(LSTM, {}, M, N, Shape(layers=2, bidirectional=True))
    assert (count_state(two), count_state(both)) == (4 * N, 8 * N)
    assert count_parameters(both) == 2 * count_parameters(two)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_flops_are_those_of_the_layers_and_of_the_wiring(wiring: Any) -> None:
    k, layers = 2, 3
    stack = arranged(RNN, {}, M, N, Shape(layers=layers, wiring=wiring))
    taken = {
        "plain": M + 2 * N,
        "dense": M + (M + N) + (M + 2 * N),
        "residual": 3 * N,
        "highway": 3 * N,
    }[wiring]
    products = taken * N + layers * N * N + stack.output_size * k
    products += M * N if stack.W else 0
    products += layers * N * N if wiring == "highway" else 0
    assert count_flops_per_step(Network(stack, k, "last")) == 2 * products


def test_the_path_of_a_stack_is_its_slowest_layers() -> None:
    class ByHand(RNN):
        """Loops by itself."""

        path = "loop"

        def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
            return self.loop(x, state)

    def mixed(number: int, width: int) -> Layer:
        return (RNN, ByHand)[number](width, N)

    stack = Stack(mixed, M, N, Shape(layers=2))
    assert path_of(stack) == "loop" and "of its own" in why_no_kernel(stack)
    single = arranged(RNN, {}, M, N, Shape())
    for shape in (Shape(layers=2), Shape(layers=2, wiring="dense", bidirectional=True)):
        whole = arranged(RNN, {}, M, N, shape)
        assert (path_of(whole), why_no_kernel(whole)) == (path_of(single), why_no_kernel(single))
    assert isinstance(whole, Bidirectional)


# What is refused


@pytest.mark.parametrize("wiring", ["residual", "highway"])
def test_layers_that_give_another_width_than_they_take_have_no_sum(wiring: Any) -> None:
    with pytest.raises(RefusedError, match="at 5 units, layer 1 gives 20 numbers"):
        arranged(Dilated, {}, M, N, Shape(layers=2, wiring=wiring))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"norm": "before"}, "needs a second layer"),
        ({"wiring": "dense", "norm": "before"}, "needs a second layer"),
        ({"output": "all"}, "is what one layer gives already"),
        ({"layers": 3, "wiring": "dense", "output": "all"}, "is what a dense wiring gives already"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"layers": 2, "wiring": "skip"}, "'plain', 'residual', 'dense' or 'highway'"),
    ],
)
def test_a_shape_that_would_mean_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shape(**fields)


def test_a_shape_in_words() -> None:
    assert Shape().in_words() == ""
    assert Shape(bidirectional=True).in_words() == "both directions"
    deep = Shape(layers=4, wiring="residual", norm="before", output="all", bidirectional=True)
    assert deep.in_words() == (
        "4 layers, residual, normalised before each, all layers read out, both directions"
    )
