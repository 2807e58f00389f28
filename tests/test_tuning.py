"""Fair tuning: chosen on validation and on seeds of its own, once, and confirmed on others.

Longer than a file should be: declaration, choice, report and command of one thing.
"""

import hashlib
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from planting import RECIPE, Fate, plant
from pydantic import ValidationError
from small import small_study
from typer.testing import CliRunner

from analysis import ledger, report, sources, tuning
from analysis.json_file import StudyFileError
from analysis.section import Evidence
from analysis.study_file import read_study
from analysis.tuning_section import compose
from experiments import choosing, loading
from experiments.cli import app
from experiments.folder import StudyFolder
from experiments.loading import StudyError, one_line
from experiments.study import Arm, Study, TaskAxis, Tuning
from experiments.tuning import FIRST_SEED, Choice, Tried

LONGDEP = [sys.executable, "-c", "from experiments.cli import main; main()"]
RATES = (0.001, 0.01, 0.1)
TASK = "adding/arjovsky"

PLANNED = {
    "gates": (240, "f859180e4f4dd21b"),
    "initialisation": (384, "edc7e332f2541565"),
    "quick": (200, "81ee25bd61947eb6"),
}
"""How many trials these studies had before tuning came, and the hash of their ids."""


@pytest.mark.parametrize("name", PLANNED)
def test_a_study_without_tuning_plans_the_trials_that_it_always_did(name: str) -> None:
    ids = [trial.id for trial in loading.load(name).trials()]
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]
    assert (len(ids), digest) == PLANNED[name]


def tuned(**changes: Any) -> Study:
    return small_study(**{"tuning": Tuning(learning_rate=RATES, seeds=2), **changes})


def choice(arm: str, rate: float = 0.01) -> Choice:
    tried = [Tried(learning_rate=r, trials=4, solved=1, steps=9.0, score=0.5) for r in RATES]
    return Choice(arm=arm, task=TASK, learning_rate=rate, tried=tuple(tried))


def test_every_arm_has_the_same_tuning_trials_on_seeds_that_are_none_of_the_studys() -> None:
    study = tuned()
    assert study.tuning_study is not None
    trials = study.tuning_study.trials()
    assert len(trials) == study.tuning_size == 2 * 2 * 3 * 2
    per_arm = {
        arm.label: sorted(
            (t.task, t.lag, t.seed, t.recipe.learning_rate)
            for t in trials
            if t.arm.architecture == arm.architecture
        )
        for arm in study.arms
    }
    assert per_arm["rnn"] == per_arm["highway"]
    settled = study.with_choices((choice("rnn"), choice("highway", 0.1)))
    assert not {t.seed for t in trials} & {t.seed for t in settled.trials()}
    assert not {t.id for t in trials} & {t.id for t in settled.trials()}


def test_trials_are_planned_once_their_rate_is_chosen_each_arm_at_its_own() -> None:
    study = tuned()
    assert study.trials() == []
    half = study.with_choices((choice("highway", 0.1),))
    assert {t.arm.label for t in half.trials()} == {"highway"}
    whole = study.with_choices((choice("highway", 0.1), choice("rnn", 0.001)))
    assert len(whole.trials()) == whole.size == 8
    assert {(t.arm.label, t.recipe.learning_rate) for t in whole.trials()} == {
        ("rnn", 0.001),
        ("highway", 0.1),
    }
    # At the rates that were chosen they are the trials of a study that names those rates itself.
    arms = [
        Arm(architecture=name, recipe=study.recipe.but(learning_rate=rate))
        for name, rate in (("rnn", 0.001), ("highway", 0.1))
    ]
    assert [t.id for t in small_study(arms=arms).trials()] == [t.id for t in whole.trials()]


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Tuning(learning_rate=[0.01]), "at least two rates"),
    (lambda: Tuning(learning_rate=[0.01, 0.01]), "given twice"),
    (lambda: Tuning(learning_rate=[0.01, 0.0]), "greater than 0"),
    (lambda: Tuning(learning_rate=RATES, seeds=0), "greater than or equal to 1"),
    (lambda: Tuning(learning_rates=RATES), "did you mean 'learning_rate'"),
    (lambda: tuned(learning_rates=[0.1, 0.2]), "learning_rates is for all of them"),
    (lambda: tuned(seeds=[0, FIRST_SEED]), "seed 1000000: with tuning"),
    (lambda: tuned(seeds=range(2499)), "trials; at most 10,000"),
    (lambda: tuned(name="x" * 60), "at most 57 characters"),
    (
        lambda: tuned(
            arms=[
                Arm(architecture="rnn"),
                Arm(label="same", architecture="rnn", recipe=small_study().recipe),
            ]
        ),
        "rnn and same are the same",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message[:20] for _, message in WRONG])
