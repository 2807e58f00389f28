"""A study's folder to tidy frames.

`runs` has a row per finished trial:

| column | type | from |
|---|---|---|
| trial, arm, task | text | study.json, by the trial's id |
| lag, seed | whole | study.json |
| outcome | text | result.json: solved, unsolved, diverged, timed_out, out_of_memory, measured |
| attempts, rows, steps | whole | result.json; attempts at this result, not at a stale one |
| solved_step | whole or NA | result.json |
| bit_exact | bool | result.json: never moved to another environment while it trained |
| budget_steps, validation_every, batch | whole | the arm's recipe in study.json |
| test/loss, test/score | number or NaN | the log's summary |
| test/exact, test/bleu, test/chrf | number or NaN | the same, of replies and their words |
| chance_score, chance_loss, solved_at | number or NaN | the log's config; NaN: none can be stated |
| chance_derivation, space, path | text | the log's config |
| baselines | text | JSON: the task's partial solutions; empty: not recorded |
| hidden_size, parameters, state_size, flops_per_step | whole or NA | counted; the log's config |
| budget_of, budget_amount | text, whole or NA | what is held equal between arms, and at how much |
| distance_least, distance_mean, distance_most | number or NaN | steps from evidence to answer |
| seconds_per_step | number or NaN | training seconds of the last row by its step |
| code | text | JSON: the hash of each file that the result depends on |
| python ... git_commit | text | `ENVIRONMENT`, from the log's config |

`tests` has a row per finished trial and lag that it was tested at beside its own: trial, arm, task,
lag (trained at), seed, test_lag (whole), `FURTHER` and `OF_REPLIES` (numbers or NaN).

`history` has a row per trial and step: trial, arm, task, lag, seed, step (whole), and `MEASURED`
(numbers; a diverged trial's last row may hold NaN or inf).

`probes` has a row per number that a probe measured: `analysis.probe_frames` lists its columns.
`probe_problems` says which files of it could not be read. `samples` has a row per example to which
it is kept what was said: `analysis.sample_frames`; `sample_problems` likewise.

Longer than a file should be: a third of it says what every column is.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import ledger as ledgers
from analysis import probe_frames, sample_frames, wandb_log
from analysis.json_file import StudyFileError, inside, read_bytes
from analysis.ledger import Entry, Ledger, Stale
from analysis.study_file import Study

Progress = Callable[[str, int, int], None]
"""Told (what is done, how many so far, of how many)."""

MEASURED = (
    "train/loss",
    "train/gradient_norm",
    "validation/loss",
    "validation/score",
    "seconds",
)

ON_GPU = ("gpu", "gpu_driver", "cuda", "cudnn")
ENVIRONMENT = (
    "python",
    "torch",
    "pytorch_lightning",
    "wandb",
    "numpy",
    "platform",
    "machine",
    "cpu",
    "cpu_capability",
    "threads",
    "device",
    *ON_GPU,
    "compiler",
    "git_commit",
)

OF_REPLIES = ("exact", "bleu", "chrf")
"""What is measured of replies beside the share of symbols in their places, the score; 0 to 1."""

_IDENTITY = {"trial": "str", "arm": "str", "task": "str", "lag": "int64", "seed": "int64"}

RUNS = {
    **_IDENTITY,
    "outcome": "str",
    "attempts": "int64",
    "rows": "int64",
    "steps": "int64",
    "solved_step": "Int64",
    "bit_exact": "bool",
    "budget_steps": "int64",
    "validation_every": "int64",
    "batch": "int64",
    **dict.fromkeys(("test/loss", "test/score"), "float64"),
    **dict.fromkeys((f"test/{name}" for name in OF_REPLIES), "float64"),
    **dict.fromkeys(("chance_score", "chance_loss", "solved_at"), "float64"),
    **dict.fromkeys(("chance_derivation", "space", "path", "baselines"), "str"),
    **dict.fromkeys(("hidden_size", "parameters", "state_size", "flops_per_step"), "Int64"),
    "budget_of": "str",
    "budget_amount": "Int64",
    **dict.fromkeys(("distance_least", "distance_mean", "distance_most"), "float64"),
    "seconds_per_step": "float64",
    "code": "str",
    **dict.fromkeys(ENVIRONMENT, "str"),
}
"""The columns of `runs` and their types."""

FURTHER = ("loss", "score", "chance_loss", "chance_score")

TESTS = {
    **_IDENTITY,
    "test_lag": "int64",
    **dict.fromkeys((*FURTHER, *OF_REPLIES), "float64"),
}
"""The columns of `tests` and their types."""

HISTORY = {**_IDENTITY, "step": "int64", **dict.fromkeys(MEASURED, "float64")}
"""The columns of `history` and their types."""


@dataclass(frozen=True)
class Foreign:
    """Where frames come from that longdep did not write, and what their keys do not allow.

    `runs` has a row a run: run, name, health, files, rows, group, note (`analysis.foreign`).
    """

    source: str
    command: str
    score: str
    lacking: tuple[str, ...]
    runs: pd.DataFrame


@dataclass(frozen=True)
class Frames:
    """A study's plan and its trials. Damaged trials are in the ledger and in no frame."""

    ledger: Ledger
    runs: pd.DataFrame
    history: pd.DataFrame
    tests: pd.DataFrame
    probes: pd.DataFrame
    probe_problems: tuple[str, ...] = ()
    samples: pd.DataFrame = field(default_factory=lambda: sample_frames.frame(_IDENTITY, []))
    sample_problems: tuple[str, ...] = ()
    foreign: Foreign | None = None

    @property
    def study(self) -> Study:
        """The plan."""
        return self.ledger.study

    @property
    def runs_with_tests(self) -> pd.DataFrame:
        """`runs`, with columns `test/<lag>/loss` and `test/<lag>/score` for the rows of `tests`.

        And `test/all/...`: the mean over all lags that a trial was tested at, its own among them;
        NaN where one of them is.
        """
        if self.tests.empty:
            return self.runs
        columns = {
            f"test/{lag}/{key}": tests.set_index("trial")[key]
            for lag, tests in self.tests.groupby("test_lag")
            for key in ("loss", "score")
        }
        others = self.tests[self.tests["test_lag"] != self.tests["lag"]].groupby("trial")
        for key in ("loss", "score"):
            own = self.runs.set_index("trial")[f"test/{key}"].reindex(list(others.groups))
            total = own + others[key].agg(lambda found: found.sum(skipna=False))
            columns[f"test/all/{key}"] = total / (others.size() + 1)
        return self.runs.join(pd.DataFrame(columns), on="trial")


