"""What a trial ran on: recorded with it, and compared when it is resumed."""

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

from experiments import accelerator
from lightning_modules.kernel.compiler import compiler

BITS = (
    *("torch", "numpy", "threads", "cpu_capability", "device", "machine", "cpu"),
    *("compiler", "matmul_precision", "deterministic", "settings"),
    *("gpu", "gpu_driver", "cuda", "cudnn", "cudnn_deterministic", "cudnn_benchmark"),
    *("tf32", "cublas_workspaces", "triton"),
)
"""What may change the last bits of a result: a resume under another value is not bit-exact."""

SETTINGS = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Variables that choose among kernels, and the bits with them."""


def record(on: str = "cpu") -> dict[str, Any]:
    """Describe this process: versions, threads, device, commit; no host, no user, no path.

    `on` is what it trains on, "cpu" or "gpu".
    """
    packages = ("torch", "numpy", "pytorch-lightning", "wandb")
    return {
        "python": platform.python_version(),
        **{p.replace("-", "_"): importlib.metadata.version(p) for p in packages},
        "platform": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": "cpu" if on == "cpu" else "cuda",
        **(accelerator.described() if on == "gpu" else {}),
        "compiler": found.version if (found := compiler()) else "none",
        "matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "git_commit": _commit(),
    }


def is_bit_exact(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Tell whether a trial begun in one environment goes on bit for bit in another."""
    return all(before.get(key) == now.get(key) for key in BITS)


@cache
def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


@cache
def _commit() -> str | None:
    command = [
        "git",
        "-C",
        str(Path(__file__).resolve().parent),
        "rev-parse",
        "--verify",
        "--quiet",
        "HEAD",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
