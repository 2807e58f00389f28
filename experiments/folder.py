"""A study's folder: `study.json`, one folder a trial, and what they say is done. Knows no torch."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import code
from experiments.durable import write_json
from experiments.loading import StudyError, from_record
from experiments.study import Study, Trial
from lightning_modules import registry

SCHEMA = 1


class StudyFolder:
    """`runs/<study>`: where the trials of one study lie."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "study.json"

    def trial(self, trial_id: str) -> Path:
        """Give the folder of a trial."""
        return self.path / trial_id

    def recorded(self) -> Study | None:
        """Read the study that the folder was made for, or None where there is none yet.

        Raises
        ------
        StudyError
            When the path is something else than a study's folder.
        """
        for parent in (self.path, *self.path.parents):
            if parent.exists() and not parent.is_dir():
                raise StudyError(f"{parent} is a file; the study needs a folder")
        if not self.file.is_file():
            if self.path.is_dir() and any(self.path.iterdir()):
                raise StudyError(f"{self.path} is not empty and no study's folder (no study.json)")
            return None
        try:
            record = json.loads(self.file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise StudyError(f"{self.file}: {error}") from None
        arms = record.get("arms") if isinstance(record, dict) else None
        # To read a folder runs nothing, so what it names from outside may be read.
        outside = {str(a.get("architecture")) for a in arms or () if isinstance(a, dict)}
        return from_record(record, str(self.file), outside)

    def reconcile(self, study: Study, *, is_extended: bool) -> None:
        """Write `study.json`, or hold the study against the one that is there.

        A study that is part of the recorded one (because an arm was added to the folder) is run as
        it is; any other difference is refused.

        Raises
        ------
        StudyError
            When the folder was made for another declaration.
        """
        recorded = self.recorded()
        if recorded is not None:
            known = {trial.id for trial in recorded.trials()}
            asked = {trial.id for trial in study.trials()}
            if asked <= known and _without_arms(study) == _without_arms(recorded):
                return
            if not (is_extended and known <= asked):
                raise StudyError(
                    f"{self.path} holds another declaration of {study.name!r}: "
                    f"{difference(recorded, study)}; choose another folder with --out"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.file, record(study))

    def result(self, trial_id: str) -> dict[str, Any] | None:
        """Read what a finished trial committed, or None when it is not done."""
        return _read(self.trial(trial_id) / "result.json")

    def forget(self, trial_id: str) -> None:
        """Remove all of a trial, for it to be run anew."""
        shutil.rmtree(self.trial(trial_id), ignore_errors=True)

    def stale(self, trials: list[Trial]) -> dict[str, list[str]]:
        """Name, for each finished trial whose code has changed since, the files that changed."""
        found = {}
        for trial in trials:
            result = self.result(trial.id)
            if result and (files := code.changed(result.get("code", {}), code.of(trial))):
                found[trial.id] = files
        return found


def record(study: Study) -> dict[str, Any]:
    """Give what `study.json` holds: the declaration, and what an analysis needs to read it."""
    return {
        "schema": SCHEMA,
        "name": study.name,
        "question": study.question,
        "reference": study.resolved_reference,
        "arms": [
            {
                **arm.model_dump(),
                "paper": _entry(arm.architecture).constants.get("paper", ""),
                "summary": _entry(arm.architecture).summary,
            }
            for arm in study.resolved_arms
        ],
        "tasks": [
            {**axis.model_dump(), "lag_means": axis.constants.get("lag_means", "")}
            for axis in study.tasks
        ],
        "claims": [{**c.model_dump(), "text": c.text} for c in study.resolved_claims],
        "budget": study.budget.model_dump(exclude_none=True),
        "trials": {
            trial.id: {
                "arm": trial.arm.label,
                "task": f"{trial.task}/{trial.dialect}",
                "lag": trial.lag,
                "seed": trial.seed,
            }
            for trial in study.trials()
        },
        "declaration": study.model_dump(mode="json"),
    }


def difference(old: Study, new: Study) -> str:
    """Name the first place where two declarations differ."""
    return _first_difference(old.model_dump(), new.model_dump(), "") or "its tasks changed version"


def _without_arms(study: Study) -> dict[str, Any]:
    return study.model_dump(exclude={"arms", "claims"})


def _first_difference(old: Any, new: Any, place: str) -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(f"{place}.{key}", old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, tuple | list) and isinstance(new, tuple | list) and len(old) == len(new):
        pairs = [(f"{place}.{i}", a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    elif old != new:
        return f"{place.lstrip('.')} {_short(old)} -> {_short(new)}"
    else:
        return None
    return next((d for p, a, b in pairs if (d := _first_difference(a, b, p))), None)


def _short(value: Any) -> str:
    if isinstance(value, tuple | list) and value and isinstance(value[0], dict):
        value = [v.get("label") or v.get("task") or v for v in value]
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _entry(architecture: str) -> registry.Entry:
    return registry.describe("architecture", architecture)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold a trial's folder for this process, or yield False when another process has it.

    A kernel lock: it is gone with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    if not _locked(handle):
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    # Whoever asks for the state of a trial holds its lock for microseconds: worth a second try.
    for seconds in (0.02, 0.1, 0.0):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(seconds)
        else:
            return True
    return False
