"""The next character: windows that keep to their part, bits, and a trial that nothing can solve."""

import math
from pathlib import Path
from typing import Any

import local_data
import numpy as np
import pytest
import torch
from small import RECIPE, small_study

from analysis import report, sources
from experiments.folder import StudyFolder
from experiments.study import Budget, Study, TaskAxis
from experiments.trial import run
from lightning_modules import data_sets
from lightning_modules.data import batch_at, evaluation_batch, pool
from lightning_modules.randomness import batch_generator
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw
from lightning_modules.tasks.character_lm import CharacterLm, numbered


def written(task: CharacterLm, codes: Any) -> str:
    return "".join(task.symbols[code] for code in codes)


# Windows of one part that reach into the next: what is learnt there is asked again in the test.
@pytest.mark.parametrize("lag", [1, 30, 300])
def test_no_window_reaches_into_another_part_of_the_text(lag: int) -> None:
    task = CharacterLm("file")
    text = written(task, task.codes)
    assert text == local_data.varied()
    for name, part in task.parts.items():
        numbers = pool(task, name)
        assert sorted(numbers) == list(part)
        batch = task.take(np.array(part), lag, batch_generator(0, name, 0))
        there = text[part.start : part.stop]
        for inputs, targets in zip(batch.inputs[::29], batch.targets[::29], strict=True):
            window = written(task, inputs) + written(task, targets[-1:])
            assert window in there
    assert batch_at(task, lag, 3, 0, "train", 0).inputs.shape == (3, lag)


def test_the_window_of_a_number_begins_there() -> None:
    task = CharacterLm("file")
    batch = task.take(np.array([5]), 20, batch_generator(0, "train", 0))
    assert written(task, batch.inputs[0]) == local_data.varied()[5:25]
    assert written(task, batch.targets[0]) == local_data.varied()[6:26]


def test_a_window_longer_than_a_part_is_refused() -> None:
    task = CharacterLm("file")
    most = min(map(len, task.parts.values())) - 1
    assert draw(task, 2, most).inputs.shape == (2, most)
    with pytest.raises(RefusedError, match=f"lag {most + 1} is too long .* at most {most}$"):
        draw(task, 2, most + 1)


def test_the_loss_is_in_bits_and_the_score_is_the_share_of_bits_saved() -> None:
    task = CharacterLm("file")
    batch = draw(task, 4, 10)
    size = task.output_size
    even = torch.zeros(4, 10, size)
    assert float(task.loss(even, batch)) == pytest.approx(math.log2(size))
    assert task.score(even, batch) == pytest.approx(0, abs=1e-6)
    # Half of the probability on what comes: one bit, as the other half is spread so thin.
    half = torch.full((4, 10, size), math.log(0.5 / (size - 1)))
    half.scatter_(2, batch.targets[..., None], math.log(0.5))
    assert float(task.loss(half, batch)) == pytest.approx(1)
    assert task.score(half, batch) == pytest.approx(1 - 1 / math.log2(size))


def test_a_text_is_numbered_by_its_characters_and_not_by_its_bytes() -> None:
    symbols, codes = numbered("naïve 😀 " * 20)
    assert symbols == "".join(sorted(set("naïve 😀 ")))
    assert len(codes) == 8 * 20
    for bad in ("a" * 1000, "short", "".join(map(chr, range(1000, 1600)))):
        with pytest.raises(RefusedError, match="at least 100 characters, of which 2 to 512"):
            numbered(bad)


def measured(tmp_path: Path) -> StudyFolder:
    """Train on a text for a few steps, which no score ends."""
    study = small_study(
        tasks=[TaskAxis(task="character_lm/file", lags=[8])],
        budget=Budget(parameters=4000),
        recipe=RECIPE.but(steps=50, validation_size=16, test_size=16),
        seeds=1,
    )
    folder = StudyFolder(tmp_path / "runs")
    folder.reconcile(study)
    ends = [run(t, folder.trial(t.id), is_debugged=True) for t in study.trials()]
    steps = [(end["outcome"], end["steps"], end["solved_step"]) for end in ends]
    assert steps == [("measured", 50, None)] * 2
    return folder


def test_a_trial_without_a_bar_ends_at_its_budget_and_is_measured(tmp_path: Path) -> None:
    runs = sources.load(measured(tmp_path).path, {}, None).runs
    assert runs["chance_score"].isna().all() and runs["solved_at"].isna().all()
    assert (runs["test/score"] > 0).all()


@pytest.mark.slow
def test_a_trial_without_a_bar_is_reported(tmp_path: Path) -> None:
    page = report.write(measured(tmp_path).path, tmp_path / "report", {}, has_pdf=False)
    assert "measured" in page.read_text()


def test_a_bar_of_the_study_s_own_makes_it_one_that_can_be_solved(tmp_path: Path) -> None:
    study: Study = small_study(
        tasks=[TaskAxis(task="character_lm/file", lags=[8], solved_at=0.05)],
        budget=Budget(parameters=4000),
        seeds=1,
    )
    trial = study.trials()[0]
    assert run(trial, tmp_path / trial.id, is_debugged=True)["outcome"] == "solved"


def test_the_english_of_this_python_is_long_enough_to_learn_from() -> None:
    assert len(data_sets.english()) > 300_000
    batch = evaluation_batch(CharacterLm("english"), 100, 256, 0, "test")
    assert batch.inputs.shape == (256, 100)
