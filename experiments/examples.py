"""Examples of a task as plain values, ready to be drawn: what is shown, what is asked, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import PROVENANCE, Batch, Reply, Task

MEASURED = 256
"""Examples over which the realised distance is stated."""
TALL = 5
"""From so many numbers a step on, a step is drawn as a row of shades and time runs downwards."""


@dataclass(frozen=True)
class Step:
    """One step of one example."""

    inputs: tuple[float, ...]
    is_evidence: bool
    answer: str
    """What is to be answered here, or nothing where the score asks for nothing."""
    word: str = ""
    """What the input is called, where it is a symbol with a name."""

    def text(self, channel: int) -> str:
        """Write an input as it is shown."""
        return self.word or number(self.inputs[channel])


@dataclass(frozen=True)
class Sheet:
    """Examples of a task at a lag, and what is known of it."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    examples: tuple[tuple[Step, ...], ...]
    distances: tuple[int, ...]
    is_tall: bool
    low: float
    high: float

    @cached_property
    def widest(self) -> int:
        """How many characters the longest number, answer or step number of the sheet takes."""
        steps = [step for example in self.examples for step in example]
        texts = {step.text(k) for step in steps for k in range(len(step.inputs))}
        texts |= {step.answer for step in steps} | {str(max(map(len, self.examples)) - 1)}
        return max(map(len, texts))

    def shade(self, value: float) -> float:
        """Place an input between the smallest (0) and the largest (1) on the sheet."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0


@dataclass(frozen=True)
class Fold:
    """A stretch of steps that is not drawn."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def text(self) -> str:
        """Say what is missing."""
        return f"… stands for {len(self)} steps, {self.first} to {self.last}"


def sheet(task: Task, lag: int, *, seed: int, count: int) -> Sheet:
    """Draw `count` examples of a task, as training draws them."""
    batch = task.sample(count, lag, batch_generator(seed, "train", 0))
    low, high = float(batch.inputs.min()), float(batch.inputs.max())
    paper = getattr(type(task), "paper", "")
    dialect = f"{task.dialect}: {task.dialects[task.dialect]}"
    return Sheet(
        title=f"{_name(task)}/{task.dialect}",
        summary=(type(task).__doc__ or "").strip().partition("\n")[0],
        facts=(
            ("dialect", dialect),
            ("paper", paper),
            *_origin(task),
            *_facts(task, lag, batch),
        ),
        examples=tuple(_steps(batch, row, task.reply) for row in range(count)),
        distances=tuple(int(distance) for distance in batch.distance()),
        is_tall=batch.inputs.ndim == 3 and batch.inputs.shape[2] >= TALL,
        low=low,
        high=high,
    )


def fold(example: Sequence[Step], room: int) -> list[int | Fold]:
    """Choose the steps to draw where there is room for `room` of them, and fold the others.

    Those nearest to evidence, an answer or an end stay; where even they are too many, the middle
    goes.
    """
    time = len(example)
    if time <= room:
        return list(range(time))
    ends = {0, time - 1}
    marked = [t for t, step in enumerate(example) if step.is_evidence or step.answer or t in ends]
    near = _steps_to_nearest(marked, time)
    order = sorted(range(time), key=lambda t: (near[t], min(t, time - 1 - t)))
    for kept in range(room - 1, 1, -1):
        columns = _with_folds(sorted(order[:kept]), time)
        if len(columns) <= room:
            return columns
    return [0, Fold(1, time - 2), time - 1]


def _steps_to_nearest(marked: list[int], time: int) -> list[int]:
    near = [time] * time
    for t in marked:
        near[t] = 0
    for order in (range(1, time), range(time - 2, -1, -1)):
        for t in order:
            before = t - 1 if order.step > 0 else t + 1
            near[t] = min(near[t], near[before] + 1)
    return near


def _with_folds(shown: list[int], time: int) -> list[int | Fold]:
    columns: list[int | Fold] = []
    after = 0
    for t in [*shown, time]:
        # A fold takes as much room as a step: one step is not worth folding.
        if t - after == 1:
            columns.append(after)
        elif t > after:
            columns.append(Fold(after, t - 1))
        if t < time:
            columns.append(t)
        after = t + 1
    return columns


