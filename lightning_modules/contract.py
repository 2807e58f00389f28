"""What every architecture keeps, as clauses that can be tried on any: ours in the tests, anybody's
by `longdep check`. Longer than a file should be: the clauses are one list, read and run as one.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_modules.architectures.base import Layer, Recurrent, State
from lightning_modules.refusal import RefusedError

INPUT, HIDDEN, BATCH, TIME = 3, 5, 4, 7
EXACT = 1e-10
"""In float64, two orders of summation agree to about 1e-15 for numbers of order 1."""

Build = Callable[..., Layer]


class BrokenClauseError(AssertionError):
    """An architecture does not keep a clause; the message says how."""


@dataclass(frozen=True)
class Verdict:
    """How one clause went: `problem` is None where it holds."""

    clause: str
    problem: str | None


def builder(architecture: type[Layer], options: Mapping[str, Any]) -> Build:
    """Give a function that makes one small layer, in float64, its start drawn from a seed."""

    def build(input_size: int = INPUT, hidden_size: int = HIDDEN, seed: int = 0) -> Layer:
        torch.default_generator.manual_seed(seed)
        layer = architecture(input_size, hidden_size, **options)  # type: ignore[call-arg]
        return layer.double()

    return build


def check(architecture: type[Layer], options: Mapping[str, Any] | None = None) -> Iterator[Verdict]:
    """Try every clause on an architecture."""
    build = builder(architecture, options or {})
    for clause, try_it in CLAUSES.items():
        try:
            try_it(build)
        except BrokenClauseError as broken:
            yield Verdict(clause, str(broken))
        except Exception as error:
            yield Verdict(clause, " ".join(f"{type(error).__name__}: {error}".split()))
        else:
            yield Verdict(clause, None)


def it_names_a_paper(build: Build) -> None:
    """It names its paper, and its docstring says in one line what it is."""
    architecture = type(build())
    require(isinstance(architecture, type) and issubclass(architecture, Layer), "it is no Layer")
    paper = getattr(architecture, "paper", "")
    require(isinstance(paper, str) and paper.strip() != "", "it has no `paper`")
    require(bool(inspect.getdoc(architecture)), "its class has no docstring")


def options_are_keywords(build: Build) -> None:
    """Its constructor takes (input_size, hidden_size), and every option by name."""
    parameters = list(inspect.signature(type(build())).parameters.values())
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    require(
        positional == ["input_size", "hidden_size"],
        f"its positional arguments are ({', '.join(positional)}), not (input_size, hidden_size)",
    )


def outputs_have_the_promised_size(build: Build) -> None:
    """It gives [batch, time, output_size], and a state whose tensors begin with the batch."""
    layer = build()
    y, state = layer(sample())
    wanted = (BATCH, TIME, layer.output_size)
    require(tuple(y.shape) == wanted, f"outputs have shape {tuple(y.shape)}, not {wanted}")
    require(isinstance(state, tuple), f"the state is a {type(state).__name__}, not a tuple")
    for part in state:
        require(part.shape[0] == BATCH, f"a state of shape {tuple(part.shape)} for batch {BATCH}")
    names = len(layer.state_names)
    require(names == len(state), f"{names} `state_names` for a state of {len(state)} tensors")
    begun = layer.initial_state(BATCH)
    if begun is not None:
        before, after = _shapes(begun), _shapes(state)
        require(before == after, f"the state has shapes {before} before a step, {after} after it")
        same(layer(sample(), begun)[0], y, "outputs from `initial_state` and from none")
    elif layer.causal:
        shorter = _numbers(layer(sample(time=3))[1])
        grows = shorter < _numbers(state)
        require(grows, "its state does not grow: give `initial_state`, so that it can be counted")


def sizes_can_be_counted(build: Build) -> None:
    """It has the sizes asked for; more hidden units are more weights, counted undrawn."""
    layer = build()
    has = layer.input_size, layer.hidden_size
    require(has == (INPUT, HIDDEN), f"input and hidden size are {has}, not {(INPUT, HIDDEN)}")
    with torch.device("meta"):
        small, large = _count(build()), _count(build(INPUT, 2 * HIDDEN))
    require(small == _count(layer), f"{small} weights on the meta device, {_count(layer)} off it")
    require(large > small, f"{small} weights at {HIDDEN} hidden units, {large} at {2 * HIDDEN}")


def forward_is_the_loop(build: Build) -> None:
    """`forward`, with a kernel and without, equals the loop: outputs, last state and gradients."""
    layer = _off_its_start(build())
    if not isinstance(layer, Recurrent):
        return
    x = sample()
    y_loop, state_loop = layer.loop(x)
    weights = list(_trained(layer))
    slow = torch.autograd.grad(y_loop.square().sum(), weights, allow_unused=True)
    for way, (y, state) in (
        ("forward", layer(x)),
        ("without_kernel", layer.without_kernel(x, layer.initial_state(BATCH))),
    ):
        same(y, y_loop, f"outputs of {way}")
        _same_state(state, state_loop)
        fast = torch.autograd.grad(y.square().sum(), weights, allow_unused=True)
        for (name, _), a, b in zip(_named_trained(layer), fast, slow, strict=True):
            if a is not None or b is not None:
                require(a is not None and b is not None, f"{name} has a gradient on one path only")
                same(a, b, f"the gradient of {name} by {way}")


def a_carried_state_changes_nothing(build: Build) -> None:
    """A sequence in two parts, the state carried, gives what the whole gives."""
    layer = _off_its_start(build())
    x = sample()
    if not layer.causal:
        try:
            layer(x[:, 3:], layer(x[:, :3])[1])
        except RefusedError:
            return
        raise BrokenClauseError("it looks ahead, and yet goes on from a state")
    whole, end = layer(x)
    first, state = layer(x[:, :3])
    second, end_of_parts = layer(x[:, 3:], state)
    same(torch.cat([first, second], 1), whole, "outputs")
    _same_state(end_of_parts, end)


def nothing_looks_ahead(build: Build) -> None:
    """Outputs before a step do not depend on the inputs from that step on, or it says so."""
    layer = _off_its_start(build())
    x = sample()
    changed = x.clone()
    changed[:, 4:] += torch.arange(1.0, 1.0 + INPUT)
    if not layer.causal:
        moved = (layer(changed)[0] - layer(x)[0])[:, :4].detach().abs().max()
        require(float(moved) > EXACT, "it says that it looks ahead (`causal` is off), and does not")
        return
    same(layer(changed)[0][:, :4], layer(x)[0][:, :4], "outputs before the changed inputs")


def examples_do_not_meet(build: Build) -> None:
    """An example's outputs do not depend on the others of its batch."""
    layer = _off_its_start(build())
    x = sample()
    changed = x.clone()
    changed[1:] += 1.0
    same(layer(changed)[0][:1], layer(x)[0][:1], "outputs of the example that was left alone")
    same(layer(x[:1])[0], layer(x)[0][:1], "outputs of an example alone")


