"""How long a study takes: what finished trials took, or what a few steps take here."""

import time
from pathlib import Path

import pytest
from small import small_study

from experiments import timing
from experiments.durable import History, write_json
from experiments.folder import StudyFolder
from experiments.study import Study, Trial

AROUND = timing.SECONDS_BESIDE_TRAINING


def finish(folder: StudyFolder, trial: Trial, seconds: float) -> None:
    place = folder.trial(trial.id)
    place.mkdir(parents=True)
    history = History(place / "history.jsonl", 0)
    history.append({"step": 25, "seconds": seconds / 2})
    history.append({"step": 50, "seconds": seconds})
    history.close()
    write_json(place / "result.json", {"trial": trial.id})


def estimate(study: Study, folder: StudyFolder) -> timing.Estimate:
    trials = study.trials()
    missing = [trial for trial in trials if folder.result(trial.id) is None]
    found = timing.estimate(trials, missing, folder)
    assert found is not None
    return found


def test_a_group_takes_what_its_finished_trials_took(tmp_path: Path) -> None:
    # 2 arms x 2 lags x 4 seeds; of each group two are done, in 1 and 3 seconds, or 10 and 30.
    study, folder = small_study(seeds=4), StudyFolder(tmp_path)
    for trial in study.trials():
        if trial.seed < 2:
            unit = 1 if trial.lag == 4 else 10
            finish(folder, trial, unit * (1 + 2 * trial.seed))
    found = estimate(study, folder)
    assert found.seconds == pytest.approx(4 * 2 + 4 * 20 + 8 * AROUND)
    assert (found.finished, found.is_timed) == (8, False)
    seconds = timing.SECONDS_TO_START + found.seconds / 2
    assert found.text(2) == f"about {seconds:.0f} s on 2 workers (from 8 finished trials)"


def test_what_has_not_begun_is_timed_here_in_a_few_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    found = estimate(small_study(), StudyFolder(tmp_path))
    assert time.monotonic() - began < timing.SECONDS_TO_TIME + 10
    # 8 trials of 150 steps; a step takes from .3 ms, which is added to it, to less than .2 s.
    assert 8 * 150 * 0.0003 < found.seconds - 8 * AROUND < 8 * 150 * 0.2
    assert (found.finished, found.is_timed) == (0, True)
    assert "on 1 worker if no trial stops early (a rough estimate from a few steps)" in found.text(
        1
    )
    assert list(tmp_path.iterdir()) == []


def test_the_finished_and_the_timed_are_added_and_both_are_named(tmp_path: Path) -> None:
    study, folder = small_study(), StudyFolder(tmp_path)
    done = study.trials()[0]
    finish(folder, done, 1000.0)
    found = estimate(study, folder)
    # One trial of its group is left; the other groups take seconds.
    assert 1000 < found.seconds < 2000
    assert "(from 1 finished trials, a rough estimate from a few steps)" in found.text(2)


def test_between_two_timed_lags_lies_a_line() -> None:
    assert timing._between({10: 1.0, 50: 5.0}, 30) == pytest.approx(3.0)
    assert timing._between({10: 1.0}, 30) == pytest.approx(1.0)


def test_when_the_time_for_timing_is_over_the_rest_is_taken_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SECONDS_TO_TIME", 0.0)
    trials = small_study().trials()
    timed = timing._timed(trials)
    assert len(timed) == 2, "both lags of the first arm, from one that was timed"
    found = timing.estimate(trials, trials, StudyFolder(tmp_path))
    assert found is not None
    assert found.seconds > 8 * AROUND
