"""Probes against references: spectra, capacity by its formula, a memory put in by hand."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy.linalg import helmert
from test_probes import LAG, batch, linear, measure, network, probe

from lightning_modules import registry
from lightning_modules.assembly import arranged
from lightning_modules.network import Network
from lightning_modules.shape import Shape

EXACT = 1e-6


@pytest.fixture(autouse=True)
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk in loops: to make a kernel takes a second, once a machine."""
    monkeypatch.setattr("lightning_modules.kernel.running.compiler", lambda: None)


def rows(name: str, made: Network, **options: Any) -> dict[str, Any]:
    found = probe(name, **options).measure(made, batch())
    return {row.key: row.value for row in found}


def delay_line(length: int) -> Network:
    """Make a network that holds the last `length` symbols, two units each, the newest first.

    It answers with the oldest.
    """
    made = linear(torch.zeros(2 * length, 2 * length))
    rnn, axes = made.layer.rnn, torch.from_numpy(helmert(3))
    rnn.bias_ih_l0.data.zero_()
    rnn.weight_ih_l0.data.zero_()
    rnn.weight_ih_l0.data[:2] = axes
    rnn.weight_hh_l0.data[2:, :-2] = torch.eye(2 * length - 2, dtype=torch.float64)
    made.read_out.weight.data.zero_()
    made.read_out.weight.data[:, -2:] = 20 * axes.T
    made.read_out.bias.data.zero_()
    return made


def test_the_exponents_of_a_linear_recurrence_are_the_logs_of_its_moduli() -> None:
    basis = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2)).double())[
        0
    ]
    values = torch.tensor([0.95, -0.6, 0.3, 0.1], dtype=torch.float64)
    found = rows("jacobian_spectrum", linear(basis @ values.diag() @ basis.T))
    logs = values.abs().log().tolist()
    assert found["exponents/1"] == pytest.approx(logs, abs=EXACT)
    assert found["singular/1"][:1] == pytest.approx([(LAG + 1) * logs[0]], abs=EXACT)
    assert (found["dimension/1"], found["floored/1"]) == (0, 0)
    with_growth = rows("jacobian_spectrum", linear(torch.diag(torch.tensor([1.1, 0.5]))))
    dimension = 1 + math.log(1.1) / -math.log(0.5)
    assert with_growth["dimension/1"] == pytest.approx(dimension, rel=1e-5)  # 1.1 is in float32


def test_an_orthogonal_recurrence_has_no_exponent_and_no_singular_value_but_one() -> None:
    matrix = torch.linalg.qr(
        torch.randn(5, 5, generator=torch.Generator().manual_seed(1)).double()
    )[0]
    found = rows("jacobian_spectrum", linear(matrix))
    assert found["exponents/1"] == pytest.approx([0] * 5, abs=EXACT)
    assert found["singular/1"] == pytest.approx([0] * 5, abs=EXACT)


@pytest.mark.slow
def test_the_exponents_of_a_saturated_network_over_10000_steps_are_finite() -> None:
    made = network("rnn", 6)
    made.layer.rnn.weight_hh_l0.data *= 60
    found = rows("jacobian_spectrum", made, steps=10_000)
    assert found["steps/1"] == 10_000
    assert found["floored/1"] > 0.1
    assert all(math.isfinite(exponent) for exponent in found["exponents/1"])


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.9, 3.0])
def test_the_exponents_equal_those_of_extended_precision(scale: float) -> None:
    """tanh(U h + W x) of three units over 10,000 steps; at the larger scale it saturates."""
    steps, washout = 10_000, 20
    made = network("rnn", 3)
    rnn = made.layer.rnn
    rnn.weight_hh_l0.data *= scale
    rnn.weight_ih_l0.data *= scale
    measured = probe("jacobian_spectrum", steps=steps)
    found = {row.key: row.value for row in measured.measure(made, batch())}
    from lightning_modules.probes._driving import drive

    driven = drive(made, batch(), 1, steps + washout, measured.generator())
    projected = made.layer.project(made.encode(driven.inputs))[0].tolist()
    U = rnn.weight_hh_l0.tolist()
    start, _ = np.linalg.qr(measured.generator(1).standard_normal((3, 3)))
    with mpmath.workdps(40):
        basis = [[mpmath.mpf(float(x)) for x in column] for column in start.T]
        h, sums = [mpmath.mpf(0)] * 3, [mpmath.mpf(0)] * 3
        for t, p_t in enumerate(projected):
            h = [mpmath.tanh(p + mpmath.fdot(row, h)) for p, row in zip(p_t, U, strict=True)]
            slopes = [1 - x * x for x in h]
            moved = [
                [s * mpmath.fdot(row, c) for s, row in zip(slopes, U, strict=True)] for c in basis
            ]
            basis = []
            for number, column in enumerate(moved):
                for done in basis:
                    along = mpmath.fdot(done, column)
                    column = [c - along * d for c, d in zip(column, done, strict=True)]
                length = mpmath.sqrt(mpmath.fdot(column, column))
                sums[number] += mpmath.log(length) if t >= washout else 0
                basis.append([c / length for c in column])
        expected = sorted((float(s / steps) for s in sums), reverse=True)
    assert expected[0] < 0
    assert found["exponents/1"] == pytest.approx(expected, rel=0.02)


