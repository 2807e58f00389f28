"""Probes of trials: declared, logged, measured later; and the training is the same without them."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from pyarrow import parquet
from pydantic import ValidationError
from small import small_study
from typer.testing import CliRunner

from analysis import probe_frames, sources
from experiments import probing as probes
from experiments import trial as trials
from experiments.cli import app
from experiments.durable import read_rows
from experiments.folder import StudyFolder
from experiments.measuring import finished
from experiments.preparing import prepare
from experiments.study import Arm, Probing, Recipe, Study, Trial
from lightning_modules import walk
from lightning_modules.probes.gates import Gates

PROBES = (
    Probing(probe="gates"),
    Probing(probe="gradient_reach", at=("start", "validation")),
    Probing(probe="dead_units", at=(7, 25, "end")),
)
RECIPE = Recipe(learning_rate=1e-2, steps=50, validation_size=64, test_size=64)


@pytest.fixture(autouse=True)
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train and walk in loops: to make a kernel takes a second, once a machine."""
    for place in ("running", "compiler"):
        monkeypatch.setattr(f"lightning_modules.kernel.{place}.compiler", lambda: None)


def study(**changes: Any) -> Study:
    declared = {"recipe": RECIPE, "seeds": 1, "probes": PROBES, "arms": [Arm(architecture="gru")]}
    return small_study(**{"reference": "gru", **declared, **changes})


def run(declared: Study, folder: Path, count: int = 1) -> list[Trial]:
    place = StudyFolder(folder)
    place.reconcile(declared)
    chosen = declared.trials()[:count]
    for trial in chosen:
        trials.run(trial, place.trial(trial.id), is_debugged=True)
    return chosen


def rows_of(folder: Path, trial: Trial) -> list[dict[str, Any]]:
    rows, _ = read_rows(folder / trial.id / "history.jsonl")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def probed(row: dict[str, Any]) -> set[str]:
    return {key.split("/")[1] for key in row if key.startswith("probe/")}


def longdep(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == status, done.output
    return done.stdout + done.stderr


def test_a_trial_with_probes_and_one_without_are_one_training(tmp_path: Path) -> None:
    (trial,) = run(study(), tmp_path / "with")
    (bare,) = run(study(probes=()), tmp_path / "without")
    assert trial.id == bare.id
    weights = [
        torch.load(tmp_path / place / trial.id / "weights.pt", weights_only=True)
        for place in ("with", "without")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    without = rows_of(tmp_path / "without", trial)
    trained = [
        {k: v for k, v in row.items() if not k.startswith("probe/")}
        for row in rows_of(tmp_path / "with", trial)
        if "validation/score" in row
    ]
    assert trained == without


@pytest.mark.slow
def test_each_probe_measures_at_its_times_and_a_kill_changes_no_row(tmp_path: Path) -> None:
    (trial,) = run(study(), tmp_path / "whole")
    rows = rows_of(tmp_path / "whole", trial)
    assert {row["step"]: probed(row) for row in rows} == {
        0: {"gates", "gradient_reach"},
        7: {"dead_units"},
        25: {"gradient_reach", "dead_units"},
        50: {"gates", "gradient_reach", "dead_units"},
    }
    # Of the trace, which is large, there is one before and one after.
    assert [r["step"] for r in rows if "probe/gates/trace/1/update" in r] == [0, 50]
    place = tmp_path / "parts" / trial.id
    place.mkdir(parents=True)
    for stop in (3, 7, 26):
        report = trials.run(trial, place, after_step=lambda step, stop=stop: step == stop)
        assert report["outcome"] == "interrupted"
    trials.run(trial, place)
    assert rows_of(tmp_path / "parts", trial) == rows


def test_probes_that_measure_at_one_time_share_one_walk_and_measure_as_each_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("gates", "gradient_reach", "dead_units")
    every = tuple(Probing(probe=name, at=("validation",)) for name in names)
    (trial, *_) = study(probes=every).trials()
    network, data = prepare(trial)
    batch = data.evaluation("validation")
    walks: list[int] = []
    honest = walk.Walker.walk

    def counted(self: walk.Walker, *given: Any) -> walk.Walk:
        walks.append(1)
        return honest(self, *given)

    monkeypatch.setattr(walk.Walker, "walk", counted)

    def values(plan: tuple[Probing, ...]) -> dict[str, Any]:
        probing = probes.Probing(trial.model_copy(update={"probes": plan}), data.task, batch)
        return probing.values(network, 25, is_validated=True, is_over=False)

    together = values(every)
    assert len(walks) == 1
    assert together == {k: v for one in every for k, v in values((one,)).items()}
    # Weights that have changed are walked over anew.
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.5)
    changed = values(every)
    assert changed.keys() == together.keys() and changed != together


def test_a_study_of_no_steps_is_measured(tmp_path: Path) -> None:
    declared = study(recipe=RECIPE.but(steps=0))
    (trial,) = run(declared, tmp_path)
    (row,) = rows_of(tmp_path, trial)
    assert row["step"] == 0
    assert probed(row) == {"gates", "gradient_reach", "dead_units"}
    frames = sources.load(tmp_path)
    assert frames.runs["outcome"].tolist() == ["measured"]
    assert frames.history.empty
    assert not frames.probes.empty


def test_what_is_logged_is_read_as_a_tidy_frame(tmp_path: Path) -> None:
    (trial,) = run(study(), tmp_path)
    probes = sources.load(tmp_path).probes
    assert list(probes.columns) == [*sources._IDENTITY, *probe_frames.MEASURED]
    assert set(probes["trial"]) == {trial.id}
    row = next(r for r in rows_of(tmp_path, trial) if r["step"] == 25)
    profile = probes.query("quantity == 'state' and step == 25")
    assert profile["index"].tolist() == list(range(len(profile)))
    assert pd.isna(profile["value"].iloc[0])
    assert profile["value"].tolist()[1:] == row["probe/gradient_reach/state/1"][1:]
    trace = probes.query("quantity == 'trace' and step == 0 and part == 'reset'")
    logged = rows_of(tmp_path, trial)[0]["probe/gates/trace/1/reset"]
    for (unit, index), value in trace.set_index(["unit", "index"])["value"].items():
        assert logged[unit][index] == value
    slope = probes.query("quantity == 'slope' and step == 50")
    assert (slope["unit"].isna().all(), slope["layer"].tolist()) == (True, ["1"])


def test_a_study_without_probes_has_an_empty_frame(tmp_path: Path) -> None:
    run(study(probes=()), tmp_path)
    assert sources.load(tmp_path).probes.empty


@pytest.mark.slow
def test_finished_trials_are_measured_later_and_stay_as_they_are(tmp_path: Path) -> None:
    declared = study(arms=[Arm(architecture="gru"), Arm(architecture="rnn")], probes=())
    chosen = run(declared, tmp_path, count=2)
    before = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}
    told = longdep("probe", str(tmp_path), "--probe", "gates", "--probe", "gradient_reach")
    assert "measured: gates on 2 trials" in told
    assert {p: p.read_bytes() for p in before} == before
    frames = sources.load(tmp_path)
    assert frames.probe_problems == ()
    found = frames.probes.query("probe == 'gradient_reach' and quantity == 'slope'")
    assert sorted(found["step"]) == [0, 0, 50, 50]

    (logged,) = run(study(seeds=1), tmp_path / "logged")
    ours = sources.load(tmp_path / "logged").probes.query("step == 50 and quantity == 'state'")
    later = frames.probes.query("step == 50 and quantity == 'state' and arm == 'gru'")
    assert logged.id == chosen[0].id
    assert ours["value"].tolist()[1:] == later["value"].tolist()[1:]


