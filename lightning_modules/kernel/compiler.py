"""The C++ compiler of this machine. Knows no torch: whoever plans a run asks for it too.

None is no error: what a kernel would have run, the loop runs, slower.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache


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
