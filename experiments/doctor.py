"""What is wrong with a study's folder, and the command that mends it. Reads only."""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from analysis import ledger
from analysis.json_file import StudyFileError, inside
from experiments import cleaning
from experiments.folder import OWN, TUNING, StudyFolder
from experiments.locking import is_claimed


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong: where, what, and the command that mends it."""

    place: str
    problem: str
    remedy: str


def examine(folder: StudyFolder, reference: str) -> Iterator[Complaint]:
    """Look at everything in a study's folder; `reference` is what the user calls the study.

    Raises
    ------
    StudyError
        When `study.json` cannot be read: then there is no study to look at.
    """
    study = folder.recorded()
    assert study is not None
    trials = study.trials()
    retry = f"longdep retry {reference}"
    planned = {trial.id for trial in trials}
    yield from _strangers(folder, planned)
    try:
        taken = ledger.take(folder.path, folder.stale(trials))
    except StudyFileError as error:
        yield Complaint(
            "study.json", ledger.without_folder(error, folder.path), f"longdep run {reference}"
        )
        return
    listed = {entry.trial.id for entry in taken if entry.trial.id}
    if listed != planned:
        problem = f"{len(planned ^ listed)} trials of its list are not those of its declaration"
        yield Complaint("study.json", problem, f"longdep run {reference} --out ANOTHER")
    for entry in (entry for entry in taken if entry.trial.id):
        path = folder.trial(entry.trial.id)
        if path.is_symlink():
            yield Complaint(path.name, "a link, not a folder", f"rm {path}")
        elif entry.state in {"failed", "damaged"}:
            yield Complaint(path.name, f"{entry.state}: {entry.note}", retry)
        elif entry.result is not None:
            if wound := wound_of(path, entry.result.log, entry.result.log_sha256,
                                 entry.result.weights_sha256):  # fmt: skip
                yield Complaint(path.name, f"damaged: {wound}", retry)
            elif has_leftovers(path):
                yield Complaint(path.name, "checkpoints or half-written files left behind",
                                f"longdep clean {reference}")  # fmt: skip
    if stale := taken.stale:
        files = sorted({file for entry in stale for file in entry.stale})
        problem = f"{len(stale)} finished trials are of older code: {', '.join(files)} changed"
        yield Complaint("stale", problem, f"longdep run {reference} --rerun-stale")
    if study.tuning is not None and folder.tuning.file.exists():
        for found in examine(folder.tuning, str(folder.tuning.path)):
            yield dataclasses.replace(found, place=f"{TUNING}/{found.place}")


def wound_of(trial: Path, log: str, log_sha256: str, weights_sha256: str) -> str | None:
    """Say what a finished trial has lost since it was committed, or None."""
    for name, expected in ((log, log_sha256), ("weights.pt", weights_sha256)):
        try:
            path = inside(trial, name)
            if not path.is_file():
                return f"{name} is not a file"
            with open(path, "rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
        except (StudyFileError, OSError) as error:
            return " ".join(str(error).removeprefix(f"{trial.name}: ").split())
        if digest != expected:
            return f"{name} is not what was committed"
    return None


def has_leftovers(trial: Path) -> bool:
    """Tell whether a finished trial still has what goes with its commit."""
    if is_claimed(trial):
        return False
    names = os.listdir(trial)
    return cleaning.CHECKPOINTS in names or any(map(cleaning.is_torn, names))


def _strangers(folder: StudyFolder, planned: set[str]) -> Iterator[Complaint]:
    for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
        if entry.name in planned or entry.name in OWN:
            continue
        path = folder.path / entry.name
        if cleaning.is_torn(entry.name):
            yield Complaint(entry.name, "a write that was killed left it behind", f"rm {path}")
        else:
            yield Complaint(entry.name, "not of this study", f"mv {path} ELSEWHERE")
    if not os.access(folder.path, os.W_OK | os.X_OK):
        yield Complaint(".", "cannot be written", f"chmod u+rwx {folder.path}")
