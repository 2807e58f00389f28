"""Curricula over lags: the literature's rules, as functions of counters; resumed bit for bit."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.stats import chisquare
from small import RECIPE, small_study
from test_data import same
from test_training import fit, weights

from analysis.contents import gather
from analysis.sources import load
from experiments import loading, study_contract
from experiments import trial as trials
from experiments.durable import read_rows
from experiments.folder import StudyFolder
from experiments.study import Arm, Study, TaskAxis
from lightning_modules.architectures.highway import Highway
from lightning_modules.assembly import assemble
from lightning_modules.curricula import (
    Curriculum,
    RegularIncrease,
    ReverseExponential,
    Uniform,
    WhenSolved,
)
from lightning_modules.data import Data, batch_at
from lightning_modules.recipe import Recipe
from lightning_modules.schedule import AHEAD, Schedule
from lightning_modules.tasks.first_symbol import FirstSymbol
from lightning_modules.training import Row, Training

LAG = 12
EASY = WhenSolved(start=4, amount=3, score=0.01, mixed=0.25)
"""Grows at every validation, guesses being enough."""

CURRICULA = {
    "uniform": Uniform(start=3),
    "reverse exponential": ReverseExponential(start=3, tau=0.8),
    "regular increase": RegularIncrease(start=3, amount=2, every=4),
    "any so far": RegularIncrease(start=3, amount=2, every=4, is_sampled=True),
    "when solved": EASY,
}

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")


def lags(curriculum: Any, count: int, lag: int = LAG, seed: int = 0) -> list[int]:
    schedule = Schedule(range(1, lag + 1), seed, curriculum)
    return [schedule.lag_at(index) for index in range(count)]


def training(curriculum: Any, start: int = 0, **recipe: Any) -> tuple[Training, list[Row]]:
    task = FirstSymbol("eight")
    sizes = {"batch": 8, "validation_size": 32, "test_size": 32}
    data = Data(task, LAG, seed=0, start=start, curriculum=curriculum, **sizes)
    rows: list[Row] = []
    declared = Recipe(**{"learning_rate": 1e-2, "steps": 20, "validation_every": 5, **recipe})
    network = assemble(Highway, {}, task, 6, seed=0)
    return Training(network, data, declared, solved_at=0.94, on_row=rows.append), rows


# The rules as DeepMind's `training/curriculum.py` states them, on 4,000 batches.
@pytest.mark.parametrize(
    ("curriculum", "shares"),
    [
        (Uniform(start=3), np.ones(10)),
        (ReverseExponential(start=3, tau=0.8), 0.8 ** np.arange(3, 13)),
        (RegularIncrease(start=3, every=1, is_sampled=True), np.ones(10)),
        (WhenSolved(start=3, mixed=0.5), np.array([11.0, *np.ones(9)])),
    ],
)
def test_lags_are_drawn_with_the_shares_of_the_literature(
    curriculum: Any, shares: np.ndarray
) -> None:
    found = Counter(lags(curriculum, 4_000 + LAG)[LAG:])
    assert set(found) == set(range(3, LAG + 1))
    expected = 4_000 * shares / shares.sum()
    # One of a thousand honest draws would fail; the draws are always these.
    assert chisquare([found[lag] for lag in range(3, LAG + 1)], expected).pvalue > 1e-3


def test_a_regular_increase_is_its_formula_up_to_the_trials_own_lag() -> None:
    for start, amount, every in itertools.product((1, 3), (1, 2, 5), (1, 7)):
        curriculum = RegularIncrease(start=start, amount=amount, every=every)
        expected = [min(start + amount * (step // every), LAG) for step in range(100)]
        assert lags(curriculum, 100) == expected
        drawn = lags(curriculum.model_copy(update={"is_sampled": True}), 100)
        assert all(a <= b for a, b in zip(drawn, expected, strict=True))
        assert set(drawn) <= set(expected)


def test_a_lag_grows_when_it_is_solved_and_never_beyond_the_trials_own() -> None:
    schedule = Schedule(range(1, LAG + 1), 0, WhenSolved(start=4, amount=5))
    for step, score, reached in ((5, 0.93, 4), (10, 0.94, 9), (15, 0.2, 9), (20, 1.0, 12)):
        schedule.grow(step, score, 0.94)
        assert schedule.reached(step + AHEAD) == reached
    assert schedule.next_lag is None
    schedule.grow(25, 1.0, 0.94)
    batches = (0, 10, 11, 20, 21, 1000)
    assert [schedule.lag_at(index) for index in batches] == [4, 4, 9, 9, 12, 12]


def test_where_some_lags_have_no_examples_only_the_others_are_drawn() -> None:
    there = [2, 3, 7, 8, 12]
    for curriculum in CURRICULA.values():
        schedule = Schedule(there, 0, curriculum)
        assert {schedule.lag_at(index) for index in range(200)} <= {3, 7, 8, 12}
    growing = Schedule(there, 0, WhenSolved(start=3))
    for step in range(4):
        growing.grow(step, 1.0, 0.9)
    assert [lag for _, lag in growing.growth] == [3, 7, 8, 12]


ANY = st.one_of(
    st.builds(Uniform, start=st.integers(1, 9)),
    st.builds(ReverseExponential, start=st.integers(1, 9), tau=st.floats(1e-9, 0.999)),
    st.builds(
        RegularIncrease,
        start=st.integers(1, 9),
        amount=st.integers(1, 20),
        every=st.integers(1, 9),
        is_sampled=st.booleans(),
    ),
    st.builds(WhenSolved, start=st.integers(1, 9), mixed=st.floats(0, 0.9)),
)


@given(ANY, st.integers(0, 2**32 - 1), st.integers(0, 10**9), st.integers(9, 2000))
def test_no_lag_is_shorter_than_the_first_or_longer_than_the_trials(
    curriculum: Any, seed: int, index: int, lag: int
) -> None:
    assert curriculum.start <= Schedule(range(1, lag + 1), seed, curriculum).lag_at(index) <= lag
    again = TypeAdapter(Curriculum).validate_json(curriculum.model_dump_json())
    assert again == curriculum and str(curriculum.start) in curriculum.text


@pytest.mark.parametrize("name", CURRICULA)
def test_the_network_is_trained_at_the_lags_that_the_schedule_says(name: str) -> None:
    trained, rows = training(CURRICULA[name])
    step, seen = trained.training_step, []

    def kept(batch: Any, batch_idx: int) -> None:
        seen.append(batch)
        step(batch, batch_idx)

    trained.training_step = kept  # type: ignore[method-assign]
    fit(trained)
    said = [trained.data.schedule.lag_at(index) for index in range(20)]
    assert len(set(said)) > 1
    for index, (batch, lag) in enumerate(zip(seen, said, strict=True)):
        assert same(batch, batch_at(trained.task, lag, 8, 0, "train", index)), index
    for row, begin in zip(rows, range(0, 20, 5), strict=True):
        assert row["train/lag"] == pytest.approx(np.mean(said[begin : begin + 5]))


def test_the_lag_that_was_to_be_solved_and_its_score_stand_in_the_row() -> None:
    _, rows = trained = training(EASY)
    fit(trained[0])
    assert [row.get("curriculum/lag") for row in rows] == [4, 7, 10, None]
    at = Data(FirstSymbol("eight"), 4, seed=0, batch=8, validation_size=32, test_size=32)
    again, _ = training(EASY, steps=5)
    fit(again)
    assert rows[0]["curriculum/score"] == again.evaluate(at.evaluation("validation"))[1]


@pytest.mark.parametrize("name", CURRICULA)
def test_going_on_from_a_state_gives_the_same_bits(name: str) -> None:
    whole, rows = training(CURRICULA[name])
    fit(whole)
    # Between two validations, at one, and right behind it, where a longer lag is due.
    for stop in (3, 5, 6):
        first, first_rows = training(CURRICULA[name])
        first.after_step = lambda step, stop=stop: step == stop
        fit(first)
        second, second_rows = training(CURRICULA[name], start=stop)
        second.restore(first.state())
        fit(second)
        assert torch.equal(weights(whole), weights(second))
        untimed = [{**row, "seconds": 0} for row in (*first_rows, *second_rows)]
        assert untimed == [{**row, "seconds": 0} for row in rows]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_the_number_of_loader_workers_changes_nothing() -> None:
    def first(workers: int) -> Any:
        sizes = {"batch": 4, "validation_size": 8, "test_size": 8}
        curriculum = ReverseExponential(start=2, tau=0.9)
        task = FirstSymbol("eight")
        data = Data(task, LAG, seed=0, start=3, workers=workers, curriculum=curriculum, **sizes)
        return itertools.islice(iter(data.train_dataloader()), 8)

    assert all(same(a, b) for a, b in zip(first(0), first(4), strict=True))


def test_what_grows_when_it_is_solved_is_made_by_the_trainer() -> None:
    sizes = {"batch": 4, "validation_size": 8, "test_size": 8}
    data = Data(FirstSymbol("eight"), LAG, seed=0, workers=1, curriculum=EASY, **sizes)
    with pytest.raises(ValueError, match="needs batches made by the trainer"):
        data.train_dataloader()


def study(curriculum: Any = None, **changes: Any) -> Study:
    axis = TaskAxis(
        **{"task": "first_symbol/eight", "lags": [8, 12], **changes}, curriculum=curriculum
    )
    return small_study(
        arms=[Arm(architecture="highway")],
        reference="highway",
        tasks=[axis],
        seeds=1,
        recipe=RECIPE.but(steps=20, validation_every=5, stop="budget"),
    )


def test_a_curriculum_is_part_of_a_trials_id() -> None:
    found = {study(each).trials()[0].id for each in (None, *CURRICULA.values())}
    assert len(found) == 1 + len(CURRICULA)


@pytest.mark.parametrize(
    ("axis", "line"),
    [
        (
            {"curriculum": Uniform(start=1)},
            "start 1: from 2, the smallest lag of first_symbol/eight",
        ),
        ({"curriculum": Uniform(start=9)}, "start 9: from 2, .* to 8, the shortest of lags"),
        ({"curriculum": "uniform"}, "valid dictionary or object"),
        ({"curriculum": {"kind": "unifrom", "start": 2}}, "'uniform', 'reverse_exponential'"),
        ({"task": "character_lm/english", "curriculum": WhenSolved(start=4)}, "give its score=..."),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused_in_one_line(
    axis: dict[str, Any], line: str
) -> None:
    with pytest.raises(ValidationError, match=line):
        study(**axis)


@pytest.mark.parametrize("wrong", [{"tau": 1.0}, {"tau": 0.0}, {"start": 0}, {"strat": 2}])
def test_a_value_that_cannot_be_is_refused_where_it_stands(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ReverseExponential(**{"start": 2, "tau": 0.5, **wrong})


def test_a_trial_that_is_stopped_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    declared = study(EASY, lags=[LAG])
    (one,) = declared.trials()
    found = {}
    for name, stops in (("whole", ()), ("stopped", (7, 11))):
        folder = StudyFolder(tmp_path / name)
        folder.reconcile(declared)
        for stop in (*stops, None):
            stopping = lambda step, stop=stop: step == stop  # noqa: E731
            report = trials.run(one, folder.trial(one.id), after_step=stopping, is_debugged=True)
        rows, _ = read_rows(folder.trial(one.id) / "history.jsonl")
        found[name] = report["weights_sha256"], [{**row, "seconds": 0} for row in rows]
        assert rows[0]["curriculum/lag"] == 4
    assert found["whole"] == found["stopped"]

    # And the study that the folder holds repeats it, and its report says how it was trained.
    again = loading.load(str(tmp_path / "whole" / "study.json"))
    assert again.trials() == [one]
    tasks = gather(load(tmp_path / "whole")).tasks.cells
    assert tasks["lags"].tolist() == [f"12; {EASY.text}"]


def test_a_study_is_checked_at_the_lag_that_it_begins_with() -> None:
    verdicts = list(study_contract.check(study(Uniform(start=2))))
    assert [verdict.problem for verdict in verdicts] == [None] * len(verdicts)
