"""Kernels are built once, by whoever comes first, and without a compiler or a cache all works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_modules import registry
from lightning_modules.kernel import building, compiler, running
from lightning_modules.network import path_of, why_no_kernel

LSTM = registry.load("architecture", "lstm")
needs_compiler = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

SCRIPT = """
import torch
from lightning_modules import registry
from lightning_modules.network import path_of
torch.default_generator.manual_seed(0)
layer = registry.load("architecture", "lstm")(3, 5)
y, _ = layer(torch.ones(2, 4, 3))
y.sum().backward()
print(path_of(layer), y.double().sum().item())
"""


def environment(cache: Path, **more: str) -> dict[str, str]:
    return os.environ | {"XDG_CACHE_HOME": str(cache)} | more


def start(cache: Path, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment(cache, **more),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@needs_compiler
def test_two_processes_that_build_at_once_leave_one_whole_kernel(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    told = {process.communicate()[0] for process in both}
    assert len(told) == 1 and told.pop().startswith("kernel ")
    folder = tmp_path / "longdep" / "kernels"
    assert [path.suffix for path in folder.iterdir()] == [".so"]
    assert folder.stat().st_mode & 0o777 == 0o700


@needs_compiler
@pytest.mark.slow
def test_a_kernel_that_was_cut_short_is_built_again(tmp_path: Path) -> None:
    told = start(tmp_path).communicate()[0]
    (built,) = (tmp_path / "longdep" / "kernels").iterdir()
    whole = built.stat().st_size
    built.write_bytes(b"\x7fELF and no more")
    assert start(tmp_path).communicate()[0] == told
    assert built.stat().st_size == whole


@needs_compiler
def test_a_source_that_does_not_compile_is_a_reason_and_no_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(building.BuildError, match="refused the kernel"):
        building.library("this is no C++", torch.float32)
    broken = running.derive

    def spoilt(trace: running.Trace) -> running.Program:
        program = broken(trace)
        return type(program)(**{**vars(program), "source": "this is no C++"})

    monkeypatch.setattr(running, "derive", spoilt)
    layer = LSTM(3, 5)
    assert "refused the kernel" in why_no_kernel(layer)
    assert layer(torch.ones(2, 4, 3))[0].shape == (2, 4, 5)


@needs_compiler
def test_a_kernel_that_computes_something_else_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = running.derive

    def spoilt(trace: running.Trace) -> running.Program:
        program = honest(trace)
        source = program.source.replace("k_tanh(v", "k_sin(v")
        assert source != program.source
        return type(program)(**{**vars(program), "source": source})

    monkeypatch.setattr(running, "derive", spoilt)
    assert "off the loop" in why_no_kernel(LSTM(3, 5))


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("mode", "problem"), [(0o777, "not ours alone"), (0o770, "not ours alone")]
)
def test_a_cache_that_others_may_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, problem: str
) -> None:
    folder = tmp_path / "longdep" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = compiler.shelf.__wrapped__()
    assert found.folder is None and problem in found.problem
    assert start(tmp_path).communicate()[0].startswith("kernel ")
    assert list(folder.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_none_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "longdep").write_text("a file stands where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = compiler.shelf.__wrapped__()
    assert found.folder is None
    monkeypatch.setattr(compiler, "shelf", lambda: found)
    if compiler.compiler() is not None:
        assert compiler.notice().startswith("each process builds its kernels anew: ")


def test_without_a_compiler_all_runs_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(tmp_path, CXX="no-such-compiler").communicate()[0].startswith("fused ")
    monkeypatch.setenv("CXX", "no-such-compiler")
    missing = compiler.compiler.__wrapped__()
    assert missing is None
    monkeypatch.setattr(compiler, "compiler", lambda: missing)
    assert compiler.notice().startswith("no C++ compiler: ")


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "min_gru", "orthogonal"])
def test_the_two_ways_of_one_layer_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = registry.load("architecture", name)(3, 6).double(), torch.ones(2, 5, 3).double()
    with_kernel = layer(x)[0]
    monkeypatch.setattr(running, "compiler", lambda: None)
    assert path_of(layer) != "kernel"
    torch.testing.assert_close(layer(x)[0], with_kernel, atol=1e-10, rtol=0)
