"""The C++ compiler of this machine, and where what it built is kept.

Knows no torch: whoever starts a run says what is missing, once. To be without is no error: what a
kernel would have run, the loop runs, slower.
"""

import importlib.util
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: where it is, and which."""

    path: str
    version: str


@cache
def compiler() -> Compiler | None:
    """Find the compiler: $CXX where it is set, else the system's."""
    for name in [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return Compiler(path, done.stdout.partition("\n")[0].strip())
    return None


@dataclass(frozen=True)
class Shelf:
    """The folder of built kernels; None where none can be kept, and why."""

    folder: Path | None
    problem: str = ""


@cache
def shelf() -> Shelf:
    """Find the folder of built kernels, for all processes of this user.

    What lies in it is run: it must be ours, and nobody else may write to it.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "longdep" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    except (OSError, RuntimeError) as error:
        return Shelf(None, str(error))
    if about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return Shelf(None, f"{folder} is not ours alone")
    if not os.access(folder, os.W_OK):
        return Shelf(None, f"{folder} cannot be written")
    return Shelf(folder)


def notice(on: str = "cpu") -> str:
    """Say what makes runs on this machine slower than they could be; empty where nothing does.

    They train `on` a "cpu" or a "gpu".
    """
    if on == "gpu":
        is_there = importlib.util.find_spec("triton") is not None
        return "" if is_there else "no Triton: steps run as a loop (pip install triton)"
    if compiler() is None:
        return (
            "no C++ compiler: steps run as a loop, two to five times slower (g++, clang++ or $CXX)"
        )
    problem = shelf().problem
    return f"each process builds its kernels anew: {problem}" if problem else ""