def test_a_mistake_is_one_line_that_names_it(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    line = one_line(caught.value)
    assert "\n" not in line and re.search(message, line), line


# Choosing.


def planted(
    folder: Path, best: dict[str, float], *, stop: str = "solved", **tempting: Any
) -> StudyFolder:
    """Plant a tuning in which each arm solves at its best rate, and a fate of the test score."""
    arms = {f"{arm} lr={rate:g}": (arm, rate) for arm in best for rate in RATES}

    def fate(label: str, task: str, lag: int, seed: int) -> Fate:
        arm, rate = arms[label]
        is_best = best[arm] == rate
        score = 0.0 if is_best else 1.0
        return Fate(
            "solved" if is_best else "unsolved",
            test_score=tempting.get("test_score", score),
        )

    plant(
        folder / "tuning",
        fate,
        name="small-tuning",
        arms=arms,
        tasks={TASK: [4, 8]},
        seeds=2,
        recipes={
            label: RECIPE | {"learning_rate": rate, "stop": stop}
            for label, (_, rate) in arms.items()
        },
    )
    return StudyFolder(folder)


PAIRS = {("rnn", TASK), ("highway", TASK)}


@pytest.mark.parametrize("stop", ["solved", "budget"])
def test_an_arm_whose_best_rate_differs_gets_it(tmp_path: Path, stop: str) -> None:
    folder = planted(tmp_path, {"rnn": 0.001, "highway": 0.1}, stop=stop)
    found = choosing.choose(folder, PAIRS)
    assert {c.arm: c.learning_rate for c in found} == {"rnn": 0.001, "highway": 0.1}
    assert all(each.trials == 4 for c in found for each in c.tried)
    assert [c.is_at_edge for c in found] == [True, True]
    (only,) = choosing.choose(folder, {("rnn", TASK)})
    assert only == found[0]


def test_the_test_rows_cannot_reach_the_choice(tmp_path: Path) -> None:
    best = {"rnn": 0.001, "highway": 0.1}
    # In the first folder the test split says the opposite of validation, in the second the same.
    against = planted(tmp_path / "a", best)
    with_it = planted(tmp_path / "b", best, test_score=1.0)
    tests = [
        sources.load(folder.tuning.path).runs.set_index("trial")["test/score"].sort_index()
        for folder in (against, with_it)
    ]
    assert (tests[0] != tests[1]).any(), "nothing was planted"
    assert choosing.choose(against, PAIRS) == choosing.choose(with_it, PAIRS)
    assert not [c for c in tuning.validated(sources.load(against.tuning.path)) if "test" in c]


def trials(*rows: tuple[float, str, float | None, float]) -> pd.DataFrame:
    """Give tuning trials of one arm as (rate, outcome, steps, score)."""
    frame = pd.DataFrame(rows, columns=["learning_rate", "outcome", "steps", "score"])
    return frame.assign(
        trial=[str(number) for number in range(len(frame))],
        arm="a", task="t", lag=1, seed=frame.groupby("learning_rate").cumcount(), stop="solved",
        solved=(frame["outcome"] == "solved").astype("int64"),
    )  # fmt: skip


CASES: list[tuple[str, list[Any], float, float]] = [
    (
        "more that solve beat fewer steps",
        [(0.1, "solved", 10, 1.0), (0.1, "unsolved", 99, 0.9), *[(0.2, "solved", 90, 1.0)] * 2],
        0.2,
        0.2,
    ),
    ("of equals the faster", [(0.1, "solved", 50, 1.0), (0.2, "solved", 25, 0.9)], 0.2, 0.1),
    ("where none solves, the score", [(0.1, "unsolved", 99, 0.3), (0.2, "unsolved", 99, 0.4)],
     0.2, 0.2),
    ("of equals in all, the smallest", [(0.2, "solved", 50, 1.0), (0.1, "solved", 50, 1.0)],
     0.1, 0.1),
]  # fmt: skip


@pytest.mark.parametrize(("what", "rows", "solved", "budget"), CASES, ids=[c[0] for c in CASES])
def test_a_rate_is_better(what: str, rows: list[Any], solved: float, budget: float) -> None:
    for stop, rate in (("solved", solved), ("budget", budget)):
        tried = tuning.tried(trials(*rows).assign(stop=stop))
        assert tuning.choose(tried)["learning_rate"].tolist() == [rate], stop


def test_a_trial_that_diverged_scores_nothing_whatever_it_had_before(tmp_path: Path) -> None:
    folder = planted(tmp_path, {"rnn": 0.001})
    frames = sources.load(folder.tuning.path)
    runs = frames.runs.assign(outcome="diverged")
    found = tuning.validated(replace(frames, runs=runs))
    assert (found["score"] == 0).all() and (found["steps"] == found["steps"].max()).all()


def test_a_choice_among_fewer_trials_than_planned_is_refused(tmp_path: Path) -> None:
    folder = planted(tmp_path, {"rnn": 0.001, "highway": 0.1})
    frames = sources.load(folder.tuning.path)
    lost = next(e for e in frames.ledger if e.trial.arm == "highway lr=0.1")
    (folder.tuning.trial(lost.trial.id) / "result.json").unlink()
    with pytest.raises(StudyError, match=f"1 tuning trials have no result, .*{lost.trial.id}"):
        choosing.choose(folder, PAIRS)
    assert len(choosing.choose(folder, {("rnn", TASK)})) == 1


# The folder.


def test_a_choice_is_made_once_and_two_launchers_agree(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(tuned())
    first = folder.settle((choice("rnn", 0.001),))
    assert [c.learning_rate for c in first.choices] == [0.001]
    second = folder.settle((choice("rnn", 0.1), choice("highway", 0.1)))
    assert [(c.arm, c.learning_rate) for c in second.choices] == [("rnn", 0.001), ("highway", 0.1)]
    assert folder.recorded() == second
    before = folder.file.read_bytes()
    folder.settle((choice("rnn", 0.1),))
    assert folder.file.read_bytes() == before


def test_a_study_whose_rates_are_open_has_trials_that_wait(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(tuned())
    taken = ledger.take(folder.path)
    assert taken.planned == 8 and taken.states["missing"] == 8
    assert [entry.trial.id for entry in taken] == [""] * 8
    folder.settle((choice("rnn"),))
    assert sorted(len(e.trial.id) for e in ledger.take(folder.path)) == [0] * 4 + [16] * 4


def test_what_is_recorded_is_extended_by_seeds_and_arms_but_not_by_lags(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(tuned())
    folder.settle((choice("rnn"), choice("highway")))
    longer = tuned(tasks=[TaskAxis(task=TASK, lags=[4, 8, 16])])
    with pytest.raises(StudyError, match="tuned at 4, 8, not at 16"):
        folder.check(longer, is_extended=True)
    with pytest.raises(StudyError, match=r"tuning\.learning_rate"):
        folder.check(tuned(tuning=Tuning(learning_rate=[0.1, 0.2, 0.3])), is_extended=True)
    arms = [*tuned().arms, Arm(architecture="gru")]
    folder.reconcile(tuned(seeds=3, arms=arms), is_extended=True)
    recorded = folder.recorded()
    assert recorded is not None and len(recorded.trials()) == 2 * 2 * 3
    (extension,) = json.loads(folder.file.read_text())["extensions"]
    assert extension["trials"] == 3 * 2 * 3 - 8


BROKEN: list[tuple[str, Any, str]] = [
    ("tuned", [{"arm": "rnn"}], "tuned"),
    ("tuned", [choice("rnn", 0.5).model_dump()], "tries no such thing"),
    ("tuned", [choice("gru").model_dump()], "tries no such thing"),
    ("tuned", [choice("rnn").model_dump()] * 2, "twice|two choices"),
    ("tuned", 7, "tuned"),
    ("waiting", [{"arm": "rnn"}], "task"),
    ("waiting", [{"arm": "nobody", "task": TASK, "lag": 4, "seed": 0}], "not in the grid"),
    ("tuning", {"learning_rates": ["x"], "seeds": [], "trials": 1}, "numbers expected"),
]


@pytest.mark.parametrize(("key", "value", "message"), BROKEN)
def test_what_a_stranger_writes_into_study_json_is_one_line(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(tuned())
    record = json.loads(folder.file.read_text())
    folder.file.write_text(json.dumps({**record, key: value}))
    refused = []
    for read in (folder.recorded, lambda: read_study(folder.path)):
        try:
            read()
        except (StudyError, StudyFileError) as error:
            refused.append(str(error))
    assert refused and all("\n" not in line for line in refused)
    assert any(pd.Series(refused).str.contains(message))


# In the report.


def test_the_report_tells_budget_choice_and_edge(tmp_path: Path) -> None:
    folder = planted(tmp_path / "small", {"rnn": 0.01, "highway": 0.1})
    folder.reconcile(tuned())
    folder.settle(choosing.choose(folder, PAIRS))
    report.write(folder.path, tmp_path / "report", {}, has_pdf=False)
    text = (tmp_path / "report/report.md").read_text()
    assert "12 trials an arm and 24 in all" in text
    assert f"At the edge of what was tried: highway on {TASK} (0.1, the largest)." in text
    assert f"| rnn | {TASK} | 0.01 | no | 4/4 |" in text
    assert "the learning rate of its tuning" in text
    assert "No order among the arms" in text or "No trial has a result yet" in text
    tried = pd.read_csv(tmp_path / "report/tables/tuning_tried.csv")
    assert len(tried) == 6 and tried["trials"].tolist() == [4] * 6
    assert (tmp_path / "report/figures/tuning_rates.svg").exists()
    assert (tmp_path / "report/figures/tuning_expected.svg").exists()


def test_the_expected_best_is_the_mean_over_every_choice_of_rates() -> None:
    scores, each = [0.2, 0.9, 0.5, 0.4], 4
    rows = [("rnn", TASK, rate, each, 0, 10.0, s) for rate, s in enumerate(scores, start=1)]
    found = tuning.expected(pd.DataFrame(rows, columns=tuning.TRIED))
    wanted = [
        sum(map(max, combinations(scores, k))) / math.comb(len(scores), k) for k in range(1, 5)
    ]
    assert found["expected"].tolist() == pytest.approx(wanted, abs=1e-12)
    assert found["spent"].tolist() == [4, 8, 12, 16] and found["rates"].tolist() == [1, 2, 3, 4]


def test_a_tuning_that_is_not_there_or_was_run_again_is_told(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(tuned())
    folder.settle((choice("rnn", 0.1),))

    def lead() -> str:
        frames = sources.load(folder.path)
        section = compose(Evidence(frames, pd.DataFrame(), pd.DataFrame(), {}))
        assert section is not None
        return " ".join(section.lead)

    assert "cannot be read here" in lead()
    planted(tmp_path / "small", {"rnn": 0.01, "highway": 0.1})
    assert f"would choose another rate now for rnn on {TASK}" in lead()
    assert "For 1 pairs of arm and task no rate is chosen yet." in lead()


# The command.

SMALL = """
from experiments.study import Arm, Budget, Recipe, Study, TaskAxis, Tuning

STUDY = Study(
    name="small",
    question="Does the gate help?",
    arms=[Arm(architecture="rnn"), Arm(architecture="highway")],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[4])],
    seeds=1,
    budget=Budget(parameters=1500),
    reference="rnn",
    recipe=Recipe(steps=10, validation_every=5, validation_size=16, test_size=16),
    tuning=Tuning(learning_rate=[1e-3, 1e-2], seeds=1),
)
"""


@pytest.mark.slow
def test_run_tunes_chooses_and_goes_on_and_the_other_commands_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.py").write_text(SMALL)

    def command(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == status, done.output
        return " ".join(done.output.split())

    assert "4 trials at learning rates 0.001, 0.01; 4 left" in command("plan", "small.py")
    assert not Path("runs").exists()
    command("run", "small.py", "--foreground", "--only", "arm=rnn")
    assert "small: 2 planned, 1 done, 1 missing" in command("status", "small.py")
    assert "2 left in" in command("plan", "small.py")
    out = command("run", "small.py", "--foreground")
    assert "tuned: highway on adding/arjovsky at learning rate" in out and "tuned: rnn" not in out
    assert "2 planned, 2 done" in command("status", "small.py")
    assert "nothing is left to run" in command("plan", "small.py")
    assert "nothing is wrong" in command("doctor", "small.py")
    assert "finished trials" in command("clean", "small.py", "--dry-run")
    assert "all 2 trials are done" in command("run", "small.py")
    study = StudyFolder(Path("runs/small")).recorded()
    assert study is not None and {t.seed for t in study.trials()} == {0}
    # What is recorded repeats the study from its tuning on.
    assert "4 left in" in command("plan", "runs/small/study.json", "--out", "again")


@pytest.mark.slow
def test_two_launchers_at_once_and_one_that_is_killed_come_to_one_choice(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(
        SMALL.replace("seeds=1,\n    budget", "seeds=2,\n    budget")
    )
    line = [*LONGDEP, "run", "small.py", "--workers", "1"]
    killed = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.DEVNULL)
    tuning_folder = StudyFolder(tmp_path / "runs/small/tuning")
    while not (tuning_folder.file.exists() and list(tuning_folder.path.glob("*/result.json"))):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    both = [subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate() and process.returncode for process in both] == [0, 0]
    taken = ledger.take(tmp_path / "runs/small")
    assert taken.states["done"] == taken.planned == 4
    recorded = StudyFolder(tmp_path / "runs/small").recorded()
    assert recorded is not None
    assert recorded.choices == choosing.choose(StudyFolder(tmp_path / "runs/small"), PAIRS)
