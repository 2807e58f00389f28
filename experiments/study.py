"""Declarations: a study, its arms, tasks and claims; the grid; the trial's id. Knows no torch.

Everything is frozen and closed: a misspelt field, name or value fails where it is written, with
what is allowed and the nearest name.

Longer than a file should be: a study is one declaration, whose fields, checks and grid are read
together.
"""

import hashlib
import itertools
import json
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from experiments.axes import (
    Arm,
    Budget,
    Probing,
    Probings,
    TaskAxis,
    Text,
    as_tuple,
    plain_text,
    refuse_twice,
)
from experiments.claims import Claim, Group, Published, refuse_unknown
from experiments.claims import check as check_claim
from experiments.reproducing import Reproduces
from experiments.tuning import FIRST_SEED, SUFFIX, Choice, Tuning, refuse_others
from lightning_modules.curricula import (
    Curriculum,
    RegularIncrease,
    ReverseExponential,
    Uniform,
    WhenSolved,
)
from lightning_modules.recipe import Declaration, Positive, Recipe, Whole
from lightning_modules.shape import Decoder
from lightning_modules.task_names import without_folder

__all__ = [
    "Arm",
    "Budget",
    "Claim",
    "Declaration",
    "Decoder",
    "Group",
    "Probing",
    "Published",
    "Recipe",
    "RegularIncrease",
    "Reproduces",
    "ReverseExponential",
    "Study",
    "TaskAxis",
    "Trial",
    "Tuning",
    "Uniform",
    "WhenSolved",
]

MAX_TRIALS = 10_000

MAX_NAME = 64
MAX_CLAIMS = 1000

LATER = ("test_lags", "curriculum", "cohort")
"""Fields of a trial that came after the first ones: at their default it is what it was before."""


