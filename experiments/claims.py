"""Claims: comparisons that a study states before it runs, and the report judges. Knows no torch.

Longer than a file should be: every form of claim is declared, refused and said in words in one
place.
"""

import ast
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from experiments.axes import Text, plain_text
from lightning_modules import registry
from lightning_modules.recipe import Declaration, Positive, Whole

Relation = Literal["more", "less", "at least", "at most", "equivalent within"]
Scale = Literal["difference", "ratio"]
Number = Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False)]

WORDS = {
    "solve_rate": "solve rate",
    "steps_to_solve": "number of steps to solve",
    "test/score": "test score",
    "test/loss": "test loss",
}
"""What a claim may be on, in words; besides it, on what `OTHERS` says."""

OTHERS = ("test/<lag>/score", "test/<lag>/loss", "test/all/...", "probe/<name>/<quantity>")
"""On what a trial came to at a lag of `test_lags`, or on the mean over all of these and its own,
and on a number that a probe measured."""


class Tested(NamedTuple):
    """What a claim on a test is on: the score or the loss, at which lag; None: the trial's own."""

    lag: int | Literal["all"] | None
    measure: str


def tested(on: str) -> Tested | None:
    """Take apart what a claim is on, where it is on a test."""
    match on.split("/"):
        case ["test", "score" | "loss" as measure]:
            return Tested(None, measure)
        case ["test", "all", "score" | "loss" as measure]:
            return Tested("all", measure)
        case ["test", lag, "score" | "loss" as measure] if lag.isdecimal() and lag[0] != "0":
            return Tested(int(lag), measure)
    return None


def words(on: str) -> str:
    """Say what a claim is on."""
    found = tested(on)
    if found is None or found.lag is None:
        return WORDS.get(on, on)
    if found.lag == "all":
        return f"mean test {found.measure} over all lags"
    return f"test {found.measure} at lag {found.lag}"


class Group(Declaration):
    """The other side of a claim, where it is not the same place: what is left out is the claim's.

    `Claim(arm="lstm", lag=50, than=Group(lag=10), relation="less")`: less often at lag 50 than 10.
    `on` names another lag of the test: `Claim(arm="lstm", on="test/100/score",
    than=Group(on="test/score"), relation="less")`, a lower score at lag 100 than at its own.
    """

    arm: StrictStr | None = None
    task: StrictStr | None = None
    lag: Whole | None = None
    on: StrictStr | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(value is None for _, value in self):
            raise ValueError("name an arm, a task or a lag, or on=..., that is not the claim's own")
        return self


def _not_from_memory(tag: Any) -> Any:
    if tag == "M":
        raise ValueError("a number from memory is no reference: open the paper, then tag it R")
    return tag


Tag = Annotated[Literal["R", "S", "D", "P"], BeforeValidator(_not_from_memory)]
"""How a published number is known; see `Published`."""


class Published(Declaration):
    """A number from the literature, to be reproduced within `tolerance`. `source` names the place.

    | tag | how the number is known |
    |---|---|
    | R | read in the paper itself, or in its authors' code |
    | S | read in another paper that quotes it |
    | D | derived, by arithmetic that the source allows |
    | P | from a pilot of one's own |
    | M | from memory: no reference, and refused |
    """

    value: Number
    tolerance: Positive
    source: Text
    tag: Tag

    @field_validator("source")
    @classmethod
    def _readable(cls, source: str) -> str:
        return plain_text(source)


