"""What has become of every planned trial: done, failed, running, interrupted, missing, damaged.

A trial is done when its `result.json` is there, and only then. `stale` is a mark on a done trial:
its code has changed since. Reads small JSON files and needs no pandas: 10,000 trials take seconds.
"""

import dataclasses
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.json_file import StudyFileError
from analysis.study_file import Planned, Study, read_study
from analysis.trial_file import OUTCOMES, Result, read_failure, read_result

State = Literal["done", "failed", "running", "interrupted", "missing", "damaged"]

STATES: tuple[State, ...] = ("done", "failed", "running", "interrupted", "missing", "damaged")

Stale = Mapping[str, list[str]]
"""For each stale trial's id, the files that changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One planned trial. `note` says why it failed or what is damaged; `stale` names the files."""

    trial: Planned
    state: State
    result: Result | None = None
    note: str = ""
    stale: tuple[str, ...] = ()

    @property
    def outcome(self) -> str | None:
        """What became of it, where it is done."""
        return self.result.outcome if self.result and self.state == "done" else None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All planned trials of a study, in the order of the plan."""

    folder: Path
    study: Study
    entries: tuple[Entry, ...]
    is_stale_checked: bool

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def planned(self) -> int:
        """How many trials the study has."""
        return len(self.entries)

    @property
    def states(self) -> dict[State, int]:
        """How many trials are in each state; they sum to the planned ones."""
        counted = Counter(entry.state for entry in self)
        return {state: counted[state] for state in STATES}

    @property
    def outcomes(self) -> dict[str, int]:
        """How many of the done trials have each outcome."""
        counted = Counter(entry.outcome for entry in self)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    @property
    def stale(self) -> list[Entry]:
        """The done trials whose code has changed since."""
        return [entry for entry in self if entry.stale]

    @property
    def done(self) -> list[Entry]:
        """The trials with a result."""
        return [entry for entry in self if entry.state == "done"]

    @property
    def open(self) -> list[Entry]:
        """The trials without a result. While there are any, nothing is ranked."""
        return [entry for entry in self if entry.state != "done"]

    @property
    def groups(self) -> dict[tuple[str, str, int], dict[State, int]]:
        """Count the states per group (arm, task, lag), in the order of the study."""
        counted = {group: dict.fromkeys(STATES, 0) for group in self.study.groups}
        for entry in self:
            counted[entry.trial.group][entry.state] += 1
        return counted

    def with_damaged(self, damaged: Mapping[str, str]) -> "Ledger":
        """Give the ledger with these done trials, by id, damaged for the reason given."""
        entries = tuple(
            dataclasses.replace(entry, state="damaged", note=damaged[entry.trial.id], stale=())
            if entry.trial.id in damaged
            else entry
            for entry in self
        )
        return dataclasses.replace(self, entries=entries)


def take(study_dir: str | os.PathLike[str], stale: Stale | None = None) -> Ledger:
    """Take stock of a study's folder.

    `stale` is computed elsewhere, where the code is at hand; None says that nobody looked.

    Raises
    ------
    StudyFileError
        `study.json` cannot be read. What is wrong with a trial's own files makes it damaged.
    """
    folder = Path(study_dir)
    study = read_study(folder)
    entries = tuple(_entry(folder, t, (stale or {}).get(t.id, [])) for t in study.trials)
    return Ledger(folder, study, entries, is_stale_checked=stale is not None)


def without_folder(error: Exception, folder: Path) -> str:
    """Give an error's line with paths that begin at the study's folder."""
    return str(error).replace(f"{folder}{os.sep}", "").replace(f"{folder.resolve()}{os.sep}", "")


def _entry(study_folder: Path, trial: Planned, stale: list[str]) -> Entry:
    if not trial.id:  # it has none before its learning rate is chosen
        return Entry(trial, "missing")
    folder = study_folder / trial.id
    try:
        if result := read_result(folder, trial.id):
            return Entry(trial, "done", result, stale=tuple(stale))
        if _is_claimed(folder / "lock"):
            return Entry(trial, "running")
        if failure := read_failure(folder, trial.id):
            return Entry(trial, "failed", note=failure.error)
    except StudyFileError as error:
        return Entry(trial, "damaged", note=without_folder(error, study_folder))
    is_begun = os.path.lexists(folder / "trial.json")
    return Entry(trial, "interrupted" if is_begun else "missing")


def _is_claimed(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Released with the handle, microseconds later.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # A file system without locks, where nothing could be claimed.
    finally:
        os.close(handle)
    return False
