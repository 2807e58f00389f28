"""A layer's kernel: found or made, tried against the loop, and run under autograd."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import _get_current_dispatch_mode

from lightning_modules.kernel import building
from lightning_modules.kernel.compiler import compiler
from lightning_modules.kernel.memory import State, make_histories, read_results
from lightning_modules.kernel.program import Program, derive
from lightning_modules.kernel.tracing import Trace, UntraceableError, plain_attributes, trace

TOLERANCE = {torch.float32: 2e-3, torch.float64: 1e-6}
"""How far kernel and loop may lie apart when a kernel is tried, relative to the largest number.

Far above rounding: a step that a trace has misread is off by something like 1.
"""


@dataclass(frozen=True)
class Kernel:
    """A compiled program and the trace that it came from."""

    trace: Trace
    program: Program
    forward: Any
    backward: Any
    gemm: int

    def __call__(self, layer: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over a sequence, [batch, time, width]."""
        matrices, constants = self.trace.prepare(layer)
        used = [constants[number] for number in self.program.constants]
        y, *after = _Run.apply(self, len(state), len(matrices), x, *state, *matrices, *used)
        return y, tuple(after)


Runs = Callable[[nn.Module, Tensor, State], tuple[Tensor, State]]
"""What runs over a sequence in place of the loop."""

_made: "WeakKeyDictionary[nn.Module, dict[Any, Runs | str]]" = WeakKeyDictionary()


def kernel_for(layer: Any, x: Tensor, state: State) -> Runs | str:
    """Give the kernel of a layer's `step`, or why there is none: in C++, or on a GPU in Triton.

    What it depends on beside numbers (options, `training`, the batch's size) is looked at on every
    call: where it has changed, the step is traced again.
    """
    device, dtype = x.device.type, next(layer.parameters()).dtype
    if device == "cpu" and compiler() is None:
        return "there is no C++ compiler"
    if device not in ("cpu", "cuda") or dtype not in TOLERANCE:
        return f"there is no kernel for {dtype} on {device}"
    if device == "cuda" and (problem := triton_problem()):
        return problem
    if any(tensor.dtype != dtype for tensor in (x, *state)):
        return "input, state and weights are not of one type"
    if torch.compiler.is_compiling() or _get_current_dispatch_mode() is not None:
        return "torch is looking at the operations"
    if torch.is_autocast_enabled(device) or is_transformed():
        return "torch transforms the operations"
    p_t, shapes = torch.Size((x.shape[0], x.shape[2])), tuple(part.shape for part in state)
    key = (p_t, shapes, dtype, x.device, plain_attributes(layer))
    kernels = _made.setdefault(layer, {})
    if key not in kernels:
        kernels[key] = _make(layer, p_t, shapes, dtype, x.device)
    return kernels[key]


@cache
def triton_problem() -> str:
    """Say why Triton cannot be used; an empty line where it can. Torch for CUDA brings it along."""
    try:
        import triton  # noqa: F401
    except ModuleNotFoundError:
        return "Triton is not installed"
    except Exception as error:
        return f"Triton does not load: {error}"
    return ""


def is_transformed() -> bool:
    """Tell whether a transform (`vmap`, `grad`) is at work, which sees torch's operations alone."""
    return torch._C._functorch.maybe_current_level() is not None


def _make(
    layer: Any,
    p_t: torch.Size,
    shapes: Sequence[torch.Size],
    dtype: torch.dtype,
    device: torch.device,
) -> Runs | str:
    def step(x_t: Tensor, state: State) -> tuple[Tensor, State]:
        projected: Tensor = layer.projected(x_t.unsqueeze(1))
        after: tuple[Tensor, State] = layer.step(projected.select(1, 0), state)
        return after

    try:
        traced = trace(layer, step, p_t, shapes, dtype)
        kernel = _in_triton(traced, dtype) if device.type == "cuda" else _in_cpp(traced, dtype)
        return _difference(kernel, layer, p_t, shapes, dtype, device) or kernel
    except (UntraceableError, building.BuildError) as reason:
        return str(reason)
    except Exception as error:
        # Whatever is wrong with a step is told by the loop, in its own words.
        return " ".join(f"tracing `step`: {type(error).__name__}: {error}".split())


def _in_cpp(traced: Trace, dtype: torch.dtype) -> Kernel:
    program = derive(traced)
    library = building.library(program.source, dtype)
    return Kernel(traced, program, library.forward, library.backward, building.gemm(dtype))


def _in_triton(traced: Trace, dtype: torch.dtype) -> Runs:
    from lightning_modules.kernel import triton_running

    return triton_running.make(traced, dtype)


