"""Probes against closed forms: recurrences whose gradients and gates can be written down."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules import probe_contract, registry
from lightning_modules.assembly import arranged
from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, log_norm
from lightning_modules.randomness import batch_generator
from lightning_modules.shape import Shape
from lightning_modules.tasks.base import Batch

LAG = 40
EXACT = 1e-6


def probe(name: str, answer: Any = "last", **options: Any) -> Probe:
    made: Probe = registry.load("probe", name)(probe_contract.Recall(answer), **options)
    return made


def network(architecture: str, size: int, answer: Any = "last", **options: Any) -> Network:
    """Make a network in float64, drawn from a seed."""
    torch.default_generator.manual_seed(3)
    layer = registry.load("architecture", architecture)(3, size, **options)
    return Network(layer, 3, answer).double()


def linear(matrix: Tensor, answer: Any = "last") -> Network:
    """Make h_t = W x_t + `matrix` h_{t-1}."""
    made = network("rnn", len(matrix), answer, activation="linear")
    made.layer.rnn.weight_hh_l0.data = matrix.double()
    return made


def batch(answer: Any = "last", lag: int = LAG, size: int = 8) -> Batch:
    task = probe_contract.Recall(answer)
    return task.sample(size, lag, batch_generator(0, "validation", 0))


def measure(name: str, made: Network, answer: Any = "last", **changes: Any) -> dict[str, Any]:
    rows: list[Row] = probe(name, answer).measure(made, batch(answer, **changes))
    return {row.key: row.value for row in rows}


@pytest.fixture
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk in loops: to make a kernel takes a second, once a machine."""
    monkeypatch.setattr("lightning_modules.kernel.running.compiler", lambda: None)


pytestmark = pytest.mark.usefixtures("_no_kernel")


@pytest.mark.parametrize("answer", ["last", "each"])
def test_the_reach_of_a_linear_recurrence_is_the_power_of_its_eigenvalue(answer: str) -> None:
    for value in (0.5, 0.97, 1.0, 1.1):
        made = linear(torch.eye(4) * value, answer)
        found = measure("gradient_reach", made, answer)
        start, *reach = found["state/1"]
        assert start is None
        steps = [b - a for a, b in pairwise(reach)]
        assert steps == pytest.approx([math.log(value)] * (LAG - 1), abs=EXACT)
        inputs = found["input"]
        assert [b - a for a, b in pairwise(inputs)] == pytest.approx(
            [math.log(value)] * LAG, abs=EXACT
        )
        assert found["slope/1"] == pytest.approx(math.log(value), abs=EXACT)
        assert found["slope_low/1"] == pytest.approx(found["slope_high/1"], abs=EXACT)
        if value < 1:
            half_life = math.log(2) / -math.log(value)
            assert found["half_life/1"] == pytest.approx(half_life, rel=EXACT)


def test_the_reach_is_that_of_the_gradient_itself() -> None:
    """Against a gradient taken by hand: (U^T)^k times that of the last state."""
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(5, 5, generator=generator, dtype=torch.float64) / 5**0.5
    made = linear(matrix)
    given = batch()
    h, _ = made.layer(made.encode(given.inputs))
    h = h[:, -1].detach().requires_grad_()
    loss = probe_contract.Recall("last").loss(made.read_out(h), given) * len(given.inputs)
    (gradient,) = torch.autograd.grad(loss, h)
    found = measure("gradient_reach", made)["state/1"]
    for k in range(1, LAG + 1):
        gradient = gradient @ matrix
        assert found[k] == pytest.approx(float(gradient.norm(dim=1).mean().log()), abs=EXACT)


def test_an_orthogonal_recurrence_is_flat() -> None:
    matrix = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    found = measure("gradient_reach", linear(matrix))
    reach = found["state/1"][1:]
    assert reach == pytest.approx([reach[0]] * LAG, abs=1e-5)  # float32 made it orthogonal
    assert found["slope/1"] == pytest.approx(0, abs=EXACT)


def test_no_gradient_is_too_small_to_be_told() -> None:
    made = linear(torch.eye(2) * 0.5)
    reach = measure("gradient_reach", made, lag=1800)["state/1"]
    assert reach[1800] - reach[1] == pytest.approx(1799 * math.log(0.5), rel=EXACT)
    assert measure("gradient_reach", linear(torch.zeros(2, 2)))["state/1"][2] is None
    tiny = torch.tensor([[3e-200, 4e-200], [0.0, 0.0]], dtype=torch.float64)
    assert log_norm(tiny).tolist() == pytest.approx([math.log(5) - 200 * math.log(10), -math.inf])


def test_the_cell_of_an_lstm_without_recurrent_weights_decays_by_its_forget_gate() -> None:
    for bias in (0.0, 1.0, 3.0):
        made = network("lstm", 4, forget_bias=bias)
        forget = slice(4, 8)
        made.layer.lstm.weight_hh_l0.data.zero_()
        made.layer.lstm.weight_ih_l0.data[forget] = 0
        rate = 1 / (1 + math.exp(-bias))
        found = measure("gradient_reach", made)
        assert found["slope/1/cell"] == pytest.approx(math.log(rate), abs=EXACT)
        gates = measure("gates", made)
        assert gates["gate/1/forget"] == pytest.approx([rate] * 5, abs=EXACT)
        assert gates["kept/1/cell"] == pytest.approx([rate] * 5, abs=EXACT)
        constants = [-1 / math.log(rate)] * 5
        assert gates["time_constant/1/cell"] == pytest.approx(constants, rel=EXACT)
        assert "time_constant/1/hidden" not in gates