class Trial(Declaration):
    """One training run, complete in its declaration."""

    study: StrictStr
    arm: Arm
    task: StrictStr
    dialect: StrictStr
    task_version: int
    lag: Whole
    solved_at: float | None
    seed: Annotated[StrictInt, Field(ge=0, le=2**32 - 1)]
    budget: Budget
    recipe: Recipe
    test_lags: tuple[Whole, ...] = ()
    probes: Probings = ()
    curriculum: Curriculum | None = None
    cohort: Whole = 1

    @property
    def id(self) -> str:
        """Hash the declaration, without what the trial is called: 16 hex digits.

        And without its probes: with them and without, it is the same training.
        """
        fields = type(self).model_fields
        absent = {name for name in LATER if getattr(self, name) == fields[name].default}
        identity = {
            **self.arm.identity(),
            **self.model_dump(exclude={"study", "arm", "probes", *absent}),
            "task": without_folder(self.task),
        }
        text = json.dumps(identity, sort_keys=True, allow_nan=False, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def group(self) -> str:
        """The trials that differ from this one in the seed alone."""
        return f"{self.arm.label} | {self.place} | {self.lag}"

    @property
    def place(self) -> str:
        """The task, without the folder it may lie in: what leaves the machine says so much."""
        return without_folder(f"{self.task}/{self.dialect}")


class Study(Declaration):
    """A question and the grid of trials that answers it: arms x tasks x lags x seeds.

    `seeds` is a number of seeds (0, 1, ...) or the seeds themselves. With `learning_rates` every
    arm is run at each rate, as an arm of its own. With `tuning` the rate of each arm on each task
    is chosen first, on validation and on other seeds, and the arms' own rates are not used. Without
    claims, each arm is claimed to solve more often than the reference, pooled over tasks and lags;
    `claims=None` claims nothing. `probes` measure every trial's network, each at the times that it
    names; a bare name stands for the start and the end. With `cohort`, up to so many trials that
    differ in the seed alone train together; they come to what each would alone, within rounding.
    `reproduces` is the published finding that the study asks for again.
    """

    name: StrictStr
    question: Text
    arms: Annotated[tuple[Arm, ...], BeforeValidator(as_tuple)]
    tasks: Annotated[tuple[TaskAxis, ...], BeforeValidator(as_tuple)]
    seeds: Annotated[tuple[StrictInt, ...], BeforeValidator(as_tuple)]
    budget: Budget
    reference: StrictStr
    recipe: Recipe = Recipe()
    learning_rates: Annotated[tuple[Positive, ...], BeforeValidator(as_tuple)] = ()
    tuning: Tuning | None = None
    claims: Annotated[tuple[Claim, ...] | None, BeforeValidator(as_tuple)] = ()
    probes: Probings = ()
    cohort: Whole = 1
    reproduces: Reproduces | None = None
    _choices: tuple[Choice, ...] = PrivateAttr(())

    @field_validator("name")
    @classmethod
    def _safe(cls, name: str) -> str:
        allowed = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
        if not (allowed and name[0].isalnum() and len(name) <= MAX_NAME):
            raise ValueError(
                f"{name!r:.80}: letters, digits, - and _ only; at most {MAX_NAME} characters"
            )
        return name

    @field_validator("question")
    @classmethod
    def _readable(cls, question: str) -> str:
        return plain_text(question)

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: Any) -> Any:
        is_count = isinstance(seeds, int) and not isinstance(seeds, bool)
        if is_count and seeds > MAX_TRIALS:
            raise ValueError(f"{seeds:,} seeds; a study has at most {MAX_TRIALS:,} trials")
        return tuple(range(seeds)) if is_count else seeds

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for what in ("arms", "tasks", "seeds"):
            if not getattr(self, what):
                raise ValueError(f"{what} needs at least one entry")
        for seed in self.seeds:
            if not 0 <= seed < 2**32:
                raise ValueError(f"seed {seed}: from 0 to {2**32 - 1}")
        refuse_twice("seeds", self.seeds)
        refuse_twice("tasks", [t.task for t in self.tasks])
        refuse_twice("learning_rates", self.learning_rates)
        refuse_twice("arms", [arm.label for arm in self.arms])
        refuse_twice("probes", [probing.probe for probing in self.probes])
        labels = [arm.label for arm in self.arms]
        refuse_unknown("reference", self.reference, labels)
        stops = {arm.label: arm.recipe.stop for arm in self.resolved_arms if arm.recipe}
        lags = {axis.task: axis.lags for axis in self.tasks}
        probes = [probing.probe for probing in self.probes]
        tested = {axis.task: axis.test_lags for axis in self.tasks}
        for claim in self.claims or ():
            check_claim(claim, list(stops), lags, stops, probes, tested)
        for arm, axis in itertools.product(self.arms, self.tasks):
            if arm.looks_ahead and axis.constants.get("causal"):
                raise ValueError(
                    f"{arm.label} on {axis.task}: the task asks for what comes next, and "
                    f"{arm.looks_ahead}, so that it would see the answer among its inputs"
                )
            if arm.decoder is not None and not axis.constants.get("replies"):
                raise ValueError(
                    f"{arm.label} on {axis.task}: a decoder answers in sequences, said symbol by "
                    "symbol, and the task asks for none"
                )
        if self.tuning is not None:
            self._check_tuning(self.tuning)
        if (size := self.size + self.tuning_size) > MAX_TRIALS:
            raise ValueError(f"{size:,} trials; at most {MAX_TRIALS:,}")
        if self.reproduces is not None and not self.claims:
            raise ValueError("reproduces: state as claims what is expected")
        if (number := len(self.resolved_claims)) > MAX_CLAIMS:
            raise ValueError(f"{number:,} claims; at most {MAX_CLAIMS:,}")
        refuse_twice("claims", [claim.text for claim in self.resolved_claims])
        alike = [ids for ids in self._labels_by_id().values() if len(ids) > 1]
        if alike:
            raise ValueError(f"the arms {' and '.join(alike[0])} are the same under two labels")
        return self

    def _check_tuning(self, tuning: Tuning) -> None:
        if self.learning_rates:
            raise ValueError("tuning chooses a learning rate; learning_rates is for all of them")
        if late := [seed for seed in self.seeds if seed >= FIRST_SEED]:
            raise ValueError(f"seed {late[0]}: with tuning, seeds from {FIRST_SEED:,} are its own")
        if len(self.name + SUFFIX) > MAX_NAME:
            raise ValueError(f"name: with tuning at most {MAX_NAME - len(SUFFIX)} characters")

    def _labels_by_id(self) -> dict[str, list[str]]:
        axis, seed = self.tasks[0], self.seeds[0]
        by_id: dict[str, list[str]] = {}
        for arm in self.resolved_arms:
            if self.tuning is not None:
                arm = _at_rate(arm, self.tuning.learning_rate[0])
            by_id.setdefault(self._trial(arm, axis, axis.lags[0], seed).id, []).append(arm.label)
        return by_id

    @property
    def resolved_arms(self) -> tuple[Arm, ...]:
        """The arms with their recipes filled in, one for each learning rate."""
        arms = [arm.model_copy(update={"recipe": arm.recipe or self.recipe}) for arm in self.arms]
        if not self.learning_rates:
            return tuple(arms)
        return tuple(
            Arm(
                **{
                    **dict(arm),
                    "label": f"{arm.label} lr={rate:g}",
                    "recipe": (arm.recipe or self.recipe).but(learning_rate=rate),
                }
            )
            for arm in arms
            for rate in self.learning_rates
        )

    @property
    def resolved_reference(self) -> str:
        """The reference among the resolved arms (at the first rate, where that is an axis)."""
        if not self.learning_rates:
            return self.reference
        return f"{self.reference} lr={self.learning_rates[0]:g}"

    @property
    def resolved_claims(self) -> tuple[Claim, ...]:
        """The claims as given, or each arm against the reference (at the same learning rate)."""
        if self.claims or self.claims is None:
            lags = {axis.task: axis.lags for axis in self.tasks}
            spread = (claim.spread(lags) for claim in self.claims or ())
            return tuple(itertools.chain.from_iterable(spread))
        rates = [f" lr={rate:g}" for rate in self.learning_rates] or [""]
        return tuple(
            Claim(arm=arm.label + rate, than=self.reference + rate)
            for arm in self.arms
            for rate in rates
            if arm.label != self.reference
        )

    @property
    def size(self) -> int:
        """How many trials there are, those of its tuning not among them."""
        lags = sum(len(axis.lags) for axis in self.tasks)
        return len(self.arms) * max(1, len(self.learning_rates)) * lags * len(self.seeds)

    @property
    def tuning_size(self) -> int:
        """How many trials its tuning has."""
        if self.tuning is None:
            return 0
        lags = sum(len(axis.lags) for axis in self.tasks)
        return len(self.arms) * len(self.tuning.learning_rate) * lags * self.tuning.seeds

    @property
    def tuning_study(self) -> "Study | None":
        """Its tuning, as a study of its own, which claims nothing."""
        if self.tuning is None:
            return None
        changes = {
            "name": self.name + SUFFIX,
            "question": f"Which learning rate does each arm of {self.name} need?",
            "tasks": [axis.model_copy(update={"test_lags": ()}) for axis in self.tasks],
            "seeds": self.tuning.own_seeds,
            "learning_rates": self.tuning.learning_rate,
            "claims": None,
            "probes": (),
            "tuning": None,
        }
        return Study(**{**dict(self), **changes})

    @property
    def untuned(self) -> "Study":
        """The same grid at the recipes' own rates: for all that does not depend on them."""
        study = self.model_copy(update={"tuning": None})
        study._choices = ()
        return study

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What tuning has come to so far."""
        return self._choices

    def with_choices(self, choices: tuple[Choice, ...]) -> "Study":
        """Give the study with what its tuning has come to.

        Raises
        ------
        ValueError
            When they are not choices of this study's tuning.
        """
        places = {without_folder(axis.task) for axis in self.tasks}
        known = set(itertools.product([arm.label for arm in self.arms], places))
        refuse_others(choices, self.tuning, known)
        study = self.model_copy()
        study._choices = choices
        return study

    def _trial(self, arm: Arm, axis: TaskAxis, lag: int, seed: int) -> Trial:
        assert arm.recipe is not None
        return Trial(
            study=self.name,
            arm=arm,
            task=axis.name,
            dialect=axis.dialect,
            task_version=axis.constants.get("version", 1),
            lag=lag,
            solved_at=axis.solved_at,
            seed=seed,
            budget=arm.budget or self.budget,
            recipe=arm.recipe,
            test_lags=axis.test_lags,
            probes=self.probes,
            curriculum=axis.curriculum,
            cohort=self.cohort,
        )

    def trials(self) -> list[Trial]:
        """List the grid, seed by seed, so that every group has a first result early.

        With tuning, these are the trials whose learning rate has been chosen.
        """
        arms = {axis.task: self._arms_on(axis) for axis in self.tasks}
        return [
            self._trial(arm, axis, lag, seed)
            for seed in self.seeds
            for axis in self.tasks
            for lag in axis.lags
            for arm in arms[axis.task]
        ]

    def _arms_on(self, axis: TaskAxis) -> tuple[Arm, ...]:
        if self.tuning is None:
            return self.resolved_arms
        place = without_folder(axis.task)
        rates = {c.arm: c.learning_rate for c in self._choices if c.task == place}
        arms = (arm for arm in self.resolved_arms if arm.label in rates)
        return tuple(_at_rate(arm, rates[arm.label]) for arm in arms)

    def with_arm(self, reference: str) -> "Study":
        """Give the study with one more arm, from outside or registered."""
        arm = Arm(architecture=reference)
        return Study(**{**dict(self), "arms": (*self.arms, arm)})


def _at_rate(arm: Arm, rate: float) -> Arm:
    assert arm.recipe is not None
    return arm.model_copy(update={"recipe": arm.recipe.but(learning_rate=rate)})
