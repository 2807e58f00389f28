"""Trials of a cohort: each is kept, ends, fails and goes on as a single one."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import RECIPE, small_study
from test_trial import result, rows

from analysis import wandb_log
from experiments import cohort, tracking
from experiments import trial as trials
from experiments.axes import Probing
from experiments.code import of
from experiments.engines.base import bundles
from experiments.folder import StudyFolder
from experiments.locking import claimed
from experiments.study import Arm, Study, Trial

LONGDEP = str(Path(sys.executable).parent / "longdep")


def study(seeds: int = 3, size: int = 3, **recipe: Any) -> Study:
    """Give a study of one arm, whose trials train together."""
    return small_study(
        arms=[Arm(architecture="highway")],
        reference="highway",
        seeds=seeds,
        cohort=size,
        recipe=RECIPE.but(**{"steps": 75, "stop": "budget", **recipe}),
    )


TRIALS = [trial for trial in study().trials() if trial.lag == 4]


def run(folder: Path, chosen: list[Trial] = TRIALS, **calls: Any) -> dict[int, Any]:
    """Run trials together in a folder; give how each ended."""
    folder.mkdir(exist_ok=True)
    reports: dict[int, Any] = {}
    calls.setdefault("is_debugged", True)
    places = [folder / trial.id for trial in chosen]
    cohort.run(chosen, places, on_end=lambda n, report: reports.update({n: report}), **calls)
    return reports


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "together"
    run(folder)
    return folder


def test_a_declared_cohort_is_part_of_the_id_and_the_default_is_not() -> None:
    alone, together = (study(size=size).trials()[0] for size in (1, 3))
    assert alone.id != together.id
    assert "cohort" not in alone.id and alone == together.model_copy(update={"cohort": 1})
    assert set(of(together)) - set(of(alone)) == {"lightning_modules/cohort.py"}


def test_trials_of_a_group_are_bundled_up_to_the_declared_number() -> None:
    listed = bundles(study(seeds=5, size=2).trials())
    assert [[(t.lag, t.seed) for t in bundle] for bundle in listed] == [
        [(4, 0), (4, 1)], [(8, 0), (8, 1)], [(4, 2), (4, 3)], [(8, 2), (8, 3)], [(4, 4)], [(8, 4)],
    ]  # fmt: skip
    assert [len(bundle) for bundle in bundles(study(size=1).trials())] == [1] * 6


def test_each_is_kept_and_logged_as_a_single_trial(undisturbed: Path, tmp_path: Path) -> None:
    for trial in TRIALS[1:2]:
        ours = undisturbed / trial.id
        alone = trial.model_copy(update={"cohort": 1})
        trials.run(alone, tmp_path / alone.id, is_debugged=True)
        own, done = result(tmp_path / alone.id), result(ours)
        assert done.keys() == own.keys() and done["trial"] == trial.id
        for same in ("outcome", "solved_step", "steps", "rows", "bit_exact", "notes"):
            assert done[same] == own[same]
        for a, b in zip(rows(ours), rows(tmp_path / alone.id), strict=True):
            assert a == pytest.approx(b, rel=1e-3, abs=1e-6)
        log = wandb_log.read(ours / done["log"])
        assert log.complete and log.run is not None and log.run.id == trial.id
        assert log.config["together"] == [0, 1, 2] and log.config["cohort"] == 3
        assert log.config["path"].startswith("cohort, ")
        shapes = [
            {k: v.shape for k, v in torch.load(f / "weights.pt", weights_only=True).items()}
            for f in (ours, tmp_path / alone.id)
        ]
        assert shapes[0] == shapes[1]
        left = {path.name for path in ours.iterdir()}
        assert left == {path.name for path in (tmp_path / alone.id).iterdir()}
        small, large = ((f / "weights.pt").stat().st_size for f in (tmp_path / alone.id, ours))
        assert abs(small - large) < 200


def test_stopped_together_they_go_on_together_bit_for_bit(
    undisturbed: Path, tmp_path: Path
) -> None:
    reports = run(tmp_path, after_step=lambda step: step == 40)
    assert [reports[n]["outcome"] for n in range(3)] == ["interrupted"] * 3
    assert "saved at step 40" in reports[0]["error"]
    reports = run(tmp_path)
    for number, trial in enumerate(TRIALS):
        assert reports[number]["bit_exact"] is True and reports[number]["attempts"] == 2
        assert rows(tmp_path / trial.id) == rows(undisturbed / trial.id)
        expected = result(undisturbed / trial.id)["weights_sha256"]
        assert result(tmp_path / trial.id)["weights_sha256"] == expected


PROBES = (
    Probing(probe="gates", at=("start", "validation")),
    Probing(probe="gradient_reach", at=("validation", 30, "end")),
)
"""With 30, a step at which nothing else is due."""


def test_probes_measure_each_member_as_they_would_alone_and_change_nothing(
    undisturbed: Path, tmp_path: Path
) -> None:
    probed = [trial.model_copy(update={"probes": PROBES}) for trial in TRIALS]
    run(tmp_path, probed)
    for trial in probed:
        expected = result(undisturbed / trial.id)["weights_sha256"]
        assert result(tmp_path / trial.id)["weights_sha256"] == expected
    trial = probed[1]
    alone = trial.model_copy(update={"cohort": 1})
    trials.run(alone, tmp_path / "alone", is_debugged=True)
    together, single = rows(tmp_path / trial.id), rows(tmp_path / "alone")
    assert [row["step"] for row in together] == [0, 25, 30, 50, 75]
    for a, b in zip(together, single, strict=True):
        assert a.keys() == b.keys() and any(key.startswith("probe/") for key in a)
        for key in a:
            np.testing.assert_allclose(
                np.array(a[key], float), np.array(b[key], float), rtol=1e-2, atol=1e-3, err_msg=key
            )
    # Of its own network, and not of its neighbour's.
    key = "probe/gradient_reach/slope/1"
    of_other = rows(tmp_path / probed[0].id)
    assert all(
        a[key] != pytest.approx(b[key], rel=1e-2)
        for a, b in zip(together[1:], of_other[1:], strict=True)
    )


@pytest.mark.slow
def test_going_on_with_others_than_before_is_not_said_to_be_bit_exact(tmp_path: Path) -> None:
    run(tmp_path, after_step=lambda step: step == 40)
    alone = run(tmp_path, TRIALS[:1])
    others = run(tmp_path, TRIALS)
    assert alone[0]["bit_exact"] is False
    assert others[0] == alone[0]
    assert [others[n]["bit_exact"] for n in (1, 2)] == [False, False]
    assert others[1]["outcome"] in {"solved", "unsolved"}


@pytest.mark.slow
def test_what_stands_at_different_steps_goes_on_apart(tmp_path: Path) -> None:
    run(tmp_path, TRIALS[:2], after_step=lambda step: step == 40)
    reports = run(tmp_path)
    assert [reports[n]["bit_exact"] for n in range(3)] == [True, True, True]
    assert [reports[n]["steps"] for n in range(3)] == [75] * 3
    log = wandb_log.read(tmp_path / TRIALS[2].id / reports[2]["log"])
    assert log.config["together"] == [2]


@pytest.mark.slow
def test_a_trial_that_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    with claimed(tmp_path / TRIALS[1].id):
        reports = run(tmp_path)
    assert reports[1] == {"outcome": "running elsewhere"}
    assert {reports[n]["outcome"] for n in (0, 2)} <= {"solved", "unsolved"}


@pytest.mark.slow
def test_a_log_that_cannot_be_written_fails_its_own_trial_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = tracking.render

    def refuse(folder: Path, trial: Trial, *others: Any) -> Path:
        if trial.seed == 1:
            raise tracking.LogError("planted")
        return render(folder, trial, *others)

    monkeypatch.setattr(tracking, "render", refuse)
    reports = run(tmp_path, is_debugged=False)
    assert reports[1] == {"outcome": "failed", "error": "LogError: planted"}
    assert {reports[n]["outcome"] for n in (0, 2)} <= {"solved", "unsolved"}
    monkeypatch.undo()
    again = run(tmp_path)
    assert again[1]["attempts"] == 2 and again[1]["bit_exact"] is True
    log = wandb_log.read(tmp_path / TRIALS[1].id / again[1]["log"])
    assert log.config["together"] == [0, 1, 2] and log.config["path"].startswith("cohort, ")


def planted(error: Exception) -> Callable[..., Any]:
    def raising(*_: Any) -> Any:
        raise error

    return raising


def test_what_fails_in_a_step_fails_all_and_out_of_memory_is_tried_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort.Cohort, "training_step", planted(RuntimeError("planted")))
    reports = run(tmp_path, is_debugged=False)
    assert {r["error"] for r in reports.values()} == {"RuntimeError: planted"}
    assert all((tmp_path / trial.id / "failure.json").exists() for trial in TRIALS)
    monkeypatch.setattr(cohort.Cohort, "training_step", planted(MemoryError()))
    reports = run(tmp_path, is_debugged=False)
    assert {r["outcome"] for r in reports.values()} == {"out_of_memory"}
    monkeypatch.undo()
    alone = trials.run(TRIALS[0], tmp_path / TRIALS[0].id, is_alone=True, is_debugged=True)
    assert alone["outcome"] in {"solved", "unsolved"}
    assert alone["notes"] == ["trained alone"]


DROPPING = '''
import torch
from lightning_modules.architectures.highway import Highway

class Dropping(Highway):
    """A highway that forgets at random."""
    paper = "none"

    def project(self, x):
        return torch.nn.functional.dropout(super().project(x), 0.5, self.training)
'''


@pytest.mark.slow
def test_what_draws_random_numbers_is_trained_alone_and_told_so(tmp_path: Path) -> None:
    (tmp_path / "dropping.py").write_text(DROPPING)
    arm = Arm(architecture=f"{tmp_path}/dropping.py:Dropping")
    declared = study(steps=25).model_copy(update={"arms": (arm,), "reference": "Dropping"})
    assert cohort.left_alone(declared) == ["Dropping"]
    assert "one by one: Dropping (it draws random numbers in training)" in cohort.told(declared)
    assert cohort.told(study()) == "up to 3 trials of a group train together"
    chosen = [trial for trial in declared.trials() if trial.lag == 4][:2]
    reports = run(tmp_path / "runs", chosen)
    for number, trial in enumerate(chosen):
        assert reports[number]["notes"] == ["trained alone: it draws random numbers in training"]
        alone = trial.model_copy(update={"cohort": 1})
        trials.run(alone, tmp_path / alone.id, is_debugged=True)
        assert rows(tmp_path / "runs" / trial.id) == rows(tmp_path / alone.id)


STUDY = """
from experiments.study import Arm, Budget, Recipe, Study, TaskAxis

STUDY = Study(
    name="small",
    question="Does the gate help?",
    arms=[Arm(architecture="rnn"), Arm(architecture="highway")],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[4])],
    seeds=4,
    cohort=4,
    budget=Budget(parameters=1500),
    reference="rnn",
    recipe=Recipe(learning_rate=1e-2, steps=75, validation_size=64, test_size=64),
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", [["--workers", "2"], ["--foreground"]])
def test_a_study_that_declares_it_is_run_together(tmp_path: Path, where: list[str]) -> None:
    (tmp_path / "small.py").write_text(STUDY)
    command = [LONGDEP, "run", "small.py", *where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "up to 4 trials of a group train together" in done.stdout
    assert "8/8 trials" in done.stdout
    folder = StudyFolder(tmp_path / "runs" / "small")
    found = [folder.result(path.parent.name) for path in folder.path.glob("*/result.json")]
    assert len(found) == 8 and all(one and one["attempts"] == 1 for one in found)
    shown = subprocess.run([LONGDEP, "status", "small.py"], cwd=tmp_path, capture_output=True)
    assert b"8 done" in shown.stdout
    assert json.loads(folder.file.read_text())["declaration"]["cohort"] == 4
