"""A GPU that is asked for: refused where there is none, set up for the same bits, recorded."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from planting import ENVIRONMENT, Fate, plant
from pretended_gpu import GPU
from small import small_study, study_text

from analysis import conditions, sources
from analysis.tables import NOTHING
from experiments import accelerator, environment
from experiments.cli import main
from experiments.engines import choice, ray_runner, sharing
from experiments.engines.base import Where
from experiments.engines.local import Local
from experiments.engines.slurm_queue import at_once, directives
from experiments.folder import StudyFolder
from lightning_modules.refusal import RefusedError


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have a torch with CUDA, on a machine without a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def test_why_there_is_no_gpu_is_said_in_a_line(no_gpu: pytest.MonkeyPatch) -> None:
    assert accelerator.why_no_gpu() == "no GPU is visible"
    no_gpu.setenv("CUDA_VISIBLE_DEVICES", "")
    assert accelerator.why_no_gpu() == "no GPU is visible: CUDA_VISIBLE_DEVICES=''"

    def old() -> bool:
        warnings.warn("CUDA initialization: the driver\nis too old", stacklevel=1)
        return False

    no_gpu.setattr(torch.cuda, "is_available", old)
    assert accelerator.why_no_gpu() == "CUDA initialization: the driver is too old"
    no_gpu.setattr(torch.version, "cuda", None)
    assert accelerator.why_no_gpu() == f"torch {torch.__version__} has no CUDA"
    no_gpu.setattr(torch.cuda, "is_available", lambda: True)
    assert accelerator.why_no_gpu() == ""


@pytest.mark.parametrize("options", [[], ["--foreground"], ["--workers", "2"]])
def test_a_gpu_that_is_not_there_is_refused_and_nothing_is_made(
    no_gpu: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "small.py"
    file.write_text(study_text())
    command = ["longdep", "run", str(file), "--out", str(tmp_path / "out"), "--accelerator", "gpu"]
    no_gpu.setattr(sys, "argv", [*command, *options])
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr()
    assert stop.value.code == 2
    assert told.err == "longdep: --accelerator gpu: no GPU is visible\n" and not told.out
    assert [path.name for path in tmp_path.iterdir()] == ["small.py"]


def test_what_is_no_accelerator_is_refused_with_those_there_are() -> None:
    for name, near in (("vulkan", ""), ("gpus", "; did you mean 'gpu'?"), ("auto", "")):
        with pytest.raises(RefusedError) as refused:
            choice.check(Where(accelerator=name))
        line = f"--accelerator {name}: networks train on cpu or gpu{near}"
        assert str(refused.value) == line


@pytest.mark.parametrize(
    ("said", "trains_on", "per_gpu"),
    [
        ({}, "cpu", None),
        ({"accelerator": "gpu"}, "gpu", 1),
        ({"trials_per_gpu": 4}, "gpu", 4),
        ({"trials_per_gpu": 4, "accelerator": "gpu"}, "gpu", 4),
        # Reserved for code that takes it by itself.
        ({"trials_per_gpu": 4, "accelerator": "cpu"}, "cpu", 4),
    ],
)
def test_a_share_of_a_gpu_is_there_to_train_on(
    said: dict[str, Any], trains_on: str, per_gpu: int | None
) -> None:
    where = Where(engine="slurm", **said)
    choice.check(where)
    assert (where.trains_on, where.per_gpu) == (trains_on, per_gpu)
    assert directives(where).get("gres") == ("gpu:1" if per_gpu else None)
    assert at_once(where) == (per_gpu or 1)


def test_a_gpu_of_the_users_own_words_stays() -> None:
    where = Where(engine="slurm", accelerator="gpu", slurm=("gpus-per-node=a100:1",))
    assert "gres" not in directives(where)
    where = Where(engine="slurm", accelerator="gpu", slurm=("gres=gpu:a100:1",))
    assert directives(where)["gres"] == "gpu:a100:1"


def switches() -> tuple[bool, ...]:
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    return (
        torch.are_deterministic_algorithms_enabled(),
        *(cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, products.allow_tf32),
    )


def test_on_a_gpu_what_changes_bits_is_switched_off_and_then_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accelerator, "why_no_gpu", lambda: "")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    before = switches()
    with accelerator.used("cpu") as device:
        assert device.type == "cpu" and switches() == before
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with pytest.raises(KeyError), accelerator.used("gpu") as device:
        assert device.type == "cuda" and switches() == (True, True, False, False, False)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
        raise KeyError
    assert switches() == before
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
    with accelerator.used("gpu"):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:2"


def test_what_a_gpu_is_changes_bits_and_a_trial_on_the_cpu_says_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = environment.record()
    assert here["device"] == "cpu" and not GPU.keys() & here.keys()
    monkeypatch.setattr(accelerator, "described", lambda: GPU)
    there = environment.record("gpu")
    assert there["device"] == "cuda" and GPU.items() <= there.items()
    assert environment.is_bit_exact(there, dict(there))
    assert not environment.is_bit_exact(here, there)
    for name in GPU:
        assert not environment.is_bit_exact(there, {**there, name: "another"}), name


def test_a_node_of_gpus_says_that_torch_sees_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def ask(on: str) -> str:
        asked.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
        return "no GPU is visible" if on == "gpu" else ""

    monkeypatch.setattr(accelerator, "ask", ask)
    monkeypatch.setattr(sharing, "problem", lambda offer: None)
    offer = sharing.Offer(str(tmp_path), "word")
    assert ray_runner.look(offer, [], "cpu") is None
    # Ray hides all GPUs from what has reserved none.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert ray_runner.look(offer, [], "gpu") == "--accelerator gpu: no GPU is visible"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    ray_runner.look(offer, [], "gpu")
    assert asked == [None, None, "3"]


@pytest.mark.slow
def test_another_process_is_asked_where_this_one_is_to_be_without_torch() -> None:
    code = (
        "import sys; from experiments import accelerator; "
        "print(accelerator.ask('cpu')); print(accelerator.ask('gpu')); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["", accelerator.why_no_gpu(), "False"], done.stderr


def test_a_report_names_the_gpu_that_trials_ran_on_and_none_where_there_was_none(
    tmp_path: Path,
) -> None:
    there = {**ENVIRONMENT, "device": "cuda", **GPU, "cudnn": 91002}

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        return Fate("solved", config={"environment": there} if seed and arm == "gated" else {})

    here = sources.load(plant(tmp_path / "here", lambda *_: Fate("solved"), seeds=2))
    table, frame = conditions.environments(here)
    assert "gpu" not in frame.columns and "gpu" not in list(table.cells["recorded"])
    mixed = sources.load(plant(tmp_path / "mixed", fate, arms=["plain", "gated"], seeds=2))
    table, _ = conditions.environments(mixed)
    shown = table.cells.set_index("recorded")
    assert list(shown.loc["device"]) == ["cpu", "cuda"]
    assert list(shown.loc["gpu"]) == [NOTHING, "a pretended GPU"]
    assert list(shown.loc["cudnn"]) == [NOTHING, "91002"]


@pytest.mark.slow
def test_a_worker_is_told_what_to_train_on_and_is_another_one_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether there is a GPU or not, these workers see none.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder, some = StudyFolder(tmp_path / "small"), small_study().trials()[:2]
    folder.reconcile(small_study())
    with Local(1, is_online=False, on="gpu") as local:
        (worker,) = local._workers
        before = worker._process
        ended = [event for event in local.run(some, folder) if event.kind == "ended"]
        assert worker._process is not before
    assert [event.outcome for event in ended] == ["failed", "failed"]
    assert all("RefusedError: --accelerator gpu: " in str(event.error) for event in ended)
