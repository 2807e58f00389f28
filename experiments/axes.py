"""What a study varies and what it holds equal: arms, tasks at their lags, the budget.

Knows no torch: options, dialects and the smallest lags are read from source text.

Longer than a file should be: an arm, a task and a budget check one another's words.
"""

import unicodedata
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from lightning_modules import registry, task_names
from lightning_modules.curricula import Curriculum, WhenSolved
from lightning_modules.recipe import Declaration, Recipe, Whole
from lightning_modules.shape import Shape
from lightning_modules.task_names import TaskName

MOST_ENTRIES = 10_000
"""Of an axis: a range is written out before the trials are counted."""


def as_tuple(value: Any) -> Any:
    """Let a study write a list or a range where a tuple is kept."""
    if isinstance(value, range) and len(value) > MOST_ENTRIES:
        raise ValueError(f"{len(value):,} entries; at most {MOST_ENTRIES:,}")
    return tuple(value) if isinstance(value, list | range) else value


def plain_text(value: str) -> str:
    """Refuse text that is empty or holds control characters; give it in one Unicode form."""
    if not value.strip() or any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in value):
        raise ValueError("must be readable text, without control characters")
    return unicodedata.normalize("NFC", value)


def refuse_twice(what: str, values: Any) -> None:
    """Refuse a value that is given twice."""
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{what}: {twice[0]!r} is given twice")


Text = Annotated[StrictStr, Field(max_length=200)]
OptionValue = StrictBool | StrictInt | StrictFloat | StrictStr
LayeredValue = OptionValue | Annotated[tuple[OptionValue, ...], BeforeValidator(as_tuple)]


class Budget(Declaration):
    """What is held equal between arms: a number of parameters, or a state size."""

    parameters: Whole | None = None
    state: Whole | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.parameters is None) == (self.state is None):
            raise ValueError("give parameters=N or state=N, one of them")
        return self

    @property
    def measure(self) -> Literal["parameters", "state"]:
        """What is counted."""
        return "state" if self.parameters is None else "parameters"

    @property
    def amount(self) -> int:
        """The count to come near to."""
        return self.parameters or self.state or 0