@pytest.mark.parametrize("leak", [0.5, 0.1, 0.01])
def test_the_time_constant_of_a_leaky_integrator_is_exact(leak: float) -> None:
    made = network("residual", 5, skip="leaky", leak=leak)
    found = measure("gates", made)
    assert found["kept/1/hidden"] == pytest.approx([1 - leak] * 5, abs=EXACT)
    constant = -1 / math.log(1 - leak)
    assert found["time_constant/1/hidden"] == pytest.approx([constant] * 5, rel=EXACT)
    assert found["outlasting/1/hidden"] == float(constant > LAG)


def test_what_a_complex_diagonal_keeps_is_its_modulus() -> None:
    made = network("lru", 6)
    real, imaginary = made.layer.eigenvalues()
    moduli = torch.complex(real, imaginary).detach().abs().sort().values
    found = measure("gates", made)
    for part in ("real", "imaginary"):
        assert found[f"longest/1/{part}"] == pytest.approx(float(-1 / moduli[-1].log()), rel=EXACT)


def test_the_trace_shows_the_gate_of_each_step() -> None:
    made, given = network("gru", 5), batch()
    trace = measure("gates", made)["trace/1/update"]
    layer, state, seen = made.layer, made.layer.initial_state(8), []
    for p_t in layer.project(made.encode(given.inputs)).unbind(1):
        seen.append(layer.gates(p_t, state)["update"][0])
        _, state = layer.step(p_t, state)
    gate = torch.stack(seen, 1)
    expected = gate[gate.mean(1).argsort()]
    assert [x for row in trace for x in row] == pytest.approx(expected.flatten().tolist(), abs=1e-9)
    found = measure("gates", made)
    assert (found["evidence"], found["answer"]) == ([0.0], [float(LAG)])


def test_units_that_never_move_are_dead_and_those_at_their_end_saturated() -> None:
    made = network("rnn", 5)
    rnn = made.layer.rnn
    rnn.weight_hh_l0.data.zero_()
    # Two units that see nothing, one of them at its end; one that is driven to and fro.
    rnn.weight_ih_l0.data[:2] = 0
    rnn.bias_ih_l0.data[:2] = torch.tensor([0.3, 9.0])
    rnn.weight_ih_l0.data[2] = torch.tensor([20.0, -20.0, 20.0])
    rnn.bias_ih_l0.data[2] = 0
    found = measure("dead_units", made)
    assert found["dead/1/hidden"] == pytest.approx(2 / 5)
    assert found["saturated/1/hidden"] == pytest.approx(2 / 5)


def test_a_gate_that_is_stuck_is_saturated() -> None:
    made = network("highway", 4, gate_bias=-9.0)
    assert measure("dead_units", made)["saturated/1/transform gate"] == 1
    made = network("highway", 4, gate_bias=0.0)
    assert measure("dead_units", made)["saturated/1/transform gate"] == 0


@pytest.mark.parametrize("wiring", ["plain", "residual"])
def test_the_reach_into_the_lower_of_two_layers_is_the_sum_over_all_ways(wiring: Any) -> None:
    """Two linear layers of one unit: a and b keep, w joins, and a sum passes the upper one by."""
    shape = Shape(layers=2, wiring=wiring)
    kind = registry.load("architecture", "rnn")
    made = Network(arranged(kind, {"activation": "linear"}, 3, 1, shape), 3, "last").double()
    a, b, w = 0.9, 0.7, 0.5
    lower, upper = (layer.rnn for layer in made.layer.layers)
    for weight, value in ((lower.weight_hh_l0, a), (upper.weight_hh_l0, b)):
        weight.data.fill_(value)
    upper.weight_ih_l0.data.fill_(w)
    found = measure("gradient_reach", made)
    of_lower, of_upper = found["state/1"], found["state/2"]
    for k in range(1, LAG + 1):
        ways = w * sum(b**j * a ** (k - j) for j in range(k)) + (wiring == "residual") * a**k
        assert of_lower[k] - of_upper[1] == pytest.approx(math.log(ways / b), abs=EXACT)
        given = w * b**k
        assert found["output/1"][k] - of_upper[1] == pytest.approx(math.log(given / b), abs=EXACT)
    given = w + (wiring == "residual")
    assert found["output/1"][0] - of_upper[1] == pytest.approx(math.log(given / b), abs=EXACT)


def test_two_directions_are_measured_each_from_its_own_end() -> None:
    shape = Shape(bidirectional=True)
    kind = registry.load("architecture", "rnn")
    made = Network(arranged(kind, {"activation": "linear"}, 3, 2, shape), 3, "last").double()
    for layer, value in ((made.layer.forwards, 0.9), (made.layer.backwards, 0.8)):
        layer.rnn.weight_hh_l0.data = torch.eye(2, dtype=torch.float64) * value
    found = measure("gradient_reach", made)
    assert found["slope/1"] == pytest.approx(math.log(0.9), abs=EXACT)
    assert found["slope/1 backwards"] == pytest.approx(math.log(0.8), abs=EXACT)


@pytest.mark.slow
def test_a_kernel_and_the_loop_measure_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = measure("gradient_reach", network("lstm", 5))
    monkeypatch.undo()
    fast = measure("gradient_reach", network("lstm", 5))
    assert fast.keys() == slow.keys()
    for key, value in fast.items():
        plain = value if isinstance(value, list) else [value]
        other = slow[key] if isinstance(value, list) else [slow[key]]
        assert [x for x in plain if x is not None] == pytest.approx(
            [x for x in other if x is not None], abs=1e-9
        )
