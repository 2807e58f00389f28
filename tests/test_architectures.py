"""The contract over every registered architecture and option, and references beside it.

Longer than a file should be: every equation of the ladder has its test.
"""

import math
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from references import REFERENCES
from torch import Tensor, nn

from lightning_modules import contract, registry, shape_contract
from lightning_modules.architectures._scan import scan
from lightning_modules.kernel import running
from lightning_modules.network import path_of

NAMES = registry.names("architecture")


def variants(name: str) -> list[dict[str, Any]]:
    """List the default, each value of each option alone, and the combinations it names itself."""
    entry = registry.describe("architecture", name)
    found: list[dict[str, Any]] = [{}]
    for option in entry.options.values():
        values = (True, False) if option.annotation == "bool" else option.allowed
        found += [{option.name: value} for value in values if value != option.default]
    return [*found, *entry.constants.get("combinations", ())]


CASES = [(name, options) for name in NAMES for options in variants(name)]
IDS = [" ".join([name, *(f"{k}={v}" for k, v in options.items())]) for name, options in CASES]
every_variant = pytest.mark.parametrize(
    ("name", "options"),
    # Each variant is a kernel to build: `make test` takes the defaults, .ci/run all.
    [pytest.param(*case, marks=[pytest.mark.slow] if case[1] else []) for case in CASES],
    ids=IDS,
)


def make(name: str, **options: Any) -> Any:
    return registry.load("architecture", name)(3, 5, **options)


def exact(name: str, **options: Any) -> Any:
    """Make a layer in float64, moved off its start: zeros or an identity would hide a fault."""
    layer = contract.builder(registry.load("architecture", name), options)()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            if weight.requires_grad:
                noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
                weight.add_(noise, alpha=0.1)
    return layer


def inputs(time: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, time, 3, generator=generator, dtype=torch.float64)


COMPILES = next(c for c, clause in contract.CLAUSES.items() if clause is contract.step_compiles)


@pytest.mark.parametrize(
    "clause", [c for c in contract.CLAUSES if c != COMPILES], ids=lambda c: c[:40]
)
@every_variant
def test_every_architecture_keeps_the_contract(
    name: str, options: dict[str, Any], clause: str
) -> None:
    contract.CLAUSES[clause](contract.builder(registry.load("architecture", name), options))