def load(
    study_dir: str | os.PathLike[str],
    stale: Stale | None = None,
    progress: Progress | None = None,
) -> Frames:
    """Read a study's folder: the plan, the ledger, and the log of every trial that is done.

    A log that is missing, has another hash than was committed, has a gap, or contradicts the result
    makes its trial damaged.

    Raises
    ------
    StudyFileError
        `study.json` cannot be read.
    """
    ledger = ledgers.take(study_dir, stale)
    runs: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    probes: list[pd.DataFrame] = []
    problems: list[str] = []
    samples: list[dict[str, Any]] = []
    unread_samples: list[str] = []
    sampled: set[tuple[Any, ...]] = set()
    damaged: dict[str, str] = {}
    done = ledger.done
    for number, entry in enumerate(done, start=1):
        try:
            folder = Path(study_dir) / entry.trial.id
            run, rows, further, measured = _trial(folder, entry, ledger.study)
        except StudyFileError as error:
            damaged[entry.trial.id] = ledgers.without_folder(error, Path(study_dir))
        else:
            runs.append(run)
            history.extend(rows)
            tests.extend(further)
            later, unread = probe_frames.beside(folder, entry.trial.id, _weights(entry))
            identity = {column: run[column] for column in _IDENTITY}
            probes += [part.assign(**identity) for part in (measured, *later)]
            problems += unread
            if (group := (run["arm"], run["task"], run["lag"])) not in sampled:
                sampled.add(group)
                said, unread = sample_frames.beside(folder, entry.trial.id)
                samples += [{**identity, **row} for row in said]
                unread_samples += unread
        if progress is not None:
            progress("logs read", number, len(done))
    return Frames(
        ledger.with_damaged(damaged),
        pd.DataFrame(runs, columns=list(RUNS)).astype(RUNS),
        pd.DataFrame(history, columns=list(HISTORY))
        .drop_duplicates(["trial", "step"], keep="last", ignore_index=True)
        .astype(HISTORY),
        pd.DataFrame(tests, columns=list(TESTS)).astype(TESTS),
        probe_frames.frame(_IDENTITY, probes),
        tuple(problems),
        sample_frames.frame(_IDENTITY, samples),
        tuple(unread_samples),
    )


Rows = list[dict[str, Any]]


