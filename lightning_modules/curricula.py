"""Which lag each training batch has, where it is not the trial's own. Knows no torch.

A curriculum ends at the trial's lag, which alone is validated and tested: what differs is the way
there. What a batch's lag is depends on the batch's number and, where the lag grows when the task is
solved, on the validation scores so far: a trial that is resumed goes on as if it had not stopped.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StrictBool

from lightning_modules.recipe import Declaration, Whole

if TYPE_CHECKING:
    import numpy as np

Lags = Sequence[int]
"""The lags that a curriculum may choose: from its start to the trial's own, ascending."""

Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


def longest(lags: Lags, bound: int) -> int:
    """Give the longest of the lags that is at most a bound; the shortest where none is."""
    return lags[max(0, bisect_right(lags, bound) - 1)]


class Uniform(Declaration):
    """Each batch has a lag drawn uniformly from `start` to the trial's own.

    Delétang et al. 2022, arXiv:2207.02098: `UniformCurriculum`.
    """

    kind: Literal["uniform"] = "uniform"
    start: Whole

    def lag_at(self, index: int, reached: int, lags: Lags, generator: "np.random.Generator") -> int:
        """Give the lag of training batch `index`."""
        return lags[int(generator.integers(len(lags)))]

    @property
    def text(self) -> str:
        """What it does, in words."""
        return f"each batch has a lag drawn uniformly from {self.start} to the trial's own"


class ReverseExponential(Declaration):
    """As `Uniform`, but lag k is drawn with a probability in proportion to `tau` ** k.

    Delétang et al. 2022, arXiv:2207.02098: `ReverseExponentialCurriculum`.
    """

    kind: Literal["reverse_exponential"] = "reverse_exponential"
    start: Whole
    tau: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]

    def lag_at(self, index: int, reached: int, lags: Lags, generator: "np.random.Generator") -> int:
        """Give the lag of training batch `index`."""
        # In proportion to tau ** lag, which may be too small to be written.
        shares = [self.tau ** (lag - lags[0]) for lag in lags]
        left = float(generator.random()) * sum(shares)
        for lag, share in zip(lags, shares, strict=True):
            left -= share
            if left < 0:
                return lag
        return lags[-1]

    @property
    def text(self) -> str:
        """What it does, in words."""
        return (
            f"each batch has a lag drawn from {self.start} to the trial's own, lag k in proportion "
            f"to {self.tau:g} to the power of k"
        )


class RegularIncrease(Declaration):
    """The lag begins at `start` and grows by `amount` every `every` steps, up to the trial's own.

    With `is_sampled`, a batch has any of the lags so far. Delétang et al. 2022, arXiv:2207.02098:
    `RegularIncreaseCurriculum`, which has no upper end.
    """

    kind: Literal["regular_increase"] = "regular_increase"
    start: Whole
    amount: Whole = 1
    every: Whole
    is_sampled: StrictBool = False

    def lag_at(self, index: int, reached: int, lags: Lags, generator: "np.random.Generator") -> int:
        """Give the lag of training batch `index`."""
        times = index // self.every
        if self.is_sampled:
            # Beyond the trial's own lag nothing is added.
            most = -(-(lags[-1] - self.start) // self.amount)
            times = int(generator.integers(min(times, most) + 1))
        return longest(lags, self.start + self.amount * times)

    @property
    def text(self) -> str:
        """What it does, in words."""
        drawn = "; a batch has any of the lags so far" if self.is_sampled else ""
        return (
            f"the lag grows from {self.start} by {self.amount} every {self.every} steps up to the "
            f"trial's own{drawn}"
        )


class WhenSolved(Declaration):
    """The lag begins at `start` and grows by `amount` whenever it is solved, up to the trial's own.

    It is solved when the validation score at that lag is `score` or more, the task's `solved_at`
    unless given. A share `mixed` of the batches has a lag drawn uniformly from `start` to the
    trial's own. Kaiser and Sutskever 2015, arXiv:1511.08228, with .9 and .2; Zaremba and Sutskever
    2014, arXiv:1410.4615, for what mixing is good for.
    """

    kind: Literal["when_solved"] = "when_solved"
    start: Whole
    amount: Whole = 1
    score: Annotated[float, Field(gt=0, le=1)] | None = None
    mixed: Share = 0.0

    def lag_at(self, index: int, reached: int, lags: Lags, generator: "np.random.Generator") -> int:
        """Give the lag of training batch `index`; `reached` is how far the lag has grown."""
        if self.mixed and generator.random() < self.mixed:
            return lags[int(generator.integers(len(lags)))]
        return reached

    @property
    def text(self) -> str:
        """What it does, in words."""
        drawn = f"; {self.mixed:.0%} of the batches have any lag up to it" if self.mixed else ""
        bar = "it is solved" if self.score is None else f"its validation score is {self.score:g}"
        return (
            f"the lag grows from {self.start} by {self.amount} whenever {bar}, up to the trial's "
            f"own{drawn}"
        )


Curriculum = Annotated[
    Uniform | ReverseExponential | RegularIncrease | WhenSolved, Field(discriminator="kind")
]
"""Every curriculum, told apart by its `kind`."""