def test_measuring_a_finished_trial_takes_five_lines(tmp_path: Path) -> None:
    run(study(probes=()), tmp_path)
    (one,) = finished(str(tmp_path), ["lag=4"])
    rows = Gates(one.task, one.trial.seed).measure(one.network, one.batch)
    assert "gate/1/update" in {row.key for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: path.write_bytes(b"PAR1"), "arquet"),
        (lambda path: _noted(path, trial="0" * 16), "of another trial"),
        (lambda path: _noted(path, weights_sha256="0" * 64), "of weights that the trial has no"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "not a regular file"),
    ],
)
def test_a_file_of_probes_that_cannot_be_read_is_named_and_left_out(
    tmp_path: Path, change: Any, problem: str
) -> None:
    (trial,) = run(study(probes=()), tmp_path)
    longdep("probe", str(tmp_path), "--probe", "dead_units")
    change(tmp_path / trial.id / "probes" / "dead_units.parquet")
    frames = sources.load(tmp_path)
    assert frames.probes.empty
    assert len(frames.runs) == 1
    (line,) = frames.probe_problems
    assert problem in line
    assert "\n" not in line


def _noted(path: Path, **noted: str) -> None:
    table = parquet.read_table(path)
    known = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    parquet.write_table(table.replace_schema_metadata({**known, **noted}), path)


def test_probes_are_added_to_a_study_that_ran_on_record_and_nothing_is_trained_again(
    tmp_path: Path,
) -> None:
    (trial,) = run(study(probes=PROBES[:1]), tmp_path)
    place = StudyFolder(tmp_path)
    with pytest.raises(ValueError, match=r"without probes dead_units at 7, 25, end"):
        place.check(study(probes=(PROBES[0], PROBES[2])))
    place.reconcile(study(probes=(PROBES[0], PROBES[2])), is_extended=True)
    with pytest.raises(
        ValueError, match=r"probes gates at start, end, dead_units .* not in it any more"
    ):
        place.check(study(probes=()))
    assert place.result(trial.id) is not None
    recorded = json.loads((tmp_path / "study.json").read_text())
    assert recorded["extensions"][0]["trials"] == 0


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="did you mean 'gates'"):
        study(probes=["gate"])
    with pytest.raises(ValidationError, match="given twice"):
        study(probes=["gates", "gates"])
    with pytest.raises(ValidationError, match="at least one entry"):
        Probing(probe="gates", at=())
    with pytest.raises(ValidationError, match="longdep probe takes a probe from outside"):
        study(probes=["mine.py:Mine"])
    line = longdep("probe", str(tmp_path), "--probe", "gate", status=2)
    assert "did you mean 'gates'" in line
    declared = study(probes=())
    StudyFolder(tmp_path / "begun").reconcile(declared)
    line = longdep("probe", str(tmp_path / "begun"), "--probe", "gates", status=2)
    assert "no such trial is done" in line


@pytest.mark.slow
def test_weights_that_are_not_those_committed_are_refused(tmp_path: Path) -> None:
    (trial,) = run(study(probes=()), tmp_path)
    (tmp_path / trial.id / "weights.pt").write_bytes(b"other")
    assert "another SHA-256" in longdep("probe", str(tmp_path), "--probe", "gates", status=2)
