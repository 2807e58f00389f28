"""Logs as runs: the files of one run joined, what became of it, and two tidy frames of all.

The segments of one run (the same entity, project and id in several files, as a run that was resumed
offline leaves them) are joined in the order in which they started; where their steps overlap, the
later segment's rows stand. A copy of a file that is there twice is left out. Both are told.

A run's step is its own `step`, else Lightning's `trainer/global_step`, else W&B's `_step`, else the
order of its rows, unless a key is named. Rows of one step are one row: of two values under one key
the later stands. A row without the key has the step of the row before.

Longer than a file should be: the rules of joining, told above, are read against the code that keeps
them.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from analysis.segments import GOES_ON, Segment, alike

STEPS = ("step", "trainer/global_step", "_step")
"""Keys that are looked for, in this order, where none is named."""

SECONDS_OF_SILENCE = 300.0
"""A log without an end that was written to within so many seconds belongs to a run that goes on."""

Health = Literal["complete", "running", "crashed", "damaged", "empty"]

HEALTHS: dict[Health, str] = {
    "complete": "it ended with status 0, and its log has no gap",
    "running": f"no end yet, and written to in the last {SECONDS_OF_SILENCE / 60:.0f} minutes",
    "crashed": "it ended with another status, or its log stops without an end",
    "damaged": "a part of its log is lost or cannot be read",
    "empty": "nothing was logged",
}

CUT = frozenset({"truncated", "header only", "empty"})
"""Gaps at the end of a log that is still written, or whose run was killed."""

IDENTITY = {
    **dict.fromkeys(("run", "project", "name", "group", "job_type", "tags"), "str"),
    "health": "str",
    "note": "str",
    **dict.fromkeys(("segments", "rows"), "int64"),
    "exit_code": "Int64",
    "started": "float64",
    **dict.fromkeys(("wandb", "kind", "path"), "str"),
}
"""The first columns of `runs` and their types; `config.<key>` and `summary.<key>` follow."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One run: what its segments hold together.

    `columns` are its rows by step, as `Segment.columns` has them; `step_key` is the key that the
    steps came from, empty where it is the order of the rows. `note` says in a line what was joined,
    what is damaged, how it ended.
    """

    id: str
    health: Health
    note: str
    segments: tuple[Segment, ...]
    step_key: str
    steps: npt.NDArray[np.int64]
    columns: pa.Table

    @property
    def last(self) -> Segment:
        """The segment that started last: its words on config and summary stand."""
        return self.segments[-1]

    @property
    def config(self) -> dict[str, Any]:
        """What the run was given, later segments over earlier ones."""
        return _over(segment.config for segment in self.segments)

    @property
    def summary(self) -> dict[str, Any]:
        """What the run came to, later segments over earlier ones."""
        return _over(segment.summary for segment in self.segments)


@dataclass(frozen=True)
class Logs:
    """All runs of a source, by their start; and what could not be read, as (path, why)."""

    source: str
    runs: tuple[Joined, ...]
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def runs_frame(self) -> pd.DataFrame:
        """Give a row a run: `IDENTITY`, then its config and summary, a column a leaf."""
        rows = []
        for run in self.runs:
            who, last = run.last.run, run.last
            row = {
                "run": run.id, "project": who.project, "name": who.name, "group": who.group,
                "job_type": who.job_type, "tags": ", ".join(who.tags), "health": run.health,
                "note": run.note, "segments": len(run.segments), "rows": len(run.steps),
                "exit_code": pd.NA if last.exit_code is None else last.exit_code,
                "started": np.nan if who.started is None else who.started,
                "wandb": who.wandb, "kind": last.kind, "path": last.path,
            }  # fmt: skip
            row |= {f"config.{key}": value for key, value in leaves(run.config).items()}
            row |= {f"summary.{key}": value for key, value in leaves(run.summary).items()}
            rows.append(row)
        frame = pd.DataFrame(rows, columns=None if rows else list(IDENTITY)).astype(IDENTITY)
        for name in frame.columns[len(IDENTITY) :]:
            frame[name] = typed(frame[name])
        return frame

    @property
    def history_frame(self) -> pd.DataFrame:
        """Give a row a run and step: run, step, a column a key (types: `analysis.segments`)."""
        tables = []
        for run in self.runs:
            if not len(run.steps):
                continue
            ids = pa.array(np.full(len(run.steps), run.id, dtype=object), pa.string())
            own = run.columns.drop_columns([n for n in run.columns.column_names if n in _TAKEN])
            tables.append(
                pa.table({"run": ids, "step": run.steps}
                         | {name: own[name] for name in own.column_names})
            )  # fmt: skip
        if not tables:
            return pd.DataFrame({"run": [], "step": []}).astype({"run": "str", "step": "int64"})
        whole = pa.concat_tables(alike(tables), promote_options="default")
        frame: pd.DataFrame = whole.to_pandas(
            types_mapper={
                pa.string(): pd.StringDtype(na_value=np.nan),
                pa.bool_(): pd.BooleanDtype(),
            }.get
        )
        return frame  # fmt: skip


_TAKEN = ("", "run", "step")


def join(
    source: str,
    found: Iterable[Segment | tuple[Path, str]],
    step: str | None = None,
    now: float | None = None,
) -> Logs:
    """Make runs of what a source gives; `step` names the key that steps come from."""
    parts: dict[tuple[str, str, str], list[Segment]] = {}
    unreadable = []
    for each in found:
        if isinstance(each, Segment):
            run = each.run
            parts.setdefault((run.entity, run.project, run.id), []).append(each)
        else:
            unreadable.append((str(each[0]), each[1]))
    ids = [key[2] for key in parts]
    runs = [
        # One id in two projects is two runs, and neither may pass for the other.
        _join(key[2] if ids.count(key[2]) == 1 else "/".join(filter(None, key)), segments, step,
              time.time() if now is None else now)
        for key, segments in parts.items()
    ]  # fmt: skip
    runs.sort(key=lambda run: (_started(run.segments[0]), run.id))
    return Logs(source, tuple(runs), tuple(unreadable))


def _join(name: str, segments: list[Segment], step: str | None, now: float) -> Joined:
    once: dict[str, Segment] = {}
    for segment in segments:
        # Two empty files are no copies of one another: their names tell them apart.
        once.setdefault(segment.digest if segment.rows else segment.path, segment)
    ordered = sorted(once.values(), key=lambda each: (_started(each), each.path))
    keys = [k for k in ((step,) if step else STEPS)
            if any(k in each.columns.column_names for each in ordered)]  # fmt: skip
    key = keys[0] if keys else ""
    numbers = [_numbers(each, key) for each in ordered]
    steps, columns, replaced = _merge(ordered, numbers, key)
    health = _health(ordered, len(steps), now)
    note = _note(ordered, len(segments) - len(ordered), replaced, health)
    return Joined(name, health, note, tuple(ordered), key, steps, columns)


def _started(segment: Segment) -> float:
    return segment.modified if segment.run.started is None else segment.run.started


def _numbers(segment: Segment, key: str) -> npt.NDArray[np.int64]:
    """Give the step of each row."""
    rows = segment.rows
    if not key or key not in segment.columns.column_names:
        return np.arange(rows, dtype=np.int64)
    column = segment.columns[key].combine_chunks()
    if not pa.types.is_floating(column.type):
        return np.arange(rows, dtype=np.int64)
    values = column.to_numpy(zero_copy_only=False)
    known = np.isfinite(values) & (np.abs(values) < 2.0**53)
    # W&B counts rows by itself where nobody names a step; every other key stands until it changes.
    between = np.arange(rows) if key == "_step" else np.zeros(rows, dtype=np.int64)
    last = np.maximum.accumulate(np.where(known, np.arange(rows), -1))
    first = int(np.argmax(known)) if known.any() else 0
    last = np.where(last < 0, first, last)
    safe = np.where(known, values, 0.0)
    steps: npt.NDArray[np.int64] = (safe[last] + between - between[last]).astype(np.int64)
    return steps


def _merge(
    segments: list[Segment], numbers: list[npt.NDArray[np.int64]], key: str
) -> tuple[npt.NDArray[np.int64], pa.Table, int]:
    """Give the steps, a row of columns for each, and how many steps a later segment replaced."""
    replaced = 0
    kept: list[tuple[npt.NDArray[np.int64], pa.Table]] = []
    later: npt.NDArray[np.int64] = np.array([], dtype=np.int64)
    for segment, steps in zip(reversed(segments), reversed(numbers), strict=True):
        stays = ~np.isin(steps, later)
        replaced += len(np.unique(steps[~stays]))
        kept.append((steps[stays], segment.columns.filter(pa.array(stays))))
        later = np.union1d(later, steps)
    kept.reverse()
    all_steps = np.concatenate([steps for steps, _ in kept])
    tables = alike([table for _, table in kept])
    whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
    if len(all_steps) < 2 or (np.diff(all_steps) > 0).all():
        return all_steps, whole, replaced
    steps, places = np.unique(all_steps, return_inverse=True)
    if len(steps) == len(all_steps):
        return steps, whole.take(pa.array(np.argsort(all_steps))), replaced
    columns = {}
    for name in whole.column_names:
        column = whole[name].combine_chunks()
        is_there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        # Of several values at one place, the last that is assigned stays.
        row = np.full(len(steps), -1)
        row[places[is_there]] = is_there
        columns[name] = column.take(pa.array(row, mask=row < 0))
    return steps, pa.table(columns), replaced


def _health(segments: list[Segment], rows: int, now: float) -> Health:
    last = segments[-1]
    if any(gap.kind not in CUT for segment in segments for gap in segment.gaps):
        return "damaged"
    if any(segment.gaps and segment.exit_code is not None for segment in segments):
        return "damaged"
    if last.state in GOES_ON:
        return "running"
    is_written = now - last.modified < SECONDS_OF_SILENCE and not last.state
    if last.exit_code is None and last.has_end:
        if is_written:
            return "running"
        return "crashed" if rows else "empty"
    if not rows:
        return "empty"
    return "crashed" if last.exit_code else "complete"


def _note(segments: list[Segment], copies: int, replaced: int, health: Health) -> str:
    last = segments[-1]
    notes = []
    if len(segments) > 1:
        told = f"resumed: joined from {len(segments)} files"
        notes.append(told + (f", {replaced} steps replaced by later ones" if replaced else ""))
    if copies:
        notes.append(f"{copies} {'copy' if copies == 1 else 'copies'} of a file left out")
    gaps = [gap for segment in segments for gap in segment.gaps]
    notes += [str(gap) for gap in gaps[:3]]
    if len(gaps) > 3:
        notes.append(f"{len(gaps) - 3} more gaps")
    if last.lines is not None and last.lines != last.rows:
        notes.append(f"the server counts {last.lines:,} rows and gave {last.rows:,}")
    if last.exit_code:
        notes.append(f"exit status {last.exit_code}")
    elif last.state and health == "crashed":
        notes.append(f"{last.state}, the server says")
    elif last.exit_code is None and last.has_end and health == "crashed":
        notes.append("no end")
    if not last.has_end:
        notes.append("this kind of log does not say how its run ended")
    return "; ".join(notes)


def _over(trees: Iterable[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for tree in trees:
        whole |= tree
    return whole


def leaves(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries: a dotted name for each value that is none."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def typed(column: pd.Series) -> pd.Series:
    """Give a column one of the types of `analysis.segments`; whole numbers stay whole ones."""
    values = [None if v is None or v is pd.NA else v for v in column.tolist()]
    kinds = {type(v) for v in values if not (v is None or v != v)}
    for allowed, dtype in (({bool}, "boolean"), ({int}, "Int64"), ({int, float}, "float64"),
                           ({str}, "str")):  # fmt: skip
        if kinds <= allowed:
            try:
                return pd.Series(values, index=column.index, dtype=dtype)
            except (OverflowError, TypeError, ValueError):
                continue
    texts = [None if v is None or v != v else json.dumps(v) for v in values]
    return pd.Series(texts, index=column.index, dtype="str")
