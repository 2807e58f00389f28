"""What every task promises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from lightning_modules.refusal import RefusedError

Space = Literal["large", "finite", "exhaustive"]

PROVENANCE = {
    "code": "the authors' published code, read",
    "text": "the paper's text, read",
    "secondary": "what others write of the paper, which was not read",
    "memory": "from memory, not checked against the paper",
    "ours": "defined here",
}
"""Where the definition of a dialect may come from."""


@dataclass(frozen=True)
class Batch:
    """A batch of examples.

    `inputs` are real numbers of shape [batch, time, input], or whole numbers [batch, time] that
    stand for symbols. `targets` are one per example ("last") or one per step ("each"). `mask` marks
    the steps that the score counts, `evidence` the steps that hold what the answer needs.
    `context` is whatever else a task's loss or score needs, by name. One name has a meaning for
    all: `among`, [batch, n], are the classes of which chance knows beforehand that each answer is
    one of them.
    """

    inputs: Shaped[Tensor, "batch time ..."]
    targets: Shaped[Tensor, "batch ..."]
    mask: Bool[Tensor, "batch time"]
    evidence: Bool[Tensor, "batch time"]
    context: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Move all tensors (Lightning calls this; having it spares a deep copy per step)."""
        if self.inputs.device == torch.device(device):
            return self
        moved = {
            f.name: getattr(self, f.name).to(device, non_blocking=non_blocking)
            for f in fields(self)
            if f.name != "context"
        }
        return Batch(**moved, context={k: v.to(device) for k, v in self.context.items()})

    def distance(self) -> Float[Tensor, " batch"]:
        """Count the steps from the first evidence to the first scored step, per example.

        Below 0 where the evidence comes after that step, so that only who looks ahead can know.
        """
        first_scored = self.mask.int().argmax(1)
        first_evidence = self.evidence.int().argmax(1)
        return (first_scored - first_evidence).double()

    def nearer_distance(
        self, answered_at: Literal["its step", "both ends"]
    ) -> Float[Tensor, " batch"]:
        """Count the steps from the farthest evidence to the answer, for who sees both directions.

        `answered_at` its step: from before or behind it, to the first scored step. At both ends:
        one who runs forwards answers at the end and one who runs backwards at the beginning, so
        that each piece of evidence counts from the nearer end.
        """
        time = torch.arange(self.mask.shape[1], device=self.mask.device).expand(self.mask.shape)
        if answered_at == "both ends":
            steps = torch.minimum(time, time.flip(1))
        else:
            steps = (time - self.mask.int().argmax(1, keepdim=True)).abs()
        return torch.where(self.evidence, steps, -1).amax(1).double()


@dataclass(frozen=True)
class Chance:
    """Score and loss of the best strategy without memory, and where they come from."""

    score: float
    loss: float
    derivation: str


@dataclass(frozen=True)
class Baseline:
    """A partial solution: score and loss of one who has learned so much and no more.

    `name` says what was learned, `play` answers a batch as such a one would.
    """

    name: str
    score: float
    loss: float
    derivation: str
    play: Callable[[Batch], Float[Tensor, "batch ..."]]


