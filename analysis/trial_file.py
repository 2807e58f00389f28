"""What a trial's folder says in JSON, as frozen types: result.json, failure.json."""

import os
from dataclasses import dataclass
from pathlib import Path

from analysis.json_file import Object

RECORD_LIMIT = 4 * 2**20
"""Larger files are refused, in bytes."""

OUTCOMES = ("solved", "unsolved", "diverged", "timed_out", "out_of_memory", "measured")
"""What may become of a trial that is done."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished trial committed; `log` lies below the trial's folder.

    `earlier` of the attempts came to a result of other code, that was set aside as stale.
    """

    trial: str
    outcome: str
    attempts: int
    rows: int
    steps: int
    solved_step: int | None
    log: str
    log_sha256: str
    weights_sha256: str
    bit_exact: bool
    notes: tuple[str, ...]
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """How the last attempt at a trial failed."""

    trial: str
    attempts: int
    step: int
    error: str
    traceback: str


def read_result(folder: Path, trial: str) -> Result | None:
    """Read `result.json` of a trial's folder, or give None where the trial is not done.

    Raises
    ------
    StudyFileError
        The file is no regular file, too large, malformed, of a newer schema or another trial's.
    """
    top = _record(folder / "result.json", trial)
    if top is None:
        return None
    outcome = top.take("outcome", str)
    if outcome not in OUTCOMES:
        raise top.error("outcome", f"{outcome!r:.60}; known: {', '.join(OUTCOMES)}")
    return Result(
        trial=trial,
        outcome=outcome,
        attempts=top.take("attempts", int),
        rows=top.take("rows", int),
        steps=top.take("steps", int),
        solved_step=top.maybe("solved_step", int),
        log=top.take("log", str),
        log_sha256=top.take("log_sha256", str),
        weights_sha256=top.take("weights_sha256", str),
        bit_exact=top.take("bit_exact", bool),
        notes=tuple(str(note) for note in top.maybe("notes", list) or []),
        earlier=top.maybe("earlier", int) or 0,
    )


def read_failure(folder: Path, trial: str) -> Failure | None:
    """Read `failure.json` of a trial's folder, or give None where there is none.

    Raises
    ------
    StudyFileError
        As `read_result`.
    """
    top = _record(folder / "failure.json", trial)
    if top is None:
        return None
    return Failure(
        trial=trial,
        attempts=top.take("attempts", int),
        step=top.take("step", int),
        error=top.take("error", str),
        traceback=top.maybe("traceback", str) or "",
    )


def _record(path: Path, trial: str) -> Object | None:
    if not os.path.lexists(path):
        return None
    top = Object.read(path, RECORD_LIMIT)
    if top.take("trial", str) != trial:
        raise top.error("trial", f"{top.take('trial', str)!r:.60} in the folder of {trial}")
    return top
