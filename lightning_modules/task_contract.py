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

from lightning_modules import registry
from lightning_modules.contract import BrokenClauseError, Verdict, require
from lightning_modules.randomness import batch_generator
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import blind_guess, draw, is_same, tensors, told
from lightning_modules.tasks.base import Batch, FiniteTask, Task

LAG = 40
"""Where one lag is enough, this one, or the smallest that is longer."""
SIZE = 16


def check(task: type[Task]) -> Iterator[Verdict]:
    """Try every clause on a task, in each of its dialects; the first that breaks one is named."""
    dialects = [*getattr(task, "dialects", {})] or [""]
    for clause, try_it in CLAUSES.items():
        problems = ((dialect, _problem(task, dialect, try_it)) for dialect in dialects)
        broken = next(((d, problem) for d, problem in problems if problem), None)
        place = f"in {broken[0]}: " if broken and len(dialects) > 1 else ""
        yield Verdict(clause, f"{place}{broken[1]}" if broken else None)


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
    for name in ("paper", "version", "dialects", "lag_means", "smallest_lag", "answer"):
        require(name in constants, f"no plain value `{name} = ...` in its class")
    for name in ("paper", "lag_means"):
        value = constants[name]
        require(isinstance(value, str) and value.strip() != "", f"`{name}` is {value!r}")
    version = constants["version"]
    require(type(version) is int, f"`version` is {version!r}, not a whole number")
    require(constants["answer"] in ("last", "each"), f"`answer` is {constants['answer']!r}")
    dialects, smallest = constants["dialects"], constants["smallest_lag"]
    for name, meaning in dialects.items():
        require(bool(meaning), f"the dialect {name!r} says nowhere what it is")
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
    least = int(batch.distance().min())
    require(least >= 0, f"the first evidence comes after the answer, by {-least}")


def the_counters_decide(task: Task) -> None:
    """The same counters give the same batch; another index, seed or split gives another."""
    lag = _lag(task)
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
        drawn.append(tensors(draw(task, SIZE, _lag(task))))
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


def who_knows_scores_one(task: Task) -> None:
    """Whoever is told the answer scores 1, with less loss than chance."""
    batch = draw(task, 50, _lag(task))
    outputs = told(task, batch)
    score, chance = task.score(outputs, batch), task.chance(_lag(task))
    require(abs(score - 1) < 1e-6, f"the right answer scores {score:.4g}")
    loss = float(task.loss(outputs, batch))
    if chance is not None:
        require(loss < chance.loss, f"the right answer has a loss of {loss:.4g}, as chance has")


def who_is_wrong_scores_zero(task: Task) -> None:
    """Whoever is wrong everywhere scores 0, and so do outputs that are not finite."""
    batch = draw(task, 50, _lag(task))
    score = task.score(told(task, batch, shift=1), batch)
    require(score == 0, f"wrong answers score {score:.4g}")
    for bad in (float("nan"), float("inf"), float("-inf")):
        outputs = told(task, batch)
        outputs[..., 0] = bad
        score = task.score(outputs, batch)
        require(score == 0, f"outputs of {bad} score {score:.4g}")


def the_loss_teaches(task: Task) -> None:
    """The loss is one number, with a gradient at every scored answer."""
    batch = draw(task, 6, _lag(task))
    outputs = torch.zeros_like(told(task, batch)).requires_grad_()
    loss = task.loss(outputs, batch)
    require(loss.shape == (), f"the loss has shape {tuple(loss.shape)}")
    (gradient,) = torch.autograd.grad(loss, outputs)
    scored = gradient if task.answer == "last" else gradient[batch.mask]
    least = float(scored.abs().sum(-1).min())
    require(least > 0, "an answer that is scored has no gradient")


def the_bar_is_above_chance(task: Task) -> None:
    """It counts as solved above chance and at 1 at most."""
    chance = task.chance(_lag(task))
    floor = 0.0 if chance is None else chance.score
    says = f"solved_at is {task.solved_at}, chance scores {floor:.4g}"
    require(floor < task.solved_at <= 1, says)


def a_blind_guesser_scores_chance(task: Task) -> None:
    """Whoever sees no input comes to the stated chance, in score and loss."""
    lag = max(20, task.smallest_lag[task.dialect])
    chance = task.chance(lag)
    if chance is None:
        return
    require(chance.derivation.strip() != "", "its chance has no derivation")
    found, margin = blind_guess(task, lag)
    stated = chance.score, chance.loss
    for what, a, b, most in zip(("score", "loss"), found, stated, margin, strict=True):
        require(bool(abs(a - b) <= most), f"a blind guesser has the {what} {a:.4g}, not {b:.4g}")


def its_space_is_what_it_says(task: Task) -> None:
    """Its examples are "large", or numbered and counted, the last of them too."""
    spaces = ("large", "finite", "exhaustive")
    require(task.space in spaces, f"`space` is {task.space!r}; allowed: {', '.join(spaces)}")
    if task.space == "large":
        require(not hasattr(task, "count"), "a `count`, where there are too many to list")
        return
    require(isinstance(task, FiniteTask), f"`space` is {task.space!r}, but it is no FiniteTask")
    assert isinstance(task, FiniteTask)
    last = task.take(np.array([task.count - 1]), _lag(task), batch_generator(0, "test", 0))
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
        who_knows_scores_one,
        who_is_wrong_scores_zero,
        the_loss_teaches,
        the_bar_is_above_chance,
        a_blind_guesser_scores_chance,
        its_space_is_what_it_says,
    )
}


def _lags(task: Task) -> list[int]:
    least = task.smallest_lag[task.dialect]
    return [least, least + 1, least + 9, _lag(task) + 17]


def _lag(task: Task) -> int:
    return max(LAG, task.smallest_lag[task.dialect])


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