class Arm(Shape):
    """What is compared: an architecture with its options, how its layers are joined (`Shape`) and,
    where they differ from the study's, its own recipe and budget.

    `architecture` is a registered name, `FILE.py:Class` or `module:Class`; the label is the name
    unless given. An option that is a list gives each layer its own value, the lowest first.
    """

    label: Text = ""
    architecture: StrictStr
    options: dict[str, LayeredValue] = {}
    recipe: Recipe | None = None
    budget: Budget | None = None

    @model_validator(mode="before")
    @classmethod
    def _label(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("label") and "architecture" in data:
            return {**data, "label": str(data["architecture"]).rpartition(":")[2]}
        return data

    @field_validator("label")
    @classmethod
    def _readable(cls, label: str) -> str:
        return plain_text(label)

    @field_validator("architecture")
    @classmethod
    def _resolved(cls, architecture: str) -> str:
        entry = registry.describe("architecture", architecture)
        place, _, name = architecture.rpartition(":")
        return f"{entry.path}:{name}" if place.endswith(".py") else architecture

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        known = registry.describe("architecture", self.architecture).options
        for name, value in self.options.items():
            if name not in known:
                raise ValueError(
                    f"{self.label} has no option {name!r}; it has "
                    f"{', '.join(known) or 'none'}{registry.hint(name, known)}"
                )
            values = value if isinstance(value, tuple) else (value,)
            if isinstance(value, tuple) and len(value) != self.layers:
                raise ValueError(
                    f"{self.label}: option {name} has {len(value)} values; a list gives each layer "
                    f"its own, and there are layers={self.layers}"
                )
            for one in values:
                if complaint := known[name].complaint(one):
                    raise ValueError(f"{self.label}: option {name} is {complaint}")
        missing = [o.name for o in known.values() if o.is_required and o.name not in self.options]
        if missing:
            raise ValueError(f"{self.label} needs the option {missing[0]!r}")
        if self.decoder is not None and self.decoder.architecture is not None:
            registry.describe("architecture", self.decoder.architecture)
            if registry.is_outside(self.decoder.architecture):
                raise ValueError(f"{self.label}: a decoder's architecture is a registered one")
            if any(isinstance(value, tuple) for value in self.options.values()):
                raise ValueError(f"{self.label}: options by layer are for one architecture alone")
        if self.decoder is not None and self.decoder.attention == "cross":
            decoder = self.decoder.architecture or self.architecture
            if not registry.describe("architecture", decoder).constants.get("can_look"):
                raise ValueError(
                    f'{self.label}: no layer of {decoder} looks at a source (attention="cross"); '
                    'attention="additive" and "multiplicative" are for any architecture'
                )
        if self.bidirectional and not self._is_causal:
            raise ValueError(f"{self.label} is not causal: it sees both directions already")
        return self

    @property
    def _is_causal(self) -> bool:
        """Whether its layers keep from looking ahead; some architectures have it as an option."""
        option = registry.describe("architecture", self.architecture).options.get("causal")
        value = self.options.get("causal", option.default if option else True)
        return all(value) if isinstance(value, tuple) else bool(value)

    @property
    def looks_ahead(self) -> str:
        """Say by what an answer may depend on later inputs, or nothing where it cannot.

        An encoder may: it reads the source alone, all of which is there before the reply.
        """
        if self.decoder is not None:
            return ""
        if self.bidirectional:
            return "it runs in both directions"
        return "" if self._is_causal else "it is not causal"

    @property
    def is_outside(self) -> bool:
        """Whether its code is not the project's."""
        return registry.is_outside(self.architecture)

    def identity(self) -> dict[str, Any]:
        """Give what makes its trials what they are: no label, no folder, no default spelt out."""
        known = registry.describe("architecture", self.architecture).options
        options = {
            name: _same_for_all(value, is_float=known[name].annotation == "float")
            for name, value in sorted(self.options.items())
        }
        place, _, name = self.architecture.rpartition(":")
        is_file = place.endswith(".py")
        return {
            "architecture": f"{place.rpartition('/')[2]}:{name}" if is_file else self.architecture,
            "options": {k: v for k, v in options.items() if v != known[k].default},
            **{
                k: self.decoder.changed() if k == "decoder" and self.decoder else v
                for k, v in self.shape().items()
                if v != Shape.model_fields[k].default
            },
        }

    def shape(self) -> dict[str, Any]:
        """Give how its layers are joined, by the names of the fields."""
        return self.model_dump(include=set(Shape.model_fields))


def _same_for_all(value: Any, *, is_float: bool) -> Any:
    """Give an option in its one form: numbers as the signature says, one value if all are equal."""
    if isinstance(value, tuple):
        values = [float(one) for one in value] if is_float else list(value)
        return values[0] if all(one == values[0] for one in values) else values
    return float(value) if is_float else value


class TaskAxis(Declaration):
    """A task in one of its dialects ("adding/bai"), at some lags.

    Options are written behind the dialect: "permuted_digits/pixels(permutation=7)"; the task may
    come from outside: "FILE.py:Class/dialect" or "module:Class/dialect". `solved_at` is the
    validation score from which the task counts as solved; the task's own unless given. At
    `test_lags` every trial is tested as well, beside its own lag: does it hold further back than
    it was trained for? With a `curriculum` training begins at shorter lags than the trial's own.
    """

    task: StrictStr
    lags: Annotated[tuple[Whole, ...], BeforeValidator(as_tuple)]
    solved_at: Annotated[float, Field(gt=0, le=1)] | None = None
    test_lags: Annotated[tuple[Whole, ...], BeforeValidator(as_tuple)] = ()
    curriculum: Curriculum | None = None

    @field_validator("task")
    @classmethod
    def _resolved(cls, task: str) -> str:
        return task_names.parse(task).text

    @model_validator(mode="after")
    def _lags_fit(self) -> Self:
        if not self.lags:
            raise ValueError("lags needs at least one entry")
        refuse_twice("lags", self.lags)
        refuse_twice("test_lags", self.test_lags)
        smallest: int = self.constants["smallest_lag"][self._parsed.dialect]
        for lag in (*self.lags, *self.test_lags):
            if lag < smallest:
                raise ValueError(f"lag {lag} is too short for {self.task}: at least {smallest}")
        if self.curriculum is not None:
            self._check_curriculum(self.curriculum, smallest)
        return self

    def _check_curriculum(self, curriculum: Curriculum, smallest: int) -> None:
        if not smallest <= curriculum.start <= min(self.lags):
            raise ValueError(
                f"curriculum: start {curriculum.start}: from {smallest}, the smallest lag of "
                f"{self.task}, to {min(self.lags)}, the shortest of lags"
            )
        if isinstance(curriculum, WhenSolved) and not (curriculum.score or self.solved_at):
            # A task may also have its bar from its base class, or from its dialect.
            if self.constants.get("solved_at", 1.0) is None:
                raise ValueError(f"curriculum: nothing solves {self.task}; give its score=...")

    @property
    def _parsed(self) -> TaskName:
        return task_names.parse(self.task)

    @property
    def name(self) -> str:
        """The registered name, `FILE.py:Class` or `module:Class`."""
        return self._parsed.name

    @property
    def dialect(self) -> str:
        """The dialect of the literature, with the options that are not at their defaults."""
        return self._parsed.variant

    @property
    def is_outside(self) -> bool:
        """Whether its code is not the project's."""
        return registry.is_outside(self.name)

    @property
    def constants(self) -> dict[str, Any]:
        """What the task's file states in plain values."""
        return registry.describe("task", self.name).constants


class Probing(Declaration):
    """A probe, and when it measures: at steps of the training, or at what happens in it.

    `start`: before the first step; `validation`: with each row; `end`: on the last weights.
    """

    probe: StrictStr
    at: Annotated[
        tuple[Literal["start", "validation", "end"] | Whole, ...], BeforeValidator(as_tuple)
    ] = ("start", "end")

    @field_validator("probe")
    @classmethod
    def _registered(cls, probe: str) -> str:
        if registry.is_outside(probe):
            raise ValueError(f"{probe!r}: longdep probe takes a probe from outside the project")
        return registry.describe("probe", probe).name

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if not self.at:
            raise ValueError("at needs at least one entry")
        refuse_twice("at", self.at)
        return self

    @property
    def text(self) -> str:
        """The probe and its times in words."""
        return f"{self.probe} at {', '.join(map(str, self.at))}"


def _as_probings(value: Any) -> Any:
    """Let a study name a probe where its usual times will do."""
    value = as_tuple(value)
    if not isinstance(value, tuple):
        return value
    return tuple(Probing(probe=entry) if isinstance(entry, str) else entry for entry in value)


Probings = Annotated[tuple[Probing, ...], BeforeValidator(_as_probings)]
