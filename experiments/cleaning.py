"""What a finished trial needs no more: checkpoints, and what W&B and killed writes left behind."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from experiments.engines import slurm_launch
from experiments.folder import StudyFolder
from experiments.locking import claimed

CHECKPOINTS = "checkpoints"
SCRATCH = ("online",)
"""What a trial makes for itself while it runs, beside W&B's folder: the copy sent to a server."""


@dataclass(frozen=True)
class Cleaned:
    """What was, or would be, removed: files and bytes; and what was left, of unfinished trials."""

    files: int = 0
    size: int = 0
    trials: int = 0
    kept: int = 0
    running: int = 0

    def __add__(self, other: "Cleaned") -> "Cleaned":
        """Give what was removed and left of both."""
        return Cleaned(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def clean(folder: StudyFolder, trial_ids: list[str], *, is_dry: bool) -> Cleaned:
    """Remove the scratch of the finished trials, and say how much that is.

    Result, weights, rows, log and probes stay. A trial that is not finished keeps its checkpoints:
    it goes on from them. A trial that runs is left alone. Links are removed, never followed.
    """
    files = size = trials = kept = running = 0
    for trial_id in trial_ids:
        path = folder.trial(trial_id)
        if path.is_symlink() or not path.is_dir():
            continue
        with claimed(path) as is_ours:
            if not is_ours:
                running += 1
                continue
            if (result := folder.result(trial_id)) is None:
                kept += sum(_size(f) for f in _files(path / CHECKPOINTS))
                continue
            doomed = list(superfluous(path, str(result.get("log"))))
            found = [file for place in doomed for file in _files(place)]
            files += len(found)
            size += sum(map(_size, found))
            trials += bool(doomed)
            if not is_dry:
                for place in doomed:
                    _remove(place)
    return Cleaned(files, size, trials, kept, running)


def clean_launches(folder: StudyFolder, *, is_dry: bool) -> Cleaned:
    """Remove the logs and orders of Slurm's jobs whose trials all have a result."""
    over = [each for each in slurm_launch.launches(folder) if slurm_launch.is_over(each, folder)]
    found = [file for launch in over for file in _files(launch)]
    size = sum(map(_size, found))
    if not is_dry:
        for launch in over:
            slurm_launch.remove(launch)
    return Cleaned(files=len(found), size=size)


def superfluous(trial: Path, log: str) -> Iterator[Path]:
    """List what may go from the folder of a finished trial whose log lies at `log` within it."""
    for name in (CHECKPOINTS, *SCRATCH):
        if os.path.lexists(trial / name):
            yield trial / name
    yield from (p for p in sorted(trial.iterdir()) if is_torn(p.name))
    keep = trial / log
    wandb = trial / "wandb"
    if wandb.is_dir() and not wandb.is_symlink():
        yield from _beside(wandb, keep)


def is_torn(name: str) -> bool:
    """Tell a file that a killed write left: the whole one, where there is one, has its own name."""
    return name.startswith(".") and name.endswith(".tmp")


def _beside(folder: Path, keep: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path == keep:
            continue
        if path.is_dir() and not path.is_symlink() and keep.is_relative_to(path):
            yield from _beside(path, keep)
        else:
            yield path


def _files(path: Path) -> list[Path]:
    if path.is_symlink() or not path.is_dir():
        return [path] if os.path.lexists(path) else []
    return [Path(at, name) for at, _, names in os.walk(path) for name in names]


def _size(path: Path) -> int:
    return path.lstat().st_size


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