def gradients_reach_the_first_step(build: Build) -> None:
    """Over 8 steps, or as many as it sees, the gradient is finite and reaches the first input."""
    layer = _off_its_start(build())
    x = sample(time=min(8, layer.receptive_field or 8)).requires_grad_()
    y, state = layer(x)
    for where, parts in (
        ("the last output and state", (y[:, -1], *state)),
        ("later outputs", (y[:, 1:],)),
    ):
        reached = [part.square().sum() for part in parts if part.requires_grad]
        require(bool(reached), f"{where} has no gradient")
        (gradient,) = torch.autograd.grad(sum(reached), x, retain_graph=True)
        require(bool(gradient.isfinite().all()), "the gradient is not finite")
        is_there = bool((gradient[:, 0] != 0).any())
        require(is_there, f"the gradient of {where} at the first step is exactly 0")


def it_sees_as_far_as_it_says(build: Build) -> None:
    """Where it states a `receptive_field`, an output sees so many steps and none before them."""
    layer = _off_its_start(build())
    steps = layer.receptive_field
    if steps is None:
        return
    # Many examples: to the farthest step there is one path, which a unit at rest may close.
    x = sample(batch=64, time=steps + 1).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x)[0][:, -1].square().sum(), x)
    sees = [bool((gradient[:, t] != 0).any()) for t in (0, 1)]
    require(not sees[0], f"it says that it sees {steps} steps, and sees more")
    require(sees[1], f"it says that it sees {steps} steps, and sees fewer")


