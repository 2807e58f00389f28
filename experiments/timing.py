"""How long a study will take: from its finished trials, or from a few steps timed here."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from experiments.durable import read_rows
from experiments.folder import StudyFolder
from experiments.progress import duration
from experiments.study import Trial

SECONDS_TO_TIME = 4.0
"""After this many seconds of timing, what is left is taken to be as what was timed."""
SECONDS_BESIDE_TRAINING = 0.1
"""What a trial takes to be made, logged and read back (measured: .06 to .15)."""
SECONDS_TO_START = 5.0
"""Until the worker processes have imported what they need."""
ENOUGH = 5
"""Finished trials of a group that are read."""

Group = tuple[str, str, int]


@dataclass(frozen=True)
class Estimate:
    """How long trials take one after another, and how that is known."""

    seconds: float
    finished: int
    is_timed: bool
    longest: float = 0.0

    def text(self, workers: int) -> str:
        """Say it in one line."""
        how = [f"from {self.finished} finished trials"] * bool(self.finished)
        how += ["a rough estimate from a few steps"] * self.is_timed
        on = "1 worker" if workers == 1 else f"{workers} workers"
        unless = " if no trial stops early" * self.is_timed
        took = duration(SECONDS_TO_START + self.seconds / workers)
        return f"about {took} on {on}{unless} ({', '.join(how)})"


def cores() -> int:
    """Count the cores that this process may use."""
    # macOS does not say which; all that there are may be used there.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def estimate(trials: list[Trial], missing: list[Trial], folder: StudyFolder) -> Estimate | None:
    """Estimate the missing trials of a study; None where nothing is finished and torch is not here.

    A group with finished trials takes what they took, early stops and all.
    """
    wanted = {_group(trial) for trial in missing}
    missing_ids = {trial.id for trial in missing}
    seconds: dict[Group, list[float]] = {}
    for trial in trials:
        found = seconds.setdefault(_group(trial), [])
        if trial.id not in missing_ids and _group(trial) in wanted and len(found) < ENOUGH:
            rows, _ = read_rows(folder.trial(trial.id) / "history.jsonl")
            found += [float(rows[-1]["seconds"])] if rows else []
    known = {group: fmean(values) for group, values in seconds.items() if values}
    finished = sum(map(len, seconds.values()))
    unknown = {_group(t): t for t in missing if _group(t) not in known}
    timed = _timed(list(unknown.values())) if unknown else {}
    if not known and not timed:
        return None
    otherwise = fmean((known | timed).values())
    each = [(known | timed).get(_group(trial), otherwise) for trial in missing]
    total = sum(each) + SECONDS_BESIDE_TRAINING * len(missing)
    longest = max(each) + SECONDS_BESIDE_TRAINING
    return Estimate(total, finished, is_timed=bool(timed), longest=longest)


def _group(trial: Trial) -> Group:
    return trial.arm.label, f"{trial.task}/{trial.dialect}", trial.lag


def _timed(trials: list[Trial]) -> dict[Group, float]:
    """Time each (arm, task) at its longest and shortest lag, for a few seconds in all."""
    try:
        import torch

        from experiments import step_time
    except ImportError:
        return {}
    torch.set_num_threads(1)
    lags: dict[tuple[str, str], dict[int, Trial]] = {}
    for trial in trials:
        lags.setdefault(_group(trial)[:2], {})[trial.lag] = trial
    ends: list[Callable[[dict[int, Trial]], int]] = [max, min]
    order = [(pair, at[end(at)]) for end in ends for pair, at in lags.items()]
    measured: dict[tuple[str, str], dict[int, float]] = {}
    until = time.monotonic() + SECONDS_TO_TIME
    for pair, trial in order:
        points = measured.setdefault(pair, {})
        if trial.lag not in points and (time.monotonic() < until or not any(measured.values())):
            points[trial.lag] = step_time.seconds(trial)
    return {
        _group(trial): _between(measured[pair], lag) * trial.recipe.steps
        for pair, at in lags.items()
        for lag, trial in at.items()
        if measured[pair]
    }


def _between(points: dict[int, float], lag: int) -> float:
    """Give the seconds at a lag, on the line between the two that were timed."""
    (short, less), (long, more) = min(points.items()), max(points.items())
    share = (lag - short) / (long - short) if long > short else 0.0
    return less + share * (more - less)
