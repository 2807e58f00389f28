"""The lag of every training batch of a trial: a function of counters, and of what was solved."""

from collections.abc import Sequence
from typing import Any

from lightning_modules.curricula import Curriculum, WhenSolved, longest
from lightning_modules.randomness import batch_generator

AHEAD = 1
"""Batches that are made before they are asked for: Lightning takes one in advance."""


class Schedule:
    """Which lag training batch `index` has: the trial's own, unless a curriculum says otherwise.

    `lags` can be drawn, ascending; the last is the trial's own. Where the lag grows when it is
    solved, `growth` holds from which batch on it is how long.
    """

    def __init__(
        self, lags: Sequence[int], seed: int, curriculum: Curriculum | None = None
    ) -> None:
        self.seed, self.curriculum = seed, curriculum
        begin = lags[-1] if curriculum is None else curriculum.start
        self.lags = [lag for lag in lags if lag >= begin]
        self.growth = [(0, self.lags[0])]

    def lag_at(self, index: int) -> int:
        """Give the lag of a training batch."""
        if self.curriculum is None:
            return self.lags[-1]
        generator = batch_generator(self.seed, "curriculum", index)
        return self.curriculum.lag_at(index, self.reached(index), self.lags, generator)

    def reached(self, index: int) -> int:
        """Give the lag that was reached by solving those before it, at a training batch."""
        return next(lag for begin, lag in reversed(self.growth) if begin <= index)

    @property
    def next_lag(self) -> int | None:
        """The lag that has to be solved for the next one, or None where nothing is left to grow."""
        reached = self.growth[-1][1]
        return reached if self._grows and reached < self.lags[-1] else None

    def grow(self, step: int, score: float, solved_at: float | None) -> None:
        """Take note of the validation score at `next_lag` after `step` steps.

        A longer lag holds from the batch behind those that are made already.
        """
        if self.next_lag is None:
            return
        assert isinstance(self.curriculum, WhenSolved)
        bar = solved_at if self.curriculum.score is None else self.curriculum.score
        if bar is not None and score >= bar:
            longer = longest(self.lags, self.next_lag + self.curriculum.amount)
            # Where there are no examples of a lag between, the next longer that has some.
            longer = max(longer, next(lag for lag in self.lags if lag > self.next_lag))
            self.growth.append((step + AHEAD, longer))

    @property
    def _grows(self) -> bool:
        return isinstance(self.curriculum, WhenSolved)

    def state(self) -> list[list[int]]:
        """Give what a later process needs to go on."""
        return [list(pair) for pair in self.growth]

    def restore(self, state: list[Any]) -> None:
        """Go on from a `state`."""
        self.growth = [(begin, lag) for begin, lag in state]
