"""Two studies side by side: what is the same in them, and what each shared group shows.

Nothing here was claimed in advance. Holm's method holds the chance of one false difference at 5 %
among all arms, among the solve rates of all groups, and among their steps; the trials are taken as
unpaired.
"""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.compare import SIGNIFICANCE, Counts, barnard, difference, permutation
from analysis.escaping import plain
from analysis.estimate import GROUP, judged, solve_rates
from analysis.sources import ENVIRONMENT, Frames
from analysis.study_file import Recipe, Study
from analysis.survival import observed, steps_to_solve

EXACT = 20_000
"""Up to so many labellings all are tried; beyond, as many are drawn, always the same ones."""

NO_DIFFERENCE = "no difference shown"


def groups(a: Frames, b: Frames) -> pd.DataFrame:
    """Compare every group that both studies have results of.

    Gives arm, task, lag; solved_a, n_a, solved_b, n_b; effect, low, high: the solve rate of b less
    that of a, with Newcombe's interval of 95 %; p by Barnard's exact test and p_adjusted;
    median_a, median_b: Kaplan-Meier medians of the steps to solve; steps: the mean steps of b less
    those of a, both restricted to the smaller budget; steps_p by permutation of the labels, and
    steps_p_adjusted; verdict. While a trial of either is missing, p and verdict are withheld.
    """
    is_complete = not a.ledger.open and not b.ledger.open
    counted = solve_rates(a.runs).merge(solve_rates(b.runs), on=GROUP, suffixes=("_a", "_b"))
    medians = steps_to_solve(a.runs).merge(steps_to_solve(b.runs), on=GROUP, suffixes=("_a", "_b"))
    of_a, of_b = (dict(list(judged(f.runs).groupby(GROUP, sort=False))) for f in (a, b))
    rows = []
    for row, middle in zip(counted.to_dict("records"), medians.to_dict("records"), strict=True):
        key: Any = tuple(row[name] for name in GROUP)
        counts = Counts(row["solved_b"], row["n_b"], row["solved_a"], row["n_a"])
        effect, low, high = difference([counts])
        steps, steps_p = restricted_means(of_a[key], of_b[key])
        rows.append(
            {name: row[name] for name in (*GROUP, *_COUNTS)}
            | {"effect": effect, "low": low, "high": high}
            | {"p": barnard(counts) if is_complete else np.nan}
            | {"median_a": middle["median_a"], "median_b": middle["median_b"]}
            | {"budget_a": middle["budget_a"], "budget_b": middle["budget_b"], "steps": steps}
            | {"steps_p": steps_p if is_complete else np.nan}
        )
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    for name in ("p", "steps_p"):
        frame[f"{name}_adjusted"] = _holm(frame[name].to_numpy(dtype=float))
    frame["verdict"] = [_verdict(row, is_complete) for row in frame.to_dict("records")]
    return frame


_COUNTS = ("solved_a", "n_a", "solved_b", "n_b")
_COLUMNS = [
    *(*GROUP, *_COUNTS, "effect", "low", "high", "p"),
    *("median_a", "median_b", "budget_a", "budget_b", "steps", "steps_p"),
]


def arms(frame: pd.DataFrame, *, is_complete: bool) -> pd.DataFrame:
    """Compare every arm over all groups that both studies have of it (frame of `groups`).

    Gives arm, groups, solved_a, n_a, solved_b, n_b; effect, low, high: the mean difference of the
    solve rates; p by exact permutation of the labels within each group, p_adjusted over the arms;
    verdict.
    """
    rows = []
    for arm, mine in frame.groupby("arm", sort=False):
        columns = ["solved_b", "n_b", "solved_a", "n_a"]
        counts = [Counts(*map(int, row)) for row in mine[columns].itertuples(index=False)]
        effect, low, high = difference(counts)
        rows.append(
            {"arm": arm, "groups": len(mine), **mine[columns].sum().to_dict()}
            | {"effect": effect, "low": low, "high": high}
            | {"p": permutation(counts) if is_complete else np.nan}
        )
    names = ["arm", "groups", *_COUNTS, "effect", "low", "high", "p"]
    found = pd.DataFrame(rows, columns=names)
    found["p_adjusted"] = _holm(found["p"].to_numpy(dtype=float))
    steps = {"steps": 0.0, "steps_p_adjusted": np.nan}
    found["verdict"] = [_verdict(row | steps, is_complete) for row in found.to_dict("records")]
    return found


def restricted_means(a: pd.DataFrame, b: pd.DataFrame) -> tuple[float, float]:
    """Give the mean steps to solve of b less those of a, and the p of a permutation test.

    A trial that did not solve counts with the smaller of the two budgets, as every trial that took
    longer: the difference of restricted means (Royston and Parmar 2013).
    """
    from scipy.stats import permutation_test

    limit = min(float(a["budget_steps"].max()), float(b["budget_steps"].max()))
    of_a, of_b = (np.minimum(observed(frame)[0], limit) for frame in (a, b))

    def apart(
        one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], axis: int
    ) -> npt.NDArray[np.float64]:
        return np.asarray(np.mean(other, axis=axis) - np.mean(one, axis=axis))

    effect = float(of_b.mean() - of_a.mean())
    if len(of_a) < 2 or len(of_b) < 2 or len({*of_a, *of_b}) == 1:
        return effect, 1.0
    found = permutation_test(
        (of_a, of_b), apart, vectorized=True, n_resamples=EXACT, rng=np.random.default_rng(0)
    )
    return effect, float(min(1.0, found.pvalue))