@dataclass(frozen=True)
class Reply:
    """How an answer is said symbol by symbol, where each step is shown what was said before.

    The inputs are a source, then the symbol `start`, then the reply so far: the class c, once said,
    is shown as `start + 1 + c`. Behind the reply nothing but its `end` is shown. `source` and
    `words` are what the symbols of the source and the classes of the reply are called.
    """

    source: tuple[str, ...]
    words: tuple[str, ...]
    end: int

    @property
    def start(self) -> int:
        """The symbol that ends the source; those of the source are below it."""
        return len(self.source)

    @property
    def input_size(self) -> int:
        """How many input symbols there are."""
        return self.start + 1 + len(self.words)

    def name(self, symbol: int) -> str:
        """Give what an input symbol is called: `>` asks, what was said before has a stroke."""
        if symbol <= self.start:
            return (*self.source, ">")[symbol]
        return f"{self.words[symbol - self.start - 1]}'"

    def shown(self, said: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Give the input symbols that show what was said."""
        return self.start + 1 + said


class Task(ABC):
    """A generator of sequences whose answer needs an input far back.

    A subclass names its `paper`, its `dialects` (name -> what it is; the first is the default) and
    its sizes, and writes `sample`, `loss`, `score` and `chance`. Raise `version` whenever the
    numbers that come out of `sample`, `loss` or `score` change: it is part of the trial's id.
    """

    paper: ClassVar[str]
    version: ClassVar[int] = 1
    dialects: ClassVar[dict[str, str]]
    provenance: ClassVar[dict[str, str]]
    """Where the definition of each dialect comes from: a key of `PROVENANCE`."""
    lag_means: ClassVar[str]
    """What the lag counts in this task's literature, in a few words."""
    smallest_lag: ClassVar[dict[str, int]]
    """The smallest lag of each dialect."""
    answer: ClassVar[Literal["last", "each"]]
    causal: ClassVar[bool] = False
    """Whether the next symbol is asked for, so that looking ahead would be cheating."""
    is_ahead: bool = False
    """Whether the evidence comes after the answer, so that only who looks ahead can know."""
    space: Space = "large"
    """What examples there are: a large space (each split has its own counters), a finite set split
    by index, or an exhaustive small one where training and test are the same."""

    input_size: int
    output_size: int
    solved_at: float | None
    """The score from which the task counts as solved; None where nobody can say, as of `chance`."""
    why_no_chance: ClassVar[str] = ""
    """The reason, where `chance` is None."""
    replies: ClassVar[bool] = False
    """Whether the answer is said symbol by symbol; `reply` then says how."""
    reply: Reply | None = None
    remarks: tuple[str, ...] = ()
    """What a user should know of the data as it was found, a line each."""

    def __init__(self, dialect: str) -> None:
        if dialect not in self.dialects:
            raise RefusedError(f"unknown dialect {dialect!r}; known: {', '.join(self.dialects)}")
        self.dialect = dialect

    def check(self, lag: int) -> None:
        """Refuse a lag at which the dialect's definition makes no sense."""
        smallest = self.smallest_lag[self.dialect]
        if lag < smallest:
            raise RefusedError(f"lag {lag} is too short for {self.dialect}: at least {smallest}")

    @abstractmethod
    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw a batch of examples."""

    @abstractmethod
    def loss(self, outputs: Float[Tensor, "batch ..."], batch: Batch) -> Float[Tensor, ""]:
        """Give what training makes small; its mean over a batch."""

    @abstractmethod
    def score(self, outputs: Float[Tensor, "batch ..."], batch: Batch) -> float:
        """Give a number in [0, 1], higher is better, over the positions that need the memory."""

    @abstractmethod
    def chance(self, lag: int) -> Chance | None:
        """Give the best strategy without memory, or None where none can be stated."""

    def measures(self, outputs: Float[Tensor, "batch ..."], batch: Batch) -> dict[str, float]:
        """Give what else is worth knowing of answers, by name; taken on the test alone."""
        return {}

    def lags_up_to(self, lag: int) -> Sequence[int]:
        """List the lags that can be drawn, from the smallest to this one."""
        return range(self.smallest_lag[self.dialect], lag + 1)

    def baselines(self, lag: int) -> tuple[Baseline, ...]:
        """List partial solutions, worst first, so that a plateau says what was learned."""
        return ()


class FiniteTask(Task):
    """A task over a numbered set of examples, drawn by index.

    `space` is "finite" (the data module splits the indices) or "exhaustive" (all splits use all).
    A dialect with too many to list says "large" and has no `count`: `sample` draws it, as any task.
    """

    count: int
    """How many examples there are."""
    parts: dict[str, range] | None = None
    """The numbers of each split, where a finite set comes divided; else the data module does it."""

    @abstractmethod
    def take(
        self, indices: Shaped[np.ndarray, " batch"], lag: int, generator: np.random.Generator
    ) -> Batch:
        """Make the examples of these numbers."""

    def within(
        self, numbers: Shaped[np.ndarray, " count"], lag: int
    ) -> Shaped[np.ndarray, " some"]:
        """Keep those of some examples that can be drawn at a lag: all, unless overridden."""
        return numbers

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        """Draw examples of the whole set, each as likely as the others."""
        among = self.within(np.arange(self.count), lag)
        return self.take(among[generator.integers(len(among), size=batch)], lag, generator)
