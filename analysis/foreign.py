"""Logs that longdep did not write, as a study: what a mapping of keys makes of them.

The answer is `Frames`, as of a study's own folder, so that report, comparison and figures take it
as it is. Every run is a trial that was planned; one that crashed, is damaged or goes on has no
result, and while there are such trials nothing is ranked. A crashed run that was run again, with
the same arm, task, lag and seed, gave way to the one that ended.

A trial's score is the last value under the score's key, times -1 where lower is better. It solved,
where a threshold and a chance level were given, at the first step whose score reached the former.

Longer than a file should be: what makes a run a trial is decided in one place.
"""

import contextlib
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis import probe_frames
from analysis.escaping import plain
from analysis.ledger import Entry, Ledger
from analysis.logs import Joined, Logs
from analysis.mapping import Mapping, history_keys, options, values_of
from analysis.server_log import project_of
from analysis.sources import HISTORY, MEASURED, RUNS, TESTS, Foreign, Frames
from analysis.study_file import Arm, Planned, Recipe, Study, TaskAxis
from analysis.trial_file import Result

NO_TASK = "the task"
NO_LAG = 1

_UNKNOWN = Recipe("", float("nan"), None, 0, 0, 1, 0, 0, 1, "budget")
"""Foreign logs do not say how their arms were trained, as far as anybody could compare it."""


class MappingError(ValueError):
    """A mapping does not fit the logs; the message is one line."""


def frames(logs: Logs, mapping: Mapping, reference: str | None = None) -> Frames:
    """Make a study of logs.

    Raises
    ------
    MappingError
        No run has a key, two finished runs are the same trial, or a value cannot play its part.
    """
    rows = values_of(logs)
    _check(logs, mapping, rows)
    kept = [
        (run, row)
        for run, row in zip(logs.runs, rows, strict=True)
        if all(str(row.get(key)) == value for key, value in mapping.only)
    ]
    if not kept:
        told = ", ".join(f"{key}={value}" for key, value in mapping.only)
        raise MappingError(f"no run has {told}" if told else f"{logs.source}: no runs")
    placed, unplaced = _place(kept, mapping)
    placed, again = _without_repeated(placed)
    measured = {run.id: _measure(run, mapping) for run, _ in placed}
    entries = tuple(_entry(run, trial, measured[run.id], mapping) for run, trial in placed)
    study = _study(logs, mapping, [trial for _, trial in placed], reference)
    ledger = Ledger(Path(logs.source), study, entries, is_stale_checked=False)
    done = {e.trial.id for e in entries if e.state == "done"}
    ends = _ends([(t, measured[r.id]) for r, t in placed if t.id in done])
    runs = [_run(r, t, measured[r.id], mapping, ends) for r, t in placed if t.id in done]
    history = [_history(r, t, measured[r.id]) for r, t in placed if t.id in done]
    empty = pd.DataFrame(columns=list(HISTORY)).astype(HISTORY)
    return Frames(
        ledger=ledger,
        runs=pd.DataFrame(runs, columns=list(RUNS)).astype(RUNS),
        history=pd.concat(history, ignore_index=True).astype(HISTORY) if history else empty,
        tests=pd.DataFrame(columns=list(TESTS)).astype(TESTS),
        probes=probe_frames.frame(
            {k: RUNS[k] for k in ("trial", "arm", "task", "lag", "seed")}, []
        ),
        foreign=Foreign(
            source=logs.source,
            command=command(logs, mapping),
            score=f"minus {mapping.score}" if mapping.is_lower_better else mapping.score,
            lacking=_lacking(logs, mapping, unplaced),
            runs=_health(kept, dict((r.id, t) for r, t in placed), again),
        ),
    )


def command(logs: Logs, mapping: Mapping) -> str:
    """Give the command line that makes this report."""
    parts = {p: getattr(mapping, p) for p in ("arm", "seed", "score", "task", "lag", "step")}
    told = options({part: key for part, key in parts.items() if key is not None})
    more = ["--lower-is-better"] if mapping.is_lower_better else []
    more += [f"--solved-at {mapping.solved_at:g}"] if mapping.solved_at is not None else []
    more += [f"--chance {mapping.chance:g}"] if mapping.chance is not None else []
    more += [f"--only {shlex.quote(f'{key}={value}')}" for key, value in mapping.only]
    project = project_of(logs.source)
    where = f"--logs {shlex.quote(plain(logs.source, 300))}"
    where = f"--wandb {shlex.quote(plain(project, 300))}" if project else where
    return " ".join(["longdep report", where, told, *more])


