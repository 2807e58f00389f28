"""What a study's folder says in JSON, as frozen types: study.json, result.json, failure.json."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.json_file import Object, StudyFileError

STUDY_LIMIT = 64 * 2**20
RECORD_LIMIT = 4 * 2**20
"""Larger files are refused, in bytes. A study of 10,000 trials has 2 MB."""

OUTCOMES = ("solved", "unsolved", "diverged", "timed_out", "out_of_memory", "measured")
"""What may become of a trial that is done."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an arm is trained, and when its trials stop."""

    optimizer: str
    learning_rate: float
    clip: float | None
    batch: int
    steps: int
    validation_every: int
    validation_size: int
    test_size: int
    solved_for: int
    stop: str


@dataclass(frozen=True, slots=True)
class Arm:
    """What is compared. `summary` is its equation or first line, `paper` where it comes from."""

    label: str
    architecture: str
    options: dict[str, Any]
    paper: str
    summary: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class TaskAxis:
    """A task at some lags; `solved_at` where the study sets its own threshold."""

    task: str
    lags: tuple[int, ...]
    solved_at: float | None
    lag_means: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Stated in advance: `arm` solves more often than `than`; pooled over what is None."""

    arm: str
    than: str
    task: str | None
    lag: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A trial of the plan."""

    id: str
    arm: str
    task: str
    lag: int
    seed: int

    @property
    def group(self) -> tuple[str, str, int]:
        """What it shares with the trials that differ in the seed alone."""
        return self.arm, self.task, self.lag


@dataclass(frozen=True, slots=True)
class Study:
    """A question and the grid of trials that answers it."""

    name: str
    question: str
    reference: str
    arms: tuple[Arm, ...]
    tasks: tuple[TaskAxis, ...]
    claims: tuple[Claim, ...]
    trials: tuple[Planned, ...]

    @property
    def labels(self) -> list[str]:
        """The arms' labels, in the order of the study."""
        return [arm.label for arm in self.arms]

    @property
    def groups(self) -> list[tuple[str, str, int]]:
        """The planned groups, by task, lag and arm in the order of the study."""
        planned = {trial.group for trial in self.trials}
        grid = ((a.label, t.task, lag) for t in self.tasks for lag in t.lags for a in self.arms)
        return [group for group in grid if group in planned]

    def arm(self, label: str) -> Arm:
        """Give the arm with this label."""
        return next(arm for arm in self.arms if arm.label == label)


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished trial committed; `log` lies below the trial's folder."""

    trial: str
    outcome: str
    attempts: int
    rows: int
    steps: int
    solved_step: int | None
    log: str
    log_sha256: str
    weights_sha256: str
    bit_exact: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """How the last attempt at a trial failed."""

    trial: str
    attempts: int
    step: int
    error: str
    traceback: str


def read_study(folder: str | os.PathLike[str]) -> Study:
    """Read `study.json` of a study's folder.

    Raises
    ------
    StudyFileError
        The file is missing, too large, malformed, contradicts itself, or is of a newer schema.
    """
    path = Path(folder) / "study.json"
    if not path.exists():
        raise StudyFileError(f"{path}: no such file; a study's folder holds one once it has run")
    top = Object.read(path, STUDY_LIMIT)
    study = Study(
        name=top.take("name", str),
        question=top.take("question", str),
        reference=top.take("reference", str),
        arms=tuple(
            Arm(
                label=arm.take("label", str),
                architecture=arm.take("architecture", str),
                options=arm.maybe("options", dict) or {},
                paper=arm.maybe("paper", str) or "",
                summary=arm.maybe("summary", str) or "",
                recipe=_recipe(arm.object("recipe")),
            )
            for arm in top.objects("arms")
        ),
        tasks=tuple(
            TaskAxis(
                task=axis.take("task", str),
                lags=axis.wholes("lags"),
                solved_at=axis.maybe("solved_at", float),
                lag_means=axis.maybe("lag_means", str) or "",
            )
            for axis in top.objects("tasks")
        ),
        claims=tuple(_claim(claim) for claim in top.objects("claims")),
        trials=tuple(
            Planned(
                id=trial.key,
                arm=trial.take("arm", str),
                task=trial.take("task", str),
                lag=trial.take("lag", int),
                seed=trial.take("seed", int),
            )
            for trial in top.named_objects("trials")
        ),
    )
    _check(study, path)
    return study


