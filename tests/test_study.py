"""Declarations: closed, frozen, counted, and named by what they declare."""

import hashlib
import json
import re
from typing import Any

import pytest
from pydantic import ValidationError
from small import small_study

from experiments import loading
from experiments.loading import StudyError, one_line
from experiments.selection import select
from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

BASE: dict[str, Any] = {
    "name": "small",
    "question": "Which?",
    "arms": [Arm(architecture="rnn"), Arm(architecture="lstm")],
    "tasks": [TaskAxis(task="adding/arjovsky", lags=[5, 30])],
    "seeds": 3,
    "budget": Budget(parameters=5000),
    "reference": "rnn",
}


def study(**changes: Any) -> Study:
    return Study(**{**BASE, **changes})


def test_the_grid_is_arms_times_lags_times_seeds() -> None:
    trials = study().trials()
    assert len(trials) == study().size == 2 * 2 * 3
    assert len({trial.id for trial in trials}) == 12
    assert {trial.seed for trial in trials} == {0, 1, 2}


def test_a_study_survives_json_with_the_same_trials() -> None:
    one = study(learning_rates=[1e-3, 1e-2], arms=[*BASE["arms"], Arm(architecture="highway")])
    other = Study.model_validate_json(json.dumps(one.model_dump(mode="json")))
    assert [t.id for t in one.trials()] == [t.id for t in other.trials()]


def test_the_id_is_what_is_declared_and_not_what_it_is_called() -> None:
    (plain, *_) = study().trials()
    (renamed, *_) = study(
        name="other", arms=[Arm(label="base", architecture="rnn")], reference="base"
    ).trials()
    assert plain.id == renamed.id


def test_an_option_spelt_out_at_its_default_is_the_same_trial() -> None:
    def first(options: dict[str, Any]) -> str:
        return (
            study(arms=[Arm(architecture="lstm", options=options)], reference="lstm").trials()[0].id
        )

    assert first({}) == first({"forget_bias": 1.0}) == first({"forget_bias": 1})
    assert first({}) != first({"forget_bias": 2.0})


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (7,)},
        {"budget": Budget(state=64)},
        {"recipe": Recipe(steps=999)},
        {"recipe": Recipe(learning_rate=0.002)},
        {"tasks": [TaskAxis(task="adding/arjovsky", lags=[6])]},
        {"tasks": [TaskAxis(task="adding/bai", lags=[5])]},
        {"tasks": [TaskAxis(task="adding/arjovsky", lags=[5], solved_at=0.5)]},
        {"arms": [Arm(architecture="rnn", options={"activation": "relu"})]},
        {"arms": [Arm(architecture="rnn", layers=2)]},
        {"arms": [Arm(architecture="rnn", wiring="residual")]},
        {"arms": [Arm(architecture="rnn", bidirectional=True)]},
    ],
)
def test_every_part_of_a_declaration_is_part_of_the_id(changes: dict[str, Any]) -> None:
    assert study(**changes).trials()[0].id != study().trials()[0].id


def test_what_has_one_plain_layer_is_the_trial_that_it_was_before_there_were_more() -> None:
    ids = "".join(trial.id for trial in loading.load("quick").trials())
    # Of the quick study as it stood when an arm had no layers, no wiring and no direction.
    assert hashlib.sha256(ids.encode()).hexdigest()[:16] == "dc176650e914786c"
    spelt = Arm(architecture="rnn", layers=1, wiring="plain", bidirectional=False)
    assert spelt.identity() == {"architecture": "rnn", "options": {}}
    assert Arm(architecture="rnn", layers=3, output="all").identity() == {
        "architecture": "rnn", "options": {}, "layers": 3, "output": "all",
    }  # fmt: skip


def test_one_value_for_all_layers_is_that_value() -> None:
    def arm(value: Any) -> Arm:
        return Arm(architecture="lstm", layers=2, options={"forget_bias": value})

    assert arm([3, 3.0]).identity() == arm(3).identity()
    assert arm([1, 1]).identity() == arm(1.0).identity() == arm((1.0, 1.0)).identity()
    assert arm([1, 2]).identity()["options"] == {"forget_bias": [1.0, 2.0]}
    assert Arm.model_validate_json(arm([1, 2]).model_dump_json()) == arm([1, 2])


def test_without_claims_each_arm_is_held_against_the_reference() -> None:
    (claim,) = study().resolved_claims
    assert (claim.arm, claim.than, claim.task, claim.lag) == ("lstm", "rnn", None, None)


def test_the_learning_rate_may_be_an_axis() -> None:
    axis = study(learning_rates=[1e-3, 1e-2])
    assert [a.label for a in axis.resolved_arms] == [
        "rnn lr=0.001", "rnn lr=0.01", "lstm lr=0.001", "lstm lr=0.01",
    ]  # fmt: skip
    assert [a.recipe.learning_rate for a in axis.resolved_arms if a.recipe] == [0.001, 0.01] * 2
    deep = Arm(label="deep", architecture="rnn", layers=4, wiring="residual", norm="before")
    (resolved,) = study(arms=[deep], reference="deep", learning_rates=[0.01]).resolved_arms
    assert resolved.shape() == deep.shape()
    assert {(c.arm, c.than) for c in axis.resolved_claims} == {
        ("lstm lr=0.001", "rnn lr=0.001"),
        ("lstm lr=0.01", "rnn lr=0.01"),
    }


def test_an_arm_may_carry_its_own_recipe() -> None:
    own = Recipe(learning_rate=0.5)
    trials = study(arms=[Arm(architecture="rnn"), Arm(architecture="lstm", recipe=own)]).trials()
    assert {(t.arm.label, t.recipe.learning_rate) for t in trials} == {("rnn", 1e-3), ("lstm", 0.5)}


