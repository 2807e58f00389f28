"""Replies as words: what is kept of a trial is what its network said, and what it looked at."""

import json
from pathlib import Path

import pytest
import torch
from small import RECIPE, small_study

from experiments import planning
from experiments.folder import StudyFolder
from experiments.study import Arm, Budget, Decoder, Study, TaskAxis, Uniform
from experiments.trial import run
from lightning_modules import registry, task_names
from lightning_modules.assembly import assemble
from lightning_modules.samples import COUNT, LONGEST, samples
from lightning_modules.shape import Shape
from lightning_modules.task_guessers import draw


def test_a_sample_says_what_the_network_says_and_looks_at() -> None:
    task = task_names.make("number_words", "lists")
    assert task.reply is not None
    shape = Shape(decoder=Decoder(attention="additive"))
    made = assemble(registry.load("architecture", "gru"), {}, task, 8, shape=shape, seed=0)
    batch = draw(task, 5, 9)
    kept = samples(made, task.reply, batch)
    assert len(kept) == COUNT
    with torch.no_grad():
        said = made.predict(batch).argmax(-1)
    for row, sample in enumerate(kept):
        assert len(sample["source"]) == 9
        assert set(sample["source"]) <= set(task.reply.source)
        due = batch.targets[row][batch.mask[row]].tolist()[:-1]
        assert sample["target"] == [task.reply.words[symbol] for symbol in due]
        words = [task.reply.words[symbol] for symbol in said[row, 9:].tolist()]
        until = words.index(".") if "." in words else len(words)
        assert sample["said"] == words[:until]
        assert [len(row) for row in sample["weights"]] == [9] * len(sample["weights"])
        assert len(sample["weights"]) == min(len(words), until + 1)
        assert [sum(row) for row in sample["weights"]] == pytest.approx(
            [1] * len(sample["weights"]), abs=1e-3
        )


def test_what_is_too_long_to_read_is_not_kept() -> None:
    task = task_names.make("copy_translation", "digits")
    assert task.reply is not None
    made = assemble(registry.load("architecture", "gru"), {}, task, 4, seed=0)
    assert samples(made, task.reply, draw(task, 2, LONGEST + 1)) == []
    (one, _) = samples(made, task.reply, draw(task, 2, LONGEST - 1))
    assert one["weights"] is None


def translating() -> Study:
    return small_study(
        arms=[
            Arm(architecture="gru", decoder=Decoder(attention="multiplicative")),
            Arm(label="more", architecture="gru", budget=Budget(parameters=8000)),
        ],
        reference="gru",
        tasks=[
            TaskAxis(task="copy_translation", lags=[3], test_lags=[2], curriculum=Uniform(start=1))
        ],
        recipe=RECIPE.but(steps=4, validation_every=2, batch=4, validation_size=8, test_size=8),
        budget=Budget(parameters=4000),
        seeds=1,
    )


def test_a_trial_keeps_samples_of_every_lag_and_the_measures_of_its_task(tmp_path: Path) -> None:
    study = translating()
    folder = StudyFolder(tmp_path / "runs")
    folder.reconcile(study)
    (trial, _) = study.trials()
    run(trial, folder.trial(trial.id), is_debugged=True)
    kept = json.loads((folder.trial(trial.id) / "samples.json").read_text())
    assert (kept["schema"], kept["trial"]) == (1, trial.id)
    assert [one["lag"] for one in kept["samples"]] == [3] * COUNT + [2] * COUNT
    assert all(len(one["source"]) == one["lag"] for one in kept["samples"])
    assert all(one["weights"] is not None for one in kept["samples"])


def test_an_arm_may_have_a_budget_of_its_own_and_the_plan_says_so() -> None:
    study = translating()
    one, other = study.trials()
    assert (one.budget.amount, other.budget.amount) == (4000, 8000)
    assert other.id != study.model_copy(update={"budget": Budget(parameters=8000)}).trials()[0].id
    (line,) = planning.inequalities(study)
    assert line == "not equal between arms: budget: gru 4,000 parameters, more 8,000 parameters"
    plain = Arm(architecture="gru")
    same = Arm(architecture="gru", budget=Budget(parameters=1500))
    ids = [small_study(arms=[arm], reference="gru").trials()[0].id for arm in (plain, same)]
    assert ids[0] == ids[1]