class Claim(Declaration):
    """A comparison stated in advance: what `on` names is more with `arm` than with `than`.

    On one task and lag, or pooled over those that are left open; `lag="each"` states one claim for
    each task and lag. `than` is an arm, a `Group`, a number, or a `Published` one. `relation` may
    also be less; at least or at most, by an `amount` (0.2 more, or 2 times as much on the scale
    "ratio"; none: at least as much); or equivalent within an `amount` (a ratio of 1.25 means
    within 0.8 and 1.25). With a `Published` number the amount is its tolerance unless given.
    What it is on may be a test at another lag than the trials', of `test_lags`: "test/100/score",
    or the mean over all lags of the test, each of which counts the same: "test/all/score".
    """

    arm: StrictStr
    than: StrictStr | Number | Group | Published
    on: StrictStr = "solve_rate"
    task: StrictStr | None = None
    lag: Whole | Literal["each"] | None = None
    relation: Relation = "more"
    amount: Number | None = None
    scale: Scale = "difference"

    @field_validator("than", mode="before")
    @classmethod
    def _kind(cls, than: Any) -> Any:
        if isinstance(than, bool) or not isinstance(than, str | int | float | dict | Declaration):
            raise ValueError(f"{than!r:.60}: an arm, a number, Group(...) or Published(...)")
        if isinstance(than, int | float) and not math.isfinite(than):
            raise ValueError(f"{than}: a finite number")
        if isinstance(than, dict):  # from JSON: told apart by what it holds, for a clear message
            return (Published if "value" in than else Group).model_validate(than)
        return than

    @field_validator("on")
    @classmethod
    def _known(cls, on: str) -> str:
        parts = on.split("/")
        if parts[0] == "probe" and 3 <= len(parts) <= 5 and all(parts):
            return on
        known = [*WORDS, *OTHERS]
        if on not in WORDS and tested(on) is None:
            raise ValueError(f"{on!r:.60}; known: {', '.join(known)}{registry.hint(on, known)}")
        return on

    @model_validator(mode="after")
    def _whole(self) -> Self:
        amount, is_ratio = self.amount, self.scale == "ratio"
        if isinstance(self.than, Published):
            if is_ratio:
                raise ValueError("a published number has a tolerance: scale='difference'")
            if self.relation in ("more", "less"):
                raise ValueError("a published number: 'equivalent within', 'at least' or 'at most'")
        elif self.relation == "equivalent within" and amount is None:
            raise ValueError("equivalent within what? give an amount")
        if self.relation in ("more", "less") and amount is not None:
            raise ValueError(f"{self.relation!r} takes no amount; say 'at least' or 'at most'")
        if amount is not None and is_ratio and amount <= 0:
            raise ValueError(f"amount {amount}: a ratio is above 0")
        if amount is not None and self.relation == "equivalent within":
            if amount <= (1 if is_ratio else 0):
                raise ValueError(f"amount {amount}: above {1 if is_ratio else 0}, to be within it")
        if is_ratio and isinstance(self.than, int | float) and self.than <= 0:
            raise ValueError(f"a ratio to {self.than}: to a number above 0")
        if isinstance(self.than, Group):
            self._check_group(self.than)
        return self

    def _check_group(self, group: Group) -> None:
        if group.lag is not None and not isinstance(self.lag, int):
            raise ValueError(f"against lag {group.lag}: at which lag? give the claim's own")
        if group.task is not None and self.task is None:
            raise ValueError(f"against {group.task}: on which task? give the claim's own")
        if group.on is not None:
            here, there = tested(self.on), tested(group.on)
            if here is None or there is None or here.measure != there.measure:
                raise ValueError(
                    f"{self.on} against {group.on:.60}: one measure at two lags of the test, as in "
                    "on='test/100/score', than=Group(on='test/score')"
                )
        if (*self.other, self.other_on) == (self.arm, self.task, self.lag, self.on):
            raise ValueError(f"{self.arm} is held against itself")

    @property
    def other(self) -> tuple[str | None, str | None, Any]:
        """The other side as (arm, task, lag); no arm: a number."""
        than = self.than
        if isinstance(than, Group):
            return than.arm or self.arm, than.task or self.task, than.lag or self.lag
        return (than if isinstance(than, str) else None), self.task, self.lag

    @property
    def other_on(self) -> str:
        """What the other side is on: the same, but for another lag of the test."""
        return (isinstance(self.than, Group) and self.than.on) or self.on

    @property
    def value(self) -> float | None:
        """The number that it is held against, if it is one."""
        if isinstance(self.than, Published):
            return float(self.than.value)
        return float(self.than) if isinstance(self.than, int | float) else None

    @property
    def threshold(self) -> float:
        """What the difference or ratio is held against; within it, where it is to be equivalent."""
        if self.amount is not None:
            return float(self.amount)
        if isinstance(self.than, Published):
            sign = {"at least": -1, "at most": 1}.get(self.relation, 1)
            return sign * self.than.tolerance
        return 1.0 if self.scale == "ratio" else 0.0

    def spread(self, lags: Mapping[str, Sequence[int]]) -> "list[Claim]":
        """Give one claim for each task and lag where it says "each", else itself."""
        if self.lag != "each":
            return [self]
        tasks = [self.task] if self.task else list(lags)
        return [
            self.model_copy(update={"task": task, "lag": lag})
            for task in tasks
            for lag in lags[task]
        ]

    @property
    def text(self) -> str:
        """The claim in words."""
        arm, task, lag = self.other
        place = _place(self.task, self.lag)
        is_plain = (task, lag) == (self.task, self.lag)
        if self.on == "solve_rate" and self.relation in ("more", "less") and is_plain and arm:
            if self.scale == "difference":
                often = {"more": "more", "less": "less"}[self.relation]
                return f"{self.arm} solves {often} often than {arm} ({place})"
        subject = f"the {words(self.on)} of {self.arm}" + ("" if is_plain else f" ({place})")
        if arm is None:
            object_ = f"{self.value:g}"
        else:
            held = "that" if self.other_on == self.on else f"the {words(self.other_on)}"
            object_ = f"{held} of {arm}" + ("" if is_plain else f" ({_place(task, lag)})")
        end = f" ({place})" if is_plain else ""
        if isinstance(self.than, Published):
            end = f", {self.than.source} [{self.than.tag}]{end}"
        return f"{subject} is {self._relation(object_)}{end}"

    def _relation(self, other: str) -> str:
        by, is_ratio = self.threshold, self.scale == "ratio"
        if self.relation == "equivalent within":
            return f"{other} within {'a factor of ' * is_ratio}{by:g}"
        if self.relation in ("more", "less"):
            return f"{self.relation} than {other}"
        if is_ratio:
            return f"{self.relation} {'' if by == 1 else f'{by:g} times '}{other}"
        more = "" if by == 0 else f" {'+' if by > 0 else '-'} {abs(by):g}"
        return f"{self.relation} {other}{more}"


