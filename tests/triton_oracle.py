"""Derived Triton kernels without a GPU; prints a line of JSON for each case.

    python tests/triton_oracle.py interpret [SEEDS]
    python tests/triton_oracle.py compile HIDDEN,... CAPABILITY,... [ARCHITECTURE,...]

`interpret` runs them in Triton's interpreter beside the loop, for every architecture and so many
random steps, and functions beside torch's in float64. `compile` compiles them for GPUs of a compute
capability (80 is A100, 90 is H100), through the same call that launches them, and tells what the
compiler says of them. The interpreter is chosen when Triton is imported: a process of its own.
"""

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

MODE = sys.argv[1] if len(sys.argv) > 1 else "interpret"
if MODE == "interpret":
    os.environ["TRITON_INTERPRET"] = "1"

import torch  # noqa: E402
import triton  # noqa: E402
import triton.language as tl  # noqa: E402
from kernel_cases import RECURRENT, off, traced  # noqa: E402
from random_steps import RandomStep  # noqa: E402

from lightning_modules import registry  # noqa: E402
from lightning_modules.kernel import triton_math, triton_running  # noqa: E402

TARGETS = dict(triton_running.TARGETS)


def interpret(seeds: int) -> None:
    """Compare, at sizes drawn for each case: near and far weights, one program and two."""
    draw = random.Random(0)
    torch.default_generator.manual_seed(0)
    layers: list[tuple[str, Any, bool]] = []
    for is_far in (False, True):
        for name in RECURRENT:
            hidden = draw.choice((3, 5, 17, 21, 32))
            layer = registry.load("architecture", name)(draw.randint(1, 6), hidden)
            layers.append((f"{name} {hidden}", layer, is_far))
    for seed in range(seeds):
        layer = RandomStep(3, draw.choice((6, 18, 33)), seed=seed)
        layers.append((f"random {seed}", layer, draw.random() < 0.5))
    for number, (name, layer, is_far) in enumerate(layers):
        dtype = torch.float64 if number % 2 else torch.float32
        tile, batch, length = draw.choice((16, 64)), draw.choice((1, 3, 17)), draw.randint(1, 4)
        triton_running.TARGETS[dtype] = dataclasses.replace(
            TARGETS[dtype], room=0 if is_far else 1 << 20, near=tile, far=tile
        )
        kernel = triton_running.make(traced(layer.to(dtype), batch), dtype)
        distance = off(partial(kernel, layer), layer, batch, length)
        case = {"name": name, "batch": batch, "length": length, "tile": tile, "is_far": is_far}
        print(json.dumps({**case, "dtype": str(dtype)[6:], "off": distance}), flush=True)


FUNCTIONS = ("exp", "expm1", "tanh", "sigmoid", "log", "log1p", "log_sigmoid", "sqrt", "sin", "cos")


@triton.jit
def apply(x, y, count, ROOM: tl.constexpr, FUNCTION: tl.constexpr):
    units = tl.arange(0, ROOM)[None, :]
    value = FUNCTION(tl.load(x + units, mask=units < count, other=1.0))
    tl.store(y + units, value, mask=units < count)


def measure_functions() -> None:
    """Tell how far each function is off, in units in the last place of the exact value."""
    for dtype in TARGETS:
        x = torch.cat([torch.linspace(-80, 80, 3001), torch.linspace(-1e-3, 1e-3, 501)]).to(dtype)
        odd = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, 1000.0, -1000.0]).to(dtype)
        for name in FUNCTIONS:
            z = x.abs() + 1e-6 if name in ("log", "log1p", "sqrt") else x
            z = z if name in ("sin", "cos") else torch.cat([z, odd])
            y = torch.empty_like(z)
            apply[1,](z, y, len(z), ROOM=4096, FUNCTION=getattr(triton_math, name))
            exact = getattr(torch, name, torch.nn.functional.logsigmoid)(z.double())
            unit = torch.finfo(dtype).eps * exact.abs().clamp(min=1e-36)
            units = ((y.double() - exact) / unit).abs()
            # What is not finite has to be torch's.
            same = y.double().eq(exact) | (y.isnan() & exact.isnan())
            units = float(
                torch.where(same | ~exact.isfinite(), (~same).double() * 1e9, units).max()
            )
            print(json.dumps({"name": name, "dtype": str(dtype)[6:], "units": units}), flush=True)


def compile_all(sizes: list[int], capabilities: list[int], chosen: list[str]) -> None:
    """Compile forward and backward as a launch would, and read what became of them."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime.driver import driver
    from triton.runtime.jit import JITFunction

    class NoGPU:
        capability = 0

        def get_current_target(self) -> GPUTarget:
            return GPUTarget("cuda", self.capability, 32)

        def get_current_device(self) -> int:
            return self.capability

        def get_current_stream(self, device: int) -> int:
            return 0

    started, compiled = JITFunction.run, []

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        made = started(self, *args, grid=grid, warmup=True, **kwargs)
        compiled.append((made, time.perf_counter() - begin))
        return made

    JITFunction.run = run
    driver.set_active(NoGPU())
    for capability in capabilities:
        NoGPU.capability = capability
        for hidden in sizes:
            for name in chosen:
                layer = registry.load("architecture", name)(10, hidden)
                kernel = triton_running.make(traced(layer, 64), torch.float32)
                compiled.clear()
                x, state = torch.zeros(64, 3, 10), layer.initial_state(64)
                kernel(layer, x, state)[0].sum().backward()
                for way, (made, seconds) in zip(("forward", "backward"), compiled, strict=True):
                    text = kernel.program.source.split("@triton.jit")[1 + (way == "backward")]
                    about = {"name": name, "hidden": hidden, "capability": capability, "way": way}
                    about |= {"is_far": "f.product" in text, "seconds": round(seconds, 1)}
                    about |= {"shared": made.metadata.shared, **_registers(made.asm["cubin"])}
                    about |= {"barriers": made.asm["ptx"].count("bar.sync")}
                    print(json.dumps(about), flush=True)


def _registers(cubin: bytes) -> dict[str, int]:
    """Read registers a thread, and bytes a thread that did not fit into them."""
    import triton.backends.nvidia

    tool = Path(triton.backends.nvidia.__file__).parent / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True)
    (found,) = re.findall(r"REG:(\d+) STACK:(\d+)", told.stdout)
    return {"registers": int(found[0]), "stack": int(found[1])}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if MODE == "interpret":
        measure_functions()
        interpret(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    else:
        chosen = sys.argv[4].split(",") if len(sys.argv) > 4 else RECURRENT
        compile_all(*([int(n) for n in text.split(",")] for text in sys.argv[2:4]), chosen)
