"""Tests at other lags than a trial was trained at: from the declaration to the frames."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from small import RECIPE, small_study

import analysis
from analysis import sources
from experiments import trial
from experiments.folder import StudyFolder
from experiments.study import Arm, Study, TaskAxis
from lightning_modules.training import Training


def study(**changes: Any) -> Study:
    """One arm, one seed, one training lag; keywords change the task's axis."""
    axis = TaskAxis(**{"task": "adding/arjovsky", "lags": [4], **changes})
    return small_study(
        arms=[Arm(architecture="highway")],
        reference="highway",
        tasks=[axis],
        seeds=1,
        recipe=RECIPE.but(steps=20, validation_every=10),
    )


def test_a_trial_that_is_tested_nowhere_else_is_the_trial_that_it_was() -> None:
    # Its id from when there were no other lags.
    assert study().trials()[0].id == "5eea885e3a58ea87"
    assert study(test_lags=[]).trials()[0].id == study().trials()[0].id


def test_the_lags_that_it_is_tested_at_are_part_of_a_trials_id() -> None:
    ids = {study(test_lags=lags).trials()[0].id for lags in ([], [8], [16], [8, 16])}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("lags", "line"),
    [
        ([1], "lag 1 is too short for adding/arjovsky: at least 2"),
        ([8, 8], "test_lags: 8 is given twice"),
        ([0], "greater than"),
        ([8.5], "valid integer"),
        ("8", "valid tuple"),
    ],
)
def test_a_lag_that_cannot_be_tested_at_is_refused_in_one_line(lags: Any, line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        study(test_lags=lags)


# Deletang's slice of a list of scores by length leaves out the first length that is not trained:
# here each number carries its lag, from the network to the frame.
def test_every_lag_is_in_the_log_and_the_frames_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int | None, dict[str, float]] = {}
    test = Training.test

    def kept(training: Training, lag: int | None = None) -> dict[str, float]:
        seen[lag] = test(training, lag)
        return seen[lag]

    monkeypatch.setattr(Training, "test", kept)
    declared = study(test_lags=[16, 2, 5])
    (one,) = declared.trials()
    folder = StudyFolder(tmp_path / "study")
    folder.reconcile(declared)
    trial.run(one, folder.trial(one.id), is_debugged=True)
    assert list(seen) == [None, 16, 2, 5]
    assert len({tuple(found.values()) for found in seen.values()}) == 4

    frames = sources.load(folder.path)
    assert dict(frames.tests.dtypes.astype(str)) == sources.TESTS
    assert frames.tests["trial"].unique().tolist() == [one.id]
    assert frames.tests["lag"].unique().tolist() == [4]
    found = frames.tests.set_index("test_lag")
    assert found.index.tolist() == [16, 2, 5]
    for lag in (16, 2, 5):
        assert dict(found.loc[lag, ["loss", "score"]]) == seen[lag]
        assert tuple(found.loc[lag, ["chance_loss", "chance_score"]]) == (1 / 6, 0)

    runs, _ = analysis.load(folder.path)
    for at, place in ((None, "test"), (5, "test/5")):
        assert {name: runs.loc[0, f"{place}/{name}"] for name in ("loss", "score")} == seen[at]


def test_where_nothing_else_is_tested_the_frames_are_what_they_were(tmp_path: Path) -> None:
    declared = study()
    (one,) = declared.trials()
    folder = StudyFolder(tmp_path / "study")
    folder.reconcile(declared)
    trial.run(one, folder.trial(one.id), is_debugged=True)
    runs, _ = analysis.load(folder.path)
    assert list(runs.columns) == list(sources.RUNS)
    assert sources.load(folder.path).tests.empty