def _place(task: str | None, lag: Any) -> str:
    at = "all lags" if lag is None else "each lag" if lag == "each" else f"lag {lag}"
    return f"{task or 'all tasks'}, {at}"


def check(
    claim: Claim,
    labels: Sequence[str],
    lags: Mapping[str, Sequence[int]],
    stops: Mapping[str, str],
    probes: Sequence[str] = (),
    test_lags: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Hold a claim against a study: its arms, its tasks with their lags and other lags of the test,
    how its arms' trials stop, and its probes.

    Raises
    ------
    ValueError
        One line: what is named is not there, or what is claimed could not be judged.
    """
    arm, task, lag = claim.other
    for name in (claim.arm, *([arm] if arm else [])):
        refuse_unknown("claims", name, labels)
    for place in (claim.task, task):
        if place is not None:
            refuse_unknown("claims", place, list(lags))
    for where, at in ((claim.task, claim.lag), (task, lag)):
        there = lags[where] if where else tuple(itertools.chain(*lags.values()))
        if isinstance(at, int) and at not in there:
            raise ValueError(f"claims: lag {at} is none of {', '.join(map(str, there))}")
    if claim.task is not None and task is not None and lag is None:
        if not set(lags[claim.task]) & set(lags[task]):
            raise ValueError(f"claims: {claim.task} and {task} share no lag: name one of each")
    for on, where in ((claim.on, claim.task), (claim.other_on, task)):
        if found := tested(on):
            _check_test(on, found.lag, [where] if where else list(lags), test_lags or {})
    if tested(claim.on):
        # At another lag too: how far a rule holds that is being learned hangs on when it stopped.
        for name in (claim.arm, *([arm] if arm else [])):
            if stops[name] == "solved":
                raise ValueError(
                    f"claims: {claim.on} of {name}, whose trials stop when solved, says where they "
                    "stopped: Recipe(stop='budget'), or on='solve_rate', 'steps_to_solve'"
                )
    if claim.on.startswith("probe/"):
        _, probe, quantity, *_ = claim.on.split("/")
        if probe not in probes:
            refuse_unknown("claims: probe", probe, registry.names("probe"))
            raise ValueError(f"claims: {claim.on}: nothing measures it; probes=[{probe!r}] does")
        if known := numbers_of(probe):
            refuse_unknown(f"claims: {probe} as one number", quantity, known)
    places = sum(map(len, lags.values())) if claim.task is None else len(lags[claim.task])
    if claim.value is not None and claim.on != "solve_rate" and claim.lag is None and places > 1:
        raise ValueError(
            f"claims: {claim.on} against a number is of one task and lag: name them, or lag='each'"
        )


def _check_test(
    on: str,
    lag: int | Literal["all"] | None,
    tasks: Sequence[str],
    test_lags: Mapping[str, Sequence[int]],
) -> None:
    """Refuse a lag at which not all of the tasks are tested."""
    for task in tasks:
        there = test_lags.get(task, ())
        if lag is not None and lag not in there and not (lag == "all" and there):
            told = f"is tested at {', '.join(map(str, there))} besides" if there else "has none"
            raise ValueError(f"claims: {on}: lag {lag} is no test lag; {task} {told} (test_lags)")


def numbers_of(probe: str) -> list[str]:
    """Name the quantities of a probe that are one number, by the table in its docstring."""
    tree = ast.parse(registry.describe("probe", probe).path.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    lines = [
        line.strip() for node in classes for line in (ast.get_docstring(node) or "").split("\n")
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    if not rows or rows[0][0] != "quantity":
        return []
    place = rows[0].index("index") if "index" in rows[0] else None
    numbers = [row[0] for row in rows[2:] if place is None or not row[place]]
    return list(dict.fromkeys(name for cell in numbers for name in cell.split(", ")))


def refuse_unknown(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not known, with the nearest one."""
    if name not in known:
        near = registry.hint(name, list(known))
        raise ValueError(f"{what}: no {name!r}; known: {', '.join(known)}{near}")
