"""The references without recurrence: streamed, held against torch's own, and where they end."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules import contract, registry
from lightning_modules.architectures.base import State
from lightning_modules.architectures.tcn import TCN
from lightning_modules.architectures.transformer import Transformer
from lightning_modules.assembly import arranged
from lightning_modules.matching import BudgetError, match
from lightning_modules.network import Network, count_flops_per_step, count_state
from lightning_modules.reading import read
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Shape

TIME = 13
POSITIONS = ("rotary", "learned", "sinusoidal", "none")
ONE, THREE = Shape(), Shape(layers=3)
CASES: list[tuple[str, dict[str, Any], Shape]] = [
    *(("transformer", {"positions": positions}, ONE) for positions in POSITIONS),
    ("transformer", {"heads": 1}, THREE),
    ("transformer", {"positions": ("learned", "none", "none")}, THREE),
    ("tcn", {}, ONE),
    ("tcn", {"kernel": 2, "dilation": (1, 2, 4)}, THREE),
    ("tcn", {}, Shape(layers=2, wiring="dense", norm="before")),
]
every_case = pytest.mark.parametrize(
    ("name", "options", "shape"), CASES, ids=[f"{n} {o} {s.in_words()}" for n, o, s in CASES]
)


def make(name: str, options: dict[str, Any], shape: Shape, size: int = 3) -> Any:
    torch.manual_seed(0)
    layer = arranged(registry.load("architecture", name), options, size, 5, shape).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return layer


def inputs(size: int = 3, time: int = TIME) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, time, size, generator=generator, dtype=torch.float64)


@every_case
def test_streamed_with_its_state_it_gives_what_the_whole_sequence_gives(
    name: str, options: dict[str, Any], shape: Shape
) -> None:
    layer, x = make(name, options, shape), inputs()
    whole, end = layer(x)
    state: State | None = None
    steps = []
    for t in range(TIME):
        y_t, state = layer(x[:, t : t + 1], state)
        steps.append(y_t)
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-12, rtol=0)
    assert state is not None
    for part, expected in zip(state, end, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-12, rtol=0)


@every_case
def test_nothing_after_a_step_changes_it(name: str, options: dict[str, Any], shape: Shape) -> None:
    layer, x = make(name, options, shape), inputs()
    whole, _ = layer(x)
    for t in range(1, TIME):
        changed = x.clone()
        changed[:, t:] = 100 * torch.randn_like(changed[:, t:])
        # Not even a rounding: what comes later has no part in what stands before it.
        torch.testing.assert_close(layer(changed)[0][:, :t], whole[:, :t], atol=1e-13, rtol=0)


@every_case
def test_sequences_of_different_lengths_are_each_read_to_their_own_end(
    name: str, options: dict[str, Any], shape: Shape
) -> None:
    layer, x, more = make(name, options, shape), inputs(), inputs(time=3)
    lengths = torch.tensor([5, 9])
    y, state = read(layer, x, lengths)
    after, _ = layer(more, state)
    for row, length in enumerate(lengths.tolist()):
        alone = slice(row, row + 1)
        expected, own = layer(x[alone, :length])
        torch.testing.assert_close(y[alone, :length], expected, atol=1e-12, rtol=0)
        expected, _ = layer(more[alone], own)
        torch.testing.assert_close(after[alone], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("heads", [1, 5])
def test_the_block_is_torchs_own(heads: int) -> None:
    layer = make("transformer", {"positions": "none", "heads": heads}, ONE, size=5)
    x = inputs(5)
    theirs = nn.TransformerEncoderLayer(
        5, heads, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": layer.W_qkv.weight,
            "self_attn.in_proj_bias": torch.zeros(15),
            "self_attn.out_proj.weight": layer.W_o.weight,
            "self_attn.out_proj.bias": layer.W_o.bias,
            "linear1.weight": layer.W_1.weight,
            "linear1.bias": layer.W_1.bias,
            "linear2.weight": layer.W_2.weight,
            "linear2.bias": layer.W_2.bias,
            "norm1.weight": layer.before_attention.weight,
            "norm1.bias": layer.before_attention.bias,
            "norm2.weight": layer.before_mlp.weight,
            "norm2.bias": layer.before_mlp.bias,
        }
    )
    mask = nn.Transformer.generate_square_subsequent_mask(TIME, dtype=torch.float64)
    expected = theirs(x, src_mask=mask, is_causal=True)
    torch.testing.assert_close(layer(x)[0], expected, atol=1e-12, rtol=0)
    layer.causal = False
    torch.testing.assert_close(layer(x)[0], theirs(x), atol=1e-12, rtol=0)


def test_turned_by_rotary_positions_only_the_distance_counts() -> None:
    layer, x = make("transformer", {}, ONE), inputs()
    moved = torch.cat([inputs(time=4) * 9, x], 1)
    keys = layer(x)[1][0], layer(moved)[1][0][:, 4:]
    assert not torch.allclose(*keys)
    products = [k[:, 3, 0] @ k[:, 9, 0].transpose(0, 1) for k in keys]
    torch.testing.assert_close(products[0].diagonal(), products[1].diagonal())


def test_one_that_looks_ahead_knows_no_order_but_that_of_its_positions() -> None:
    layer, x = make("transformer", {"causal": False, "positions": "none"}, ONE), inputs()
    order = torch.randperm(TIME, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(layer(x[:, order])[0], layer(x)[0][:, order], atol=1e-12, rtol=0)
    placed = make("transformer", {"causal": False, "positions": "sinusoidal"}, ONE)
    assert not torch.allclose(placed(x[:, order])[0], placed(x)[0][:, order])
    with pytest.raises(RefusedError, match="has no state to go on from"):
        layer(x, ())


def test_learned_positions_end_and_say_so() -> None:
    layer = make("transformer", {"positions": "learned", "longest": 10}, ONE)
    _, state = layer(inputs(time=8))
    assert layer(inputs(time=2), state)[0].shape[1] == 2
    with pytest.raises(RefusedError, match="end at step 10, and there are 11; give longest=N"):
        layer(inputs(time=3), state)


def test_the_convolutions_are_torchs_own_with_its_weight_norm() -> None:
    layer, x = make("tcn", {"kernel": 3, "dilation": 2}, ONE), inputs()
    reference = []
    for ours in (layer.V, layer.W):
        conv = nn.Conv1d(ours.direction.shape[1], 5, 3, dilation=2).double()
        conv.bias.data.copy_(ours.bias)
        normed = nn.utils.parametrizations.weight_norm(conv)
        normed.parametrizations.weight.original0.data.copy_(ours.length[:, None, None])
        normed.parametrizations.weight.original1.data.copy_(ours.direction)
        reference.append(normed)
    z = x.transpose(1, 2)
    for conv in reference:
        z = conv(nn.functional.pad(z, (4, 0))).relu()
    expected = (z.transpose(1, 2) + layer.P(x)).relu()
    torch.testing.assert_close(layer(x)[0], expected, atol=1e-12, rtol=0)


def test_at_its_start_a_weight_norm_changes_nothing() -> None:
    layer = TCN(3, 5)
    norm = layer.V.direction.flatten(1).norm(dim=1)
    torch.testing.assert_close(layer.V.length, norm)


@pytest.mark.parametrize(("kernel", "blocks"), [(2, 3), (3, 4), (7, 2)])
def test_the_receptive_field_is_that_of_the_formula(kernel: int, blocks: int) -> None:
    dilations = tuple(2**k for k in range(blocks))
    stack = make("tcn", {"kernel": kernel, "dilation": dilations}, Shape(layers=blocks))
    assert stack.receptive_field == 1 + 2 * (kernel - 1) * (2**blocks - 1)
    contract.it_sees_as_far_as_it_says(lambda *_, **__: stack)
    assert arranged(Transformer, {}, 3, 5, THREE).receptive_field is None


def test_a_window_is_counted_and_a_growing_state_is_refused_as_a_budget() -> None:
    # (kernel - 1) times the dilation of what each convolution takes in.
    assert count_state(TCN(3, 5, kernel=3, dilation=4)) == 8 * 3 + 8 * 5
    assert count_state(Transformer(3, 5)) is None
    with pytest.raises(BudgetError, match=r"^the state grows with time; match by parameters"):
        match(lambda n: Network(Transformer(3, n), 2, "last"), measure="state", budget=64)
    deep = Shape(layers=2, wiring="residual")
    with pytest.raises(BudgetError, match=r"^the state grows with time; match by parameters"):
        match(
            lambda n: Network(arranged(Transformer, {}, 3, n, deep), 2, "last"),
            measure="state",
            budget=64,
        )


def test_the_products_of_a_step_are_counted() -> None:
    m, n, k, out = 3, 6, 3, 2
    of_tcn = k * m * n + k * n * n + m * n + n * out
    assert count_flops_per_step(Network(TCN(m, n, kernel=k), out, "last")) == 2 * of_tcn
    # Of the first step, which looks at itself: n products for the scores and n for the mean.
    of_block = m * n + 3 * n * n + 2 * n + n * n + 8 * n * n + n * out
    block = Network(Transformer(m, n), out, "last")
    assert count_flops_per_step(block) == 2 * of_block


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("transformer", {"heads": 0}, "heads is 0"),
        ("transformer", {"longest": 0}, "longest 0"),
        ("tcn", {"kernel": 0}, "kernel is 0"),
        ("tcn", {"dropout": 1.0}, "dropout 1.0"),
    ],
)
def test_a_reference_that_would_see_nothing_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(name, options, ONE)


def test_what_drops_numbers_in_training_drops_none_in_evaluation() -> None:
    layer, x = TCN(3, 5, dropout=0.5), inputs().float()
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
