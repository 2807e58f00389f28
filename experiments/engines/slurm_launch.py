"""What one submission to Slurm keeps in the study's folder: who has which trials, and their news.

`slurm/<launch>/` holds `launch.json`, which trials each job has, written before the jobs are
submitted under the launch's name; a folder for each job with its lock and its news; and their logs.
It is removed when all its trials have come out.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import locking
from experiments.durable import read_json
from experiments.engines.base import Event, bundles
from experiments.engines.slurm_job import NEWS, UNFINISHED, folder_of
from experiments.folder import SLURM, StudyFolder
from experiments.study import Trial

RECORD = "launch.json"

JOBS = 200
"""Into so many jobs a launch is split, where nobody says how many trials one has: a start costs a
job some ten seconds, and Slurm takes 1000 in an array unless its site says otherwise."""
TRIALS_PER_JOB = 8
"""A job has so many for each that it runs at once, where there are."""


@dataclass
class Job:
    """A job that is waited for: what it was given and has not told the end of.

    `marks` is what was kept of each trial when it was submitted.
    """

    launch: Path
    number: int
    left: dict[str, Trial]
    marks: dict[str, tuple[str, ...]]
    read: int = 0
    is_begun: bool = False
    is_over: bool = False
    has_moved: bool = False
    unlocked: int = 0
    refusal: str = ""
    has_started: bool = False

    @property
    def place(self) -> Path:
        """Its folder."""
        return folder_of(self.launch, self.number)

    @property
    def key(self) -> tuple[str, int]:
        """What the queue knows it by: the launch's name and its number in the array."""
        return name_of(self.launch), self.number

    @property
    def is_locked(self) -> bool:
        """Whether a lock that it holds while it runs is seen here."""
        return locking.is_claimed(self.place)

    def news(self) -> Iterator[Event]:
        """Yield what it has told since it was last asked."""
        try:
            with open(self.place / NEWS, "rb") as file:
                file.seek(self.read)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            try:
                told: dict[str, Any] = json.loads(line)
                kind, trial = told["kind"], self.left.get(told.get("trial", ""))
            except (ValueError, KeyError, TypeError):
                continue  # A node that went down in the middle of a line.
            if kind == "refused":
                self.refusal = str(told.get("error"))
            elif kind in {"begun", "over"}:
                self.is_begun, self.is_over = True, kind == "over"
            elif trial is None or (kind == "ended" and told["outcome"] == "interrupted"):
                continue  # What was interrupted goes on: in this job, or in another.
            else:
                if kind == "ended":
                    del self.left[trial.id]
                    self.has_moved = self.has_moved or told["outcome"] not in UNFINISHED
                self.has_started = True
                values = {name: told[name] for name in ("step", "score", "outcome", "error")}
                yield Event(kind, trial, **values)

    def settle(self, folder: StudyFolder) -> Iterator[Event]:
        """Yield what came out that it did not tell: it is gone. What is left then is lost."""
        yield from self.news()
        for trial in list(self.left.values()):
            if result := folder.result(trial.id):
                del self.left[trial.id]
                self.has_moved = True
                yield Event("ended", trial, outcome=str(result.get("outcome")))
            elif mark(folder, trial) != self.marks[trial.id]:
                self.has_moved = True

    @property
    def last_words(self) -> str:
        """Why its node ran nothing, or the end of its error output, or nothing."""
        if self.refusal:
            return self.refusal
        logs = [*self.launch.glob(f"*_{self.number}_0_log.err"), *self.launch.glob("*_0_log.err")]
        text = logs[0].read_text(errors="replace")[-2000:] if logs else ""
        return " ".join((text.splitlines() or [""])[-1].split())


def job(launch: Path, number: int, left: dict[str, Trial], folder: StudyFolder) -> Job:
    """Give a job as it begins to be waited for."""
    return Job(launch, number, left, {each: mark(folder, trial) for each, trial in left.items()})


def split(trials: list[Trial], per_job: int | None, beside: int) -> list[list[Trial]]:
    """Share trials out among jobs that run so many beside each other.

    What trains together stays together.
    """
    size = per_job or max(TRIALS_PER_JOB * beside, -(-len(trials) // JOBS))
    shares: list[list[Trial]] = []
    for bundle in bundles(trials):
        if not shares or len(shares[-1]) + len(bundle) > size:
            shares.append([])
        shares[-1] += bundle
    return shares


def mark(folder: StudyFolder, trial: Trial) -> tuple[str, ...]:
    """Give what changes whenever more of a trial is kept."""
    try:
        return tuple(sorted(os.listdir(folder.trial(trial.id) / "checkpoints")))
    except OSError:
        return ()


def launches(folder: StudyFolder) -> list[Path]:
    """List what has been submitted for a study and is still there."""
    place = folder.path / SLURM
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink())


def shares(launch: Path) -> list[list[str]]:
    """Read which trials each job of a launch has; none where that cannot be read."""
    try:
        jobs = (read_json(launch / RECORD) or {}).get("jobs", [])
        return [[str(trial_id) for trial_id in share] for share in jobs]
    except (OSError, ValueError, TypeError):
        return []


def name_of(launch: Path) -> str:
    """Name a launch's jobs in the queue."""
    return f"longdep-{launch.name}"


def is_silent(launch: Path) -> bool:
    """Tell whether nothing came from any job of a launch, not even a log."""
    return not any(launch.glob(f"job-*/{NEWS}")) and not any(launch.glob("*_log.*"))


def is_over(launch: Path, folder: StudyFolder) -> bool:
    """Tell whether all trials of a launch have a result, and no job of it is at work."""
    done = all(folder.result(each) is not None for share in shares(launch) for each in share)
    return done and not any(locking.is_claimed(place) for place in launch.glob("job-*"))


def remove(launch: Path) -> None:
    """Remove a launch, and the folder of all of them where it was the last."""
    shutil.rmtree(launch, ignore_errors=True)
    with contextlib.suppress(OSError):
        launch.parent.rmdir()
