"""Encoder and decoder against slow references: what is begun from what, attention, padding.

Longer than a file should be: every way to join two networks has its slow reference.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.study import Arm, Budget, Decoder, Study, TaskAxis
from experiments.trial import prepare
from lightning_modules import registry, task_names
from lightning_modules.assembly import assemble
from lightning_modules.encoder_decoder import EncoderDecoder
from lightning_modules.network import (
    SPEEDS,
    count_flops_per_step,
    count_parameters,
    count_state,
    path_of,
    why_no_kernel,
)
from lightning_modules.reading import read, turned
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Shape
from lightning_modules.stack import Bidirectional, parts_of
from lightning_modules.task_guessers import draw
from lightning_modules.tasks.base import Batch, Task

SHAPES = {
    "plain": Shape(decoder=Decoder()),
    "reversed": Shape(decoder=Decoder(source="reversed")),
    "both": Shape(bidirectional=True, decoder=Decoder()),
    "deep": Shape(layers=2, wiring="residual", decoder=Decoder()),
    "additive": Shape(decoder=Decoder(attention="additive")),
    "multiplicative": Shape(decoder=Decoder(attention="multiplicative")),
    "all": Shape(
        layers=2, wiring="dense", bidirectional=True,
        decoder=Decoder(attention="additive", source="reversed", beam=3),
    ),
    "other": Shape(decoder=Decoder(architecture="lstm")),
    "cross": Shape(decoder=Decoder(architecture="transformer", attention="cross")),
    "deep cross": Shape(
        layers=2, decoder=Decoder(architecture="transformer", attention="cross", source="reversed"),
    ),
    "transformer": Shape(layers=2, decoder=Decoder(attention="cross", beam=2)),
}  # fmt: skip


def task() -> Task:
    return task_names.make("copy_translation", "digits(alphabet=4)")


def network(shape: str, architecture: str = "gru", seed: int = 1) -> EncoderDecoder:
    options = {"causal": False, "heads": 3} if shape == "transformer" else {}
    architecture = shape if shape == "transformer" else architecture
    made = assemble(
        registry.load("architecture", architecture), options, task(), 6, shape=SHAPES[shape],
        seed=seed,
    )  # fmt: skip
    assert isinstance(made, EncoderDecoder)
    with torch.no_grad():
        made.double().read_out.weight *= 8
    return made


def ragged() -> Batch:
    """Three examples: sources of 4, 1 and 2 symbols, and replies of other lengths."""
    rows = ["0123>23", "1>0321", "33>"]
    shown = {**{str(n): n for n in range(4)}, ">": 4}
    inputs = torch.full((3, 9), 9)
    for row, text in enumerate(rows):
        begin = text.index(">")
        for t, symbol in enumerate(text):
            inputs[row, t] = shown[symbol] + (5 if t > begin else 0)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    for row, (begin, length) in enumerate(((4, 3), (1, 5), (2, 1))):
        mask[row, begin : begin + length] = True
    targets = torch.where(mask, inputs.roll(-1, 1) - 5, 0).clamp(min=0)
    return Batch(inputs=inputs, targets=targets, mask=mask, evidence=inputs < 4)


def slowly(made: EncoderDecoder, source: list[int], heard: list[int]) -> Tensor:
    """Answer one example symbol by symbol, by the equations of the docstrings."""
    turn = made.declared.source == "reversed"
    x = F.one_hot(torch.tensor([source[::-1] if turn else source]), 4).double()
    if isinstance(made.layer, Bidirectional):
        there, end = made.layer.forwards.loop(x)
        back, begin = made.layer.backwards.loop(x.flip(1))
        h, q = torch.cat([there, back.flip(1)], 2), (*end, *begin)
    else:
        h, q = made.layer.loop(x)
    state: Any = q
    if made.bridges is not None:
        flat = torch.cat([part.flatten(1) for part in q], 1)
        state = tuple(torch.tanh(flat @ b.weight.T + b.bias) for b in made.bridges)  # type: ignore[operator,union-attr]
    answers = []
    if made.declared.attention == "cross":
        h = h.flip(1) if turn else h
        x = F.one_hot(torch.tensor([heard]), 6).double()
        for block in parts_of(made.decoder):
            x = crossed(block, x, h)
        return x[0] @ made.read_out.weight.T + made.read_out.bias
    for symbol in heard:
        s, state = made.decoder.loop(F.one_hot(torch.tensor([[symbol]]), 6).double(), state)
        seen = s[0, 0]
        if made.attention is not None:
            a = made.attention
            scores = []
            for j in range(len(source)):
                h_j = h[0, j]
                if a.kind == "additive":
                    met = torch.tanh(a.W.weight @ seen + a.W.bias + a.U.weight @ h_j)
                    scores.append(a.v.weight[0] @ met)
                else:
                    scores.append((a.W.weight @ seen) @ h_j / len(seen) ** 0.5)
            weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
            seen = torch.cat([seen, sum(w * h[0, j] for j, w in enumerate(weights))])  # type: ignore[list-item]
        answers.append(made.read_out.weight @ seen + made.read_out.bias)
    return torch.stack(answers)


def crossed(block: Any, x: Tensor, h: Tensor) -> Tensor:
    """Run a decoder's block over one example, step by step and part by part."""
    blind = type(block)(x.shape[2], 6, heads=block.heads).double()
    blind.load_state_dict({k: v for k, v in block.state_dict().items() if "across" not in k})
    z = x if block.W_in is None else block.W_in(x)
    attended, _ = blind._attend(blind.before_attention(z), None, torch.arange(x.shape[1])[None])
    a, across, d = z + blind.W_o(attended), block.across, block.width
    keys, values = across.W_kv(across.before_source(h))[0].chunk(2, 1)
    rows = []
    for a_t in a[0]:
        q, met = across.W_q(across.before(a_t)), []
        for head in range(block.heads):
            here = slice(head * d, head * d + d)
            scores = torch.stack([(q[here] * key[here]).sum() / d**0.5 for key in keys])
            weights = scores.exp() / scores.exp().sum()
            met.append(sum(w * value[here] for w, value in zip(weights, values, strict=True)))
        rows.append(a_t + across.W_o(torch.cat(met)))  # type: ignore[arg-type]
    a = torch.stack(rows)[None]
    return a + blind.W_2(F.gelu(blind.W_1(blind.before_mlp(a))))


