"""What networks said to some test examples, as a frame: from `samples.json` beside a trial's log.

| column | type | what |
|---|---|---|
| trial, arm, task, lag, seed | | as in `runs` |
| test_lag | whole | the lag of the example |
| number | whole | which of the examples of this lag, from 0 |
| source, target, said | text | JSON: lists of words |
| weights | text | JSON: a list over the source for each word said, and its end; empty: none |

Of each group the first trial that is done: what all of them said is for nobody to read.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.json_file import Object, StudyFileError

NAME = "samples.json"
MOST_BYTES = 4 * 2**20
MOST_SAMPLES, MOST_WORDS, MOST_LETTERS = 200, 100, 200

SAID = {
    **dict.fromkeys(("test_lag", "number"), "int64"),
    **dict.fromkeys(("source", "target", "said", "weights"), "str"),
}
"""The columns that say what was said, and their types."""


def frame(identity: dict[str, str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Put the rows of trials together; `identity` gives the columns that name the trial."""
    columns = {**identity, **SAID}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def beside(folder: Path, trial: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Read what a trial's network said: rows of `SAID`, and why they could not be read.

    Nothing where there is no such file.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return [], []
    try:
        return _rows(Object.read(path, MOST_BYTES), trial), []
    except StudyFileError as error:
        told = str(error).replace(f"{folder}{os.sep}", "", 1)
        return [], [f"{trial}/{told}"]


def _rows(top: Object, trial: str) -> list[dict[str, Any]]:
    if top.take("trial", str) != trial:
        raise top.error("trial", f"{top.take('trial', str)!r:.60} in the folder of {trial}")
    listed = top.objects("samples")
    if len(listed) > MOST_SAMPLES:
        raise top.error("samples", f"{len(listed):,} of them; at most {MOST_SAMPLES}")
    numbers: Counter[int] = Counter()
    rows = []
    for sample in listed:
        lag = sample.take("lag", int)
        words = {key: _words(sample, key) for key in ("source", "target", "said")}
        weights = _weights(sample, len(words["source"]), len(words["said"]) + 1)
        rows.append(
            {
                "test_lag": lag,
                "number": numbers[lag],
                **{key: json.dumps(value, ensure_ascii=False) for key, value in words.items()},
                "weights": json.dumps(weights) if weights else "",
            }
        )
        numbers[lag] += 1
    return rows


def _words(sample: Object, key: str) -> list[str]:
    words = sample.take(key, list)
    if len(words) > MOST_WORDS or not all(isinstance(word, str) for word in words):
        raise sample.error(key, f"at most {MOST_WORDS} words expected")
    # Half of a surrogate pair could be written to no file.
    return [word[:MOST_LETTERS].encode("utf-8", "replace").decode() for word in words]


def _weights(sample: Object, across: int, most: int) -> list[list[float]]:
    """Take the weights over a source of so many words, for at most so many of a reply."""
    rows = sample.maybe("weights", list) or []
    for row in rows:
        is_whole = isinstance(row, list) and len(row) == across
        if len(rows) > most or not is_whole or not all(map(_is_share, row)):
            told = f"for each of {most} words, {across} numbers from 0 to 1 expected"
            raise sample.error("weights", told)
    return rows


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
