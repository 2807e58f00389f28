"""How far the evidence lies for who reads in both directions, and what is logged of depth."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from planting import plant
from small import small_study, small_trial

from analysis import conditions, sources
from analysis.study_file import read_study
from experiments import loading, log_config, planning, sizes, study_contract
from experiments.cli_lines import console
from experiments.folder import StudyFolder, record
from experiments.loading import StudyError
from experiments.study import Arm, Budget
from experiments.trial import prepare
from lightning_modules.tasks.base import Batch

DEEP = Arm(
    label="deep", architecture="gru", layers=2, wiring="highway", norm="before", bidirectional=True
)

NEAR = Budget(parameters=1600)
"""A budget that two layers both ways meet: their sizes lie far apart."""


def batch(mask: list[int], evidence: list[list[int]], length: int = 10) -> Batch:
    def marks(places: list[int]) -> list[bool]:
        return [t in places for t in range(length)]

    shown = torch.zeros(len(evidence), length, dtype=torch.int64)
    return Batch(
        inputs=shown,
        targets=shown,
        mask=torch.tensor([marks(mask)] * len(evidence)),
        evidence=torch.tensor([marks(places) for places in evidence]),
    )


def test_from_both_ends_the_evidence_counts_from_the_nearer() -> None:
    asked = batch([9], [[0], [9], [4], [5], [2, 8], [0, 4, 9]])
    assert asked.distance().tolist() == [9, 0, 5, 4, 7, 9]
    assert asked.nearer_distance("both ends").tolist() == [0, 0, 4, 4, 2, 4]


def test_at_its_step_the_evidence_counts_from_before_and_from_behind() -> None:
    asked = batch([4], [[0], [4], [7], [2, 9]])
    assert asked.distance().tolist() == [4, 0, -3, 2]
    assert asked.nearer_distance("its step").tolist() == [4, 0, 3, 5]


def test_what_is_logged_says_how_layers_are_joined_and_counts_them() -> None:
    (trial,) = (t for t in small_study(arms=[DEEP], reference="deep", budget=NEAR).trials()[:1])
    network, data = prepare(trial)
    config = log_config.declared(trial, {}, True) | log_config.counted(trial, network, data)
    joined = {k: config[k] for k in DEEP.shape()}
    assert joined == DEEP.shape()
    assert config["hidden_size"] == sizes.matched(trial).hidden_size
    assert config["state_size"] == 2 * 2 * config["hidden_size"]
    assert config["paper"] == "Cho 2014, arXiv:1406.1078"
    # Marks of adding at lag 4 stand at 0 or 1, and at 2 or 3: at most one step from an end.
    assert config["distance"]["most"] == 1
    forwards = small_trial("gru")
    assert log_config.distance_of(forwards, prepare(forwards)[1]).max() == 3


def test_a_deep_arm_keeps_what_a_study_keeps() -> None:
    study = small_study(arms=[DEEP], reference="deep", seeds=1, budget=NEAR)
    assert [verdict.problem for verdict in study_contract.check(study)] == [None] * 3


def test_the_start_of_a_single_layer_is_what_it_was_before_there_were_stacks() -> None:
    trial = next(t for t in loading.load("quick").trials() if t.arm.label == "lstm")
    network, _ = prepare(trial)
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(name.encode() + weight.numpy().tobytes())
    # Uniform numbers from torch's generator: the same on every machine.
    assert digest.hexdigest()[:16] == "ade0875fbc419fb0"


@pytest.mark.parametrize("is_deep", [False, True])
def test_the_table_of_arms_shows_depth_where_there_is_some(tmp_path: Path, is_deep: bool) -> None:
    arms = [Arm(architecture="rnn"), DEEP] if is_deep else [Arm(architecture="rnn")]
    study = small_study(arms=arms, reference="rnn")
    (tmp_path / "study.json").write_text(json.dumps(record(study)))
    cells = conditions.arms(read_study(tmp_path)).cells
    if not is_deep:
        assert not {"layers", "wiring", "direction"} & set(cells.columns)
        return
    assert cells["layers"].tolist() == ["1", "2"]
    assert cells["wiring"].tolist() == ["plain", "highway, normalised before each"]
    assert cells["direction"].tolist() == ["forwards", "both"]
    assert loading.load(str(tmp_path / "study.json")) == study


def test_the_plan_shows_how_layers_are_joined(tmp_path: Path) -> None:
    with console.capture() as captured:
        planning.show(
            small_study(arms=[Arm(architecture="rnn"), DEEP], budget=NEAR),
            StudyFolder(tmp_path / "x"),
            1,
        )
    shown = " ".join(captured.get().split())
    assert "2 layers, highway" in shown and "1 layer" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_plan_and_the_log_say_how_far_a_window_sees(tmp_path: Path) -> None:
    arm = Arm(architecture="tcn", layers=3, options={"kernel": 2, "dilation": (1, 2, 4)})
    study = small_study(arms=[Arm(architecture="rnn"), arm], budget=Budget(parameters=2881))
    with console.capture() as captured:
        planning.show(study, StudyFolder(tmp_path / "x"), 1)
    shown = " ".join(captured.get().split())
    assert "tcn sees 15 steps, its own included" in shown and "rnn sees" not in shown
    seen = {t.arm.label: log_config.counted(t, *prepare(t)) for t in study.trials()[:2]}
    assert {label: found["receptive_field"] for label, found in seen.items()} == {
        "rnn": None,
        "tcn": 15,
    }


@pytest.mark.parametrize("directions", ["one", "both", "one and both"])
def test_the_table_of_tasks_shows_the_distance_in_each_direction(
    tmp_path: Path, directions: str
) -> None:
    folder = plant(tmp_path, seeds=1, arms=("there", "back"), tasks={"adding/x": (5, 9)})
    content = json.loads((folder / "study.json").read_text())
    for arm in content["arms"]:
        arm["bidirectional"] = arm["label"] in {"one": (), "both": ("there", "back")}.get(
            directions, ("back",)
        )
    (folder / "study.json").write_text(json.dumps(content))
    frames = sources.load(folder)
    is_back = frames.runs["arm"] == "back"
    frames.runs.loc[is_back, ["distance_least", "distance_mean", "distance_most"]] = 2.0
    (row,) = conditions.tasks(frames)[0].cells.to_dict("records")
    shown = row["evidence to answer, in steps"]
    assert (
        shown
        == {
            "one": "lag 5: 5 to 10 (mean 7.5); lag 9: 9 to 14 (mean 11.5)",
            "both": "lag 5: both ways 5 to 10 (mean 7.5); lag 9: both ways 9 to 14 (mean 11.5)",
            "one and both": "lag 5: 5 to 10 (mean 7.5); both ways 2; "
            "lag 9: 9 to 14 (mean 11.5); both ways 2",
        }[directions]
    )


def test_evidence_that_lies_ahead_is_said_to(tmp_path: Path) -> None:
    frames = sources.load(plant(tmp_path, seeds=1, arms=("there",), tasks={"fill/x": (5,)}))
    frames.runs[["distance_least", "distance_mean", "distance_most"]] = -5.0
    (row,) = conditions.tasks(frames)[0].cells.to_dict("records")
    assert row["evidence to answer, in steps"] == "5 ahead"


def test_a_task_that_asks_for_what_comes_next_refuses_who_would_see_it(tmp_path: Path) -> None:
    text = """
from experiments.study import Arm, Budget, Study, TaskAxis

STUDY = Study(
    name="peeks", question="Does it peek?", seeds=1, reference="lstm",
    arms=[Arm(architecture="lstm", bidirectional=True)],
    tasks=[TaskAxis(task="character_lm/english", lags=[20])],
    budget=Budget(parameters=5000),
)
"""
    (tmp_path / "peeks.py").write_text(text)
    with pytest.raises(StudyError, match="the task asks for what comes next") as refused:
        loading.load(str(tmp_path / "peeks.py"))
    assert "\n" not in str(refused.value)


def test_layers_that_do_not_fit_their_wiring_are_refused_with_arm_and_task() -> None:
    arm = Arm(label="sums", architecture="dilated", layers=2, wiring="residual")
    study: Any = small_study(arms=[arm], reference="sums")
    with pytest.raises(ValueError, match=r"^sums on adding/arjovsky: a residual wiring adds"):
        sizes.of(study)
