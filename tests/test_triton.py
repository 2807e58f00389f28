"""Kernels in Triton without a GPU: derived, run in Triton's interpreter, compiled for GPUs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from disturbed import needs
from kernel_cases import RECURRENT, traced
from torch._subclasses.fake_tensor import FakeTensorMode

from lightning_modules import registry
from lightning_modules.kernel import compiler, running
from lightning_modules.kernel.triton_places import Target
from lightning_modules.kernel.triton_source import derive

TARGET = Target("tl.float32", 4, room=64 * 1024, near=64, far=128)
LIMITS = {"float32": 1e-4, "float64": 1e-10}
"""Relative to the largest number compared; in float32 a matrix exponential loses digits."""


@pytest.fixture
def triton() -> None:
    needs(importlib.util.find_spec("triton") is not None, "Triton: pip install triton==3.9.0")


def told(cache: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run the oracle in a process of its own; give a line for each case."""
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "triton_oracle.py", *arguments],
        env=os.environ | {"TRITON_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", RECURRENT)
def test_every_architecture_has_a_source_that_is_the_same_for_any_batch(name: str) -> None:
    layer = registry.load("architecture", name)(3, 5)
    program = derive(traced(layer, 2), TARGET)
    compile(program.source, name, "exec")
    assert derive(traced(layer, 7), TARGET).source == program.source


@pytest.mark.parametrize(("hidden", "is_near"), [(64, True), (65, False), (256, False)])
def test_weights_are_read_once_where_the_chip_holds_them(hidden: int, is_near: bool) -> None:
    layer = registry.load("architecture", "lstm")(3, hidden)
    source = derive(traced(layer, 2), TARGET).source
    for way in source.split("@triton.jit")[1:]:
        before, _, after = way.partition("for t in range(time):")
        assert ("tl.load(w1" in before) == ("tl.dot" in after) == is_near
        assert ("f.product(" in after) == (not is_near)


def test_on_a_gpu_without_triton_it_is_the_loop_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    problem = running.triton_problem.__wrapped__()
    assert problem == "Triton is not installed"
    monkeypatch.setattr(running, "triton_problem", lambda: problem)
    layer = registry.load("architecture", "lstm")(3, 5)
    with FakeTensorMode():
        x = torch.empty(2, 4, 3, device="cuda")
    assert running.kernel_for(layer, x, layer.initial_state(2)) == problem


def test_a_run_on_a_gpu_says_once_that_triton_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    assert compiler.notice("gpu").startswith("no Triton: ")
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: name)
    assert compiler.notice("gpu") == ""


@pytest.mark.slow
def test_in_the_interpreter_every_kernel_is_the_loop(triton: None, tmp_path: Path) -> None:
    found = told(tmp_path, "interpret", "12")
    functions = [case for case in found if "units" in case]
    assert len(functions) == 20
    assert [case for case in functions if case["units"] > 3] == []
    cases = [case for case in found if "off" in case]
    assert len(cases) == 2 * len(RECURRENT) + 12
    assert [case for case in cases if case["off"] > LIMITS[case["dtype"]]] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "chosen"), [("90", RECURRENT), ("80", ["lstm", "dilated"])], ids=["90", "80"]
)
def test_every_kernel_compiles_and_fits_into_registers(
    triton: None, tmp_path: Path, capability: str, chosen: list[str]
) -> None:
    cache = tmp_path / "cache"
    if capability == "80":
        # As where Triton's own folder cannot be written.
        cache.write_text("a file stands where the folder should be")
    cases = told(cache, "compile", "8", capability, ",".join(chosen))
    assert len(cases) == 2 * len(chosen)
    assert [case for case in cases if case["stack"]] == []
