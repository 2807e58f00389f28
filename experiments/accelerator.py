"""What networks train on, a CPU or a GPU, and what it takes there to get the same bits twice.

Knows no torch until it is asked. A GPU is one that torch speaks to as CUDA.
"""

import contextlib
import functools
import importlib.metadata
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_modules import registry
from lightning_modules.refusal import RefusedError

if TYPE_CHECKING:
    import torch

NAMES = ("cpu", "gpu")
"""Lightning's words."""

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACES = ":16:8"
"""What cuBLAS and cuDNN's recurrent layers both give the same bits with, by torch's documentation;
read when the first of them is used."""

SECONDS_TO_ASK = 50.0
"""How long a process may take to import torch, from a slow disk, and look for a GPU."""


def why_no_gpu() -> str:
    """Say why torch sees no GPU on this machine; an empty line where it sees one."""
    import torch

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return ""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} has no CUDA"
    if told:  # A driver that is too old says so in a warning.
        return " ".join(str(told[-1].message).split())[:200]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    where = "" if visible is None else f": CUDA_VISIBLE_DEVICES={visible!r}"
    return f"no GPU is visible{where}"


def refuse_unknown(accelerator: str) -> None:
    """Refuse what is no accelerator.

    Raises
    ------
    RefusedError
        With those that there are, and the nearest.
    """
    if accelerator not in NAMES:
        near = registry.hint(accelerator, NAMES)
        raise RefusedError(
            f"--accelerator {accelerator}: networks train on {' or '.join(NAMES)}{near}"
        )


def check(accelerator: str) -> None:
    """Refuse to train on a GPU where this machine has none.

    Raises
    ------
    RefusedError
        With what torch lacks.
    """
    if accelerator == "gpu" and (why := why_no_gpu()):
        raise RefusedError(f"--accelerator gpu: {why}")


def ask(accelerator: str) -> str:
    """Say as `why_no_gpu`, by a process of its own: this one is to be without torch."""
    if accelerator != "gpu":
        return ""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_ASK,
        )
    except subprocess.TimeoutExpired:
        return f"torch does not say within {SECONDS_TO_ASK:.0f} s whether there is a GPU"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


@contextlib.contextmanager
def used(accelerator: str) -> Iterator["torch.device"]:
    """Give the device to train on, where the same trial comes to the same bits meanwhile.

    On a CPU nothing is changed.

    Raises
    ------
    RefusedError
        As `check`.
    """
    import torch

    if accelerator == "cpu":
        yield torch.device("cpu")
        return
    check(accelerator)
    os.environ.setdefault(WORKSPACE, WORKSPACES)
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = torch.are_deterministic_algorithms_enabled()
    switches: list[tuple[Any, str, bool]] = [
        (cudnn, "deterministic", True),
        (cudnn, "benchmark", False),
        # On by itself for recurrent layers and convolutions, with 10 bits of a number's 23.
        (cudnn, "allow_tf32", False),
        (products, "allow_tf32", False),
    ]
    was = [(owner, name, getattr(owner, name)) for owner, name, _ in switches]
    try:
        for owner, name, value in switches:
            setattr(owner, name, value)
        torch.use_deterministic_algorithms(True)
        with warnings.catch_warnings():
            # A cohort's members hold views of common weights; cuDNN copies them, and says so.
            warnings.filterwarnings("ignore", message=".*single contiguous chunk.*")
            yield torch.device("cuda", 0)
    finally:
        torch.use_deterministic_algorithms(before)
        for owner, name, value in was:
            setattr(owner, name, value)


def described() -> dict[str, Any]:
    """Describe the GPU, and what else its last bits hang on, as `used` has set it."""
    import torch

    cudnn = torch.backends.cudnn
    return {
        "gpu": torch.cuda.get_device_name(0),
        "gpu_driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version(),  # type: ignore[no-untyped-call]
        "cudnn_deterministic": cudnn.deterministic,
        "cudnn_benchmark": cudnn.benchmark,
        "tf32": cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
        "cublas_workspaces": os.environ.get(WORKSPACE, ""),
        "triton": _triton(),
    }


def name_of(environment: dict[str, Any]) -> str:
    """Name what a recorded environment trained on."""
    return str(environment.get("gpu") or environment.get("device"))


def _triton() -> str:
    """Give the version of what compiles kernels for it."""
    try:
        return importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        return "none"


@functools.cache
def _driver() -> str:
    """Give the version of NVIDIA's driver, where the system tells it."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return "unknown"
    found = re.search(r"\b(\d{3}\.[\d.]+)\b", text)
    return found[1] if found else "unknown"


if __name__ == "__main__":
    print(why_no_gpu())