@pytest.mark.parametrize("clause", shape_contract.CLAUSES, ids=lambda c: c[:40])
@every_variant
def test_every_architecture_may_be_stacked_and_run_in_both_directions(
    name: str, options: dict[str, Any], clause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Kernels would be built for each; they are held equal to the loop above.
    monkeypatch.setattr(running, "compiler", lambda: None)
    make = shape_contract.maker(registry.load("architecture", name), options)
    shape_contract.CLAUSES[clause](make)


@pytest.mark.slow
@every_variant
def test_every_step_is_one_graph_for_the_compiler(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests check shapes as they run; those checks cannot be traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    contract.step_compiles(contract.builder(registry.load("architecture", name), options))


@every_variant
def test_outputs_equal_the_published_equations_in_numpy(name: str, options: dict[str, Any]) -> None:
    if name not in REFERENCES:
        pytest.skip(f"{name} has no reference in references.py")
    layer, x = exact(name, **options), inputs(9)
    if not layer.causal:
        pytest.skip("what looks ahead is held against what does not, below")
    step = REFERENCES[name]({n: p.detach().numpy() for n, p in layer.named_parameters()}, options)
    y, last = layer(x)
    for example in range(2):
        # A state that grows has nothing in it at first.
        state = [part[example].detach().numpy() for part in layer.initial_state(2) or ()]
        for t in range(9):
            y_t, state = step(x[example, t].numpy(), state)
            # Nine steps of sums of twenty terms: 1e-12 leaves room for another order of summation.
            np.testing.assert_allclose(y[example, t].detach().numpy(), y_t, atol=1e-12)
        for part, expected in zip(last, state, strict=True):
            np.testing.assert_allclose(part[example].detach().numpy(), expected, atol=1e-12)


def test_every_architecture_has_its_equation_source_and_one_line() -> None:
    for entry in registry.entries("architecture"):
        assert entry.error is None
        assert 20 < len(entry.summary) <= 100 and entry.constants["paper"], entry.name
        assert "_t =" in (registry.load("architecture", entry.name).__doc__ or ""), entry.name


# torch.nn


@pytest.mark.parametrize(("name", "torchs"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_what_torch_has_is_torchs(name: str, torchs: Any) -> None:
    layer, x = exact(name), inputs(7)
    reference = torchs(3, 5, batch_first=True, dtype=torch.float64)
    reference.load_state_dict(getattr(layer, name).state_dict())
    (y, state), (expected, last) = layer.loop(x), reference(x)
    own, _ = layer.without_kernel(x, layer.initial_state(2))
    torch.testing.assert_close(own, expected, atol=0, rtol=0)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)
    last = last if isinstance(last, tuple) else (last,)
    for part, of_torch in zip(state, last, strict=True):
        torch.testing.assert_close(part, of_torch[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rnn", {"activation": "linear"}),
        ("gru", {"reset": "before"}),
        ("lstm", {"without": "output_gate"}),
        ("lstm", {"coupled": True}),
        ("lstm", {"peepholes": True}),
    ],
)
def test_torchs_kernel_runs_where_the_equation_is_torchs_and_only_there(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "compiler", lambda: None)
    assert path_of(make(name)) == "fused"
    assert path_of(make(name, **options)) == "loop"


# Closed forms


def test_a_linear_rnn_is_a_sum_of_powers() -> None:
    layer, x = exact("rnn", activation="linear"), inputs(9)
    U, p = layer.rnn.weight_hh_l0, layer.project(x)
    h = sum(p[:, 8 - k] @ torch.linalg.matrix_power(U, k).T for k in range(9))
    torch.testing.assert_close(layer(x)[0][:, 8], h, atol=1e-12, rtol=0)


def test_a_leak_without_recurrence_is_an_exponential_average() -> None:
    layer, x = exact("residual", skip="leaky", leak=0.25), inputs(9)
    torch.nn.init.zeros_(layer.U)
    seen = layer.project(x).tanh()
    h = sum(0.25 * 0.75**k * seen[:, 8 - k] for k in range(9))
    torch.testing.assert_close(layer(x)[0][:, 8], h, atol=1e-12, rtol=0)


def test_the_lru_is_a_sum_of_powers_of_its_eigenvalues() -> None:
    layer, x = exact("lru", read="linear"), inputs(9)
    eigenvalues = torch.complex(*layer.eigenvalues())
    B = torch.complex(*layer.B.chunk(2)) * layer.log_gamma.exp().unsqueeze(1)
    h = sum(eigenvalues**k * (x[:, 8 - k].to(B.dtype) @ B.T) for k in range(9))
    C = torch.complex(layer.C[:, :5], -layer.C[:, 5:])
    y = (h @ C.T).real + x[:, 8] @ layer.D.T
    torch.testing.assert_close(layer(x)[0][:, 8], y, atol=1e-12, rtol=0)


def test_a_min_gru_keeps_what_its_gates_leave() -> None:
    layer, x = exact("min_gru"), inputs(9)
    z, candidate = layer.project(x).chunk(2, 2)
    z = z.sigmoid()
    left = [torch.prod(1 - z[:, k + 1 :], dim=1) for k in range(9)]
    h = sum(left[k] * z[:, k] * candidate[:, k] for k in range(9))
    torch.testing.assert_close(layer(x)[0][:, 8], h, atol=1e-12, rtol=0)


def test_the_chains_of_a_dilated_layer_never_meet() -> None:
    layer, x = exact("dilated", dilation=3, read="latest"), inputs(10)
    changed = x.clone()
    changed[:, 1] += 1
    is_moved = (layer(changed)[0] != layer(x)[0]).any(2).all(0)
    assert is_moved.nonzero().flatten().tolist() == [1, 4, 7]


def test_an_orthogonal_recurrence_keeps_the_norm_of_a_state() -> None:
    layer = exact("orthogonal")
    U = layer.recurrent_matrix()
    torch.testing.assert_close(U @ U.T, torch.eye(5, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.nn.init.zeros_(layer.b)
    before = inputs(1, batch=1).new_ones(1, 5)
    y, _ = layer(torch.zeros(1, 200, 3, dtype=torch.float64), (before,))
    torch.testing.assert_close(y[:, -1].norm(), before.norm(), atol=1e-12, rtol=0)


# Starts


def test_the_forget_bias_is_set_once_and_nothing_else_is() -> None:
    layer = make("lstm", forget_bias=2.5)
    bias = layer.lstm.bias_ih_l0 + layer.lstm.bias_hh_l0
    assert bias[5:10].tolist() == [2.5] * 5
    assert (bias[:5].abs() <= 5**-0.5).all() and (bias[10:].abs() <= 5**-0.5).all()


def test_a_chrono_start_spreads_the_time_scales_up_to_its_maximum() -> None:
    layer = registry.load("architecture", "lstm")(3, 1000, t_max=101)
    i, f, _, _ = layer.lstm.bias_ih_l0.chunk(4)
    assert torch.equal(i, -f)
    # exp(b_f) is uniform from 1 to 100: its mean has a standard error of 0.9.
    assert f.min() >= 0 and f.max() <= math.log(100)
    assert abs(float(f.detach().exp().mean()) - 50.5) < 4


def test_a_coupled_gate_starts_as_open_to_the_past_as_a_forget_gate() -> None:
    layer = make("lstm", coupled=True, forget_bias=2.0)
    assert layer.lstm.bias_ih_l0[:5].tolist() == [-2.0] * 5
    assert len(layer.lstm.weight_hh_l0) == 3 * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupled": True, "without": "forget_gate"}, "coupled gates need both"),
        ({"t_max": 20, "without": "forget_gate"}, "needs a forget gate"),
        ({"t_max": 1}, "t_max is 1"),
    ],
)
def test_an_lstm_that_contradicts_itself_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("lstm", **options)


def test_an_identity_start_is_the_identity() -> None:
    layer = make("rnn", activation="relu", start="identity")
    assert torch.equal(layer.rnn.weight_hh_l0, torch.eye(5))
    assert layer.rnn.bias_ih_l0.abs().max() == 0
    assert layer.rnn.weight_ih_l0.abs().max() < 0.01


@pytest.mark.parametrize("start", ["orthogonal", "identity", "scaled"])
def test_a_spectral_radius_is_the_largest_eigenvalue(start: str) -> None:
    U = make("rnn", start=start, spectral_radius=0.9).rnn.weight_hh_l0.detach()
    assert float(torch.linalg.eigvals(U).abs().max()) == pytest.approx(0.9, abs=1e-5)


def test_a_spectral_radius_that_would_mean_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="spectral radius of its own"):
        make("rnn", start="zero", spectral_radius=0.9)


def test_an_input_scale_scales_the_input_weights_alone() -> None:
    torch.manual_seed(0)
    plain = make("rnn").rnn.state_dict()
    torch.manual_seed(0)
    scaled = make("rnn", input_scale=0.5).rnn.state_dict()
    assert torch.equal(scaled["weight_ih_l0"], plain["weight_ih_l0"] / 2)
    assert torch.equal(scaled["weight_hh_l0"], plain["weight_hh_l0"])


def test_orthogonal_starts_are_orthogonal_and_shared_among_delays() -> None:
    eye = torch.eye(5)
    U = make("rnn").rnn.weight_hh_l0
    torch.testing.assert_close(U @ U.T, eye)
    U = 4 * make("densenet").U.weight[:, 5:10]
    torch.testing.assert_close(U @ U.T, eye)
    layer = make("residual", skip="distant")
    torch.testing.assert_close(4 * layer.V @ layer.V.T, eye)


def test_the_lru_starts_on_its_ring() -> None:
    layer = registry.load("architecture", "lru")(3, 500, r_min=0.9, r_max=0.99, max_phase=0.5)
    eigenvalues = torch.complex(*layer.eigenvalues())
    assert eigenvalues.abs().min() > 0.9 - 1e-5 and eigenvalues.abs().max() < 0.99 + 1e-5
    assert eigenvalues.angle().min() > 0 and eigenvalues.angle().max() < 0.5
    gamma = torch.sqrt(1 - eigenvalues.abs() ** 2)
    torch.testing.assert_close(layer.log_gamma.exp(), gamma, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="0 <= r_min < r_max <= 1"):
        make("lru", r_max=1.1)


# Numbers


@pytest.mark.parametrize("time", range(1, 18))
def test_the_scan_is_the_loop_at_every_length(time: int) -> None:
    generator = torch.Generator().manual_seed(time)
    a, b = torch.rand(2, 3, time, 4, generator=generator, dtype=torch.float64)
    h = torch.ones(3, 4, dtype=torch.float64)
    found = scan(a, b, h)
    for t in range(time):
        h = a[:, t] * h + b[:, t]
        torch.testing.assert_close(found[:, t], h, atol=1e-14, rtol=0)


@pytest.mark.parametrize("keep", [0.0, 1e-30, 0.5, 1.0])
def test_the_scan_is_sound_in_float32_over_thousands_of_steps(keep: float) -> None:
    a = torch.full((1, 5000, 1), keep).requires_grad_()
    found = scan(a, torch.ones(1, 5000, 1), torch.zeros(1, 1))
    expected = 5000.0 if keep == 1 else 1 / (1 - keep)
    assert found[0, -1, 0].item() == pytest.approx(expected, rel=1e-5)
    found.sum().backward()
    assert a.grad is not None and bool(a.grad.isfinite().all())


def test_gates_that_are_shut_or_wide_open_break_no_minimal_lstm() -> None:
    layer = make("min_lstm")
    for shut in (-200.0, 200.0):
        layer.W.bias.data[:10] = shut
        y, _ = layer(torch.ones(2, 50, 3))
        y.sum().backward()
        assert y.isfinite().all() and all(p.grad.isfinite().all() for p in layer.parameters())


def test_an_exponential_gate_overflows_nothing() -> None:
    layer = make("s_lstm", forget="exponential")
    for write, forget in ((-500.0, 0.0), (500.0, 0.0), (-500.0, -500.0), (500.0, 500.0)):
        layer.W.bias.data[:5], layer.W.bias.data[5:10] = write, forget
        y, _ = layer(torch.ones(2, 50, 3))
        y.sum().backward()
        assert y.isfinite().all() and all(p.grad.isfinite().all() for p in layer.parameters())


# What can be read and refused


def test_the_lstms_gates_and_cell_can_be_read() -> None:
    layer = make("lstm")
    state = layer.initial_state(2)
    gates = layer.gates(layer.project(torch.zeros(2, 1, 3))[:, 0], state)
    assert {"input", "forget", "output"} <= gates.keys()
    assert layer.state_names == ("hidden", "cell") and len(state) == 2


def test_a_part_that_is_removed_takes_its_gate_and_its_weights_along() -> None:
    whole, without = make("lstm"), make("lstm", without="input_gate")
    p_t = without.project(torch.zeros(2, 1, 3))[:, 0]
    assert "input" not in without.gates(p_t, without.initial_state(2))
    assert 4 * len(without.lstm.weight_hh_l0) == 3 * len(whole.lstm.weight_hh_l0)


def test_with_the_gate_shut_the_highway_carries_everything() -> None:
    for options in ({}, {"carry": "separate"}):
        layer = make("highway", gate_bias=-50.0, **options)
        before = torch.randn(2, 5)
        after, _ = layer.step(layer.project(torch.randn(2, 1, 3))[:, 0], (before,))
        torch.testing.assert_close(after, before)


def test_a_recurrent_highway_of_depth_one_is_the_highway() -> None:
    deep, highway = exact("rhn", depth=1), exact("highway")
    highway.load_state_dict(
        {"W.weight": deep.W.weight, "W.bias": deep.W.bias, "U.weight": deep.R[0].weight}
    )
    torch.testing.assert_close(deep(inputs(9))[0], highway(inputs(9))[0], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("densenet", {"last": 0}, "last is 0"),
        ("dilated", {"dilation": 0}, "dilation is 0"),
        ("residual", {"skip": "distant", "distance": 1}, "distance is 1"),
        ("rhn", {"depth": 0}, "depth is 0"),
    ],
)
def test_a_step_that_would_see_nothing_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(name, **options)
