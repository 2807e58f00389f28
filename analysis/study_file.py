"""What study.json says, as frozen types.

Longer than a file should be: each type stands in the file that reads it, field by field.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.claim_file import Claim as Claim
from analysis.claim_file import read_claims
from analysis.json_file import Object, StudyFileError

STUDY_LIMIT = 64 * 2**20
"""Larger files are refused, in bytes. A study of 10,000 trials has 2 MB."""


KINDS = ("first", "spare", "again", "large")
"""What a study that reproduces may be."""


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
    """What is compared. `summary` is its equation or first line, `paper` where it comes from.

    From `layers` on they say how its layers are joined; of a single layer they are at their
    defaults. `decoder` says in words what answers in sequences, where something does; `budget` is
    its own, where it has one.
    """

    label: str
    architecture: str
    options: dict[str, Any]
    paper: str
    summary: str
    recipe: Recipe
    layers: int = 1
    wiring: str = "plain"
    norm: str = "none"
    output: str = "last"
    bidirectional: bool = False
    decoder: str = ""
    budget: str = ""

    @property
    def joined(self) -> str:
        """The wiring, with what goes beyond it."""
        words = [self.wiring]
        words += [f"normalised {self.norm} each"] * (self.norm != "none")
        words += ["all layers read out"] * (self.output == "all")
        return ", ".join(words)

    @property
    def direction(self) -> str:
        """Which way it runs."""
        return "both" if self.bidirectional else "forwards"


@dataclass(frozen=True, slots=True)
class TaskAxis:
    """A task at some lags; `solved_at` where the study sets its own threshold.

    `trained_at` says which lags it is trained at, where a curriculum leads to its own: from
    `shortest` on.
    """

    task: str
    lags: tuple[int, ...]
    solved_at: float | None
    lag_means: str
    trained_at: str = ""
    shortest: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The learning rate that tuning chose for an arm on a task."""

    arm: str
    task: str
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was tried before the study's own trials, on seeds of its own, and what was chosen."""

    learning_rates: tuple[float, ...]
    seeds: tuple[int, ...]
    trials: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A trial of the plan. Its id is empty until tuning has chosen its learning rate."""

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
class Extension:
    """What was added to a study that had begun: on which day, when how many trials were done."""

    on: str
    added: str
    trials: int
    done: int


@dataclass(frozen=True, slots=True)
class Reproduces:
    """A published finding that a study asks for again: what is said, where, and how that is known.

    `differs` is what the study does otherwise. `kind` is first, spare, again or large; `like` the
    study that asks for the same, `needs` what a large one needs.
    """

    finding: str
    says: str
    source: str
    tag: str
    differs: str
    kind: str = "first"
    like: str = ""
    needs: str = ""


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
    extensions: tuple[Extension, ...] = ()
    tuning: Tuning | None = None
    reproduces: Reproduces | None = None

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
                layers=arm.maybe("layers", int) or 1,
                wiring=arm.maybe("wiring", str) or "plain",
                norm=arm.maybe("norm", str) or "none",
                output=arm.maybe("output", str) or "last",
                bidirectional=arm.maybe("bidirectional", bool) or False,
                decoder=_decoder(arm),
                budget=_budget(arm),
            )
            for arm in top.objects("arms")
        ),
        tasks=tuple(
            TaskAxis(
                task=axis.take("task", str),
                lags=axis.wholes("lags"),
                solved_at=axis.maybe("solved_at", float),
                lag_means=axis.maybe("lag_means", str) or "",
                trained_at=axis.maybe("trained_at", str) or "",
                shortest=_shortest(axis),
            )
            for axis in top.objects("tasks")
        ),
        claims=read_claims(top),
        trials=(
            *(_planned(trial, trial.key or "''") for trial in top.named_objects("trials")),
            *(_planned(trial, "") for trial in _listed(top, "waiting")),
        ),
        extensions=tuple(
            Extension(
                on=extension.take("on", str),
                added=extension.take("added", str),
                trials=extension.take("trials", int),
                done=extension.take("done", int),
            )
            for extension in _listed(top, "extensions")
        ),
        tuning=_tuning(top) if top.maybe("tuning", dict) else None,
        reproduces=_reproduces(top) if top.maybe("reproduces", dict) else None,
    )
    _check(study, path)
    return study


def _listed(top: Object, key: str) -> list[Object]:
    return top.objects(key) if top.maybe(key, list) else []


def _planned(trial: Object, id_: str) -> Planned:
    return Planned(
        id=id_,
        arm=trial.take("arm", str),
        task=trial.take("task", str),
        lag=trial.take("lag", int),
        seed=trial.take("seed", int),
    )


def _tuning(top: Object) -> Tuning:
    tuning = top.object("tuning")
    return Tuning(
        learning_rates=tuning.numbers("learning_rates"),
        seeds=tuning.wholes("seeds"),
        trials=tuning.take("trials", int),
        choices=tuple(
            Choice(
                arm=choice.take("arm", str),
                task=choice.take("task", str),
                learning_rate=choice.take("learning_rate", float),
            )
            for choice in _listed(top, "tuned")
        ),
    )


def _reproduces(top: Object) -> Reproduces:
    found = top.object("reproduces")
    later = {"kind": "first", "like": "", "needs": ""}
    if (kind := found.maybe("kind", str) or "first") not in KINDS:
        raise found.error("kind", f"{kind!r:.60}; known: {', '.join(KINDS)}")
    return Reproduces(
        **{
            name: found.maybe(name, str) or later[name] if name in later else found.take(name, str)
            for name in Reproduces.__slots__
        }
    )


def _budget(arm: Object) -> str:
    if arm.maybe("budget", dict) is None:
        return ""
    budget = arm.object("budget")
    held = {measure: budget.maybe(measure, int) for measure in ("parameters", "state")}
    return ", ".join(f"{amount:,} {measure}" for measure, amount in held.items() if amount)


def _decoder(arm: Object) -> str:
    if arm.maybe("decoder", dict) is None:
        return ""
    decoder = arm.object("decoder")
    architecture, attention = decoder.maybe("architecture", str), decoder.maybe("attention", str)
    words = [architecture or "its own"]
    words += [f"{attention} attention"] * (attention not in (None, "none"))
    words += ["source reversed"] * (decoder.maybe("source", str) == "reversed")
    beam = decoder.maybe("beam", int) or 1
    words += [f"beam {beam}"] * (beam > 1)
    return ", ".join(words)


def _shortest(axis: Object) -> int | None:
    return axis.object("curriculum").take("start", int) if axis.maybe("curriculum", dict) else None


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


def _check(study: Study, path: Path) -> None:
    labels, lags = set(study.labels), {axis.task: axis.lags for axis in study.tasks}
    for kind, names in (("arms", study.labels), ("tasks", [axis.task for axis in study.tasks])):
        if len(set(names)) < len(names):
            raise StudyFileError(f"{path}: {kind}: one is given twice")
    named = [study.reference] if study.arms else []
    held = (c.than for c in study.claims if c.value is None)
    for label in [*named, *(c.arm for c in study.claims), *held]:
        if label not in labels:
            raise StudyFileError(f"{path}: no arm {label!r:.60}")
    seen = set()
    for trial in study.trials:
        place = f"trials.{trial.id}" if trial.id else "waiting"
        if trial.id and not re.fullmatch("[0-9a-f]{16}", trial.id):
            raise StudyFileError(f"{path}: trials: {trial.id!r:.60} is no trial id")
        if trial.arm not in labels or trial.lag not in lags.get(trial.task, ()):
            raise StudyFileError(f"{path}: {place}: not in the grid of arms, tasks, lags")
        if (where := (*trial.group, trial.seed)) in seen:
            raise StudyFileError(f"{path}: {place}: the same trial is planned twice")
        seen.add(where)
    pairs = set()
    for choice in study.tuning.choices if study.tuning else ():
        if choice.arm not in labels or choice.task not in lags:
            raise StudyFileError(f"{path}: tuned: no {choice.arm!r:.60} on {choice.task!r:.60}")
        if (pair := (choice.arm, choice.task)) in pairs:
            raise StudyFileError(f"{path}: tuned: two choices for {pair!r:.120}")
        pairs.add(pair)
