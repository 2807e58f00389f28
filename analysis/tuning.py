"""Which learning rate suits an arm on a task, by validation alone. Frame to frame.

A rate is judged by all its tuning trials, over seeds and lags, and never by a test row: what was
chosen on the test split would look better there than it is. Where trials stop when solved, the rate
with which more of them solve is better; of equals the one that takes fewer steps (a trial that did
not solve takes all of its budget), then the one with the higher last validation score. Where every
trial runs to the end, the last validation score comes first. A trial that diverged scores 0. Of
rates that are equal in all of it, the smallest is taken.
"""

import pandas as pd

from analysis.estimate import checked
from analysis.overall import expected_best
from analysis.sources import Frames

PAIR = ["arm", "task"]

TRIED = [*PAIR, "learning_rate", "trials", "solved", "steps", "score"]

SEEN = ["trial", "arm", "task", "lag", "seed", "outcome", "solved_step", "budget_steps"]
"""The columns of `runs` that a choice may depend on: validation ends a trial, and solves it."""


def base(label: str, learning_rate: float) -> str:
    """Give the study's arm that an arm of its tuning, at a rate, is of."""
    return label.removesuffix(f" lr={learning_rate:g}")


def validated(frames: Frames) -> pd.DataFrame:
    """Give what validation says of each finished tuning trial: `frames` are of the tuning's folder.

    Gives trial, arm (the study's), task, lag, seed, learning_rate, stop, solved, steps, score.
    """
    rates = {arm.label: arm.recipe for arm in frames.study.arms}
    rows = frames.history.dropna(subset="validation/score")
    last = rows.sort_values("step").groupby("trial")["validation/score"].last().rename("score")
    trials = checked(frames.runs)[SEEN].merge(last, how="left", on="trial")
    is_solved = trials["outcome"] == "solved"
    steps = trials["solved_step"].astype("Float64").where(is_solved, trials["budget_steps"])
    score = trials["score"].where(trials["outcome"] != "diverged").fillna(0.0).clip(0, 1)
    rate = trials["arm"].map({label: recipe.learning_rate for label, recipe in rates.items()})
    arm = [base(*pair) for pair in zip(trials["arm"], rate, strict=True)]
    stop = trials["arm"].map({label: recipe.stop for label, recipe in rates.items()})
    return trials.assign(
        arm=arm,
        learning_rate=rate.astype("float64"),
        stop=stop,
        solved=is_solved.astype("int64"),
        steps=steps.astype("float64"),
        score=score,
    ).drop(columns=["outcome", "solved_step", "budget_steps"])


def tried(trials: pd.DataFrame) -> pd.DataFrame:
    """Give what each rate came to with each arm on each task: `TRIED` and stop, by rate.

    `trials` is of `validated`. `steps` and `score` are means over seeds and lags.
    """
    grouped = trials.groupby([*PAIR, "learning_rate"], sort=False)
    frame = grouped.agg(
        trials=("trial", "count"),
        solved=("solved", "sum"),
        steps=("steps", "mean"),
        score=("score", "mean"),
        stop=("stop", "first"),
    ).reset_index()
    return frame.sort_values("learning_rate", kind="stable", ignore_index=True)


def choose(rates: pd.DataFrame) -> pd.DataFrame:
    """Choose a rate for each arm and task among those of `tried`: its row, in their order."""
    rows = []
    for _, group in rates.groupby(PAIR, sort=False):
        # By the share: a rate of which a trial is lacking is not to lose for that.
        share = group["solved"] / group["trials"]
        order = ["share", "fewer", "score"]
        if (group["stop"] == "budget").all():
            order = ["score", "share", "fewer"]
        keyed = group.assign(share=share, fewer=-group["steps"], smaller=-group["learning_rate"])
        best = keyed.sort_values([*order, "smaller"], ascending=False, kind="stable").index[0]
        rows.append(group.loc[best])
    return pd.DataFrame(rows, columns=rates.columns).reset_index(drop=True)


def expected(rates: pd.DataFrame) -> pd.DataFrame:
    """Give the best validation score to be expected of so many tuning trials (Dodge 2019).

    Of the rates of `tried`, each with the mean score of its trials, so many are drawn without
    putting back, and the best is kept. Gives arm, task, rates, spent (trials), expected.
    """
    rows = []
    for (arm, task), group in rates.groupby(PAIR, sort=False):
        each = group["trials"].mean()
        for row in expected_best(group["score"].to_numpy(dtype=float)).to_dict("records"):
            count = int(row["trials"])
            rows.append((arm, task, count, count * each, row["expected"]))
    return pd.DataFrame(rows, columns=[*PAIR, "rates", "spent", "expected"])