def _check(logs: Logs, mapping: Mapping, rows: list[dict[str, Any]]) -> None:
    import difflib

    keys = history_keys(logs)
    if not logs.runs:
        raise MappingError(f"{logs.source}: no logs of runs below it")
    known = {"--score": list(keys), "--step": list(keys)}
    of_runs = list(dict.fromkeys(key for row in rows for key in row))
    named = {f"--{p}": getattr(mapping, p) for p in ("score", "step", "arm", "seed", "task", "lag")}
    named |= {f"--only {key}": key for key, _ in mapping.only}
    for option, key in named.items():
        has = known.get(option, of_runs)
        if key is not None and key not in has:
            near = difflib.get_close_matches(key, has, 1, 0.5)
            hint = f"; did you mean {plain(near[0])!r}?" if near else ""
            listed = ", ".join(plain(name, 60) for name in has[:12])
            raise MappingError(
                f"{option}: no run has the key {plain(key)!r}{hint} keys: {listed}"
                + (f" and {len(has) - 12} more: longdep logs" if len(has) > 12 else "")
            )


def _place(
    kept: list[tuple[Joined, dict[str, Any]]], mapping: Mapping
) -> tuple[list[tuple[Joined, Planned]], list[tuple[str, str]]]:
    """Give each run its place in the grid; and (run, the key that it lacks) of those without."""
    placed: list[tuple[Joined, Planned]] = []
    unplaced = []
    counts: dict[tuple[str, str, int], int] = {}
    for run, row in kept:
        parts = [(p, getattr(mapping, p)) for p in ("arm", "task", "lag", "seed")]
        lacks = [key for _, key in parts if key is not None and row.get(key) is None]
        if lacks:
            unplaced.append((run.id, lacks[0]))
            continue
        arm = _text(row[mapping.arm])
        task = _text(row[mapping.task]) if mapping.task else NO_TASK
        lag = _whole("--lag", mapping.lag, row, run) if mapping.lag else NO_LAG
        group = arm, task, lag
        if mapping.seed:
            seed = _whole("--seed", mapping.seed, row, run)
        else:
            seed = counts.get(group, 0)
            counts[group] = seed + 1
        placed.append((run, Planned(run.id, arm, task, lag, seed)))
    return placed, unplaced


def _text(value: Any) -> str:
    return plain(value if isinstance(value, str) else f"{value}", 100)


def _whole(option: str, key: str, row: dict[str, Any], run: Joined) -> int:
    value = row[key]
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        number = float(value)
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
    told = f"{option} {plain(key)}: {plain(value, 60)!r} in run {plain(run.id)}"
    raise MappingError(f"{told}: a whole number is needed")


def _without_repeated(
    placed: list[tuple[Joined, Planned]],
) -> tuple[list[tuple[Joined, Planned]], dict[str, str]]:
    """Leave out runs without an end whose place another took; and say to which each gave way."""
    places: dict[tuple[Any, ...], list[tuple[Joined, Planned]]] = {}
    for run, trial in placed:
        places.setdefault((*trial.group, trial.seed), []).append((run, trial))
    kept: list[tuple[Joined, Planned]] = []
    again: dict[str, str] = {}
    for (arm, task, lag, seed), same in places.items():
        ended = [pair for pair in same if pair[0].health == "complete"]
        if len(ended) > 1:
            told = " and ".join(plain(run.id) for run, _ in ended[:2])
            where = f"{arm}, {task}, lag {lag}, seed {seed}"
            raise MappingError(
                f"{told} are both {where}: name a key that tells them apart (--seed, --task, "
                "--lag), or keep one of them (--only KEY=VALUE)"
            )
        (stays,) = ended or same[-1:]
        kept.append(stays)
        again |= {run.id: stays[0].id for run, _ in same if run.id != stays[0].id}
    return kept, again