def parts(batch: Batch, row: int) -> tuple[list[int], list[int], int, int]:
    """Cut an example into its source, what the decoder is shown, and where that begins and ends."""
    steps = batch.mask[row].nonzero()[:, 0].tolist()
    inputs = batch.inputs[row].tolist()
    begin, end = steps[0], steps[-1] + 1
    return inputs[:begin], [symbol - 4 for symbol in inputs[begin:end]], begin, end


@pytest.mark.parametrize("shape", SHAPES)
def test_a_ragged_batch_is_answered_as_each_example_slowly_and_alone(shape: str) -> None:
    made, batch = network(shape), ragged()
    with torch.no_grad():
        outputs = made(batch.inputs)
        for row in range(3):
            source, heard, begin, end = parts(batch, row)
            expected = slowly(made, source, heard)
            torch.testing.assert_close(outputs[row, begin:end], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("architecture", registry.names("architecture"))
def test_any_architecture_is_encoder_and_decoder(architecture: str) -> None:
    # A state that grows is no vector to begin from.
    is_growing = bool(registry.describe("architecture", architecture).options.get("causal"))
    for shape in ("cross", "additive") if is_growing else ("cross", "plain"):
        made = assemble(
            registry.load("architecture", architecture), {}, task(), 6, shape=SHAPES[shape], seed=0
        ).double()
        assert isinstance(made, EncoderDecoder)
        batch = ragged()
        found = task()
        loss = found.loss(made(batch.inputs), batch)
        loss.backward()
        for name, weight in made.layer.named_parameters():
            # The read-out is the decoder's: without attention its state alone reaches the encoder.
            assert weight.grad is None or weight.grad.isfinite().all(), name
        assert any(w.grad is not None and w.grad.abs().sum() > 0 for w in made.layer.parameters())
        assert made.predict(batch).shape == (3, 9, 5)


def test_a_block_that_looks_at_a_source_is_torchs_own() -> None:
    n, heads = 6, 2
    block = registry.load("architecture", "transformer")(n, n, heads=heads, positions="none")
    block.look(5)
    block.double()
    theirs = nn.TransformerDecoderLayer(
        n, heads, 4 * n, 0.0, "gelu", batch_first=True, norm_first=True
    ).double()
    # Theirs has the source as wide as the target: here its normalised symbols are filled up.
    across = block.across
    wide = F.pad(across.W_kv.weight, (0, 1))
    own = {
        "self_attn.in_proj_weight": block.W_qkv.weight,
        "self_attn.in_proj_bias": torch.zeros(3 * n),
        "self_attn.out_proj.weight": block.W_o.weight, "self_attn.out_proj.bias": block.W_o.bias,
        "multihead_attn.in_proj_weight": torch.cat([across.W_q.weight, wide]),
        "multihead_attn.in_proj_bias": torch.zeros(3 * n),
        "multihead_attn.out_proj.weight": across.W_o.weight,
        "multihead_attn.out_proj.bias": across.W_o.bias,
        "linear1.weight": block.W_1.weight, "linear1.bias": block.W_1.bias,
        "linear2.weight": block.W_2.weight, "linear2.bias": block.W_2.bias,
    }  # fmt: skip
    for name, norm in enumerate((block.before_attention, across.before, block.before_mlp), 1):
        own |= {f"norm{name}.weight": norm.weight, f"norm{name}.bias": norm.bias}
    theirs.load_state_dict(own)
    x, h = torch.randn(3, 4, n).double(), torch.randn(3, 7, 5).double()
    is_there = torch.arange(7) < torch.tensor([7, 2, 5])[:, None]
    ours, state = block(x, block.facing(h, is_there))
    memory = F.pad(across.before_source(h), (0, 1))
    mask = nn.Transformer.generate_square_subsequent_mask(4).double()
    expected = theirs(
        x, memory, tgt_mask=mask, memory_key_padding_mask=~is_there, tgt_is_causal=True
    )
    torch.testing.assert_close(ours, expected)
    # What stands where there is no source counts for nothing, and a part at a time is the same.
    h[~is_there] = 1e3
    begun, state = block(x[:, :1], block.facing(h, is_there))
    rest, state = block(x[:, 1:], state)
    torch.testing.assert_close(torch.cat([begun, rest], 1), expected)
    assert len(state) == len(block.state_names) == 6


@pytest.mark.parametrize(
    ("architecture", "decoder", "whose"),
    [
        ("transformer", Decoder(), "encoder"),
        ("transformer", Decoder(architecture="gru"), "encoder"),
        ("gru", Decoder(architecture="transformer"), "decoder"),
    ],
)
def test_without_attention_a_state_that_grows_is_refused(
    architecture: str, decoder: Decoder, whose: str
) -> None:
    layer, shape = registry.load("architecture", architecture), Shape(decoder=decoder)
    with pytest.raises(RefusedError, match=f"the state of the {whose} grows with time; give it"):
        assemble(layer, {}, task(), 4, shape=shape)


def test_what_cannot_look_or_begins_from_nothing_is_refused() -> None:
    cross = Decoder(attention="cross")
    with pytest.raises(ValueError, match="no layer of gru looks at a source"):
        Arm(architecture="gru", decoder=cross)
    with pytest.raises(RefusedError, match="a layer of GRU looks at no other sequence"):
        assemble(registry.load("architecture", "gru"), {}, task(), 4, shape=Shape(decoder=cross))
    transformer = registry.load("architecture", "transformer")
    with pytest.raises(RefusedError, match="not causal has no state to look from"):
        transformer(3, 4, causal=False).look(2)
    block = transformer(3, 4)
    block.look(2)
    with pytest.raises(RefusedError, match="begins from one"):
        block(torch.zeros(1, 2, 3))


def test_the_state_and_the_path_are_those_of_both() -> None:
    assert count_state(network("plain")) == 2 * 6
    assert count_state(network("both")) == 3 * 6
    assert count_state(network("deep")) == 4 * 6
    for shape in ("additive", "cross", "transformer"):
        assert count_state(network(shape)) is None
    for decoder in ("gru", "lru", "transformer"):
        declared = Decoder(architecture=decoder, attention="additive")
        gru = registry.load("architecture", "gru")
        made = assemble(gru, {}, task(), 6, shape=Shape(decoder=declared))
        assert isinstance(made, EncoderDecoder)
        both = path_of(made.layer), path_of(made.decoder)
        assert path_of(made) == max(both, key=SPEEDS.index)
        assert (why_no_kernel(made) == "") == (set(both) == {"kernel"})
    assert both[1] == "fused"


@pytest.mark.parametrize("shape", SHAPES)
def test_no_reply_hangs_on_padding_or_on_the_targets(shape: str) -> None:
    made, batch = network(shape), ragged()
    with torch.no_grad():
        together = made.predict(batch)
        blind = batch.inputs.clone()
        blind[(batch.inputs > 4)] = 9
        again = made.predict(Batch(**{**vars(batch), "inputs": blind}))
        torch.testing.assert_close(again, together, rtol=0, atol=0)
        for row in range(3):
            _, _, begin, end = parts(batch, row)
            alone = {k: v[row : row + 1] for k, v in vars(batch).items() if k != "context"}
            said = made.predict(Batch(**alone))
            torch.testing.assert_close(said[0], together[row], rtol=0, atol=1e-10)
            if SHAPES[shape].decoder == Decoder(beam=1):
                short = {k: v[:, :end] for k, v in alone.items()}
                tight = made.predict(Batch(**short))
                torch.testing.assert_close(tight[0, begin:], together[row, begin:end])


@pytest.mark.parametrize("shape", ["additive", "multiplicative", "all", "cross", "transformer"])
def test_attention_adds_up_to_one_over_what_was_heard_and_nothing_else(shape: str) -> None:
    made, batch = network(shape), ragged()
    weights = made.attend(batch.inputs)
    assert weights is not None
    for row in range(3):
        source, heard, _, _ = parts(batch, row)
        rows = weights[row, : len(heard)]
        torch.testing.assert_close(rows[:, : len(source)].sum(1), torch.ones(len(heard)).double())
        assert not rows[:, len(source) :].any()
        assert (rows[:, : len(source)] > 0).all()


@pytest.mark.parametrize("kind", ["additive", "cross"])
def test_weights_stand_under_the_symbols_of_a_source_that_was_read_from_its_end(kind: Any) -> None:
    made = []
    for source in ("reversed", "forward"):
        shape = Shape(decoder=Decoder(architecture="transformer", attention=kind, source=source))
        gru = registry.load("architecture", "gru")
        made.append(assemble(gru, {}, task(), 6, shape=shape, seed=0).double())
    backwards, forwards = made
    assert isinstance(backwards, EncoderDecoder) and isinstance(forwards, EncoderDecoder)
    inputs = torch.tensor([[0, 1, 3, 4, 5, 6], [2, 4, 7, 6, 9, 9]])
    told = torch.tensor([[3, 1, 0, 4, 5, 6], [2, 4, 7, 6, 9, 9]])
    ours, theirs = backwards.attend(inputs), forwards.attend(told)
    assert ours is not None and theirs is not None
    torch.testing.assert_close(ours[0], theirs[0].flip(1))
    torch.testing.assert_close(ours[1], theirs[1])
    assert (ours[0, 0] - ours[0, 0].flip(0)).abs().max() > 1e-6


def test_without_attention_nothing_is_looked_at() -> None:
    assert network("plain").attend(ragged().inputs) is None


def test_a_decoder_of_the_same_kind_begins_in_the_state_that_the_encoder_ended_in() -> None:
    made = network("plain", "lstm")
    assert made.bridges is None
    source, lengths = torch.tensor([[0, 1, 2]]), torch.tensor([3])
    _, end = made.layer(made.encode(source))
    for ours, theirs in zip(made.listen(source, lengths), end, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert network("both", "lstm").bridges is not None


def test_sequences_are_turned_within_their_lengths_and_read_from_both_ends() -> None:
    x = torch.arange(8.0).view(2, 4, 1).double()
    lengths = torch.tensor([4, 2])
    assert turned(x, lengths)[..., 0].tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]
    gru = registry.load("architecture", "gru")
    both = Bidirectional(gru(1, 3), gru(1, 3)).double()
    y, state = read(both, x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, end = both(x[row : row + 1, :length])
        torch.testing.assert_close(y[row, :length], alone[0])
        for ours, theirs in zip(state, end, strict=True):
            torch.testing.assert_close(ours[row], theirs[0])
    torch.testing.assert_close(read(both.forwards, x, lengths)[0][1, :2], y[1, :2, :3])


def test_who_looks_ahead_reads_nothing_beyond_an_end() -> None:
    layer = registry.load("architecture", "transformer")(1, 4, causal=False).double()
    x = torch.randn(4, 5, 1).double()
    lengths = torch.tensor([2, 5, 1, 2])
    y, state = read(layer, x, lengths)
    assert state == ()
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(y[row, :length], layer(x[row : row + 1, :length])[0][0])
        assert not y[row, length:].any()


def test_parameters_are_those_of_the_parts() -> None:
    made = network("additive")
    gru = count_parameters(made.layer)
    n, m, k = 6, 4, 5
    assert gru == 3 * (n * m + n * n + n)
    assert count_parameters(made.decoder) == 3 * (n * (k + 1) + n * n + n)
    attention = n * n + n + n * n + n
    assert count_parameters(made.attention) == attention  # type: ignore[arg-type]
    total = gru + count_parameters(made.decoder) + attention + (2 * n) * k + k
    assert count_parameters(made) == total
    # Each product with an a x b matrix costs 2ab; two weighted sums over one symbol besides.
    products = 3 * (n * m + n * n) + 3 * (n * (k + 1) + n * n) + 2 * n * n + n + n + 2 * n * k
    assert count_flops_per_step(made.float()) == 2 * products
    made = network("cross")
    looking = 4 * n * n + n + 2 * n + 2 * n
    assert count_parameters(made.decoder) == 12 * n * n + 10 * n + looking
    # One step looks back at itself, and at one symbol: two weighted sums each.
    products = 3 * (n * m + n * n) + 12 * n * n + 4 * n * n + 4 * n + n * k
    assert count_flops_per_step(made.float()) == 2 * products


# As declarations


def study(arm: Arm, axis: str = "copy_translation") -> Study:
    return Study(
        name="s", question="?", arms=[arm], tasks=[TaskAxis(task=axis, lags=[4])], seeds=1,
        budget=Budget(parameters=3000), reference=arm.label,
    )  # type: ignore[arg-type]  # fmt: skip


def test_an_arm_without_a_decoder_is_the_arm_that_it_was() -> None:
    assert "decoder" not in Arm(architecture="gru").identity()
    assert Arm(architecture="gru", decoder=None).identity() == Arm(architecture="gru").identity()


def test_what_a_decoder_does_is_part_of_an_arms_identity() -> None:
    arms = [Arm(architecture="gru"), *(Arm(architecture="gru", decoder=decoder) for decoder in
            (Decoder(), Decoder(attention="additive"), Decoder(source="reversed"),
             Decoder(beam=2), Decoder(architecture="lstm")))]  # fmt: skip
    ids = {study(arm).trials()[0].id for arm in arms}
    assert len(ids) == len(arms)
    spelt = Arm(architecture="gru", decoder=Decoder(beam=1, attention="none"))
    assert study(spelt).trials()[0].id == study(arms[1]).trials()[0].id


def test_a_study_with_decoders_is_written_and_read_again() -> None:
    arm = Arm(architecture="gru", decoder=Decoder(attention="additive", beam=2))
    declared = study(arm)
    again = Study.model_validate_json(declared.model_dump_json())
    assert again == declared
    network, data = prepare(declared.trials()[0])
    assert isinstance(network, EncoderDecoder)
    assert network.declared.beam == 2
    assert network(draw(data.task, 3, 4).inputs).shape == (3, 9, 11)


def test_an_encoder_may_see_both_directions_where_a_network_may_not() -> None:
    assert study(Arm(architecture="gru", bidirectional=True, decoder=Decoder()))
    with pytest.raises(ValueError, match="it would see the answer among its inputs"):
        study(Arm(architecture="gru", bidirectional=True))


def test_a_decoder_on_a_task_without_a_reply_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="a decoder answers in sequences") as refused:
        study(Arm(architecture="gru", decoder=Decoder()), "adding/arjovsky")
    assert "gru on adding/arjovsky" in str(refused.value)
    with pytest.raises(RefusedError, match="this task asks for none"):
        adding = task_names.make("adding", "arjovsky")
        assemble(registry.load("architecture", "gru"), {}, adding, 4, shape=SHAPES["plain"])


@pytest.mark.parametrize(
    ("decoder", "line"),
    [
        ({"attention": "aditive"}, "'additive', 'multiplicative' or 'cross'"),
        ({"beam": 0}, "greater than or equal to 1"),
        ({"architecture": "gruu"}, "did you mean 'gru'"),
    ],
)
def test_a_misspelt_decoder_is_refused_where_it_is_written(decoder: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Arm(architecture="gru", decoder=Decoder(**decoder))
