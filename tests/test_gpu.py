"""Training on a CUDA GPU: `make gpu`, or `pytest -m gpu`, by whoever has one.

What it has in common with a pretended one is tested in `test_pretended_gpu.py`. Here are its own
kernels: they come near the CPU's numbers, to the same bits twice, and none is refused.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small import RECIPE, small_study, small_trial, study_text
from task_cases import CASES as TASKS
from task_cases import build, smallest
from test_architectures import CASES as ARCHITECTURES
from test_architectures import IDS
from test_pretended_gpu import REPLIES, probed, rows, step

from experiments import accelerator, cohort
from experiments import trial as trials
from experiments.study import Arm, TaskAxis, Trial
from lightning_modules import registry, task_names
from lightning_modules.assembly import assemble
from lightning_modules.shape import Shape
from lightning_modules.task_guessers import draw
from lightning_modules.tasks.base import Task

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(bool(accelerator.why_no_gpu()), reason=accelerator.why_no_gpu()),
]

NEAR = 1e-3
"""Relative to the largest number compared: float32, added up in another order."""


def near_on_both(task: Task, lag: int, name: str, options: Any = None, shape: Any = None) -> None:
    """Do a step on the CPU and on the GPU, as a trial does it there, and compare."""
    shape = Shape() if shape is None else shape
    batch = draw(task, 8, lag, seed=1)
    kind = registry.load("architecture", name)

    def network() -> Any:
        return assemble(kind, options or {}, task, 12, shape=shape, seed=2)

    here = step(network(), task, batch)
    with accelerator.used("gpu") as device:
        there = step(network().to(device), task, batch.to(device))
        again = step(network().to(device), task, batch.to(device))
    assert here.keys() == there.keys()
    for key, expected in here.items():
        assert there[key].device.type == "cuda", key
        assert torch.equal(there[key], again[key]), f"{key}: other bits the second time"
        if key == "answers" and task.reply is not None:
            continue  # What is said next hangs on which of two near numbers is larger.
        size = max(float(expected.detach().abs().max()), 1.0)
        assert float((expected - there[key].cpu()).detach().abs().max()) <= NEAR * size, key


@pytest.mark.parametrize(("name", "options"), ARCHITECTURES, ids=IDS)
def test_every_architecture_comes_near_the_cpu_and_to_the_same_bits_twice(
    name: str, options: dict[str, Any]
) -> None:
    near_on_both(build("first_symbol/eight"), 20, name, options)


@pytest.mark.parametrize("case", TASKS)
def test_every_task_has_its_loss_there(case: str) -> None:
    task = build(case)
    near_on_both(task, smallest(task) + 1, "min_gru")


@pytest.mark.parametrize("shape", REPLIES)
def test_replies_are_said_there(shape: str) -> None:
    task = task_names.make("copy_translation", "digits(alphabet=4)")
    near_on_both(task, 6, "gru", shape=REPLIES[shape])


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "highway", "min_gru", "transformer"])
def test_a_trial_comes_near_the_cpus_and_twice_to_the_same_bits(name: str, tmp_path: Path) -> None:
    trial = small_trial(name, steps=20, validation_every=5)
    here = trials.run(trial, tmp_path / "here", is_debugged=True)
    there, again, resumed = (
        trials.run(trial, tmp_path / place, is_debugged=True, on="gpu")
        if place != "resumed"
        else _resumed(trial, tmp_path / place)
        for place in ("there", "again", "resumed")
    )
    assert {here["outcome"], there["outcome"]} == {"unsolved"}
    first, found = rows(tmp_path / "here")[0], rows(tmp_path / "there")[0]
    assert found["train/loss"] == pytest.approx(first["train/loss"], rel=NEAR)
    assert found["validation/loss"] == pytest.approx(first["validation/loss"], rel=10 * NEAR)
    assert there["weights_sha256"] == again["weights_sha256"] == resumed["weights_sha256"]
    assert rows(tmp_path / "there") == rows(tmp_path / "again") == rows(tmp_path / "resumed")
    assert resumed["bit_exact"] and resumed["attempts"] == 2 and not resumed["notes"]
    environment = json.loads((tmp_path / "there" / "trial.json").read_text())["environment"]
    assert environment["device"] == "cuda" and environment["gpu"] and environment["cuda"]
    assert environment["deterministic"] and not environment["tf32"]


def _resumed(trial: Trial, folder: Path) -> dict[str, Any]:
    stopped = trials.run(trial, folder, after_step=lambda step: step == 8, on="gpu")
    assert stopped["outcome"] == "interrupted"
    return trials.run(trial, folder, is_debugged=True, on="gpu")


def test_every_probe_measures_a_trial_there(tmp_path: Path) -> None:
    names = registry.names("probe")
    found = trials.run(probed(*names), tmp_path, is_debugged=True, on="gpu")
    assert found["outcome"] == "unsolved"
    for row in (rows(tmp_path)[0], rows(tmp_path)[-1]):
        measured = {key.split("/")[1] for key in row if key.startswith("probe/")}
        assert measured == set(names)


def test_a_cohort_of_8_is_8_single_trials(tmp_path: Path) -> None:
    study = small_study(
        arms=[Arm(architecture="lstm")],
        reference="lstm",
        tasks=[TaskAxis(task="adding/arjovsky", lags=[8])],
        seeds=8,
        cohort=8,
        recipe=RECIPE.but(steps=40, validation_every=10),
    )
    together, single = tmp_path / "together", tmp_path / "single"
    ended: dict[int, dict[str, Any]] = {}
    for place in (together, single):
        place.mkdir()
    cohort.run(
        study.trials(),
        [together / trial.id for trial in study.trials()],
        on_end=lambda number, report: ended.update({number: report}),
        is_debugged=True,
        on="gpu",
    )
    for number, trial in enumerate(study.trials()):
        alone = trials.run(trial, single / trial.id, is_debugged=True, on="gpu")
        assert ended[number]["outcome"] == alone["outcome"]
        pairs = zip(rows(together / trial.id), rows(single / trial.id), strict=True)
        for ours, its in pairs:
            for key in ("train/loss", "validation/loss"):
                assert ours[key] == pytest.approx(its[key], rel=10 * NEAR), (key, ours["step"])


def test_two_workers_share_the_gpu(tmp_path: Path) -> None:
    file, out = tmp_path / "small.py", tmp_path / "out"
    file.write_text(study_text())
    code = "from experiments.cli import main; main()"
    options = ["run", str(file), "--out", str(out), "--accelerator", "gpu", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(path.read_text()) for path in out.glob("*/result.json")]
    assert len(results) == 4 and {each["outcome"] for each in results} <= {"solved", "unsolved"}
    for path in out.glob("*/trial.json"):
        assert json.loads(path.read_text())["environment"]["device"] == "cuda"