def _measure(run: Joined, mapping: Mapping) -> pd.DataFrame:
    """Give a run's rows: step, score, and what else of `MEASURED` it logged under our names."""
    numbers = {"step": run.steps}
    sign = -1.0 if mapping.is_lower_better else 1.0
    for name in (mapping.score, *MEASURED, "_runtime"):
        if name in run.columns.column_names and pa.types.is_floating(run.columns[name].type):
            numbers[name] = run.columns[name].to_numpy()
    frame = pd.DataFrame(numbers)
    if mapping.score in frame:
        frame["validation/score"] = sign * frame[mapping.score]
    if "seconds" not in frame and "_runtime" in frame:
        frame["seconds"] = frame["_runtime"]
    return frame.reindex(columns=["step", *MEASURED]).astype(dict.fromkeys(MEASURED, "float64"))


def _solved_step(measured: pd.DataFrame, mapping: Mapping) -> int | None:
    if mapping.solved_at is None or mapping.chance is None:
        return None
    sign = -1.0 if mapping.is_lower_better else 1.0
    reached = measured["step"][measured["validation/score"] >= sign * mapping.solved_at]
    return int(reached.iloc[0]) if len(reached) else None


def _entry(run: Joined, trial: Planned, measured: pd.DataFrame, mapping: Mapping) -> Entry:
    if run.health == "running":
        return Entry(trial, "running")
    if run.health == "damaged":
        return Entry(trial, "damaged", note=run.note)
    if run.health != "complete":
        note = run.note or "nothing was logged"
        return Entry(trial, "failed", note=note if note.startswith(run.health) else
                     f"{run.health}: {note}")  # fmt: skip
    if measured["validation/score"].isna().all():
        return Entry(trial, "failed", note=f"it has no {plain(mapping.score)}")
    solved = _solved_step(measured, mapping)
    has_bar = mapping.solved_at is not None and mapping.chance is not None
    outcome = "measured" if not has_bar else "unsolved" if solved is None else "solved"
    result = Result(
        trial=trial.id, outcome=outcome, attempts=len(run.segments), rows=len(measured),
        steps=int(measured["step"].max()), solved_step=solved, log=run.last.path,
        log_sha256=run.last.digest, weights_sha256="", bit_exact=True,
        notes=(run.note,) if run.note else (),
    )  # fmt: skip
    return Entry(trial, "done", result)


def _ends(done: Iterable[tuple[Planned, pd.DataFrame]]) -> dict[tuple[str, str, int], int]:
    """Give each group's last step: what its trials were trained for, as far as anybody knows."""
    ends: dict[tuple[str, str, int], int] = {}
    for trial, measured in done:
        ends[trial.group] = max(ends.get(trial.group, 1), int(measured["step"].max()))
    return ends


def _run(
    run: Joined,
    trial: Planned,
    measured: pd.DataFrame,
    mapping: Mapping,
    ends: dict[tuple[str, str, int], int],
) -> dict[str, Any]:
    sign = -1.0 if mapping.is_lower_better else 1.0
    solved = _solved_step(measured, mapping)
    has_bar = mapping.solved_at is not None and mapping.chance is not None
    scored = measured.dropna(subset="validation/score")
    apart = np.diff(scored["step"])
    last = measured.dropna(subset="seconds").tail(1)
    seconds = (
        float((last["seconds"] / last["step"]).iloc[0]) if (last["step"] > 0).any() else np.nan
    )
    nothing = float("nan")
    row: dict[str, Any] = {name: pd.NA for name, kind in RUNS.items() if kind == "Int64"}
    row |= {name: nothing for name, kind in RUNS.items() if kind == "float64"}
    row |= {name: "" for name, kind in RUNS.items() if kind == "str"}
    return row | {
        "trial": trial.id, "arm": trial.arm, "task": trial.task, "lag": trial.lag,
        "seed": trial.seed,
        "outcome": "measured" if not has_bar else "unsolved" if solved is None else "solved",
        "attempts": len(run.segments), "rows": len(measured), "steps": int(measured["step"].max()),
        "solved_step": pd.NA if solved is None else solved, "bit_exact": True,
        "budget_steps": ends[trial.group],
        "validation_every": int(np.median(apart)) if len(apart) else 1, "batch": 0,
        "test/score": float(scored["validation/score"].iloc[-1]),
        "chance_score": sign * mapping.chance if mapping.chance is not None else nothing,
        "solved_at": sign * mapping.solved_at if mapping.solved_at is not None else nothing,
        "seconds_per_step": seconds, "code": "{}", "wandb": run.last.run.wandb,
    }  # fmt: skip


