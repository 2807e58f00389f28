"""Some of what was said, word by word, each mistake marked."""

import json

import pandas as pd
from markupsafe import Markup, escape

from analysis.escaping import plain
from analysis.spelling import romanized
from analysis.tables import Table

LETTERS = 24
"""Longer words are cut."""


def spoken(samples: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Choose examples: of each task the first at the lag trained at, and the first of the next one.

    All arms are shown the same examples, those of the seed that most arms have. Gives task, lag,
    seed, test_lag, arm, source, target, said (as in `Frames.samples`).
    """
    parts = []
    for (_, lag), here in samples.groupby(["task", "lag"], sort=False):
        seeds = here.groupby("seed")["arm"].nunique()
        mine = here[(here["seed"] == seeds.idxmax()) & (here["number"] == 0)]
        beyond = sorted(at for at in set(mine["test_lag"]) if at > lag)
        for at in (lag, *beyond[:1]):
            one = mine[mine["test_lag"] == at]
            # Who was shown another example, by whatever accident, is not to be held against it.
            is_same = (one[["source", "target"]] == one[["source", "target"]].iloc[:1].values).all(
                axis=1
            )
            one = one[is_same & one["arm"].isin(labels)]
            parts.append(one.sort_values("arm", key=lambda column: column.map(labels.index)))
    columns = ["task", "lag", "seed", "test_lag", "arm", "source", "target", "said"]
    if not parts:
        return pd.DataFrame(columns=columns)
    chosen: pd.DataFrame = pd.concat(parts, ignore_index=True)[columns]
    return chosen


def shown(said: pd.DataFrame) -> list[Table]:
    """Set a table for each task: source and target, and what each arm made of them."""
    found = []
    for number, (task, here) in enumerate(said.groupby("task", sort=False)):
        names: list[str] = []
        texts: list[str] = []
        drawn: list[Markup] = []
        breaks: list[int] = []
        for _, example in here.groupby("test_lag", sort=False):
            if names:
                breaks.append(len(names))
            source, target = (json.loads(example[key].iloc[0]) for key in ("source", "target"))
            for name, words in ((f"source, {len(source)} words", source), ("target", target)):
                names.append(name)
                texts.append(" ".join(map(_short, words)))
                drawn.append(Markup(" ").join(map(_short, words)))
            for arm, line in zip(example["arm"], example["said"], strict=True):
                marks = marked(json.loads(line), target)
                names.append(plain(arm, 60))
                texts.append(" ".join(f"[{_short(w)}]" if is_wrong else _short(w)
                                      for w, is_wrong in marks))  # fmt: skip
                drawn.append(Markup(" ").join(
                    Markup("<mark>{}</mark>").format(_short(w)) if is_wrong else escape(_short(w))
                    for w, is_wrong in marks
                ))  # fmt: skip
        is_hangul = any(text != romanized(text) for text in map(_words, here["source"]))
        letters = "; Hangul in Latin letters" if is_hangul else ""
        found.append(
            Table(
                f"replies_{number + 1}",
                f"What was said, {plain(task)}: words that are not the target's in their place are "
                f"marked, with brackets where there is no colour{letters}",
                pd.DataFrame({"who": names, "words": texts}),
                drawn={"words": drawn},
                breaks=breaks,
                is_fixed=True,
            )
        )
    return found


def marked(said: list[str], target: list[str]) -> list[tuple[str, bool]]:
    """Give each word said, and whether it is wrong in its place; what is missing is told."""
    found = [(word, target[place : place + 1] != [word]) for place, word in enumerate(said)]
    missing = len(target) - len(said)
    return [*found, (f"{missing} missing", True)] if missing > 0 else found


def _words(text: str) -> str:
    return " ".join(json.loads(text))


def _short(word: str) -> str:
    return plain(romanized(word), LETTERS)
