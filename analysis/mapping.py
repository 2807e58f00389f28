"""Which keys of foreign logs play which part: as they are given, and as they may be guessed."""

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any

from analysis.logs import STEPS, Logs, leaves

PARTS = ("arm", "seed", "score", "task", "lag", "step")


@dataclass(frozen=True, slots=True)
class Mapping:
    """The key that plays each part; `score` is one of the history, `step` too.

    The others are `config.<key>`, `summary.<key>`, or one of `WHO`. What is None is not there: one
    task, lag 0, seeds in the order in which an arm's runs began. `solved_at` and `chance` are
    scores; without both nothing is solved or unsolved. `only` keeps the runs whose keys have
    these values.
    """

    arm: str
    score: str
    seed: str | None = None
    task: str | None = None
    lag: str | None = None
    step: str | None = None
    is_lower_better: bool = False
    solved_at: float | None = None
    chance: float | None = None
    only: tuple[tuple[str, str], ...] = ()


WHO = ("name", "group", "job_type", "tags", "project", "id")
"""What a run is called, as keys."""

_LIKELY = {
    "arm": r"(label|arm|model|arch(itecture)?|net(work)?|method|cell|rnn|agent|algo(rithm)?)",
    "seed": r"(random_)?seed",
    "task": r"(task|data(set)?|env(ironment)?|problem)",
    "lag": r"(lag|delay|seq(uence)?_?len(gth)?|length|horizon|distance|max_len|T)",
}

_SCORES = (
    (r"val(id(ation)?)?[/_. -].*(acc|score|f1|auc|r2|reward|success)", False),
    (r"(test|eval|dev)[/_. -].*(acc|score|f1|auc|r2|reward|success)", False),
    (r".*(acc|score|f1|auc|reward|success).*", False),
    (r"val(id(ation)?)?[/_. -].*(loss|error|nll|perplexity|rmse|mse|mae)", True),
    (r".*(loss|error|nll|perplexity|rmse|mse|mae).*", True),
)


def values_of(logs: Logs) -> list[dict[str, Any]]:
    """Give, for each run, the value of each key that may name an arm, a seed, a task or a lag."""
    found = []
    for run in logs.runs:
        who = run.last.run
        row: dict[str, Any] = {
            "name": who.name, "group": who.group, "job_type": who.job_type,
            "tags": ", ".join(who.tags), "project": who.project, "id": run.id,
        }  # fmt: skip
        row = {key: value for key, value in row.items() if value}
        row |= {f"config.{key}": value for key, value in leaves(run.config).items()}
        row |= {f"summary.{key}": value for key, value in leaves(run.summary).items()}
        found.append(row)
    return found


def history_keys(logs: Logs) -> dict[str, int]:
    """Give the keys of the histories that hold numbers, each with how many runs have it."""
    import pyarrow as pa

    counts: dict[str, int] = {}
    for run in logs.runs:
        for field in run.columns.schema:
            if pa.types.is_floating(field.type) and field.name:
                counts[field.name] = counts.get(field.name, 0) + 1
    return counts


def suggest(logs: Logs) -> dict[str, str | bool]:
    """Guess which keys play which part; a part for which nothing offers itself is left out.

    Beside the parts, `is_lower_better` where the score looks like a loss.
    """
    rows = values_of(logs)
    found: dict[str, str | bool] = {}
    for part, pattern in _LIKELY.items():
        if key := _best(part, pattern, rows):
            found[part] = key
    if "arm" not in found and len({row.get("group") for row in rows} - {None}) > 1:
        found["arm"] = "group"
    keys = history_keys(logs)
    own = [key for key in keys if not key.startswith("_")]
    for pattern, is_lower in _SCORES:
        likely = [key for key in own if re.fullmatch(pattern, key, re.IGNORECASE)]
        if likely:
            found["score"] = min(likely, key=lambda key: (-keys[key], len(key)))
            if is_lower:
                found["is_lower_better"] = True
            break
    step = next((key for key in STEPS if key in keys), None)
    if step:
        found["step"] = step
    return found


def _best(part: str, pattern: str, rows: list[dict[str, Any]]) -> str | None:
    """Choose the key that most runs have, of those whose name and values suit a part."""
    counts: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    for row in rows:
        for key, value in row.items():
            if key.startswith("config.") and _suits(part, value):
                counts[key] = counts.get(key, 0) + 1
                values.setdefault(key, set()).add(str(value))
    ranks = {}
    for key, count in counts.items():
        *outer, last = key.removeprefix("config.").split(".")
        names = [last] if last.lower() not in ("name", "type", "kind", "id") else outer[-1:]
        if not any(re.fullmatch(pattern, name, re.IGNORECASE) for name in names):
            continue
        # An arm that every run has alone, or all have in common, compares nothing.
        is_telling = 1 < len(values[key]) < max(3, len(rows))
        ranks[key] = (not is_telling, -count, _order(pattern, names[0]), len(key))
    return min(ranks, key=ranks.__getitem__) if ranks else None


def _order(pattern: str, name: str) -> int:
    words = re.findall(r"[a-zA-Z]+", pattern)
    return next((n for n, word in enumerate(words) if name.lower().startswith(word.lower())), 99)


def _suits(part: str, value: Any) -> bool:
    if part in ("seed", "lag"):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) and 0 < len(value) <= 120


def options(parts: Map[str, str | bool]) -> str:
    """Give a mapping as the options of `longdep report`."""
    import shlex

    told = [f"--{part} {shlex.quote(str(parts[part]))}" for part in PARTS if part in parts]
    if parts.get("is_lower_better"):
        told.append("--lower-is-better")
    return " ".join(told)
