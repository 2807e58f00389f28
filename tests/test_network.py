"""The network around a layer: what goes in, what comes out, what is counted."""

import pytest
import torch
from torch import Tensor

from lightning_modules.architectures.base import Recurrent, State
from lightning_modules.architectures.highway import Highway
from lightning_modules.architectures.lstm import LSTM
from lightning_modules.architectures.min_gru import MinGRU
from lightning_modules.architectures.orthogonal import Orthogonal
from lightning_modules.architectures.rnn import RNN
from lightning_modules.kernel import running
from lightning_modules.kernel.compiler import compiler
from lightning_modules.network import (
    Network,
    count_flops_per_step,
    count_parameters,
    count_state,
    path_of,
)


def test_symbols_are_one_hot_and_real_numbers_pass() -> None:
    network = Network(RNN(4, 5), 3, "last")
    symbols = torch.tensor([[0, 3, 1]])
    assert network.encode(symbols).tolist() == torch.eye(4)[symbols].tolist()
    real = torch.randn(1, 3, 4)
    assert network.encode(real) is real


def test_the_answer_is_the_last_step_or_each() -> None:
    layer = RNN(4, 5)
    x = torch.randn(2, 6, 4)
    last, each = Network(layer, 3, "last"), Network(layer, 3, "each")
    last.read_out = each.read_out
    assert each(x).shape == (2, 6, 3)
    torch.testing.assert_close(last(x), each(x)[:, -1])


def test_parameters_are_counted_by_the_published_formulas() -> None:
    m, n, k = 4, 5, 3
    read_out = n * k + k
    assert count_parameters(Network(RNN(m, n), k, "last")) == n * m + n * n + n + read_out
    lstm = 4 * (n * m + n * n + n)
    assert count_parameters(Network(LSTM(m, n), k, "last")) == lstm + read_out


def test_the_state_is_counted() -> None:
    assert (count_state(RNN(4, 5)), count_state(LSTM(4, 5))) == (5, 10)


def test_flops_of_a_step_are_those_of_its_products_whatever_the_path() -> None:
    m, n, k = 4, 5, 3
    # A product with an a x b matrix costs 2ab.
    assert count_flops_per_step(Network(RNN(m, n), k, "last")) == 2 * (m * n + n * n + n * k)
    lstm = 2 * (4 * m * n + 4 * n * n + n * k)
    assert count_flops_per_step(Network(LSTM(m, n), k, "last")) == lstm


def test_the_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faster(Highway):
        """Has a way of its own."""

        path = "fused"

        def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
            return self.loop(x, state)

    layers = (RNN, LSTM, Highway, Faster, MinGRU, Orthogonal)
    has_own = (None, None, None, "fused", None, None)
    if compiler() is not None:
        assert tuple(path_of(layer(4, 5)) for layer in layers) == tuple(
            p or "kernel" for p in has_own
        )
    monkeypatch.setattr(running, "compiler", lambda: None)
    paths = ("fused", "fused", "loop", "fused", "scan", "loop")
    assert tuple(path_of(layer(4, 5)) for layer in layers) == paths
    assert path_of(LSTM(4, 5, without="output_gate")) == "loop"
    assert Highway.forward is Recurrent.forward
