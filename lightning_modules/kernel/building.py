"""From C++ to a function in this process: compiled once, kept for all processes."""

import contextlib
import ctypes
import hashlib
import platform
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lightning_modules.kernel.compiler import Compiler, compiler, shelf

FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-fno-math-errno", "-w")
SECONDS = 120
LEVELS = {"AVX512": "-march=x86-64-v4", "AVX2": "-march=x86-64-v3"}
"""The instructions that a kernel may use: torch's own choice for this processor."""


class BuildError(Exception):
    """A compiler is there, and could not build a kernel."""


def library(source: str, dtype: torch.dtype) -> ctypes.CDLL:
    """Give a source as a loaded library, built now or before.

    Raises
    ------
    BuildError
        When the compiler refuses it, or what it gave cannot be loaded.
    """
    found = compiler()
    if found is None:
        raise BuildError("no C++ compiler")
    return _library(source, dtype, found)


@cache
def gemm(dtype: torch.dtype) -> int:
    """Give the address of BLAS's matrix product: torch's own, or scipy's where that is hidden."""
    name = "sgemm" if dtype == torch.float32 else "dgemm"
    folder = Path(torch.__file__).parent / "lib"
    for file in (*folder.glob("libtorch_cpu.*"), *folder.glob("libopenblas*")):
        try:
            function = getattr(ctypes.CDLL(str(file)), f"{name}_")
        except (OSError, AttributeError):
            continue
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert address is not None
        return address
    from scipy.linalg import cython_blas

    capsule: Any = cython_blas.__pyx_capi__[name]
    get_name, get_pointer = (
        ctypes.pythonapi.PyCapsule_GetName,
        ctypes.pythonapi.PyCapsule_GetPointer,
    )
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(capsule, get_name(capsule))
    assert isinstance(address, int)
    return address


@cache
def _library(source: str, dtype: torch.dtype, by: Compiler) -> ctypes.CDLL:
    flags = list(FLAGS)
    level = LEVELS.get(torch.backends.cpu.get_cpu_capability())
    flags += [level] if level and platform.machine() in ("x86_64", "AMD64") else []
    flags += ["-DDOUBLE"] if dtype == torch.float64 else []
    key = "\n".join([source, *flags, by.version, torch.__version__])
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    kept = shelf().folder
    if kept is not None:
        # Not there, or cut short: built again.
        with contextlib.suppress(OSError):
            return ctypes.CDLL(str(kept / name))
    with tempfile.TemporaryDirectory(prefix="longdep-", dir=kept) as scratch:
        text, built = Path(scratch) / "kernel.cpp", Path(scratch) / name
        text.write_text(source)
        try:
            done = subprocess.run(
                [by.path, *flags, str(text), "-o", str(built)],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildError(f"{by.path} did not run: {error}") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            raise BuildError(f"{by.path} refused the kernel: {(lines or ['no message'])[0][:200]}")
        try:
            # Another process may be building the same: whoever is last replaces like by like.
            path = built if kept is None else built.replace(kept / name)
            return ctypes.CDLL(str(path))
        except OSError as error:
            raise BuildError(f"the kernel does not load: {error}") from None