def _trial(
    folder: Path, entry: Entry, study: Study
) -> tuple[dict[str, Any], Rows, Rows, pd.DataFrame]:
    trial, result = entry.trial, entry.result
    assert result is not None
    path = inside(folder, result.log)
    data = read_bytes(path, wandb_log.LIMIT)
    if hashlib.sha256(data).hexdigest() != result.log_sha256:
        raise StudyFileError(f"{path.name}: not the log that was committed (another SHA-256)")
    log = wandb_log.parse(data)
    if not log.complete:
        reason = "; ".join(map(str, log.gaps[:3])) or "it has no end"
        raise StudyFileError(f"{path.name}: {reason}")
    config, summary = log.config, log.summary
    task = f"{config.get('task')}/{config.get('dialect')}"
    named = (log.run.id if log.run else None, task, config.get("lag"), config.get("seed"))
    if named != (trial.id, trial.task, trial.lag, trial.seed):
        raise StudyFileError(f"{path.name}: the log of another trial: {named!s:.200}")
    logged = [row for row in log.history if "step" in row]
    rows = [_row(row, path.name) for row in logged]
    if len(rows) != result.rows:
        raise StudyFileError(f"{path.name}: {len(rows)} rows; {result.rows} were committed")
    if (summary.get("outcome"), summary.get("solved_step")) != (result.outcome, result.solved_step):
        raise StudyFileError(f"{path.name}: its outcome is not the one that was committed")

    measured = probe_frames.of_rows(logged)
    # What holds only what probes measured is no evaluation.
    rows = [row for row, of in zip(rows, logged, strict=True) if of.keys() & set(MEASURED)]
    identity = {k: getattr(trial, "id" if k == "trial" else k) for k in _IDENTITY}
    recipe = study.arm(trial.arm).recipe
    chance, distance = _inner(config, "chance"), _inner(config, "distance")
    measure, amount = next(iter(_inner(config, "budget").items()), ("", None))
    last = rows[-1] if rows else {}
    run = {
        **identity,
        "outcome": result.outcome,
        "attempts": result.attempts - result.earlier,
        "rows": result.rows,
        "steps": result.steps,
        "solved_step": pd.NA if result.solved_step is None else result.solved_step,
        "bit_exact": result.bit_exact,
        "budget_steps": recipe.steps,
        "validation_every": recipe.validation_every,
        "batch": recipe.batch,
        "test/loss": _number(summary.get("test/loss")),
        "test/score": _number(summary.get("test/score")),
        **{f"test/{name}": _number(summary.get(f"test/{name}")) for name in OF_REPLIES},
        "chance_score": _number(chance.get("score")),
        "chance_loss": _number(chance.get("loss")),
        "chance_derivation": _text(chance.get("derivation")),
        "solved_at": _number(config.get("solved_at")),
        "space": _text(config.get("space")),
        "path": _text(config.get("path")),
        "baselines": _baselines(config.get("baselines")),
        **{k: _whole(config.get(k)) for k, kind in RUNS.items() if kind == "Int64" and k in config},
        "budget_of": _text(measure),
        "budget_amount": _whole(amount),
        **{f"distance_{k}": _number(distance.get(k)) for k in ("least", "mean", "most")},
        "seconds_per_step": last["seconds"] / last["step"] if last.get("step") else float("nan"),
        "code": json.dumps(_inner(config, "code"), sort_keys=True),
        **{key: _text(_inner(config, "environment").get(key)) for key in ENVIRONMENT},
    }
    tests = _tests(config, summary)
    evaluated, tested = ([{**identity, **row} for row in part] for part in (rows, tests))
    return run, evaluated, tested, measured


def _weights(entry: Entry) -> str:
    return "" if entry.result is None else entry.result.weights_sha256


def _baselines(listed: Any) -> str:
    """Keep the name and the loss of each partial solution; logs of before have no list."""
    if not isinstance(listed, list):
        return ""
    kept = [
        {"name": _text(each.get("name"))[:200], "loss": _number(each.get("loss"))}
        for each in listed[:20]
        if isinstance(each, dict)
    ]
    return json.dumps([each for each in kept if math.isfinite(float(str(each["loss"])))])


def _tests(config: dict[str, Any], summary: dict[str, Any]) -> Rows:
    """Read what a trial came to at other lags than its own."""
    lags = config.get("test_lags")
    chances = _inner(config, "test_chance")
    return [
        {
            "test_lag": lag,
            **{
                key: _number(summary.get(f"test/{lag}/{key}"))
                for key in ("loss", "score", *OF_REPLIES)
            },
            **{f"chance_{k}": _number(_inner(chances, str(lag)).get(k)) for k in ("loss", "score")},
        }
        for lag in (lags if isinstance(lags, list) else [])
        if _whole(lag) is not pd.NA
    ]


def _row(row: dict[str, Any], name: str) -> dict[str, Any]:
    step = row["step"]
    if _whole(step) is pd.NA:
        raise StudyFileError(f"{name}: step {step!r:.60} is no whole number")
    for key in MEASURED:
        value = row.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise StudyFileError(f"{name}: step {step}: {key} is {value!r:.60}, no number")
    return {"step": step, **{key: _number(row.get(key)) for key in MEASURED}}


def _inner(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    try:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else float("nan")
    except OverflowError:
        return float("nan")


def _whole(value: Any) -> Any:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_whole else pd.NA


def _text(value: Any) -> str:
    # Of a structure only a part is kept: a column of text is for a line.
    return "" if value is None else str(value)[:2000]
