"""What an oracle is: the tasks once more, slowly, from the papers' text, in plain Python."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

LAG = 30
"""The lag of `places` and `distances`, mostly: few places, so that each is drawn; whole tenths."""


class Expected(NamedTuple):
    """What one example must look like beside its inputs."""

    target: Any
    scored: list[int]
    evidence: list[int]


class Oracle(NamedTuple):
    """What a paper says of one dialect; written from the paper (named in the task), not the task.

    `expected` takes the inputs of one example as lists, and the lag. It fails where the paper's
    text does not allow such inputs, and says what the target is, which steps are scored and which
    are evidence. `sizes` are input size, output size and the kind of example space. `places` says
    where evidence may stand at the lag `at`, so that a window too narrow is seen as well as one too
    wide; `distances` how far it is there, at least and at most, from the first evidence to the
    first scored step; `is_defined` at which lags there is something for every draw to draw from.
    `letters` are the symbols of the worked example, where they are no numbers, and `said` those of
    its answers, where they are others. `replaced` picks, of
    the evidence, what can be another example's without the question losing its sense.
    """

    expected: Callable[[Any, int], Expected]
    sizes: tuple[int, int, str]
    places: set[int]
    distances: tuple[int, int]
    is_defined: Callable[[int], bool]
    at: int = LAG
    letters: Sequence[str] = ""
    said: Sequence[str] = ""
    replaced: Callable[[list[int]], list[int]] = list
