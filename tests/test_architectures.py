"""The contract over every registered architecture and option, and references beside it."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from references import REFERENCES
from torch import nn

from lightning_modules import contract, registry
from lightning_modules.architectures.base import Recurrent

NAMES = registry.names("architecture")


def variants(name: str) -> list[dict[str, Any]]:
    """List the combinations of an architecture's named choices, and its default."""
    options = registry.describe("architecture", name).options.values()
    choices = [[(o.name, value) for value in o.allowed] for o in options if o.allowed]
    return [dict(combination) for combination in itertools.product(*choices)]


CASES = [(name, options) for name in NAMES for options in variants(name)]
IDS = [" ".join([name, *map(str, options.values())]) for name, options in CASES]


@pytest.mark.parametrize("clause", contract.CLAUSES, ids=lambda c: c[:40])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_every_architecture_keeps_the_contract(
    name: str, options: dict[str, Any], clause: str
) -> None:
    build = contract.builder(registry.load("architecture", name), options)
    contract.CLAUSES[clause](build)


@pytest.mark.parametrize(
    ("name", "options"), [c for c in CASES if c[0] in REFERENCES],
    ids=[i for c, i in zip(CASES, IDS, strict=True) if c[0] in REFERENCES],
)  # fmt: skip
def test_outputs_equal_the_published_equations_in_numpy(name: str, options: dict[str, Any]) -> None:
    layer = contract.builder(registry.load("architecture", name), options)(3, 5, 1)
    weights = {n: p.detach().numpy() for n, p in layer.named_parameters()}
    step = REFERENCES[name](weights, options)
    x = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y, last = layer(x)
    for example in range(2):
        state = [part[example].numpy() for part in layer.initial_state(2)]
        for t in range(9):
            y_t, state = step(x[example, t].numpy(), state)
            # Nine steps of sums of eight terms: 1e-12 leaves room for another order of summation.
            np.testing.assert_allclose(y[example, t].detach().numpy(), y_t, atol=1e-12)
        for part, expected in zip(last, state, strict=True):
            np.testing.assert_allclose(part[example].detach().numpy(), expected, atol=1e-12)


def test_the_rnn_is_torchs() -> None:
    layer = contract.builder(registry.load("architecture", "rnn"), {})()
    torchs = nn.RNN(3, 5, batch_first=True, dtype=torch.float64)
    torchs.load_state_dict(layer.rnn.state_dict())
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[0], torchs(x)[0], atol=0, rtol=0)
    torch.testing.assert_close(Recurrent.forward(layer, x)[0], torchs(x)[0], atol=1e-12, rtol=0)


def test_the_lstm_is_torchs() -> None:
    layer = contract.builder(registry.load("architecture", "lstm"), {})()
    torchs = nn.LSTM(3, 5, batch_first=True, dtype=torch.float64)
    torchs.load_state_dict(layer.lstm.state_dict())
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    y, (h, c) = Recurrent.forward(layer, x)
    expected, (h_n, c_n) = torchs(x)
    torch.testing.assert_close(layer(x)[0], expected, atol=0, rtol=0)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(h, h_n[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(c, c_n[0], atol=1e-12, rtol=0)


def test_the_forget_bias_is_set_once_and_nothing_else_is() -> None:
    layer = registry.load("architecture", "lstm")(3, 5, forget_bias=2.5)
    bias = layer.lstm.bias_ih_l0 + layer.lstm.bias_hh_l0
    assert bias[5:10].tolist() == [2.5] * 5
    assert (bias[:5].abs() <= 5**-0.5).all() and (bias[10:].abs() <= 5**-0.5).all()


def test_an_identity_start_is_the_identity() -> None:
    layer = registry.load("architecture", "rnn")(3, 5, activation="relu", start="identity")
    assert torch.equal(layer.rnn.weight_hh_l0, torch.eye(5))
    assert layer.rnn.bias_ih_l0.abs().max() == 0
    assert layer.rnn.weight_ih_l0.abs().max() < 0.01


def test_an_orthogonal_start_is_orthogonal() -> None:
    U = registry.load("architecture", "rnn")(3, 5).rnn.weight_hh_l0
    torch.testing.assert_close(U @ U.T, torch.eye(5))


def test_the_lstms_gates_and_cell_can_be_read() -> None:
    layer = registry.load("architecture", "lstm")(3, 5)
    state = layer.initial_state(2)
    gates = layer.gates(layer.project(torch.zeros(2, 1, 3))[:, 0], state)
    assert {"input", "forget", "output"} <= gates.keys()
    assert layer.state_names == ("hidden", "cell") and len(state) == 2


def test_with_the_gate_shut_the_highway_carries_everything() -> None:
    layer = registry.load("architecture", "highway")(3, 5, gate_bias=-50.0)
    before = torch.randn(2, 5)
    after, _ = layer.step(layer.project(torch.randn(2, 1, 3))[:, 0], (before,))
    torch.testing.assert_close(after, before)


def test_the_densenet_refuses_to_see_nothing() -> None:
    with pytest.raises(ValueError, match="last is 0"):
        registry.load("architecture", "densenet")(3, 5, last=0)