def test_a_declaration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        study().name = "other"


WRONG: list[tuple[Any, str]] = [
    (lambda: Arm(architecture="lstn"), "unknown architecture 'lstn'; known: .*mean 'lstm'"),
    (lambda: Arm(architecture="lstm", options={"forget_bais": 1.0}), "mean 'forget_bias'"),
    (lambda: Arm(architecture="rnn", options={"start": "ortogonal"}), "mean 'orthogonal'"),
    (lambda: Arm(architecture="lstm", options={"forget_bias": "one"}), "it takes float"),
    (lambda: Arm(architecture="lstm", options={"forget_bias": True}), "it takes float"),
    (lambda: Arm(architecture="lstm", options={"forget_bias": float("nan")}), "finite"),
    (lambda: Arm(architecture="densenet", options={"last": 2.5}), "it takes int"),
    (
        lambda: Arm(architecture="dilated", layers=3, options={"dilation": [1, 2]}),
        "option dilation has 2 values; a list gives each layer its own, and there are layers=3",
    ),
    (
        lambda: Arm(architecture="dilated", layers=2, options={"dilation": [1, 2.5]}),
        "option dilation is 2.5; it takes int",
    ),
    (lambda: Arm(architecture="rnn", layers=0), "greater than or equal to 1"),
    (lambda: Arm(architecture="rnn", layers=2, wiring="residul"), "mean 'residual'"),
    (lambda: Arm(architecture="rnn", layer=2), "unknown field; .*mean 'layers'"),
    (
        lambda: study(
            arms=[Arm(architecture="rnn", bidirectional=True)],
            tasks=[TaskAxis(task="random_permutation", lags=[5])],
        ),
        "rnn on random_permutation/pascanu: the task asks for what comes next, and it runs in both",
    ),
    (lambda: Arm(archtecture="lstm"), "unknown field; .*mean 'architecture'"),
    (lambda: Arm(architecture="nowhere.py:Mine"), "no such file"),
    (lambda: Arm(architecture="nowhere:Mine"), "no module 'nowhere'"),
    (lambda: TaskAxis(task="ading", lags=[5]), "unknown task 'ading'; .*mean 'adding'"),
    (lambda: TaskAxis(task="adding/arjowsky", lags=[5]), "mean 'arjovsky'"),
    (lambda: TaskAxis(task="adding", lags=[0]), "greater than or equal to 1"),
    (lambda: TaskAxis(task="adding", lags=[1]), "lag 1 is too short for adding/arjovsky"),
    (lambda: TaskAxis(task="adding", lags=[5, 5]), "5 is given twice"),
    (lambda: TaskAxis(task="adding", lags=[5.5]), "5.5"),
    (lambda: TaskAxis(task="adding", lags=[]), "at least one"),
    (lambda: study(seeds=0), "seeds needs at least one"),
    (lambda: study(seeds=[0, 1, 1]), "seeds: 1 is given twice"),
    (lambda: study(seeds=[-1]), "seed -1"),
    (lambda: study(seeds=[True]), "valid integer"),
    (lambda: study(arms=[]), "arms needs at least one"),
    (lambda: study(arms=[Arm(architecture="rnn")] * 2), "arms: 'rnn' is given twice"),
    (
        lambda: study(arms=[Arm(architecture="rnn"), Arm(label="same", architecture="rnn")]),
        "rnn and same are the same",
    ),
    (lambda: study(reference="rn"), "reference: no 'rn'; known: rnn, lstm; did you mean 'rnn'"),
    (lambda: study(name="../up"), "letters, digits"),
    (lambda: study(name=""), "letters, digits"),
    (lambda: study(question="a\x07b"), "control characters"),
    (lambda: study(question="a\u202eb"), "control characters"),
    (lambda: study(seeds=5000), "20,000 trials; at most 10,000"),
    (lambda: study(claims=[Claim(arm="lsmt", than="rnn")]), "mean 'lstm'"),
    (lambda: study(claims=[Claim(arm="lstm", than="rnn", lag=31)]), "lag 31 is none of 5, 30"),
    (lambda: Budget(), "one of them"),
    (lambda: Budget(parameters=1, state=1), "one of them"),
    (lambda: Recipe(learning_rate=0.0), "greater than 0"),
    (lambda: Recipe(learning_rate=float("inf")), "finite"),
    (lambda: Recipe(optimizer="adma"), "mean 'adam'"),
    (lambda: Recipe(steps=-1), "greater than or equal to 0"),
    (lambda: Recipe(leraning_rate=1.0), "mean 'learning_rate'"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_a_mistake_is_one_line_that_names_it(make: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    line = one_line(caught.value)
    assert "\n" not in line
    assert re.search(message, line), line


def test_an_arm_is_named_by_its_label_whatever_stands_in_it() -> None:
    labels = ("gru", "gru, two layers", "gru, two layers, slow")
    study = small_study(
        arms=[
            Arm(label=label, architecture=name)
            for label, name in zip(labels, ("gru", "rnn", "lstm"), strict=True)
        ],
        reference="gru",
    )
    for label in labels:
        found = select(study, [f"seed=1, arm={label},lag=8"])
        assert [(trial.arm.label, trial.seed, trial.lag) for trial in found] == [(label, 1, 8)]
    both = select(study, [f"arm={labels[1]},arm={labels[2]},seed=0"])
    assert {trial.arm.label for trial in both} == set(labels[1:])
    with pytest.raises(StudyError, match="--only ' two'"):
        select(study, ["arm=gru, two"])
