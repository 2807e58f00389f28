"""What every task keeps, as clauses that can be tried on any: ours in the tests, anybody's by
`longdep check`. `contract.py` is the same for architectures.
"""

import random
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lightning_modules import registry, task_answers
from lightning_modules.contract import BrokenClauseError, Verdict, require
from lightning_modules.data_sets import MissingDataError
from lightning_modules.randomness import batch_generator
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw, is_same, tensors, usual_lag
from lightning_modules.tasks.base import PROVENANCE, Batch, FiniteTask, Task

SIZE = 16
CONSTANTS = "paper version dialects provenance lag_means smallest_lag answer".split()


def check(task: type[Task]) -> Iterator[Verdict]:
    """Try every clause on a task, in each of its dialects; the first that breaks one is named.

    Dialects whose data is not on this machine are left out; `left_out` says which.
    """
    missing = left_out(task)
    dialects = [d for d in getattr(task, "dialects", {}) if d not in missing] or [""]
    for clause, try_it in CLAUSES.items():
        problems = ((dialect, _problem(task, dialect, try_it)) for dialect in dialects)
        broken = next(((d, problem) for d, problem in problems if problem), None)
        place = f"in {broken[0]}: " if broken and len(dialects) > 1 else ""
        yield Verdict(clause, f"{place}{broken[1]}" if broken else None)


def left_out(task: type[Task]) -> dict[str, str]:
    """Say of each dialect that cannot be tried here which data it misses."""
    found = {}
    for dialect in getattr(task, "dialects", {}):
        try:
            task(dialect)
        except MissingDataError as missing:
            found[dialect] = str(missing)
        except Exception:
            continue  # the clauses say what is wrong with it
    return found


def _problem(task: type[Task], dialect: str, try_it: Callable[[Task], None]) -> str | None:
    try:
        try_it(task(dialect))
    except BrokenClauseError as broken:
        return str(broken)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


def it_states_its_constants(task: Task) -> None:
    """It states paper, version, dialects, lags and answer as plain values in its own source."""
    kind = type(task)
    file = sys.modules[kind.__module__].__file__
    constants = registry.describe("task", f"{file}:{kind.__name__}").constants
    for name in CONSTANTS:
        require(name in constants, f"no plain value `{name} = ...` in its class")
    for name in ("paper", "lag_means"):
        value = constants[name]
        require(isinstance(value, str) and value.strip() != "", f"`{name}` is {value!r}")
    version = constants["version"]
    require(type(version) is int, f"`version` is {version!r}, not a whole number")
    require(constants["answer"] in ("last", "each"), f"`answer` is {constants['answer']!r}")
    dialects, smallest = constants["dialects"], constants["smallest_lag"]
    origins = constants["provenance"]
    for name, meaning in dialects.items():
        require(bool(meaning), f"the dialect {name!r} says nowhere what it is")
        says = f"provenance of {name!r} is {origins.get(name)!r}; allowed: {', '.join(PROVENANCE)}"
        require(origins.get(name) in PROVENANCE, says)
        least = smallest.get(name)
        require(type(least) is int and least >= 1, f"smallest_lag of {name!r} is {least!r}")


def it_shows_an_example(task: Task) -> None:
    """Its docstring says in one line what is asked, and shows an example, inputs above targets."""
    doc = type(task).__doc__ or ""
    require(bool(doc.partition("\n")[0].strip()), "its class has no docstring")
    _, _, rest = doc.partition("::\n\n")
    lines = [line.split() for line in rest.partition("\n\n")[0].splitlines() if line.strip()]
    require(len(lines) >= 2, "no example: a line that ends in `::`, an empty line, then its rows")
    last = lines[-1][0]
    require(last in ("target", "targets"), f"the last row of the example is {last!r}, not targets")


def shapes_and_types_are_the_promised_ones(task: Task) -> None:
    """Inputs, targets, mask and evidence have their shapes and types, at any lag and size."""
    for lag in _lags(task):
        for size in (1, 5):
            shapes(task, draw(task, size, lag), size)


def shapes(task: Task, batch: Batch, size: int) -> None:
    """Hold the shapes and types of a batch of `size` against what is promised."""
    require(isinstance(batch, Batch), f"`sample` gives a {type(batch).__name__}, not a Batch")
    time = batch.mask.shape[-1]
    symbols, classes = batch.inputs.dtype == torch.int64, batch.targets.dtype == torch.int64
    shown = [size, time] if symbols else [size, time, task.input_size]
    asked = [size] if task.answer == "last" else [size, time]
    for name, shape, dtype in (
        ("inputs", shown, torch.int64 if symbols else torch.float32),
        ("targets", asked, torch.int64 if classes else torch.float32),
        ("mask", [size, time], torch.bool),
        ("evidence", [size, time], torch.bool),
    ):
        found: Tensor = getattr(batch, name)
        require(list(found.shape) == shape, f"{name} of shape {list(found.shape)}, not {shape}")
        require(found.dtype == dtype, f"{name} are {found.dtype}, not {dtype}")
    for name, tensor in batch.context.items():
        require(isinstance(tensor, Tensor), f"context {name!r} is a {type(tensor).__name__}")


def values_fit_its_sizes(task: Task) -> None:
    """Symbols lie below `input_size`, classes below `output_size`, numbers are finite."""
    for lag in _lags(task):
        values(task, draw(task, SIZE, lag))