def read_result(folder: Path, trial: str) -> Result | None:
    """Read `result.json` of a trial's folder, or give None where the trial is not done.

    Raises
    ------
    StudyFileError
        The file is no regular file, too large, malformed, of a newer schema or another trial's.
    """
    top = _record(folder / "result.json", trial)
    if top is None:
        return None
    outcome = top.take("outcome", str)
    if outcome not in OUTCOMES:
        raise top.error("outcome", f"{outcome!r:.60}; known: {', '.join(OUTCOMES)}")
    return Result(
        trial=trial,
        outcome=outcome,
        attempts=top.take("attempts", int),
        rows=top.take("rows", int),
        steps=top.take("steps", int),
        solved_step=top.maybe("solved_step", int),
        log=top.take("log", str),
        log_sha256=top.take("log_sha256", str),
        weights_sha256=top.take("weights_sha256", str),
        bit_exact=top.take("bit_exact", bool),
        notes=tuple(str(note) for note in top.maybe("notes", list) or []),
    )


def read_failure(folder: Path, trial: str) -> Failure | None:
    """Read `failure.json` of a trial's folder, or give None where there is none.

    Raises
    ------
    StudyFileError
        As `read_result`.
    """
    top = _record(folder / "failure.json", trial)
    if top is None:
        return None
    return Failure(
        trial=trial,
        attempts=top.take("attempts", int),
        step=top.take("step", int),
        error=top.take("error", str),
        traceback=top.maybe("traceback", str) or "",
    )


def _record(path: Path, trial: str) -> Object | None:
    if not os.path.lexists(path):
        return None
    top = Object.read(path, RECORD_LIMIT)
    if top.take("trial", str) != trial:
        raise top.error("trial", f"{top.take('trial', str)!r:.60} in the folder of {trial}")
    return top


def _recipe(recipe: Object) -> Recipe:
    return Recipe(
        optimizer=recipe.take("optimizer", str),
        learning_rate=recipe.take("learning_rate", float),
        clip=recipe.maybe("clip", float),
        batch=recipe.take("batch", int),
        steps=recipe.take("steps", int),
        validation_every=recipe.take("validation_every", int),
        validation_size=recipe.take("validation_size", int),
        test_size=recipe.take("test_size", int),
        solved_for=recipe.take("solved_for", int),
        stop=recipe.take("stop", str),
    )


def _claim(claim: Object) -> Claim:
    if (on := claim.take("on", str)) != "solve_rate":
        raise claim.error("on", f"{on!r:.60}; known: solve_rate")
    return Claim(
        arm=claim.take("arm", str),
        than=claim.take("than", str),
        task=claim.maybe("task", str),
        lag=claim.maybe("lag", int),
        text=claim.take("text", str),
    )


def _check(study: Study, path: Path) -> None:
    labels, lags = set(study.labels), {axis.task: axis.lags for axis in study.tasks}
    for kind, names in (("arms", study.labels), ("tasks", [axis.task for axis in study.tasks])):
        if len(set(names)) < len(names):
            raise StudyFileError(f"{path}: {kind}: one is given twice")
    named = [study.reference] if study.arms else []
    for label in [*named, *(c.arm for c in study.claims), *(c.than for c in study.claims)]:
        if label not in labels:
            raise StudyFileError(f"{path}: no arm {label!r:.60}")
    seen = set()
    for trial in study.trials:
        if not re.fullmatch("[0-9a-f]{16}", trial.id):
            raise StudyFileError(f"{path}: trials: {trial.id!r:.60} is no trial id")
        if trial.arm not in labels or trial.lag not in lags.get(trial.task, ()):
            raise StudyFileError(f"{path}: trials.{trial.id}: not in the grid of arms, tasks, lags")
        if (where := (*trial.group, trial.seed)) in seen:
            raise StudyFileError(f"{path}: trials.{trial.id}: the same trial is planned twice")
        seen.add(where)