def test_the_capacity_of_a_linear_recurrence_follows_its_formula() -> None:
    generator = torch.Generator().manual_seed(5)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    made = linear(matrix * 0.8 / torch.linalg.eigvals(matrix).abs().max())
    found = rows("memory_capacity", made, sequences=96, steps=120)
    A = made.layer.rnn.weight_hh_l0.detach().numpy()
    # One-hot vectors as independent numbers of variance 1.
    B = made.layer.rnn.weight_ih_l0.detach().numpy() @ helmert(3).T / 3**0.5
    powers = [B]
    for _ in range(400):
        powers.append(A @ powers[-1])
    covariance = sum(P @ P.T for P in powers)
    by_lag = [float(np.trace(P.T @ np.linalg.solve(covariance, P))) for P in powers]
    assert sum(by_lag) == pytest.approx(6, abs=1e-3)
    assert found["capacity_low/1"] <= sum(by_lag[:61]) <= found["capacity_high/1"]
    assert found["capacity_high/1"] - found["capacity_low/1"] < 0.2
    # 5,760 rows: the standard error of a squared correlation is at most .01.
    assert found["recovered/1"] == pytest.approx([r / 2 for r in by_lag[:61]], abs=0.03)


def test_a_delay_line_holds_its_length_and_one_step_more_is_chance() -> None:
    length = 7
    found = rows("memory_capacity", delay_line(length), sequences=24, lags=12)
    recovered = found["recovered/1"]
    assert recovered[:length] == pytest.approx([1] * length, abs=EXACT)
    assert recovered[length:] == pytest.approx([0] * (13 - length), abs=0.02)
    assert found["horizon/1"] == length - 1
    assert found["capacity/1"] == pytest.approx(2 * length, abs=0.05)
    assert 0 < found["chance/1"] < 0.01


def test_the_answer_of_a_delay_line_hangs_on_one_input() -> None:
    made = delay_line(LAG + 1)
    found = rows("occlusion", made)
    assert found["reach"] == LAG
    assert found["rise"][LAG] > 1
    rest = [rise for rise in found["rise"][:LAG] if rise is not None]
    assert rest == pytest.approx([0] * len(rest), abs=EXACT)


def test_a_network_that_looks_at_nothing_has_no_reach() -> None:
    made = delay_line(3)
    made.read_out.weight.data.zero_()
    assert "reach" not in rows("occlusion", made)


def test_what_is_written_into_a_known_unit_is_found_there_and_then() -> None:
    made = delay_line(LAG + 1)
    found = rows("write_erase", made)
    halfway = found["halfway/1"]
    assert halfway == (1 + LAG) // 2
    # Before step s the first symbol is s places down the line.
    holding = {2 * (halfway - 1), 2 * (halfway - 1) + 1}
    tried = [round(u) for u in np.linspace(0, 2 * (LAG + 1) - 1, 64)]
    for unit, rise in zip(tried, found["unit/1/cleared"], strict=True):
        assert (abs(rise) > 1e-3) == (unit in holding), unit
    for part in ("cleared", "exchanged"):
        # Before the first step there is nothing to lose; after it, all of it is here.
        profile = [rise for rise in found[f"loss/1/{part}"] if rise is not None]
        assert profile[0] == pytest.approx(0, abs=EXACT)
        assert min(profile[1:]) > 0.5
    # A line that stands still delivers nothing, until the last step it is too early to stand.
    held = [rise for rise in found["loss/1/held"] if rise is not None]
    assert min(held[:-1]) > 0.5
    assert held[-1] == pytest.approx(0, abs=EXACT)


def test_the_shortcut_through_time_is_what_passes_no_matrix() -> None:
    leaky = measure("skip_paths", network("residual", 5, skip="leaky", leak=0.2))
    assert leaky["time_shortcut/1"] == pytest.approx(0.8, abs=EXACT)
    rewritten = measure("skip_paths", network("rnn", 5))
    assert rewritten["time_share/1"] == 0
    # Its gate sees the input alone: all of the state that arrives has come by the shortcut.
    assert measure("skip_paths", network("min_gru", 5))["time_share/1"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("wiring", "share"), [("plain", 0.0), ("residual", 1 / 1.5), ("highway", None)]
)
def test_the_shortcut_through_depth_is_what_passes_a_layer_by(wiring: Any, share: Any) -> None:
    shape = Shape(layers=2, wiring=wiring)
    kind = registry.load("architecture", "rnn")
    made = Network(arranged(kind, {"activation": "linear"}, 3, 1, shape), 3, "last").double()
    upper = made.layer.layers[1].rnn
    upper.weight_hh_l0.data.zero_()
    upper.weight_ih_l0.data.fill_(0.5)
    if wiring == "highway":
        made.layer.T[1].weight.data.zero_()
        # T is a constant: (1 - T) by the shortcut, T / 2 through the layer.
        t = float(made.layer.T[1].bias.data.sigmoid())
        share = (1 - t) / (1 - t + 0.5 * t)
    found = measure("skip_paths", made)
    assert found["depth_share/2"] == pytest.approx(share, abs=EXACT)


def test_a_gate_of_the_wiring_that_looks_at_the_state_is_no_shortcut() -> None:
    shape = Shape(layers=2, wiring="highway")
    kind = registry.load("architecture", "rnn")
    made = Network(arranged(kind, {}, 3, 4, shape), 3, "last").double()
    made.layer.T[1].weight.data *= 50
    before = measure("skip_paths", made)["depth_share/2"]
    assert 0 < before < 1