def _history(run: Joined, trial: Planned, measured: pd.DataFrame) -> pd.DataFrame:
    return measured.assign(
        trial=trial.id, arm=trial.arm, task=trial.task, lag=trial.lag, seed=trial.seed
    )[list(HISTORY)]


def _study(logs: Logs, mapping: Mapping, trials: list[Planned], reference: str | None) -> Study:
    labels = list(dict.fromkeys(trial.arm for trial in trials))
    if reference is not None and reference not in labels:
        raise MappingError(f"no arm {reference!r:.60}; arms: {', '.join(labels[:20])}")
    means = f"as {mapping.lag} says" if mapping.lag else "no key was named for it"
    lags: dict[str, set[int]] = {}
    for trial in trials:
        lags.setdefault(trial.task, set()).add(trial.lag)
    project = project_of(logs.source)
    name = Path(project or logs.source).name or "logs"
    return Study(
        name=plain(name),
        question=f"What {mapping.score} do the runs in {plain(project or logs.source)} come to, "
        f"by {mapping.arm}?",
        reference=reference or (labels[0] if labels else ""),
        arms=tuple(Arm(label, label, {}, "", "", _UNKNOWN) for label in labels),
        tasks=tuple(TaskAxis(t, tuple(sorted(of)), None, means) for t, of in lags.items()),
        claims=(),
        trials=tuple(trials),
    )


def _health(
    kept: list[tuple[Joined, dict[str, Any]]], placed: dict[str, Planned], again: dict[str, str]
) -> pd.DataFrame:
    rows = []
    for run, _ in kept:
        trial = placed.get(run.id)
        note = "; ".join(filter(None, [run.note, f"run again as {again[run.id]}"
                                       if run.id in again else ""]))  # fmt: skip
        rows.append(
            {
                "run": run.id, "name": run.last.run.name, "health": run.health,
                "files": len(run.segments), "rows": len(run.steps),
                "group": f"{trial.arm} | {trial.task} | {trial.lag}" if trial else "",
                "note": note,
            }
        )  # fmt: skip
    columns = ["run", "name", "health", "files", "rows", "group", "note"]
    return pd.DataFrame(rows, columns=columns)


def _lacking(logs: Logs, mapping: Mapping, unplaced: list[tuple[str, str]]) -> tuple[str, ...]:
    keys = history_keys(logs)
    lines = []
    if unplaced:
        told = ", ".join(f"{run} has no {key}" for run, key in unplaced[:5])
        more = f" and {len(unplaced) - 5} more" if len(unplaced) > 5 else ""
        lines.append(f"Runs that are in no group: {told}{more}.")
    if logs.unreadable:
        lines.append(f"{len(logs.unreadable)} files cannot be read; longdep logs names them.")
    if mapping.solved_at is None or mapping.chance is None:
        lines.append(
            "Solve rates, steps to solve and what is tested on them: --solved-at and --chance (the "
            "score of the best guess without memory) were not given."
        )
    if mapping.task is None:
        lines.append("Tasks: --task was not given; all runs are taken to be of one.")
    if mapping.lag is None:
        lines.append("Score against lag: --lag was not given; all runs stand at one.")
    if mapping.seed is None:
        lines.append(
            "Seeds: --seed was not given; the runs of a group are numbered as they began, and "
            "nothing is paired by seed."
        )
    if "train/gradient_norm" not in keys:
        lines.append("Gradient norm: no run has the key train/gradient_norm.")
    lines.append(
        "Cost, counted sizes, budgets, recipes and claims: foreign logs do not state them."
    )
    return tuple(plain(line, 600) for line in lines)
