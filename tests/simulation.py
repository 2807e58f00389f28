"""Simulated studies for the calibration: data, batched permutations, and the band to be kept.

Scores are normal, or bimodal as on long dependencies: solved (near 1) or stuck (near chance). Steps
are log-normal, all solved within the budget, or with a share of seeds that never solves.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis import bootstrap, permuting

STUDIES = 1000
BUDGET = 1000.0
SOLVING = 0.6
DATA = ("normal", "bimodal")
SEEDS = (5, 10, 20)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One figure of the calibration: how often something happened that should have with `nominal`.

    `sides` says which side breaks a promise: an interval may hold too little, a test reject too
    often, and a test whose ties are broken at random may do neither.
    """

    method: str
    data: str
    n: int
    nominal: float
    found: float
    sides: str = "below"
    studies: int = STUDIES

    @property
    def band(self) -> tuple[float, float]:
        """The binomial 99 % band of the nominal level."""
        low, high = stats.binom.interval(0.99, self.studies, self.nominal)
        return float(low) / self.studies, float(high) / self.studies

    @property
    def verdict(self) -> str:
        low, high = self.band
        if self.found < low:
            return "broken" if self.sides in ("below", "both") else "kept, cautious"
        if self.found > high:
            return "broken" if self.sides in ("above", "both") else "kept, cautious"
        return "kept"

    @property
    def line(self) -> str:
        low, high = self.band
        return (
            f"{self.method:44} {self.data:8} {self.n:3}  {self.nominal:.3f}  {self.found:.3f}  "
            f"{low:.3f}-{high:.3f}  {self.verdict}"
        )


def random(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([*key, 0][:2], dtype=np.uint64)))


def scores(
    generator: np.random.Generator, kind: str, shape: tuple[int, ...], rate: float = SOLVING
) -> Values:
    if kind == "normal":
        return generator.normal(0.6, 0.1, shape)
    is_solved = generator.random(shape) < rate
    return np.where(
        is_solved, generator.normal(0.97, 0.01, shape), generator.normal(0.3, 0.05, shape)
    )


def steps(
    generator: np.random.Generator,
    kind: str,
    shape: tuple[int, ...],
    rate: float = SOLVING,
    middle: float = 300,
) -> tuple[Values, npt.NDArray[np.bool_]]:
    found = np.ceil(middle * np.exp(0.4 * generator.normal(size=shape)) / 25) * 25
    is_solved = (found <= BUDGET) & ((kind == "normal") | (generator.random(shape) < rate))
    return np.where(is_solved, found, BUDGET), is_solved


@cache
def truth(kind: str, what: str, rate: float = SOLVING, middle: float = 300) -> float:
    """Give the population's value, from a sample so large that its error does not count."""
    if what == "steps":
        return float(steps(random(9, 1), kind, (4_000_000,), rate, middle)[0].mean())
    values = scores(random(9, 2), kind, (4_000_000,), rate)
    return {"mean": values.mean, "iqm": lambda: bootstrap.iqm(values)}[what]()


def exchanged(arm: Values, than: Values, *, is_paired: bool = False) -> dict[str, Values]:
    """Give every study's p, of [studies, n] against [studies, m], as `analysis.permuting` does.

    `even` is the p with ties broken at random: of a test that is exact it is uniform.
    """
    n, m = arm.shape[1], than.shape[1]
    kind: Any = permuting._Signs(n) if is_paired else permuting._Labels(n, m)
    held = arm - than if is_paired else np.concatenate([arm, than], axis=1)
    weights = permuting._every(kind) if kind.ways <= permuting.MOST else permuting._some(kind, 0)
    slack = 1e-12 * max(np.abs(arm).max(), np.abs(than).max())
    found: dict[str, list[float]] = {name: [] for name in ("two", "greater", "less", "even")}
    uniform = random(9, 3).random(len(held))
    for place in range(0, len(held), 50):
        null = weights @ held[place : place + 50].T  # [exchanges, studies]
        seen = null[0]
        far = np.abs(null) - np.abs(seen)
        beyond, level = (far > slack).mean(axis=0), (np.abs(far) <= slack).mean(axis=0)
        found["two"].extend(beyond + level)
        found["even"].extend(beyond + uniform[place : place + 50] * level)
        found["greater"].extend((null >= seen - slack).mean(axis=0))
        found["less"].extend((null <= seen + slack).mean(axis=0))
    return {name: np.array(values) for name, values in found.items()}


def share(hits: Any) -> float:
    return float(np.mean(hits))
