"""What a trial that did not solve has learned: the partial solution that its loss sits on.

A task lists partial solutions with their expected loss; guessing (chance) is the worst of them. A
trial sits on one where its test loss is within a tenth of the way to the next; between two it is
"between". Logs that do not hold the list are left out: it was not recorded.
"""

import json
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from analysis.estimate import GROUP, judged

NEAR = 0.1
"""A loss this share of the way to the next level still counts as the level's."""

COLUMNS = [*GROUP, "learned", "seeds", "n", "level_loss"]


def levels(text: str, chance: float) -> list[tuple[str, float]]:
    """Give the levels of a task, worst first: (name, loss). Empty: not recorded."""
    try:
        listed = json.loads(text) if text else None
    except ValueError:
        return []
    if not isinstance(listed, list) or pd.isna(chance):
        return []
    found = [("chance", float(chance))]
    for each in listed:
        if isinstance(each, dict) and isinstance(each.get("loss"), int | float):
            found.append((str(each.get("name", ""))[:200], float(each["loss"])))
    return sorted(found, key=lambda level: -level[1])


def where(loss: float, known: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """Say on which level a loss sits, or between which: (what was learned, the level's loss)."""
    worst = known[0]
    below = [*(at for _, at in known[1:]), 0.0]
    for (name, at), following in zip(known, below, strict=True):
        gap = at - following
        if abs(loss - at) <= NEAR * gap:
            return name, at
        if loss > at:
            if (name, at) == worst:
                return f"worse than {name}", float("nan")
            before = known[[n for n, _ in known].index(name) - 1][0]
            return f"between {before} and {name}", float("nan")
    return f"more than {known[-1][0]}", float("nan")


def learned(runs: pd.DataFrame) -> pd.DataFrame:
    """Count, in each group, what its trials learned.

    Gives arm, task, lag, learned, seeds (so many learned it), n, level_loss: solved first, then
    from the best to the worst. A trial that diverged, or has no test loss, learned nothing that is
    known.
    """
    rows = []
    for key, group in judged(runs).groupby(GROUP, sort=False):
        known = levels(str(group["baselines"].iloc[0]), group["chance_loss"].iloc[0])
        if not known:
            continue
        # By name alone: no nan equals another.
        counts = Counter[str]()
        level_of: dict[str, float] = {}
        for run in group.to_dict("records"):
            if run["outcome"] == "solved":
                told = ("solved", 0.0)
            elif run["outcome"] == "diverged" or pd.isna(run["test/loss"]):
                told = (str(run["outcome"]), float("nan"))
            else:
                told = where(run["test/loss"], known)
            counts[told[0]] += 1
            level_of.setdefault(*told)
        ordered = sorted(counts.items(), key=lambda item: (item[0] != "solved", -item[1]))
        rows += [(*key, name, seeds, len(group), level_of[name]) for name, seeds in ordered]
    return pd.DataFrame(rows, columns=COLUMNS)
