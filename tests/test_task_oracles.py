"""Every task and dialect against an oracle that was written apart from its generator."""

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
import torch
from oracles import ORACLES
from task_cases import CASES, build, smallest

from lightning_modules import registry
from lightning_modules.task_guessers import draw, told
from lightning_modules.tasks.base import Batch, Task


def agrees(case: str, times: int) -> int:
    """Hold every example of some batches against the oracle; give how many there were."""
    task, oracle = build(case), ORACLES[case]
    low = smallest(task)
    lags = [low, low + 1, low + 9, *(max(low, lag) for lag in (23, 30, 37))]
    examples = 0
    for index, lag in enumerate(lags * times):
        batch = draw(task, 30, lag, seed=1, index=index)
        rows = zip(*(t.tolist() for t in (batch.inputs, batch.targets)), strict=True)
        for row, (inputs, target) in enumerate(rows):
            expected = oracle.expected(inputs, lag)
            # Sums of two float32 numbers.
            assert target == pytest.approx(expected.target, abs=1e-6)
            assert batch.mask[row].nonzero()[:, 0].tolist() == expected.scored
            assert batch.evidence[row].nonzero()[:, 0].tolist() == expected.evidence
            examples += 1
    return examples


@pytest.mark.parametrize("case", ORACLES)
def test_an_oracle_agrees_on_every_example(case: str) -> None:
    assert agrees(case, times=1) >= 180


@pytest.mark.slow
@pytest.mark.parametrize("case", ORACLES)
def test_an_oracle_agrees_on_thousands_of_examples(case: str) -> None:
    assert agrees(case, times=12) >= 2000


@pytest.mark.parametrize("case", ORACLES)
def test_the_sizes_are_the_papers(case: str) -> None:
    task = build(case)
    assert (task.input_size, task.output_size, task.space) == ORACLES[case].sizes


@pytest.mark.parametrize("case", ORACLES)
def test_evidence_stands_wherever_the_paper_lets_it_at_the_documented_distance(case: str) -> None:
    task = build(case)
    batches = [draw(task, 300, ORACLES[case].at, index=index) for index in range(30)]
    places = {t for b in batches for t in b.evidence.any(0).nonzero()[:, 0].tolist()}
    assert places == ORACLES[case].places
    distances = torch.cat([b.distance() for b in batches])
    assert (int(distances.min()), int(distances.max())) == ORACLES[case].distances


@pytest.mark.parametrize("case", ORACLES)
def test_the_smallest_lag_is_the_first_at_which_the_definition_makes_sense(case: str) -> None:
    # A lag is at least 1 step.
    defined = [lag for lag in range(1, 100) if ORACLES[case].is_defined(lag)]
    assert defined == list(range(smallest(build(case)), 100))


# The worked example


def worked_example(name: str) -> tuple[str, int, list[list[str]]]:
    """Read dialect, lag and rows of the example in a task's docstring."""
    doc = registry.load("task", name).__doc__ or ""
    said = re.search(r"One example(?: of the dialect `(\w+)`)?,\s+lag\s+(\d+)", doc)
    assert said is not None, f"{name}: its example does not begin `One example ..., lag N`"
    dialects = registry.describe("task", name).constants["dialects"]
    rows = doc.partition("::\n\n")[2].partition("\n\n")[0].splitlines()
    return said[1] or next(iter(dialects)), int(said[2]), [row.split()[1:] for row in rows]


@pytest.mark.parametrize("name", registry.names("task"))
def test_the_worked_example_is_what_the_oracle_says(name: str) -> None:
    dialect, lag, (*shown, answers) = worked_example(name)
    oracle = ORACLES[f"{name}/{dialect}"]
    if any("..." in row for row in shown):
        assert name.endswith("_digits"), "only an image may be too large to be shown whole"
        return
    if len(shown) == 1 and (oracle.letters or "." not in "".join(shown[0])):
        inputs = [oracle.letters.index(x) if oracle.letters else int(x) for x in shown[0]]
    else:
        inputs = [[float(x) for x in step] for step in zip(*shown, strict=True)]
    expected = oracle.expected(inputs, lag)
    target = [*expected.target] if isinstance(expected.target, Iterable) else [expected.target]
    said = oracle.said or oracle.letters
    # Steps before a reply have no answer, and no word for it.
    asked = [said.index(x) if x in said else float(x) for x in answers]
    if oracle.said:
        asked = [said.index(x) if t in expected.scored else 0 for t, x in enumerate(answers)]
    assert asked == pytest.approx(target, abs=1e-6)


# Evidence is what the answer hangs on


def with_others_evidence(task: Task, batch: Batch, case: str) -> tuple[Batch, list[list[int]]]:
    """Put another example's evidence in place of each one's; keep examples where it fits."""
    steps = [ORACLES[case].replaced(row.nonzero()[:, 0].tolist()) for row in batch.evidence]
    order = sorted(range(len(steps)), key=lambda row: len(steps[row]))
    pairs = [(a, b) for a, b in pairwise(order) if len(steps[a]) == len(steps[b])]
    inputs = batch.inputs.clone()
    for row, other in pairs:
        inputs[row, steps[row]] = batch.inputs[other, steps[other]]
    kept = [row for row, _ in pairs]
    context = {k: v[kept] if v.ndim else v for k, v in batch.context.items()}
    named = {k: v[kept] for k, v in vars(batch).items() if k != "context"}
    return Batch(**named, context=context), inputs[kept].tolist()


@pytest.mark.parametrize("case", CASES)
def test_with_the_evidence_of_another_example_its_solver_falls_to_chance(case: str) -> None:
    task = build(case)
    lag = max(24, smallest(task))
    chance = task.chance(lag)
    if chance is None:
        return
    # Of long sequences of many classes fewer, for the sake of memory and time.
    size = draw(task, 1, lag).mask.shape[1] * task.output_size
    count = min(700, max(120, 400_000 // size))
    batch, changed = with_others_evidence(task, draw(task, count, lag), case)
    assert len(changed) > count / 2
    answers = torch.tensor([ORACLES[case].expected(inputs, lag).target for inputs in changed])
    says = Batch(**{**vars(batch), "targets": answers.to(batch.targets.dtype)})
    score = task.score(told(task, says), batch)
    # Five standard errors of a share of so many answers.
    spread = 5 * (chance.score * (1 - chance.score) / int(batch.mask.sum())) ** 0.5
    assert score <= chance.score + spread + 1e-6
