"""How long derived Triton kernels take on a GPU, beside the loop; prints a line of JSON for each.

    python tests/triton_timing.py HIDDEN,... [ARCHITECTURE,... [BATCH [LENGTH]]]

Milliseconds of a sequence forth and back, the median of ten, by how many rows a program takes and
by its warps; for what torch has a layer of its own for, that as well.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import triton
from kernel_cases import RECURRENT, traced

from lightning_modules import registry
from lightning_modules.kernel import triton_running

IS_THERE = torch.cuda.is_available()


def milliseconds(run: Callable[..., Any], x: torch.Tensor, state: Any) -> float:
    taken = []
    for number in range(13):
        begin = time.perf_counter()
        run(x, state)[0].square().sum().backward()
        if IS_THERE:
            torch.cuda.synchronize()
        # The first ones compile.
        taken += [time.perf_counter() - begin] if number > 2 else []
    return round(1000 * statistics.median(taken), 3)


def measure(name: str, hidden: int, batch: int, length: int) -> None:
    device = "cuda" if IS_THERE else "cpu"
    layer = registry.load("architecture", name)(10, hidden).to(device)
    x, state = torch.randn(batch, length, 10, device=device), layer.initial_state(batch)
    case = {"name": name, "hidden": hidden, "batch": batch, "length": length}
    ways = {"loop": layer.loop}
    if layer.path == "fused":
        ways["torch"] = layer.without_kernel
    for way, run in ways.items():
        print(json.dumps({**case, "way": way, "ms": milliseconds(run, x, state)}), flush=True)
    kernel = triton_running.make(traced(layer, batch), torch.float32)
    for rows in (4, 8, 16):
        for warps in (4, 8):
            triton_running.BLOCKS = (rows,)
            triton_running.OPTIONS["num_warps"] = warps
            told = {**case, "way": "triton", "rows": rows, "warps": warps}
            try:
                told["ms"] = milliseconds(partial(kernel, layer), x, state)
            except Exception as error:
                told["error"] = str(error)[:200]
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    if not IS_THERE and not triton.knobs.runtime.interpret:
        sys.exit("torch sees no CUDA GPU")
    _, sizes, *more = sys.argv
    chosen = more[0].split(",") if more else RECURRENT
    batch, length = (int(text) for text in (more[1:] + ["64", "200"][len(more[1:]) :]))
    for hidden in sizes.split(","):
        for name in chosen:
            measure(name, int(hidden), batch, length)
