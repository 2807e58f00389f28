"""A study's folder: `study.json`, one folder a trial, and what they say is done. Knows no torch."""

import datetime
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from analysis.json_file import StudyFileError, read_bytes
from experiments import code, extending, locking
from experiments.durable import write_json
from experiments.loading import StudyError, from_record, one_line, parsed
from experiments.record import SCHEMA, record
from experiments.study import Study, Trial
from experiments.tuning import Choice
from lightning_modules import task_names

MAX_RESULT_BYTES = 2**20
_CHOICES = TypeAdapter(tuple[Choice, ...])
TUNING = "tuning"
"""The folder, within a study's, of the study that its tuning is."""

SLURM = "slurm"
"""The folder, within a study's, of the jobs that Slurm runs for it; see `engines.slurm`."""

OWN = ("study.json", locking.NAME, TUNING, SLURM)


class StudyFolder:
    """`runs/<study>`: where the trials of one study lie."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "study.json"

    def trial(self, trial_id: str) -> Path:
        """Give the folder of a trial."""
        return self.path / trial_id

    @property
    def tuning(self) -> "StudyFolder":
        """The folder of its tuning."""
        return StudyFolder(self.path / TUNING)

    def recorded(self) -> Study | None:
        """Read the study that the folder was made for, with what its tuning has come to so far.

        None where there is none yet.

        Raises
        ------
        StudyError
            When the path is something else than a study's folder.
        """
        for parent in (self.path, *self.path.parents):
            if parent.exists() and not parent.is_dir():
                raise StudyError(f"{parent} is a file; the study needs a folder")
        if not os.path.lexists(self.file):
            if self.path.is_dir() and any(not _is_own(name) for name in os.listdir(self.path)):
                raise StudyError(f"{self.path} is not empty and no study's folder (no study.json)")
            return None
        return self._read()[0]

    def _read(self) -> tuple[Study, dict[str, Any]]:
        record = parsed(self.file)
        # To read a folder runs nothing, so what it names from outside may be read.
        outside = {str(arm.get("architecture")) for arm in _listed(record, "arms")}
        declared = record.get("declaration")
        tasks = _listed(declared, "tasks") if isinstance(declared, dict) else []
        outside |= {task_names.name_of(str(axis.get("task"))) for axis in tasks}
        study = from_record(record, str(self.file), outside)
        return study.with_choices(self._choices(study, record)), record

    def _choices(self, study: Study, record: dict[str, Any]) -> tuple[Choice, ...]:
        try:
            found = _CHOICES.validate_json(json.dumps(record.get("tuned", [])))
            study.with_choices(found)
        except ValidationError as error:
            raise StudyError(f"{self.file}: tuned: {one_line(error)}") from None
        except ValueError as error:
            raise StudyError(f"{self.file}: {error}") from None
        return found

    def check(self, study: Study, *, is_extended: bool = False, is_added: bool = False) -> None:
        """Hold a study against the one that the folder was made for.

        `is_extended` admits what only adds to it, `is_added` added arms alone. The study as it was
        before it was extended is part of what is there, and is run as it is.

        Raises
        ------
        StudyError
            When the folder was made for another declaration; the line names the difference.
        """
        if self.recorded() is not None:
            self._change(study, *self._read(), is_extended=is_extended, is_added=is_added)

    def reconcile(self, study: Study, *, is_extended: bool = False, is_added: bool = False) -> None:
        """Write `study.json`, or what a study adds to the one that is there.

        Raises
        ------
        StudyError
            As `check`; nothing is written then.
        """
        self.check(study, is_extended=is_extended, is_added=is_added)
        self.path.mkdir(parents=True, exist_ok=True)
        with locking.alone(self.path):
            # Looked at again: another process may have made or extended the study meanwhile.
            if self.recorded() is None:
                write_json(self.file, record(study))
                return
            recorded, old = self._read()
            change = self._change(study, recorded, old, is_extended=is_extended, is_added=is_added)
            if change is None or not change.added:
                return
            known = {trial.id for trial in recorded.untuned.trials()}
            extension = {
                "on": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "added": change.text(),
                "trials": len({trial.id for trial in study.untuned.trials()} - known),
                # Whoever adds seeds after a look at the results has to say how many there were.
                "done": sum(self.result(trial.id) is not None for trial in recorded.trials()),
                "before": old["declaration"],
            }
            extended = record(study.with_choices(recorded.choices))
            write_json(
                self.file, {**extended, "extensions": [*_listed(old, "extensions"), extension]}
            )

    def settle(self, choices: tuple[Choice, ...]) -> Study:
        """Write what tuning has come to, and give the study with all that is chosen.

        A choice is made once: what another process has written meanwhile stays.
        """
        with locking.alone(self.path):
            study, old = self._read()
            made = {(choice.arm, choice.task) for choice in study.choices}
            new = tuple(each for each in choices if (each.arm, each.task) not in made)
            if new:
                study = study.with_choices((*study.choices, *new))
                kept = {key: old[key] for key in ("extensions",) if key in old}
                write_json(self.file, {**record(study), **kept})
        return study

    def _change(
        self,
        study: Study,
        recorded: Study,
        old: dict[str, Any],
        *,
        is_extended: bool,
        is_added: bool,
    ) -> extending.Change | None:
        change = extending.compare(recorded, study)
        if change.conflict is None:
            if is_extended or not change.added or (is_added and change.added.keys() == {"arms"}):
                return change
            raise StudyError(
                f"{self.path} holds {study.name!r} without {change.text()}; "
                "--extend adds to it, --out chooses another folder"
            )
        for extension in _listed(old, "extensions"):
            place = f"{self.file}: extensions"
            earlier = {"schema": SCHEMA, "declaration": extension.get("before")}
            outside = {arm.architecture for arm in recorded.arms}
            outside |= {axis.name for axis in recorded.tasks}
            before = extending.compare(from_record(earlier, place, outside), study)
            if before.conflict is None and not before.added:
                return None
        raise StudyError(
            f"{self.path} holds another declaration of {study.name!r}: {change.conflict}; "
            "choose another folder with --out"
        )

    def result(self, trial_id: str) -> dict[str, Any] | None:
        """Read what a finished trial committed, or None when it is not done."""
        return _read(self.trial(trial_id) / "result.json")

    def failure(self, trial_id: str) -> str | None:
        """Read how the last attempt at a trial failed, or None where it did not."""
        found = _read(self.trial(trial_id) / "failure.json")
        return None if found is None else str(found.get("error"))

    def set_aside(self, trial_id: str) -> None:
        """Make a finished or failed trial one that is to be run anew, from its first step.

        What it came to is kept beside it, as `result-N.json` of its attempt N. The caller holds the
        trial's claim.
        """
        folder = self.trial(trial_id)
        # First what a new attempt would go on from, last what makes the trial a finished one.
        for name in ("checkpoints", "probes"):
            shutil.rmtree(folder / name, ignore_errors=True)
        result = folder / "result.json"
        if os.path.lexists(result):
            attempts = (self.result(trial_id) or {}).get("attempts")
            name = str(attempts) if isinstance(attempts, int) else "damaged"
            os.replace(result, folder / f"result-{name}.json")

    def stale(self, trials: list[Trial]) -> dict[str, list[str]]:
        """Name, for each finished trial whose code has changed since, the files that changed."""
        found = {}
        for trial in trials:
            result = self.result(trial.id)
            if result and (files := code.changed(result.get("code", {}), code.of(trial))):
                found[trial.id] = files
        return found


def _listed(record: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = record.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _is_own(name: str) -> bool:
    # The temporary file of another process that makes this study at this moment is ours as well.
    return name in OWN or name.startswith(".study.json.")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_bytes(path, MAX_RESULT_BYTES))
    except (StudyFileError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
