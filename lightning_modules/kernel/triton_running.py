"""A derived Triton kernel run over a sequence, under autograd. Imports Triton.

Held equal to the loop in Triton's interpreter, and compiled for sm_80 and sm_90; not run on a GPU.
"""

import atexit
import contextlib
import hashlib
import linecache
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import triton
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lightning_modules.kernel.memory import State, make_histories, read_results
from lightning_modules.kernel.tracing import Trace
from lightning_modules.kernel.triton_places import Target
from lightning_modules.kernel.triton_source import TritonProgram, Where, derive

BLOCKS = (4, 8, 16)
"""How many rows of the batch one program may take."""
PROCESSORS = 132
"""An H100's, where there is none to ask."""
TARGETS = {
    torch.float32: Target("tl.float32", 4, room=64 * 1024, near=64, far=128),
    torch.float64: Target("tl.float64", 8, room=64 * 1024, near=32, far=64),
}
OPTIONS = {"num_warps": 8, "num_stages": 1, "enable_fp_fusion": True}
"""One stage: Triton's pipeline would read ahead of what the step before has yet to write."""


@dataclass(frozen=True)
class TritonKernel:
    """A program and the trace that it came from; Triton compiles it when it is first run."""

    trace: Trace
    program: TritonProgram

    def __call__(self, layer: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over a sequence, [batch, time, width]."""
        matrices, constants = self.trace.prepare(layer)
        # A number written in a step may lie on the CPU, where torch takes it from.
        used = [constants[number].to(x.device) for number in self.program.constants]
        y, *after = _Run.apply(self.program, len(state), len(matrices), x, *state, *matrices, *used)
        return y, tuple(after)


def make(trace: Trace, dtype: torch.dtype) -> TritonKernel:
    """Make the kernel of a trace."""
    return TritonKernel(trace, derive(trace, TARGETS[dtype]))


@cache
def functions(source: str) -> tuple[Any, Any]:
    """Give forward and backward of a source, which Triton reads again by the name of its file."""
    name = f"<longdep kernel {hashlib.sha256(source.encode()).hexdigest()[:32]}>"
    # As `attrs` does: there is a text, and no file that a read-only folder could refuse.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec"), found)
    return found["forward"], found["backward"]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, program: TritonProgram, states: int, matrices: int, p: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        state, weights = tensors[:states], tensors[states : states + matrices]
        constants = [c.contiguous() for c in tensors[states + matrices :]]
        p = p.contiguous()
        batch, time, _ = p.shape
        histories = make_histories(program, state, time)
        kept = [p.new_empty(time, batch, width) for width in program.kept]
        ahead = [(p[..., slice(*units)] @ weights[m]).contiguous() for units, m in program.ahead]
        shared = _named(program, p, histories, kept, constants, weights)
        _call(program, 0, p, shared | {f"x{i}": x for i, x in enumerate(ahead)})
        again = [ahead[i] for i in program.read_again]
        parts = (histories, kept, constants, weights, again)
        ctx.save_for_backward(p, *(tensor for part in parts for tensor in part))
        ctx.program, ctx.counts = program, [len(part) for part in parts]
        ctx.shapes = [part.shape for part in state]
        return read_results(program, histories, kept, state, time)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor, *g_after: Tensor) -> tuple[Tensor | None, ...]:
        program: TritonProgram = ctx.program
        p, *saved = ctx.saved_tensors
        ends = [0]
        for count in ctx.counts:
            ends.append(ends[-1] + count)
        histories, kept, constants, weights, again = (saved[a:b] for a, b in pairwise(ends))
        batch, time, _ = p.shape
        places = [chain.length + time + 1 if chain.length else 1 for chain in program.chains]
        g_histories = [
            p.new_zeros(count, batch, chain.width)
            for count, chain in zip(places, program.chains, strict=True)
        ]
        for (chain, delay), part in zip(program.delays, g_after, strict=True):
            at = time + program.chains[chain].length - delay if program.chains[chain].length else 0
            g_histories[chain][at] += part.reshape(batch, -1)
        stored = [p.new_empty(time, batch, width) for width in program.stored]
        gp = p.new_zeros(p.shape) if ctx.needs_input_grad[3] else None
        named = _named(program, p, histories, kept, constants, weights)
        named |= {f"x{i}": x for i, x in zip(program.read_again, again, strict=True)}
        named |= {f"g{i}": g for i, g in enumerate(g_histories)}
        named |= {f"z{i}": z for i, z in enumerate(stored)}
        named |= {"gy": gy.contiguous(), "gp": gp}
        _call(program, 1, p, named, IS_WANTED=gp is not None and program.writes_of_input)
        if gp is not None:
            for z, matrix in program.of_input:
                gp += (stored[z] @ weights[matrix].t()).transpose(0, 1)
        g_state = [
            g_histories[chain][program.chains[chain].length - delay].view(shape)
            for (chain, delay), shape in zip(program.delays, ctx.shapes, strict=True)
        ]
        g_weights = [torch.zeros_like(w) for w in weights]
        for factor, z, matrix in program.products:
            x = _find(factor, p, histories, kept).reshape(-1, factor.width)
            g_weights[matrix].addmm_(x.t(), stored[z].flatten(0, 1))
        g_constants = [torch.zeros_like(c) for c in constants]
        for z, constant in program.sums:
            g_constants[program.constants.index(constant)] += stored[z].flatten(0, 1).sum(0)
        return None, None, None, gp, *g_state, *g_weights, *g_constants


def _find(where: Where, p: Tensor, histories: list[Tensor], kept: list[Tensor]) -> Tensor:
    """Give the factor of a weight's gradient, [time, batch, width]."""
    time = p.shape[1]
    if where.kind == "input":
        whole = p.transpose(0, 1)
    elif where.kind == "history":
        whole = histories[where.index][where.ago : where.ago + time]
    else:
        whole = kept[where.index]
    return whole[..., where.start : where.start + where.width]


def _named(
    program: TritonProgram,
    p: Tensor,
    histories: Any,
    kept: Any,
    constants: Any,
    weights: Any,
) -> dict[str, Any]:
    """Give what both ways take by its name in the source."""
    named: dict[str, Any] = {"p": p}
    named |= {f"h{i}": h for i, h in enumerate(histories)}
    named |= {f"k{i}": k for i, k in enumerate(kept)}
    named |= {f"c{i}": c for i, c in zip(program.constants, constants, strict=True)}
    return named | {f"w{i}": w for i, w in enumerate(weights)}


def _call(
    program: TritonProgram, way: int, p: Tensor, named: dict[str, Any], **options: Any
) -> None:
    """Run one way over all of time."""
    for name in [name for name in named if name[0] == "w"]:
        named[f"{name}_i"], named[f"{name}_o"] = named[name].stride()
    batch, time, _ = p.shape
    block = _block(batch, p.device)
    numbers = {"time": time, "batch": batch, "BLOCK": block}
    _keep()
    with torch.cuda.device(p.device) if p.device.type == "cuda" else contextlib.nullcontext():
        functions(program.source)[way][triton.cdiv(batch, block),](
            **{name: named[name] for name in program.arguments[way]},
            **numbers,
            **options,
            **OPTIONS,
        )


def _block(batch: int, device: torch.device) -> int:
    """Give how many rows a program takes: as few as leaves a multiprocessor to each program.

    A step takes a program the longer, the more rows it has; to be measured on a GPU yet.
    """
    count = PROCESSORS
    if device.type == "cuda":
        count = torch.cuda.get_device_properties(device).multi_processor_count
    return next((b for b in BLOCKS if triton.cdiv(batch, b) <= count), BLOCKS[-1])


@cache
def _keep() -> None:
    """Give Triton a folder of this process for what it compiles, where it cannot write its own."""
    try:
        folder = Path(triton.knobs.cache.dir)
        folder.mkdir(parents=True, exist_ok=True)
        can_write = os.access(folder, os.W_OK)
    except OSError:
        can_write = False
    if not can_write:
        scratch = tempfile.TemporaryDirectory(prefix="longdep-")
        atexit.register(scratch.cleanup)
        triton.knobs.cache.dir = scratch.name