def _difference(
    kernel: Runs,
    layer: Any,
    p_t: torch.Size,
    shapes: Sequence[torch.Size],
    dtype: torch.dtype,
    device: torch.device,
) -> str:
    """Try a kernel against the loop on random numbers: what a trace cannot see, this does."""
    generator = torch.Generator().manual_seed(1)
    batch, width = p_t

    def draw(*shape: int) -> Tensor:
        numbers = torch.randn(shape, generator=generator, dtype=dtype)
        return numbers.to(device).requires_grad_()

    x, state = draw(batch, 3, width), tuple(draw(*shape) for shape in shapes)
    weights = [w for w in layer.parameters() if w.requires_grad]
    found = []
    for run in (partial(kernel, layer), layer.loop):
        with torch.enable_grad():
            y, after = run(x, state)
            results = [y, *after]
            sums = [r.square().sum() + r.sum() for r in results if r.requires_grad]
            wanted = [x, *state, *weights]
            grads: Sequence[Tensor | None] = [None] * len(wanted)
            if sums:
                grads = torch.autograd.grad(sum(sums), wanted, allow_unused=True)
        found.append([*results, *(_or_zero(g, t) for g, t in zip(grads, wanted, strict=True))])
    for ours, theirs in zip(*found, strict=True):
        size = float(theirs.detach().nan_to_num(0, 0, 0).abs().max()) if theirs.numel() else 0.0
        limit = TOLERANCE[dtype] * max(size, 1.0)
        if not torch.allclose(ours, theirs, rtol=0, atol=limit, equal_nan=True):
            off = float((ours - theirs).detach().abs().max())
            return f"the kernel is off the loop by {off:.1e}: `step` does what a trace cannot see"
    return ""


def _or_zero(gradient: Tensor | None, of: Tensor) -> Tensor:
    return torch.zeros_like(of) if gradient is None else gradient


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, states: int, matrices: int, p: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        program = kernel.program
        state, weights = tensors[:states], tensors[states : states + matrices]
        constants = [c.contiguous() for c in tensors[states + matrices :]]
        batch, time, width = p.shape
        # BLAS takes rows in one piece that do not overlap: an expanded input is written out. The
        # stride of a batch of one says nothing.
        is_in_rows = p.stride(2) == 1 and p.stride(0) >= width and p.stride(1) >= width
        p = p if is_in_rows else p.clone(memory_format=torch.contiguous_format)
        histories = make_histories(program, state, time)
        kept = [p.new_empty(time, batch, width) for width in program.kept]
        weights = tuple(_readable(w) for w in weights)
        rooms = [p.new_empty(batch, width) for width in program.rooms[0]]
        pointers = [*_inputs(program, p), *histories, *kept, *constants, *weights, *rooms]
        _call(kernel, kernel.forward, p, None, None, weights, pointers)
        ctx.save_for_backward(p, *histories, *kept, *constants, *weights)
        ctx.kernel, ctx.counts = kernel, (len(histories), len(kept), len(constants))
        ctx.shapes = [part.shape for part in state]
        return read_results(program, histories, kept, state, time)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor, *g_after: Tensor) -> tuple[Tensor | None, ...]:
        kernel: Kernel = ctx.kernel
        program = kernel.program
        p, *saved = ctx.saved_tensors
        ends = [0]
        for count in ctx.counts:
            ends.append(ends[-1] + count)
        histories, kept, constants = (saved[a:b] for a, b in pairwise(ends))
        weights = saved[ends[-1] :]
        batch, time = p.shape[:2]
        gy = gy if gy.stride(2) == 1 else gy.contiguous()
        rings = [p.new_zeros(chain.length + 2, batch, chain.width) for chain in program.chains]
        for (chain, delay), part in zip(program.delays, g_after, strict=True):
            at = (time + program.chains[chain].length - delay) % len(rings[chain])
            rings[chain][at] += part.reshape(batch, -1)
        gp = p.new_zeros(p.shape) if ctx.needs_input_grad[3] else None
        g_constants = [torch.zeros_like(c) for c in constants]
        # In the memory order of the weight itself, which is often a transposed view.
        g_weights = [torch.zeros_like(w.t() if _is_turned(w) else w) for w in weights]
        rooms = [p.new_empty(batch, width) for width in program.rooms[1]]
        pointers = [*_inputs(program, p), *histories, *kept, *constants, *weights]
        pointers += [gy, gp, *rings, *g_constants, *g_weights, *rooms]
        _call(kernel, kernel.backward, p, gp, gy, weights, pointers)
        g_weights = [g.t() if _is_turned(w) else g for g, w in zip(g_weights, weights, strict=True)]
        g_state = [
            rings[chain][program.chains[chain].length - delay].view(shape)
            for (chain, delay), shape in zip(program.delays, ctx.shapes, strict=True)
        ]
        return None, None, None, gp, *g_state, *g_weights, *g_constants


def _is_turned(weight: Tensor) -> bool:
    return weight.stride(0) == 1 and weight.shape[1] != 1


def _inputs(program: Program, p: Tensor) -> list[Tensor]:
    return [p] if program.takes_input else []


def _readable(weight: Tensor) -> Tensor:
    """Give a matrix whose rows or columns lie in one piece, as BLAS takes it."""
    return weight if 1 in weight.stride() and 0 not in weight.stride() else weight.contiguous()


def _call(
    kernel: Kernel,
    function: Any,
    p: Tensor,
    gp: Tensor | None,
    gy: Tensor | None,
    weights: Sequence[Tensor],
    pointers: Sequence[Tensor | None],
) -> None:
    numbers: list[int] = []
    for tensor in (p, gp, gy):
        numbers += (0, 0) if tensor is None else (tensor.stride(0), tensor.stride(1))
    for weight in weights:
        is_turned = _is_turned(weight)
        numbers += (max(weight.stride(1 if is_turned else 0), 1), int(is_turned))
    numbers += kernel.program.numbers
    function(
        ctypes.c_void_p(kernel.gemm),
        ctypes.c_long(p.shape[1]),
        ctypes.c_long(p.shape[0]),
        (ctypes.c_long * len(numbers))(*numbers),
        (ctypes.c_void_p * len(pointers))(
            *(t.data_ptr() if t is not None else None for t in pointers)
        ),
    )