def values(task: Task, batch: Batch) -> None:
    """Hold the values of a batch against the task's sizes."""
    for what, tensor, size in (
        ("input", batch.inputs, task.input_size),
        ("target", batch.targets, task.output_size),
    ):
        if tensor.is_floating_point():
            require(bool(tensor.isfinite().all()), f"{what}s are not finite")
            continue
        low, high = int(tensor.min()), int(tensor.max())
        require(0 <= low and high < size, f"{what}s from {low} to {high}; {what}_size {size}")
    if batch.targets.is_floating_point():
        require(task.output_size == 1, f"a number is asked for; output_size {task.output_size}")


def the_steps_are_marked(task: Task) -> None:
    """Every example has a scored step (with one answer, the last) and evidence no later."""
    for lag in _lags(task):
        marks(task, draw(task, SIZE, lag))


def marks(task: Task, batch: Batch) -> None:
    """Hold mask and evidence of a batch against what is promised."""
    mask = batch.mask
    require(bool(mask.any(1).all()), "an example has no scored step")
    if task.answer == "last":
        is_last = bool(mask[:, -1].all()) and not bool(mask[:, :-1].any())
        require(is_last, 'the answer is "last", but the mask is not the last step alone')
    require(bool(batch.evidence.any(1).all()), "an example has no evidence")
    distance = batch.distance()
    least, most = int(distance.min()), int(distance.max())
    if task.is_ahead:
        says = f"`is_ahead`, and yet the first evidence may come {most} steps before the answer"
        require(most < 0, says)
    else:
        require(least >= 0, f"the first evidence comes after the answer, by {-least} (`is_ahead`)")


def the_counters_decide(task: Task) -> None:
    """The same counters give the same batch; another index, seed or split gives another."""
    lag = usual_lag(task)
    first = tensors(draw(task, SIZE, lag, seed=3, index=5))
    again = tensors(draw(task, SIZE, lag, seed=3, index=5))
    for name, tensor in first.items():
        require(is_same(tensor, again[name]), f"{name} differ between two draws of one batch")
    others = {
        "index": draw(task, SIZE, lag, seed=3, index=6),
        "seed": draw(task, SIZE, lag, seed=4, index=5),
        "split": task.sample(SIZE, lag, batch_generator(3, "test", 5)),
    }
    for what, other in others.items():
        require(not is_same(first["inputs"], other.inputs), f"another {what}, the same inputs")


def no_global_state_is_touched(task: Task) -> None:
    """No random state but the generator's is read or moved."""
    drawn = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        torch.default_generator.manual_seed(seed)
        before = _global_states()
        drawn.append(tensors(draw(task, SIZE, usual_lag(task))))
        for name, state in _global_states().items():
            require(state == before[name], f"it draws from {name}, not from the generator")
    for name, tensor in drawn[0].items():
        require(is_same(tensor, drawn[1][name]), f"{name} depends on a global random state")


def what_makes_no_sense_is_refused(task: Task) -> None:
    """A lag below the smallest and an unknown dialect are refused in one line that says so."""
    least = task.smallest_lag[task.dialect]
    for lag in sorted({least - 1, 0, -5}):
        line = _refusal(partial(draw, task, 4, lag))
        require(line is not None, f"lag {lag} is drawn; the smallest is {least} (self.check(lag))")
        says = line is not None and str(lag) in line and str(least) in line and "\n" not in line
        require(says, f"lag {lag}: {line!r} does not say in one line that {least} is the smallest")
    line = _refusal(partial(type(task), "nobody's"))
    require(line is not None, "a dialect that it does not have is taken")


def its_space_is_what_it_says(task: Task) -> None:
    """Its examples are "large", or numbered and counted, the last of them too."""
    spaces = ("large", "finite", "exhaustive")
    require(task.space in spaces, f"`space` is {task.space!r}; allowed: {', '.join(spaces)}")
    if task.space == "large":
        require(not hasattr(task, "count"), "a `count`, where there are too many to list")
        return
    require(isinstance(task, FiniteTask), f"`space` is {task.space!r}, but it is no FiniteTask")
    assert isinstance(task, FiniteTask)
    last = task.take(np.array([task.count - 1]), usual_lag(task), batch_generator(0, "test", 0))
    shapes(task, last, 1)


CLAUSES: dict[str, Callable[[Task], None]] = {
    (clause.__doc__ or "").strip().rstrip("."): clause
    for clause in (
        it_states_its_constants,
        it_shows_an_example,
        shapes_and_types_are_the_promised_ones,
        values_fit_its_sizes,
        the_steps_are_marked,
        the_counters_decide,
        no_global_state_is_touched,
        what_makes_no_sense_is_refused,
        task_answers.who_knows_scores_one,
        task_answers.who_is_wrong_scores_zero,
        task_answers.the_loss_teaches,
        task_answers.the_bar_is_above_chance,
        task_answers.a_blind_guesser_scores_chance,
        task_answers.who_plays_a_baseline_comes_to_it,
        its_space_is_what_it_says,
    )
}


def _lags(task: Task) -> list[int]:
    least = task.smallest_lag[task.dialect]
    return [least, least + 1, least + 9, usual_lag(task) + 17]


def _global_states() -> dict[str, str]:
    return {
        "numpy.random": repr(np.random.get_state()),  # noqa: NPY002
        "random": repr(random.getstate()),
        "torch": repr(torch.get_rng_state().numpy().tobytes()),
    }


def _refusal(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except RefusedError as refused:
        return str(refused)
    return None
