"""What each group of trials shows: solve rate and test score, with intervals. Frame to frame.

All of it is descriptive: what may be concluded between arms is judged in `compare`.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

GROUP = ["arm", "task", "lag"]

CONFIDENCE = 0.95

LEAST_SEEDS_FOR_A_MEDIAN = 6
"""With fewer, no two order statistics hold the median with 95 % confidence (5 seeds: 93.75 %)."""


def checked(runs: pd.DataFrame) -> pd.DataFrame:
    """Give the frame back, if its rows are what every statistic here takes for granted.

    Raises
    ------
    ValueError
        A key or an outcome is missing, or a trial (arm, task, lag, seed) stands there twice.
    """
    keys = [*GROUP, "seed"]
    for column in [*keys, "outcome"]:
        if runs[column].isna().any():
            raise ValueError(f"{int(runs[column].isna().sum())} rows without {column}")
    twice = runs.duplicated(keys)
    if twice.any():
        first = runs.loc[twice, keys].iloc[0].to_dict()
        raise ValueError(f"{int(twice.sum())} trials stand there twice, the first {first}")
    return runs


def judged(runs: pd.DataFrame) -> pd.DataFrame:
    """Give the trials that could solve their task.

    Left out are trials that were only measured, and tasks for which no chance level can be stated:
    a rate of "solved" would mean nothing there. A trial that diverged, ran out of time or out of
    memory stays, as one that did not solve.
    """
    runs = checked(runs)
    return runs[runs["chance_score"].notna() & (runs["outcome"] != "measured")]


def solve_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the solve rate of each group.

    Gives arm, task, lag, n, solved, rate, low, high: the Wilson score interval (Wilson 1927) of
    95 %.
    """
    runs = judged(runs)
    is_solved = (runs["outcome"] == "solved").astype("int64")
    frame = (
        runs.assign(solved=is_solved)
        .groupby(GROUP, sort=False)["solved"]
        .agg(n="count", solved="sum")
        .reset_index()
    )
    low, high = wilson(frame["solved"].to_numpy(), frame["n"].to_numpy())
    return frame.assign(rate=frame["solved"] / frame["n"], low=low, high=high)


def score_medians(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the median test score of each group.

    Gives arm, task, lag, n, median, low, high, coverage, least, most, chance: the interval between
    two order statistics that holds the median with at least 95 % (exactly `coverage`), NaN below 6
    seeds. A trial without a score ranks below all others, and shows as NaN.
    """
    runs = checked(runs)
    rows = []
    for (arm, task, lag), group in runs.groupby(GROUP, sort=False):
        scores = np.sort(group["test/score"].fillna(-np.inf).to_numpy(dtype=float))
        if np.isneginf(scores).all():
            continue
        rows.append(
            {
                "arm": arm,
                "task": task,
                "lag": lag,
                "n": len(scores),
                "median": _finite(median(scores)),
                **{k: _finite(v) for k, v in order_interval(scores).items()},
                "least": _finite(scores[0]),
                "most": _finite(scores[-1]),
                "chance": group["chance_score"].iloc[0],
            }
        )
    columns = [*GROUP, "n", "median", "low", "high", "coverage", "least", "most", "chance"]
    return pd.DataFrame(rows, columns=columns)


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """Give what was counted of each group, and the time of a training step.

    Gives arm, task, lag, hidden_size, parameters, state_size, flops_per_step, path,
    seconds_per_step: the median over seeds. Times of different paths are not to be ranked.
    """
    frame = checked(runs).groupby(GROUP, sort=False)
    columns = ["hidden_size", "parameters", "state_size", "flops_per_step", "path"]
    return frame[columns].first().join(frame["seconds_per_step"].median()).reset_index()


def wilson(
    solved: npt.NDArray[np.int64], n: npt.NDArray[np.int64], confidence: float = CONFIDENCE
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the Wilson score interval of each rate."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(solved, n, alpha=1 - confidence, method="wilson")
    # At 0 of n and n of n the bound is exact; rounding leaves it at 1e-17.
    return np.where(solved == 0, 0.0, low), np.where(solved == n, 1.0, high)


def median(ordered: npt.NDArray[np.float64]) -> float:
    """Give the median of ordered values, some of which may be infinite."""
    half = len(ordered) // 2
    if len(ordered) % 2 or ordered[half - 1] == ordered[half]:
        return float(ordered[half])
    return float((ordered[half - 1] + ordered[half]) / 2)


def order_interval(
    ordered: npt.NDArray[np.float64], confidence: float = CONFIDENCE
) -> dict[str, float]:
    """Give low, high and exact coverage of the shortest order-statistic interval for a median.

    The j-th value from either end encloses it unless fewer than j of n values fall on one side:
    coverage is 1 - 2 P(Binomial(n, 1/2) < j). NaN where no pair reaches the confidence.
    """
    from scipy.stats import binom

    n = len(ordered)
    coverages = 1 - 2 * binom.cdf(np.arange(n // 2), n, 0.5)
    enough = np.flatnonzero(coverages >= confidence)
    if len(enough) == 0:
        return {"low": np.nan, "high": np.nan, "coverage": np.nan}
    j = int(enough[-1])
    return {
        "low": float(ordered[j]),
        "high": float(ordered[n - 1 - j]),
        "coverage": float(coverages[j]),
    }


def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan
