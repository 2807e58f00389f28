"""What each part of an architecture contributes, alone and together, over a grid of options.

Arms of one architecture, trained by one recipe, whose options differ form a grid where every
combination of the values is an arm. Its effects on the solve rate are contrasts of the arms' rates:
the main effect of a value is what it adds to the first value, on average over all else; the two-way
interaction of two values is how much more one adds where the other is present. Where the
combinations are not complete (each part removed alone), an arm is one step from the reference, and
what is estimated is the difference to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimate import CONFIDENCE, wilson
from analysis.study_file import Arm, Study

DEFAULT = "default"
"""The value of an option that an arm does not name."""

COLUMNS = ["architecture", "kind", "effect_of", "arms", "n", "effect", "low", "high"]


@dataclass(frozen=True)
class Grid:
    """Arms of one architecture: `arms` gives each combination of values its label.

    `factors` has the values of each option that varies, those of the reference or the first arm
    first.
    """

    architecture: str
    factors: Mapping[str, Sequence[str]]
    arms: Mapping[tuple[str, ...], str]
    is_full: bool
    base: tuple[str, ...]


def grids(study: Study) -> list[Grid]:
    """Read from the arms' options which of them form a grid, or stand around one arm."""
    found = []
    alike: dict[tuple[str, str], list[Arm]] = {}
    for arm in study.arms:
        alike.setdefault((arm.architecture, repr(arm.recipe)), []).append(arm)
    for (architecture, _), arms in alike.items():
        # The reference first: effects are told as steps away from it.
        arms = sorted(arms, key=lambda arm: arm.label != study.reference)
        names = list(dict.fromkeys(name for arm in arms for name in _options(arm)))
        values = {name: list(dict.fromkeys(_value(arm, name) for arm in arms)) for name in names}
        factors = {name: each for name, each in values.items() if len(each) > 1}
        cells = {tuple(_value(arm, name) for name in factors): arm.label for arm in arms}
        if len(arms) < 2 or len(cells) < len(arms):
            continue
        size = int(np.prod([len(each) for each in factors.values()]))
        base = next(iter(cells))
        grid = Grid(architecture, factors, cells, len(cells) == size, base)
        if grid.is_full or _steps(grid):
            found.append(grid)
    return found


def effects(rates: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Estimate the effects of options on the solve rate, in every grid of a study.

    `rates` is of `estimate.solve_rates`; the tasks and lags that all arms of a grid have are
    averaged. Gives architecture, kind ("alone", "main", "interaction"), effect_of, arms (how many
    it compares), n (seeds in all), effect, low, high: a contrast's distances to its bounds add as
    those of independent rates do, each with its Wilson interval (Zou and Donner 2008).
    """
    rows = []
    for grid in grids(study):
        here = rates[rates["arm"].isin(grid.arms.values())]
        shared = here.groupby(["task", "lag"])["arm"].transform("nunique") == len(grid.arms)
        here = here[shared]
        if here.empty:
            continue
        for kind, told, weights in _contrasts(grid):
            shares = here["arm"].map(weights).fillna(0.0).to_numpy(dtype=float)
            taken = here[shares != 0]
            groups = len(here[["task", "lag"]].drop_duplicates())
            effect, low, high = contrast(
                shares[shares != 0] / groups,
                taken["solved"].to_numpy(),
                taken["n"].to_numpy(),
            )
            rows.append(
                (
                    *(grid.architecture, kind, told, len(weights), int(taken["n"].sum())),
                    *(effect, low, high),
                )
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def contrast(
    weights: Sequence[float] | np.ndarray, solved: np.ndarray, n: np.ndarray
) -> tuple[float, float, float]:
    """Give a weighted sum of independent rates with its interval: value, low, high.

    Of more than two rates the intervals are widened as t is beside the normal: with 5 or 10 seeds
    the sum would hold less than it says.
    """
    from scipy.stats import norm, t

    weights = np.asarray(weights, dtype=float)
    rates = solved / n
    confidence = CONFIDENCE
    if len(weights) > 2:
        cut = t.ppf((1 + CONFIDENCE) / 2, max(1, int(np.min(n)) - 1))
        confidence = float(2 * norm.cdf(cut) - 1)
    if confidence < 1:
        low, high = wilson(solved, n, confidence)
    else:
        # One seed a cell: t is so wide that nothing is bound.
        low, high = np.zeros(len(n)), np.ones(len(n))
    down = np.where(weights > 0, rates - low, high - rates)
    up = np.where(weights > 0, high - rates, rates - low)
    value = float(weights @ rates)
    return (
        value,
        value - float(np.sqrt(np.sum((weights * down) ** 2))),
        value + float(np.sqrt(np.sum((weights * up) ** 2))),
    )


def _contrasts(grid: Grid) -> list[tuple[str, str, dict[str, float]]]:
    """Give (kind, what it is the effect of, weight of each arm) of every effect."""
    if not grid.is_full:
        base = grid.arms[grid.base]
        return [
            ("alone", f"{name} = {cell[place]}", {grid.arms[cell]: 1.0, base: -1.0})
            for cell, place, name in _steps(grid)
        ]
    found = []
    names = list(grid.factors)
    for chosen in [*combinations(names, 1), *combinations(names, 2)]:
        rest = [name for name in names if name not in chosen]
        others = 1 / np.prod([len(grid.factors[name]) for name in rest])
        for values in product(*(grid.factors[name][1:] for name in chosen)):
            weights = {}
            for cell, arm in grid.arms.items():
                sign = others
                for name, value in zip(chosen, values, strict=True):
                    here = cell[names.index(name)]
                    sign *= (here == value) - (here == grid.factors[name][0])
                if sign:
                    weights[arm] = float(sign)
            told = " and ".join(f"{n} = {v}" for n, v in zip(chosen, values, strict=True))
            kind = "alone" if len(names) == 1 else "main" if len(chosen) == 1 else "interaction"
            found.append((kind, told, weights))
    return found


def _steps(grid: Grid) -> list[tuple[tuple[str, ...], int, str]]:
    """List the arms that differ from the base in one option: (cell, place, option)."""
    found = []
    for cell in grid.arms:
        apart = [i for i, (a, b) in enumerate(zip(cell, grid.base, strict=True)) if a != b]
        if len(apart) == 1:
            found.append((cell, apart[0], list(grid.factors)[apart[0]]))
    return found


def _options(arm: Arm) -> dict[str, Any]:
    """Give an arm's options, and how its layers are joined, which may vary in a grid as well."""
    joined = {name: getattr(arm, name) for name in ("layers", "wiring", "norm", "output")}
    return arm.options | joined | {"direction": arm.direction}


def _value(arm: Arm, name: str) -> str:
    return str(_options(arm).get(name, DEFAULT))