def _facts(task: Task, lag: int, batch: Batch) -> tuple[tuple[str, str], ...]:
    many = task.sample(MEASURED, lag, batch_generator(0, "validation", 0)).distance()
    least, most = int(many.min()), int(many.max())
    distance = (
        where(least)
        if least == most
        else f"{least} to {most} steps back, {float(many.mean()):.1f} on average"
    )
    shown = (
        f"one of {task.input_size} symbols"
        if batch.inputs.ndim == 2
        else f"{task.input_size} numbers"
        if task.input_size > 1
        else "one number"
    )
    asked = "a number" if batch.targets.is_floating_point() else f"one of {task.output_size}"
    when = "at the end" if task.answer == "last" else "at the steps that are marked"
    chance = task.chance(lag)
    stated = (
        (("chance", f"none is stated: {task.why_no_chance}"),)
        if chance is None
        else (
            ("chance", f"score {chance.score:.4g}, loss {chance.loss:.4g}"),
            ("", chance.derivation),
        )
    )
    return (
        ("lag", f"{lag} ({task.lag_means})"),
        ("distance", f"the first evidence is {distance}"),
        ("a step shows", shown),
        ("asked for", f"{asked}, {when}"),
        *stated,
        *(("data", remark) for remark in task.remarks),
        *(
            fact
            for known in task.baselines(lag)
            for fact in (
                ("baseline", f"{known.name}: score {known.score:.4g}, loss {known.loss:.4g}"),
                ("", known.derivation),
            )
        ),
        ("solved at", "no score" if task.solved_at is None else f"a score of {task.solved_at:g}"),
    )


def where(distance: int) -> str:
    """Say how far back the evidence lies, or how far ahead."""
    count = abs(distance)
    return f"{count} step{'s' * (count != 1)} {'back' if distance >= 0 else 'ahead'}"


def _origin(task: Task) -> tuple[tuple[str, str], ...]:
    """Say where the definition of the dialect comes from; a task not yet finished may not."""
    origin = getattr(type(task), "provenance", {}).get(task.dialect)
    return (("definition", PROVENANCE[origin]),) if origin in PROVENANCE else ()


def chance_line(task: Task) -> str:
    """Say in a few words what chance comes to, at the smallest lag."""
    lag = task.smallest_lag[task.dialect]
    chance = task.chance(lag)
    if chance is None:
        return f"chance: none is stated: {task.why_no_chance}"
    return f"chance: score {chance.score:.3g}, at lag {lag} loss {chance.loss:.3g}"


def _steps(batch: Batch, row: int, reply: Reply | None) -> tuple[Step, ...]:
    inputs: list[Any] = batch.inputs[row].tolist()
    mask, evidence = batch.mask[row].tolist(), batch.evidence[row].tolist()
    target = batch.targets[row]
    is_each = batch.targets.ndim > 1 and batch.targets.shape[1] == len(inputs)
    answers = target.tolist() if is_each else [target.tolist()] * len(inputs)
    return tuple(
        Step(
            inputs=tuple(shown) if isinstance(shown, list) else (shown,),
            is_evidence=marked,
            answer=_answer(answer, reply) if asked else "",
            word=reply.name(shown) if reply else "",
        )
        for shown, marked, asked, answer in zip(inputs, evidence, mask, answers, strict=True)
    )


def _answer(value: Any, reply: Reply | None) -> str:
    if reply is not None:
        return str(reply.words[value])
    return " ".join(map(number, value)) if isinstance(value, list) else number(value)


def number(value: float) -> str:
    """Write a number in as few characters as its second decimal allows."""
    if isinstance(value, int):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:.1e}"
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return "0" if digits == "0" else sign + digits.removeprefix("0")


def _name(task: Task) -> str:
    module = type(task).__module__
    is_ours = module.startswith("lightning_modules.tasks.")
    return module.rpartition(".")[2] if is_ours else type(task).__name__
