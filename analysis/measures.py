"""What else each group shows: middle scores, area under the curve, cost to solve. Frame to frame.

As in `estimate`, all of it is descriptive. A trial that diverged is worth chance from there on; one
that did not solve counts with its whole budget.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis import bootstrap
from analysis.estimate import (
    CONFIDENCE,
    GROUP,
    checked,
    judged,
    median,
    order_interval,
    wilson,
)
from analysis.permuting import Values
from analysis.survival import observed


def normalised(runs: pd.DataFrame) -> pd.Series:
    """Give each trial's test score on a scale from 0, the chance level, to 1, all right.

    Below chance is 0, and so is a trial without a score: it failed. NaN where no chance is stated.
    """
    chance = checked(runs)["chance_score"]
    share = ((runs["test/score"] - chance) / (1 - chance)).clip(0, 1)
    return share.fillna(0.0).where(chance.notna() & (chance < 1))


def interquartile_means(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the interquartile mean of each group's normalised test scores.

    Gives arm, task, lag, n, iqm, low, high: the bootstrap interval over seeds, NaN below 10 seeds.
    """
    runs = checked(runs).assign(value=normalised(runs)).dropna(subset="value")
    groups = [(key, group["value"].to_numpy()) for key, group in runs.groupby(GROUP, sort=False)]
    bounds = bootstrap.intervals([values for _, values in groups])
    rows = [
        (*key, len(values), bootstrap.iqm(values), low, high)
        for (key, values), (low, high) in zip(groups, bounds, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*GROUP, "n", "iqm", "low", "high"])


def areas(runs: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Estimate the area under each group's learning curve, as a share of the whole budget.

    The mean validation score over all steps of the budget, straight between validations; before
    the first it is flat. A trial that stopped goes on at its last score; one that diverged, at
    chance. Gives arm, task, lag, n, median, low, high, coverage (order statistics, NaN below 6).
    """
    rows = []
    curves = dict(list(history.dropna(subset="validation/score").groupby("trial", sort=False)))
    for key, group in checked(runs).groupby(GROUP, sort=False):
        found = [
            area(curves[run["trial"]], run) for run in group.to_dict("records")
            if run["trial"] in curves
        ]  # fmt: skip
        if found:
            ordered = np.sort(np.array(found))
            rows.append(
                dict(zip(GROUP, key, strict=True))
                | {"n": len(found), "median": median(ordered)}
                | order_interval(ordered)
            )
    return pd.DataFrame(rows, columns=[*GROUP, "n", "median", "low", "high", "coverage"])


def area(curve: pd.DataFrame, run: dict[Any, Any]) -> float:
    """Give the mean validation score of a trial over its budget."""
    curve = curve.sort_values("step")
    steps = curve["step"].to_numpy(dtype=float)
    scores = curve["validation/score"].to_numpy(dtype=float)
    last = scores[-1]
    if run["outcome"] == "diverged" and pd.notna(run["chance_score"]):
        last = run["chance_score"]
    budget = float(run["budget_steps"])
    trained = float(np.trapezoid(scores, steps)) + scores[0] * steps[0]
    end = max(budget, float(steps[-1]))
    return float(trained + last * (end - steps[-1])) / end


def costs_to_solve(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the restricted mean steps to solve of each group, and what they cost.

    Gives arm, task, lag, n, solved, steps, low, high, every, budget, flops, seconds. `steps` is the
    area under the Kaplan-Meier curve up to the budget: of trials that did not solve it takes the
    whole budget. It is at most `every` steps too high: a trial solved between two validations.
    `flops` are those of `steps` for one position of a sequence, `seconds` at the group's median
    speed, on its path.
    """
    rows = []
    for key, group in judged(runs).groupby(GROUP, sort=False):
        steps, is_solved = observed(group)
        budget = float(group["budget_steps"].min())
        mean, low, high = restricted_mean(steps, is_solved, budget)
        flops = group["flops_per_step"].astype("float64").iloc[0] * group["batch"].iloc[0]
        rows.append(
            dict(zip(GROUP, key, strict=True))
            | {"n": len(steps), "solved": int(is_solved.sum())}
            | {"steps": mean, "low": low, "high": high}
            | {"every": int(group["validation_every"].max()), "budget": int(budget)}
            | {"flops": mean * flops, "seconds": mean * group["seconds_per_step"].median()}
        )
    columns = ["n", "solved", "steps", "low", "high", "every", "budget", "flops", "seconds"]
    return pd.DataFrame(rows, columns=[*GROUP, *columns])


def restricted_mean(
    steps: Values, is_solved: Any, budget: float, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Give the restricted mean steps to solve, with an interval: mean, low, high.

    The budget less the steps saved: the rate of solving (Wilson) times the mean saved by those that
    solve (Student's t, within 0 and the budget), whose distances add as independent errors do (Zou
    and Donner 2008). Not too narrow from 5 seeds on, and where all solve or none, where a bootstrap
    would be of no width.
    """
    from scipy.stats import t

    saved = budget - steps[is_solved & (steps <= budget)]
    n, solved = len(steps), len(saved)
    rate = solved / n
    bounds = wilson(np.array([solved]), np.array([n]), confidence)
    rate_low, rate_high = (float(bound[0]) for bound in bounds)
    if not solved:
        return budget, budget * (1 - rate_high), budget
    mean = float(saved.mean())
    width = budget
    if solved > 1:
        width = float(t.ppf((1 + confidence) / 2, solved - 1) * saved.std(ddof=1) / solved**0.5)
    low, high = max(0.0, mean - width), min(budget, mean + width)
    gain = rate * mean
    least = gain - float(np.hypot(mean * (rate - rate_low), rate * (mean - low)))
    most = gain + float(np.hypot(mean * (rate_high - rate), rate * (high - mean)))
    return budget - gain, budget - min(budget, most), budget - max(0.0, least)
