"""Planted faults: each is caught by `longdep check`, by the clause that names it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules import task_answers, task_contract
from lightning_modules.task_guessers import draw, part
from lightning_modules.tasks.base import Batch, Chance, FiniteTask, Task


class Honest(Task):
    """Say which symbol came first.

    One example, lag 3 (4 asks)::

        inputs   2  0  3  4
        targets           2

    The lag counts the steps from the symbol to the question.
    """

    paper = "made up for this test"
    version = 1
    dialects = {"plain": "4 symbols", "same": "the same once more"}
    provenance = {"plain": "ours", "same": "ours"}
    lag_means = "steps from symbol to question"
    smallest_lag = {"plain": 1, "same": 2}
    answer = "last"
    input_size = 5
    output_size = 4
    solved_at = 0.99

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        self.check(lag)
        inputs = generator.integers(4, size=(batch, lag + 1))
        targets = inputs[:, 0].copy()
        inputs[:, -1] = 4
        time = torch.arange(lag + 1).expand(batch, lag + 1)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            mask=time == lag,
            evidence=time == 0,
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs, batch.targets)

    def score(self, outputs: Tensor, batch: Batch) -> float:
        is_right = (outputs.argmax(-1) == batch.targets) & outputs.isfinite().all(-1)
        return int(is_right.sum()) / len(is_right)

    def chance(self, lag: int) -> Chance | None:
        return Chance(1 / 4, math.log(4), "4 symbols as likely as each other.")


def with_batch(**change: Callable[[Batch], Tensor]) -> type[Task]:
    """Plant a fault in what is drawn."""

    class Changed(Honest):
        def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
            drawn = super().sample(batch, lag, generator)
            return Batch(**{**vars(drawn), **{name: do(drawn) for name, do in change.items()}})

    return Changed


class DrawsFromTheGlobalState(Honest):
    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        drawn = super().sample(batch, lag, generator)
        drawn.inputs[:, 1:-1] = torch.randint(4, (batch, max(0, lag - 1)))
        return drawn


class ReadsTheGlobalState(Honest):
    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        drawn = super().sample(batch, lag, generator)
        drawn.inputs[0, 1] = torch.initial_seed() % 4
        return drawn


class RemembersWhatItDrew(Honest):
    drawn = 0

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        type(self).drawn += 1
        drawn = super().sample(batch, lag, generator)
        drawn.inputs[0, 1] = type(self).drawn % 4
        return drawn


class IgnoresItsCounters(Honest):
    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        return super().sample(batch, lag, np.random.default_rng(0))


class TakesAnyLag(Honest):
    def check(self, lag: int) -> None:
        pass

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        return super().sample(batch, max(lag, 1), generator)


class TakesAnyDialect(Honest):
    def __init__(self, dialect: str) -> None:
        self.dialect = dialect if dialect in self.dialects else "plain"


class SaysFiniteAndIsNot(Honest):
    space = "finite"
    count = 4


class CountsWithoutEnd(Honest):
    count = 4


class CannotTakeItsLast(FiniteTask, Honest):
    space = "finite"
    count = 10

    def take(self, indices: np.ndarray, lag: int, generator: np.random.Generator) -> Batch:
        if (indices >= 9).any():
            raise IndexError("no example 9")
        return Honest.sample(self, len(indices), lag, generator)


class StatesNothing(Honest):
    pass


class ComesFromNowhere(Honest):
    """Say which symbol came first."""

    paper = "made up for this test"
    version = 1
    dialects = {"plain": "4 symbols", "same": "the same once more"}
    provenance = {"plain": "hearsay"}
    lag_means = "steps from symbol to question"
    smallest_lag = {"plain": 1, "same": 2}
    answer = "last"


class ShowsNoExample(Honest):
    """Say which symbol came first."""


def broken(task: type[Task]) -> dict[str, str]:
    return {v.clause: v.problem for v in task_contract.check(task) if v.problem}


def test_an_honest_task_breaks_no_clause() -> None:
    assert broken(Honest) == {}


FAULTS = [
    (StatesNothing, task_contract.it_states_its_constants, "no plain value `paper"),
    (
        ComesFromNowhere,
        task_contract.it_states_its_constants,
        "provenance of 'plain' is 'hearsay'; allowed: code, text,",
    ),
    (ShowsNoExample, task_contract.it_shows_an_example, "no example"),
    (
        with_batch(inputs=lambda b: b.inputs.int()),
        task_contract.shapes_and_types_are_the_promised_ones,
        "inputs",
    ),
    (
        with_batch(mask=lambda b: b.mask[:, 1:]),
        task_contract.shapes_and_types_are_the_promised_ones,
        "",  # while tests run, jaxtyping refuses the batch itself
    ),
    (
        with_batch(evidence=lambda b: b.evidence.int()),
        task_contract.shapes_and_types_are_the_promised_ones,
        "",
    ),
    (
        with_batch(targets=lambda b: b.targets[:, None]),
        task_contract.shapes_and_types_are_the_promised_ones,
        "targets of shape [1, 1], not [1]",
    ),
    (with_batch(inputs=lambda b: b.inputs + 1), task_contract.values_fit_its_sizes, "to 5"),
    (with_batch(targets=lambda b: b.targets + 1), task_contract.values_fit_its_sizes, "to 4"),
    (
        with_batch(mask=lambda b: torch.ones_like(b.mask)),
        task_contract.the_steps_are_marked,
        "not the last step alone",
    ),
    (
        with_batch(mask=lambda b: torch.zeros_like(b.mask)),
        task_contract.the_steps_are_marked,
        "no scored step",
    ),
    (
        with_batch(evidence=lambda b: torch.zeros_like(b.evidence)),
        task_contract.the_steps_are_marked,
        "no evidence",
    ),
    (RemembersWhatItDrew, task_contract.the_counters_decide, "inputs differ"),
    (IgnoresItsCounters, task_contract.the_counters_decide, "another index, the same inputs"),
    (DrawsFromTheGlobalState, task_contract.no_global_state_is_touched, "draws from torch"),
    (ReadsTheGlobalState, task_contract.no_global_state_is_touched, "inputs depends on a global"),
    (TakesAnyLag, task_contract.what_makes_no_sense_is_refused, "lag -5 is drawn"),
    (TakesAnyDialect, task_contract.what_makes_no_sense_is_refused, "a dialect that it does not"),
    (SaysFiniteAndIsNot, task_contract.its_space_is_what_it_says, "no FiniteTask"),
    (CountsWithoutEnd, task_contract.its_space_is_what_it_says, "a `count`"),
    (CannotTakeItsLast, task_contract.its_space_is_what_it_says, "IndexError: no example 9"),
]


@pytest.mark.parametrize(
    ("fault", "clause", "words"), FAULTS, ids=[f"{f.__name__}-{c.__name__}" for f, c, _ in FAULTS]
)
def test_a_planted_fault_is_named(
    fault: type[Task], clause: Callable[[Task], None], words: str
) -> None:
    found = broken(fault)
    name = (clause.__doc__ or "").strip().rstrip(".")
    assert name in found
    assert words in found[name]
    assert found[name].startswith("in plain: ")


def test_a_fault_of_one_dialect_names_it() -> None:
    class WrongInOne(Honest):
        def score(self, outputs: Tensor, batch: Batch) -> float:
            return super().score(outputs, batch) * (1.0 if self.dialect == "plain" else 0.5)

    clause = (task_answers.who_knows_scores_one.__doc__ or "").strip().rstrip(".")
    assert broken(WrongInOne)[clause] == "in same: the right answer scores 0.5"


def test_evidence_after_the_answer_is_named() -> None:
    class Late(Honest):
        answer = "each"

        def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
            drawn = super().sample(batch, lag, generator)
            return Batch(drawn.inputs, drawn.inputs % 4, mask=drawn.evidence, evidence=drawn.mask)

    clause = (task_contract.the_steps_are_marked.__doc__ or "").strip().rstrip(".")
    assert "the first evidence comes after the answer, by 1" in broken(Late)[clause]


def test_a_class_that_is_not_finished_breaks_clauses_and_nothing_else() -> None:
    class Begun(Task):
        """Say something."""

    assert broken(Begun).keys() == task_contract.CLAUSES.keys()


def test_a_part_of_a_batch_is_its_examples_and_what_they_share() -> None:
    batch = draw(Honest("plain"), 6, 5)
    some = part(Batch(**{**vars(batch), "context": {"scale": torch.tensor(2.0)}}), 2, 4)
    assert torch.equal(some.inputs, batch.inputs[2:4])
    assert torch.equal(some.context["scale"], torch.tensor(2.0))
