"""All tasks and lags together, and what tuning says: an order of the arms. Frame to frame.

A trial that failed or diverged counts everywhere, at chance: leaving it out would put the arm first
whose bad seeds break down.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis import bootstrap
from analysis.differences import Pair, superiority
from analysis.estimate import judged
from analysis.factorial import contrast
from analysis.measures import normalised
from analysis.permuting import Values

THRESHOLDS = np.linspace(0, 1, 101)

ORDER = ["arm", "groups", "n", "solved", "solved_low", "solved_high", "iqm", "low", "high",
         "better", "better_low", "better_high"]  # fmt: skip


def shared(runs: pd.DataFrame) -> pd.DataFrame:
    """Give the trials of the tasks and lags that all arms have, with their normalised score.

    Gives `runs` with `value`: 0 at chance, 1 all right.
    """
    runs = judged(runs)
    found = runs.assign(value=normalised(runs)).dropna(subset="value")
    arms = found.groupby(["task", "lag"])["arm"].transform("nunique")
    return found[arms == found["arm"].nunique()]


def profiles(runs: pd.DataFrame) -> pd.DataFrame:
    """Give each arm's performance profile: the share of trials above a normalised score.

    Gives arm, score, share: the mean over tasks and lags of the share of seeds (Dolan and More
    2002; Agarwal 2021). At 0 the share is of trials above chance.
    """
    rows = []
    for arm, group in shared(runs).groupby("arm", sort=False):
        values = [each["value"].to_numpy() for _, each in group.groupby(["task", "lag"])]
        share = np.mean([(each[:, None] > THRESHOLDS).mean(axis=0) for each in values], axis=0)
        rows.append(pd.DataFrame({"arm": arm, "score": THRESHOLDS, "share": share}))
    if not rows:
        return pd.DataFrame(columns=["arm", "score", "share"])
    return pd.concat(rows, ignore_index=True)


def order(runs: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Sum up each arm over the tasks and lags that all have, those that solve most first.

    Gives arm, groups, n (seeds in all), solved (mean rate, with the interval of its Wilson parts),
    iqm (of normalised scores, over all seeds; interval from 10 seeds in each group), better (the
    probability that a trial of the arm scores above one of the reference, in the same group).
    """
    runs = shared(runs)
    base = dict(list(runs[runs["arm"] == reference].groupby(["task", "lag"])["value"]))
    rows = []
    for arm, group in runs.groupby("arm", sort=False):
        places = list(group.groupby(["task", "lag"], sort=False))
        solved = np.array([(each["outcome"] == "solved").sum() for _, each in places])
        n = np.array([len(each) for _, each in places])
        rate = contrast(np.full(len(n), 1 / len(n)), solved, n)
        values = [each["value"].to_numpy() for _, each in places]
        better = (np.nan, np.nan, np.nan)
        if arm != reference and base:
            found = superiority(
                [Pair(each["value"].to_numpy(), base[key].to_numpy()) for key, each in places]
            )
            better = (found.effect, found.low, found.high)
        iqm = bootstrap.iqm(np.concatenate(values))
        rows.append((arm, len(n), int(n.sum()), *rate, iqm, *bootstrap.stratified(values), *better))
    frame = pd.DataFrame(rows, columns=ORDER)
    return frame.sort_values(["solved", "iqm"], ascending=False, kind="stable", ignore_index=True)


def expected_best(scores: Sequence[float] | Values) -> pd.DataFrame:
    """Give the best validation score to be expected of so many tuning trials (Dodge 2019).

    `scores` are of all tuning trials of an arm. Gives trials, expected: the mean, over all choices
    of that many of them without putting back, of the best (the unbiased form; a trial that failed
    counts as worst).
    """
    from scipy.special import gammaln

    ordered = np.sort(np.nan_to_num(np.asarray(scores, dtype=float), nan=-np.inf))
    finite = ordered[np.isfinite(ordered)]
    ordered = np.where(np.isfinite(ordered), ordered, min(0.0, *finite) if len(finite) else 0.0)
    total = len(ordered)
    ranks = np.arange(1, total + 1)

    def log_choose(n: npt.NDArray[Any], k: int) -> npt.NDArray[Any]:
        with np.errstate(invalid="ignore"):
            found = gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
        return np.asarray(np.where(n >= k, found, -np.inf))

    rows = []
    for trials in range(1, total + 1):
        # The i-th is the best of those drawn where the others are among the i - 1 below it.
        weight = np.exp(log_choose(ranks - 1.0, trials - 1) - log_choose(np.array([total]), trials))
        rows.append((trials, float(weight @ ordered)))
    return pd.DataFrame(rows, columns=["trials", "expected"])


def sensitivity(tried: pd.DataFrame, near: float = 0.9) -> pd.DataFrame:
    """Say how much an arm hangs on its learning rate.

    `tried` has arm, task, learning_rate, score (the mean of a rate's tuning trials). Gives arm,
    task, rates, best (rate), best_score, worst_score, width: over which factor of rates, in a row
    and around the best, the score stays at `near` of the best or above; 1 where only the best does.
    """
    rows = []
    for (arm, task), group in tried.groupby(["arm", "task"], sort=False):
        group = group.sort_values("learning_rate")
        rates, scores = group["learning_rate"].to_numpy(), group["score"].to_numpy(dtype=float)
        place = int(np.argmax(scores))
        first = last = place
        while first > 0 and scores[first - 1] >= near * scores[place]:
            first -= 1
        while last < len(rates) - 1 and scores[last + 1] >= near * scores[place]:
            last += 1
        width = float(rates[last] / rates[first])
        rows.append(
            (arm, task, len(rates), float(rates[place]), scores[place], scores.min(), width)
        )
    columns = ["arm", "task", "rates", "best", "best_score", "worst_score", "width"]
    return pd.DataFrame(rows, columns=columns)
