"""How many steps a group needs until it solves its task. Frame to frame.

A trial that did not solve is censored at its budget, whatever ended it: censoring a diverged trial
where it diverged would say that it might have solved a step later, and favour what diverges.
Steps are known up to the interval between validations: a trial that solved at step s did so after
the validation before s.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.estimate import GROUP, judged, order_interval


def steps_to_solve(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the median steps to solve of each group.

    Gives arm, task, lag, n, solved, median, low, high, coverage, least, most, budget, every.
    `median` is Kaplan and Meier's (1958): the first step by which at most half of the seeds are
    unsolved, NaN where it is never so. `low` and `high` are order statistics (NaN below 6 seeds);
    `high`, `least` and `most` are infinite where an unsolved trial stands in that place: more than
    the budget. `every` is the interval between validations, within which a step is known.
    """
    rows = []
    for (arm, task, lag), group in judged(runs).groupby(GROUP, sort=False):
        steps, is_solved = observed(group)
        curve = _survival(steps, is_solved)
        below = curve["unsolved"] <= 0.5 + 1e-12
        ordered = np.sort(np.where(is_solved, steps, np.inf))
        rows.append(
            {
                "arm": arm,
                "task": task,
                "lag": lag,
                "n": len(steps),
                "solved": int(is_solved.sum()),
                "median": float(curve["step"][below].iloc[0]) if below.any() else np.nan,
                **order_interval(ordered),
                "least": ordered[0],
                "most": ordered[-1],
                "budget": int(group["budget_steps"].max()),
                "every": int(group["validation_every"].max()),
            }
        )
    columns = [*GROUP, "n", "solved", "median", "low", "high", "coverage", "least", "most"]
    return pd.DataFrame(rows, columns=[*columns, "budget", "every"])


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Give the Kaplan-Meier curve of each group: the share of seeds that have not solved yet.

    Gives arm, task, lag, step, unsolved: where the share steps down, beginning with all of them at
    step 0 and ending at the budget.
    """
    frames = []
    for _, group in judged(runs).groupby(GROUP, sort=False):
        curve = _survival(*observed(group))
        end = pd.DataFrame(
            {"step": [group["budget_steps"].max()], "unsolved": [curve["unsolved"].iloc[-1]]}
        )
        whole = pd.concat([curve, end], ignore_index=True).drop_duplicates("step")
        frames.append(whole.assign(**group[GROUP].iloc[0]))
    columns = [*GROUP, "step", "unsolved"]
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[columns]


def observed(group: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Give each trial's steps, those of its budget where it did not solve, and whether it did."""
    is_solved = (group["outcome"] == "solved").to_numpy(dtype=bool)
    solved = group["solved_step"].to_numpy(dtype=float, na_value=np.nan)
    return np.where(is_solved, solved, group["budget_steps"].to_numpy(dtype=float)), is_solved


def _survival(steps: npt.NDArray[np.float64], is_solved: npt.NDArray[np.bool_]) -> pd.DataFrame:
    from scipy.stats import CensoredData, ecdf

    if not is_solved.any():
        return pd.DataFrame({"step": [0.0], "unsolved": [1.0]})
    found: Any = ecdf(CensoredData(steps[is_solved], right=steps[~is_solved])).sf
    at_events = np.isin(found.quantiles, steps[is_solved])
    return pd.DataFrame(
        {
            "step": np.concatenate([[0.0], found.quantiles[at_events]]),
            "unsolved": np.concatenate([[1.0], found.probabilities[at_events]]),
        }
    )
