"""A study that ran is extended, and never changed: the line names what would be."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from planted_folder import plant
from small import RECIPE, small_study

from experiments import locking
from experiments.folder import StudyFolder, record
from experiments.loading import StudyError
from experiments.study import Arm, Budget, Claim, Study, TaskAxis

TASKS = [TaskAxis(task="adding/arjovsky", lags=[4, 8])]
ARMS = [Arm(architecture="rnn"), Arm(architecture="highway")]

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "recipe": ({"recipe": RECIPE.but(clip=2.0)}, "recipe.clip 1.0 -> 2.0"),
    "budget": ({"budget": Budget(parameters=3000)}, "budget.parameters 1500 -> 3000"),
    "an arm's recipe": (
        {"arms": [ARMS[0], Arm(architecture="highway", recipe=RECIPE.but(batch=16))]},
        "recipe.batch 32 -> 16",
    ),
    "an arm's option": (
        {"arms": [ARMS[0], Arm(architecture="highway", options={"gate_bias": -1.0})]},
        "options of highway.gate_bias None -> -1.0",
    ),
    "an arm gone": ({"arms": ARMS[:1]}, "arms highway not in it any more"),
    "a lag gone": (
        {"tasks": [TaskAxis(task="adding/arjovsky", lags=[4])]},
        "lags of adding/arjovsky 8 not in it any more",
    ),
    "a seed gone": ({"seeds": 1}, "seeds 1 not in it any more"),
    "a seed for another": ({"seeds": [0, 2]}, "seeds 1 not in it any more"),
    "when it is solved": (
        {"tasks": [TaskAxis(task="adding/arjovsky", lags=[4, 8], solved_at=0.5)]},
        "solved_at None -> 0.5",
    ),
    "reference": ({"reference": "highway"}, "reference rnn -> highway"),
    "question": ({"question": "Why?"}, "question Does the gate help? -> Why?"),
    "claims": ({"claims": [Claim(arm="rnn", than="highway")]}, "claims [] -> ['rnn solves more"),
    "name": ({"name": "other"}, "name small -> other"),
}


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return plant(tmp_path / "small", small_study())


@pytest.mark.parametrize("is_extended", [False, True])
@pytest.mark.parametrize(("changes", "line"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_refused_with_its_difference_and_nothing_is_written(
    folder: StudyFolder, changes: dict[str, Any], line: str, is_extended: bool
) -> None:
    before = folder.file.read_bytes()
    with pytest.raises(StudyError, match="another declaration of") as refused:
        folder.reconcile(small_study(**changes), is_extended=is_extended)
    assert line in str(refused.value)
    assert "choose another folder with --out" in str(refused.value)
    assert folder.file.read_bytes() == before


ADDED: dict[str, tuple[dict[str, Any], str, int]] = {
    "seeds": ({"seeds": 4}, "seeds 2, 3", 8),
    "a lag": (
        {"tasks": [TaskAxis(task="adding/arjovsky", lags=[2, 4, 8])]},
        "lags of adding/arjovsky 2",
        4,
    ),
    "an arm": ({"arms": [*ARMS, Arm(architecture="gru")]}, "arms gru", 4),
    "a task": (
        {"tasks": [*TASKS, TaskAxis(task="copy_memory", lags=[3])]},
        "tasks copy_memory",
        4,
    ),
    "two things": (
        {"seeds": 3, "arms": [*ARMS, Arm(architecture="gru")]},
        "arms gru; seeds 2",
        10,
    ),
}


@pytest.mark.parametrize(("changes", "added", "trials"), ADDED.values(), ids=ADDED.keys())
def test_what_is_added_is_recorded_when_it_is_asked_for(
    folder: StudyFolder, changes: dict[str, Any], added: str, trials: int
) -> None:
    extended = small_study(**changes)
    with pytest.raises(StudyError, match="--extend adds to it"):
        folder.reconcile(extended)
    folder.reconcile(extended, is_extended=True)
    written = json.loads(folder.file.read_text())
    (extension,) = written["extensions"]
    assert extension["added"].startswith(added)
    assert (extension["trials"], extension["done"]) == (trials, 8)
    assert folder.recorded() == extended
    # What was declared before is part of it, and is run as it is; less than that is not.
    before = folder.file.read_bytes()
    folder.reconcile(small_study())
    assert folder.file.read_bytes() == before
    with pytest.raises(StudyError, match="not in it any more"):
        folder.reconcile(small_study(seeds=1), is_extended=True)


def test_an_arm_named_on_the_command_line_adds_no_more_than_that(folder: StudyFolder) -> None:
    folder.reconcile(small_study(arms=[*ARMS, Arm(architecture="gru")]), is_added=True)
    with pytest.raises(StudyError, match="without seeds 2"):
        folder.check(small_study(arms=[*ARMS, Arm(architecture="gru")], seeds=3), is_added=True)


def test_an_extension_waits_for_another_and_then_looks_again(folder: StudyFolder) -> None:
    refused: list[StudyError] = []

    def extend(study: Study) -> None:
        try:
            folder.reconcile(study, is_extended=True)
        except StudyError as error:
            refused.append(error)

    thread = threading.Thread(target=extend, args=(small_study(seeds=3),))
    before = folder.file.read_bytes()
    with locking.alone(folder.path):
        thread.start()
        time.sleep(0.3)
        assert folder.file.read_bytes() == before
        # What the other process adds meanwhile, which the one that waits knows nothing of.
        folder.file.write_text(json.dumps(record(small_study(seeds=4))))
    thread.join()
    (error,) = refused
    assert "seeds 3 not in it any more" in str(error)
    assert folder.recorded() == small_study(seeds=4)


def test_two_launchers_that_make_the_folder_at_once_do_not_refuse_each_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "lock").touch()
    (tmp_path / "small" / ".study.json.123.tmp").write_text("{")
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(small_study())
    assert folder.recorded() == small_study()