def it_looks_at_what_is_there(build: Build) -> None:
    """Where it `can_look`, it looks at a source's steps alone; step by step it is the same."""
    layer = build()
    if not (layer.can_look and layer.causal):
        return
    layer.look(2 * INPUT)
    layer = _off_its_start(layer.double())
    h = torch.cat([sample(time=6)] * 2, 2).requires_grad_()
    is_there = torch.arange(6) < torch.tensor([6, 1, 3, 6])[:, None]
    begun = layer.facing(h, is_there)
    names = len(layer.state_names)
    require(names == len(begun), f"{names} `state_names` for a state of {len(begun)} tensors")
    y, _ = layer(sample(), begun)
    (gradient,) = torch.autograd.grad(y.square().sum(), h, retain_graph=True)
    require(not bool(gradient[~is_there].any()), "it looks beyond the end of a source")
    reached = bool(gradient[is_there].any(1).all())
    require(reached, "some step of a source changes nothing")
    first, state = layer(sample()[:, :3], begun)
    rest, _ = layer(sample()[:, 3:], state)
    same(torch.cat([first, rest], 1), y, "outputs in two parts and in one")


def every_weight_is_used(build: Build) -> None:
    """Every weight that is trained has a gradient."""
    layer = build()
    layer(sample())[0].square().sum().backward()
    for name, weight in _named_trained(layer):
        require(weight.grad is not None, f"{name} is trained but takes no part")


def the_seed_decides(build: Build) -> None:
    """The same seed gives the same start and outputs; another seed gives another start."""
    x = sample()
    one, two, other = build(seed=1), build(seed=1), build(seed=2)
    same(one(x)[0], two(x)[0], "outputs of two layers of one seed")
    same(one(x)[0], one(x)[0], "outputs of one layer asked twice")
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    require(any(not torch.equal(a, b) for a, b in pairs), "the start does not depend on the seed")


def saved_weights_bring_it_back(build: Build) -> None:
    """Saved and loaded weights give the same outputs."""
    one, other = build(seed=1), build(seed=2)
    other.load_state_dict(one.state_dict())
    same(other(sample())[0], one(sample())[0], "outputs after loading")


def it_takes_the_smallest_sizes(build: Build) -> None:
    """Length 1, batch 1, input 1 and hidden 1 work."""
    for batch, time in ((1, 1), (1, TIME), (BATCH, 1)):
        y, _ = build()(sample(batch=batch, time=time))
        require(tuple(y.shape[:2]) == (batch, time), f"batch {batch}, length {time}: {y.shape}")
    y, _ = build(1, 1)(torch.ones(2, 3, 1, dtype=torch.float64))
    require(bool(y.isfinite().all()), "outputs at size 1 are not finite")


def it_runs_in_float32(build: Build) -> None:
    """It runs in float32, and gives float32."""
    y, _ = build().float()(sample().float())
    require(y.dtype == torch.float32, f"outputs are {y.dtype}")
    require(bool(y.isfinite().all()), "outputs are not finite")


def it_runs_in_bfloat16(build: Build) -> None:
    """It learns in bfloat16 under autocast, or says why not (`no_bfloat16`)."""
    layer, x = build().float(), sample().float()
    if layer.no_bfloat16:
        return
    exact, _ = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = layer(x)
    off = float((y - exact).detach().abs().max() / exact.detach().abs().max().clamp(min=1))
    # Eight bits of mantissa, 4e-3 a step: 7 steps stay well below a tenth.
    require(off < 0.1, f"outputs are off by {off:.1e}")
    y.float().square().sum().backward()
    is_finite = all(bool(p.grad.isfinite().all()) for p in _trained(layer) if p.grad is not None)
    require(is_finite, "the gradient is not finite")


