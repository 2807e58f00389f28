"""How far back an arm remembers, and how its steps to solve grow with the lag. Frame to frame.

The memory horizon of an arm at a task is the lag at which half of its seeds solve: the middle
between solved and chance, at which none does. Beyond the lags that were tried nothing is said: a
horizon there is a bound.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.bootstrap import LEAST_SEEDS
from analysis.estimate import CONFIDENCE, judged
from analysis.permuting import Values
from analysis.survival import observed

PLACE = ["arm", "task"]

RESAMPLES = 1_000

BEYOND = 4.0
"""How far outside the lags tried a horizon is looked for, as a factor: only to say "beyond"."""

SLOPES = np.geomspace(0.04, 3.0, 16)
"""How wide a fall may be: the factor in lag, as a logarithm, within which the odds fall by e."""

LEAST_LAGS = 3

COLUMNS = [
    *PLACE,
    *("n", "lags", "shortest", "longest", "solved"),
    *("horizon", "low", "high", "says"),
]


def horizons(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate the memory horizon of each arm at each task of at least two lags.

    Gives arm, task, n (the fewest seeds of a lag), lags, shortest, longest, solved (per lag, text),
    horizon, low, high, says. The solve rate is fitted as a logistic function of the logarithm of
    the lag that falls; the interval are the horizons that the likelihood ratio does not reject at
    5 %, whatever the slope, and from 10 seeds on also those of a bootstrap over seeds (a seed's
    trials at all lags are drawn together). A bootstrap alone would be of no width where every seed
    solves one lag and none the next. Nothing is said of lags outside those tried: a horizon or a
    lower bound below the shortest is 0, a horizon or an upper bound above the longest infinite.
    """
    rows = []
    for key, group in judged(runs).groupby(PLACE, sort=False):
        counts = group.assign(solved=group["outcome"] == "solved").groupby("lag")["solved"]
        table = counts.agg(["sum", "count"])
        if len(table) < 2:
            continue
        lags = table.index.to_numpy(dtype=float)
        solved, n = (table[name].to_numpy(dtype=float) for name in ("sum", "count"))
        best, low, high = fit(lags, solved[None], n)[0]
        if n.min() >= LEAST_SEEDS:
            wide = group.assign(solved=group["outcome"] == "solved").pivot(
                index="seed", columns="lag", values="solved"
            )
            drawn = resampled(lags, wide.to_numpy(dtype=float, na_value=np.nan))
            low, high = min(low, drawn[0]), max(high, drawn[1])
        told = ", ".join(f"{int(k)}/{int(of)}" for k, of in zip(solved, n, strict=True))
        rows.append(
            dict(zip(PLACE, key, strict=True))
            | {"n": int(n.min()), "lags": len(lags), "shortest": int(lags[0])}
            | {"longest": int(lags[-1]), "solved": told}
            | {"horizon": float(best), "low": float(low), "high": float(high)}
            | {"says": says(best, low, high, lags[0], lags[-1])}
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def fit(lags: Values, solved: Values, n: Values, confidence: float = CONFIDENCE) -> Values:
    """Fit the lag at which half of the seeds solve; give [tables, 3]: horizon, low, high.

    `solved` [tables, lags] of `n` [lags] at the ascending `lags`, at least two.
    """
    from scipy.stats import t

    places = _places(lags)
    profile = _profile(lags, places, solved, np.broadcast_to(n, solved.shape))
    # The square of t in place of chi-square: with few seeds that would hold less than it says.
    cut = t.ppf((1 + confidence) / 2, max(1, n.min() - 1)) ** 2 / 2
    is_kept = profile >= profile.max(axis=1, keepdims=True) - cut
    # One place further out, or the grid would shorten the interval.
    first = np.maximum(is_kept.argmax(axis=1) - 1, 0)
    last = np.maximum(is_kept[:, ::-1].argmax(axis=1) - 1, 0)
    low, high = places[first], places[::-1][last]
    return _tried(np.exp(np.stack([_middle(places, profile), low, high], axis=1)), lags)


def resampled(
    lags: Values, wide: Values, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Draw seeds again, all lags of a seed together: the percentile interval of the horizon.

    `wide` [seeds, lags] is 1 where a seed solved, 0 where not, NaN where it was not run.
    """
    generator = np.random.Generator(np.random.Philox(key=[2, len(wide)]))
    drawn = generator.multinomial(len(wide), np.full(len(wide), 1 / len(wide)), size=resamples)
    solved, n = (drawn @ each.astype(float) for each in (np.nan_to_num(wide), np.isfinite(wide)))
    places = _places(lags)
    best = np.exp(_middle(places, _profile(lags, places, solved, n)))
    ends = np.quantile(best, [0.5, (1 - confidence) / 2, (1 + confidence) / 2])
    _, low, high = _tried(ends[None], lags)[0]
    return float(low), float(high)


def says(horizon: float, low: float, high: float, shortest: float, longest: float) -> str:
    """Say a horizon with its interval in words that claim nothing outside the lags tried."""
    if np.isinf(horizon):
        told = f"beyond {longest:.0f}, the longest lag tried"
    elif horizon == 0:
        told = f"below {shortest:.0f}, the shortest lag tried"
    else:
        told = f"{horizon:.0f}"
    if low == 0 and np.isinf(high):
        return f"{told} (with 95%: not known)"
    if low == 0:
        return f"{told} (with 95%: at most {high:.0f})"
    if np.isinf(high):
        return f"{told} (with 95%: at least {low:.0f})"
    return f"{told} (with 95%: {low:.0f} to {high:.0f})"


def score_horizons(frame: pd.DataFrame, lag: str = "lag", score: str = "score") -> pd.DataFrame:
    """Give the lag at which the median normalised score falls to one half, read off, not fitted.

    `frame` has a row per trial and lag: arm, task, seed, `lag`, `score` (0 chance, 1 all right).
    The medians are made to fall (isotonic regression) and joined by straight lines over the
    logarithm of the lag. Gives arm, task, n, horizon (0 or infinite: outside the lags), low, high:
    bootstrap over seeds, NaN below 10.
    """
    rows = []
    for key, group in frame.groupby(PLACE, sort=False):
        wide = group.pivot(index="seed", columns=lag, values=score)
        if wide.shape[1] < 2:
            continue
        lags, values = wide.columns.to_numpy(dtype=float), wide.to_numpy(dtype=float)
        bounds = (np.nan, np.nan)
        if len(values) >= LEAST_SEEDS:
            generator = np.random.Generator(np.random.Philox(key=[3, len(values)]))
            drawn = generator.integers(0, len(values), (RESAMPLES, len(values)))
            found = np.sort([crossing(lags, np.nanmedian(values[row], axis=0)) for row in drawn])
            # Not `quantile`: between two values that may be infinite there is no mean.
            ends = (CONFIDENCE - 1) / 2 * RESAMPLES, (CONFIDENCE + 1) / 2 * RESAMPLES
            bounds = (float(found[int(-ends[0])]), float(found[int(ends[1]) - 1]))
        middle = crossing(lags, np.nanmedian(values, axis=0))
        rows.append((*key, len(values), middle, *bounds))
    return pd.DataFrame(rows, columns=[*PLACE, "n", "horizon", "low", "high"])


def crossing(lags: Values, values: Values, level: float = 0.5) -> float:
    """Give the lag at which values that are made to fall cross a level."""
    from scipy.optimize import isotonic_regression

    falling = np.asarray(isotonic_regression(values, increasing=False).x)
    below = np.flatnonzero(falling < level)
    if len(below) == 0:
        return float("inf")
    place = int(below[0])
    if place == 0:
        return 0.0
    share = (falling[place - 1] - level) / (falling[place - 1] - falling[place])
    return float(np.exp(np.interp(share, [0, 1], np.log(lags[place - 1 : place + 1]))))


def growth(runs: pd.DataFrame) -> pd.DataFrame:
    """Estimate how the steps to solve grow with the lag: steps ~ lag ^ exponent.

    Gives arm, task, n, solved, lags (with a seed that solved), exponent, low, high: log-normal
    steps whose logarithm is linear in that of the lag, by maximum likelihood. A trial that solved
    counts with the interval between validations in which it did, one that did not as more than its
    budget. The interval is that of the likelihood ratio, cut as Student's t asks for few trials.
    Left out are arms with fewer than 6 trials that solved, or at fewer than 3 lags: from two lags
    an exponent is a ratio with a long name.
    """
    rows = []
    for key, group in judged(runs).groupby(PLACE, sort=False):
        steps, is_solved = observed(group)
        lags = group["lag"].to_numpy(dtype=float)
        known = len(np.unique(lags[is_solved]))
        if is_solved.sum() < 6 or known < LEAST_LAGS:
            continue
        every = group["validation_every"].to_numpy(dtype=float)
        found = exponent(lags, np.where(is_solved, steps - every, steps), steps, is_solved)
        rows.append((*key, len(steps), int(is_solved.sum()), known, *found))
    return pd.DataFrame(rows, columns=[*PLACE, "n", "solved", "lags", "exponent", "low", "high"])


def exponent(
    lags: Values,
    after: Values,
    until: Values,
    is_solved: npt.NDArray[np.bool_],
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Fit the exponent of trials that solved within (after, until], or not until `until`."""
    from scipy.optimize import brentq, minimize
    from scipy.special import log_ndtr
    from scipy.stats import t

    x = np.log(lags) - np.log(lags).mean()
    least, most = np.log(np.maximum(after, 0.5)), np.log(until)

    def deviance(intercept: float, slope: float, scale: float) -> float:
        sigma = np.exp(scale)
        upper = (most - intercept - slope * x) / sigma
        lower = (least - intercept - slope * x) / sigma
        # log(cdf(upper) - cdf(lower)), taken in the tail where it does not cancel.
        flip = lower > 0
        a, b = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
        log_b = log_ndtr(b)
        with np.errstate(divide="ignore"):
            inside = log_b + np.log(-np.expm1(np.minimum(log_ndtr(a) - log_b, -1e-12)))
        return -float(np.where(is_solved, inside, log_ndtr(-upper)).sum())

    centre = (least + most)[is_solved] / 2
    slope, intercept = np.polyfit(x[is_solved], centre, 1)
    start = [intercept, np.log(max(0.1, float(np.std(centre - intercept - slope * x[is_solved]))))]
    options = {"maxiter": 2000, "xatol": 1e-4, "fatol": 1e-6}

    def profiled(at: float) -> Any:
        return minimize(
            lambda p: deviance(p[0], at, float(np.clip(p[1], -5, 5))), start,
            method="Nelder-Mead", options=options,
        )  # fmt: skip

    whole = minimize(
        lambda p: deviance(p[0], p[2], float(np.clip(p[1], -5, 5))), [*start, slope],
        method="Nelder-Mead", options=options,
    )  # fmt: skip
    best, n = float(whole.x[2]), len(lags)
    # Exact for a plain regression: the likelihood ratio at the bound of its t interval.
    cut = n / 2 * np.log1p(t.ppf((1 + confidence) / 2, n - 2) ** 2 / (n - 2))

    def excess(at: float) -> float:
        return float(profiled(at).fun - whole.fun - cut)

    bounds = []
    for sign in (-1, 1):
        reach = 0.25
        while excess(best + sign * reach) < 0 and reach < 64:
            reach *= 2
        inside, outside = best + sign * reach / 2 * (reach > 0.25), best + sign * reach
        is_held = excess(outside) > 0
        bounds.append(
            float(brentq(excess, inside, outside, xtol=2e-3)) if is_held else sign * np.inf
        )
    return best, bounds[0], bounds[1]


def _places(lags: Values) -> Values:
    return np.linspace(np.log(lags[0] / BEYOND), np.log(lags[-1] * BEYOND), 321)


def _profile(lags: Values, places: Values, solved: Values, n: Values) -> Values:
    """Give [tables, places]: the log-likelihood of each horizon at its best slope."""
    from scipy.special import log_expit

    far = (places[:, None, None] - np.log(lags)) / SLOPES[:, None]  # [places, slopes, lags]
    flat = far.reshape(-1, len(lags))
    found = solved @ log_expit(flat).T + (n - solved) @ log_expit(-flat).T
    return np.asarray(found.reshape(len(solved), len(places), len(SLOPES)).max(axis=2))


def _middle(places: Values, profile: Values) -> Values:
    is_best = profile >= profile.max(axis=1, keepdims=True) - 1e-3
    return np.asarray((is_best * places).sum(axis=1) / is_best.sum(axis=1))


def _tried(found: Values, lags: Values) -> Values:
    """Say nothing of lags outside those tried: horizon and bounds end there, or are open."""
    shortest, longest = lags[0], lags[-1]
    best, low, high = found.T
    best = np.where(best < shortest, 0.0, np.where(best > longest, np.inf, best))
    low = np.where(low < shortest, 0.0, np.minimum(low, longest))
    high = np.where(high > longest, np.inf, np.maximum(high, shortest))
    return np.stack([best, low, high], axis=1)