def repeated(a: Frames, b: Frames) -> dict[str, int]:
    """Count the trials of the same declaration in both, and those that came to the same end.

    Gives trials; outcome: ended alike, at the same step; bits: also with the same test score.
    """
    both = a.runs.merge(b.runs, on="trial", suffixes=("_a", "_b"))
    steps = both["solved_step_a"].fillna(-1) == both["solved_step_b"].fillna(-1)
    outcome = (both["outcome_a"] == both["outcome_b"]) & steps
    score = both["test/score_a"].fillna(-1) == both["test/score_b"].fillna(-1)
    return {
        "trials": len(both),
        "outcome": int(outcome.sum()),
        "bits": int((outcome & score).sum()),
    }


def facts(a: Frames, b: Frames) -> pd.DataFrame:
    """Say what the two have in common and where they differ: what, a, b, is_same."""
    rows: list[tuple[str, str, str]] = []
    of = [_facts(frames) for frames in (a, b)]
    for name in dict.fromkeys([*of[0], *of[1]]):
        rows.append((name, of[0].get(name, ""), of[1].get(name, "")))
    frame = pd.DataFrame(rows, columns=["what", "a", "b"]).astype("str")
    return frame.assign(is_same=frame["a"] == frame["b"])


def _facts(frames: Frames) -> dict[str, str]:
    study, runs = frames.study, frames.runs
    seeds = sorted({trial.seed for trial in study.trials})
    found = {
        "question": plain(study.question, 1000),
        "arms": ", ".join(plain(label) for label in study.labels),
        "seeds": f"{len(seeds)}: {_ranged(seeds)}" if seeds else "none",
        "reference": plain(study.reference) if study.reference else "none",
        "budget": _values(
            f"{amount:,} {plain(of)}"
            for of, amount in zip(runs["budget_of"], runs["budget_amount"].fillna(0), strict=True)
        ),
    }
    for axis in study.tasks:
        found[f"lags of {plain(axis.task)}"] = ", ".join(map(str, sorted(axis.lags)))
    found |= _recipes(study)
    for arm in study.arms:
        options = ", ".join(f"{name}={value}" for name, value in sorted(arm.options.items()))
        architecture = plain(arm.architecture.rpartition("/")[2])
        layers = "" if arm.layers == 1 else f"{arm.layers} layers"
        both = "both directions" if arm.bidirectional else ""
        joined = "" if arm.joined == "plain" else arm.joined
        decoder = f"decoder: {arm.decoder}" if arm.decoder else ""
        details = [each for each in (layers, joined, both, decoder, options) if each]
        found[f"arm {plain(arm.label)}"] = (
            f"{architecture} ({plain(', '.join(details), 300)})" if details else architecture
        )
    for name, hashes in sorted(_code(runs).items()):
        found[f"code of {plain(name)}"] = ", ".join(sorted(each[:12] for each in hashes))
    for key in ENVIRONMENT:
        found[key.replace("_", " ")] = _values(str(value) for value in runs[key])
    return found


def _recipes(study: Study) -> dict[str, str]:
    found = {}
    for field in dataclasses.fields(Recipe):
        values = {arm.label: getattr(arm.recipe, field.name) for arm in study.arms}
        name = field.name.replace("_", " ")
        if len(set(values.values())) == 1:
            found[name] = str(next(iter(values.values())))
        elif values:
            found[name] = ", ".join(f"{plain(arm)} {value}" for arm, value in values.items())
    return found


def _code(runs: pd.DataFrame) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for text in runs["code"].unique():
        for name, version in json.loads(text).items():
            versions.setdefault(str(name), set()).add(str(version))
    return versions


def _values(values: Iterable[str]) -> str:
    return ", ".join(plain(value) for value in sorted(set(values)) if value) or "none"


def _ranged(seeds: list[int]) -> str:
    is_range = seeds == list(range(seeds[0], seeds[-1] + 1))
    return (
        f"{seeds[0]} to {seeds[-1]}" if is_range and len(seeds) > 2 else ", ".join(map(str, seeds))
    )


def _holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from statsmodels.stats.multitest import multipletests

    if not len(p) or np.isnan(p).any():
        return p
    return np.asarray(multipletests(p, method="holm")[1])


def _verdict(row: dict[Any, Any], is_complete: bool) -> str:
    if not is_complete:
        return "withheld"
    told = []
    if row["p_adjusted"] <= SIGNIFICANCE:
        told.append(f"B solves {'more' if row['effect'] > 0 else 'less'} often")
    if row["steps_p_adjusted"] <= SIGNIFICANCE:
        told.append(f"B takes {'more' if row['steps'] > 0 else 'fewer'} steps")
    return ", ".join(told) or NO_DIFFERENCE