def step_computes_the_gates(build: Build) -> None:
    """Gates, where it has any, are those that `step` itself calls for, each [batch, hidden]."""
    layer = build()
    if not isinstance(layer, Recurrent):
        return
    if type(layer).gates is Recurrent.gates:
        return
    calls: list[dict[str, Tensor]] = []
    inner = layer.gates

    def watched(p_t: Tensor, state: State) -> dict[str, Tensor]:
        calls.append(inner(p_t, state))
        return calls[-1]

    layer.gates = watched  # type: ignore[method-assign]
    layer.step(layer.project(sample())[:, 0], layer.initial_state(BATCH))
    require(len(calls) == 1, f"`step` calls `gates` {len(calls)} times, not once")
    for name, gate in calls[0].items():
        require(gate.shape[0] == BATCH, f"gate {name} has shape {tuple(gate.shape)}")
        if name not in ("candidate", *layer.state_names):
            inside = bool((gate >= 0).all() and (gate <= 1).all())
            require(inside, f"gate {name} leaves [0, 1]")


def step_compiles(build: Build) -> None:
    """`step` is one graph for torch.compile (backend aot_eager), and gives the same."""
    layer = _off_its_start(build())
    if not isinstance(layer, Recurrent):
        return
    # Imported here: it takes a second, and nothing else needs it.
    from torch import _dynamo

    p_t, state = layer.project(sample())[:, 0].detach(), layer.initial_state(BATCH)
    torch.compiler.reset()
    try:
        # torch's own recurrent modules may hold the weights; their kernels are not called.
        with _dynamo.config.patch(allow_rnn=True):
            step = torch.compile(layer.step, backend="aot_eager", fullgraph=True)
            y, after = step(p_t, state)
    except _dynamo.exc.TorchDynamoException as error:
        raise BrokenClauseError(" ".join(str(error).split())[:200]) from None
    expected, expected_after = layer.step(p_t, state)
    same(y, expected, "outputs")
    _same_state(after, expected_after)


CLAUSES: dict[str, Callable[[Build], None]] = {
    (clause.__doc__ or "").strip().rstrip("."): clause
    for clause in (
        it_names_a_paper,
        options_are_keywords,
        outputs_have_the_promised_size,
        sizes_can_be_counted,
        forward_is_the_loop,
        a_carried_state_changes_nothing,
        nothing_looks_ahead,
        it_sees_as_far_as_it_says,
        it_looks_at_what_is_there,
        examples_do_not_meet,
        gradients_reach_the_first_step,
        every_weight_is_used,
        the_seed_decides,
        saved_weights_bring_it_back,
        it_takes_the_smallest_sizes,
        it_runs_in_float32,
        it_runs_in_bfloat16,
        step_computes_the_gates,
        step_compiles,
    )
}


def require(holds: bool, otherwise: str) -> None:
    """Break the clause unless it holds."""
    if not holds:
        raise BrokenClauseError(otherwise)


def sample(batch: int = BATCH, time: int = TIME) -> Tensor:
    """Give inputs to try a layer on, always the same."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn(batch, time, INPUT, generator=generator, dtype=torch.float64)


def _off_its_start(layer: Layer) -> Layer:
    # A special start (a matrix of zeros, the identity) would hide what a clause looks for.
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for weight in _trained(layer):
            noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.add_(noise, alpha=0.1)
    return layer


def _named_trained(layer: Layer) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, p) for name, p in layer.named_parameters() if p.requires_grad]


def _trained(layer: Layer) -> list[torch.nn.Parameter]:
    return [p for _, p in _named_trained(layer)]


def _count(layer: Layer) -> int:
    return sum(p.numel() for p in _trained(layer))


def _numbers(state: State) -> int:
    return sum(part.numel() for part in state)


def _shapes(state: State) -> list[tuple[int, ...]]:
    return [tuple(part.shape) for part in state]


def same(a: Tensor, b: Tensor, what: str) -> None:
    """Break the clause unless two tensors are equal up to the order of summation."""
    require(a.shape == b.shape, f"{what}: shapes {tuple(a.shape)} and {tuple(b.shape)}")
    largest = float((a - b).detach().abs().max()) if a.numel() else 0.0
    require(torch.allclose(a, b, atol=EXACT, rtol=EXACT), f"{what} differ by {largest:.1e}")


def _same_state(a: State, b: State) -> None:
    require(len(a) == len(b), f"states of {len(a)} and {len(b)} tensors")
    for number, (x, y) in enumerate(zip(a, b, strict=True)):
        same(x, y, f"tensor {number} of the last state")
