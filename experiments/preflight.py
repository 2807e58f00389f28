"""Before anything is created: room on the disk, memory, a folder that can be written and locked."""

import shutil
import tempfile
from pathlib import Path

from experiments import locking
from experiments.loading import StudyError
from experiments.study import Trial

BYTES_PER_TRIAL = 120_000
"""Records, W&B's own files and the rounding of a file system to blocks (measured: 90 to 110 kB)."""
BYTES_PER_ROW = 500
"""A row in `history.jsonl` and in the log."""
BYTES_PER_PARAMETER = 4
COPIES = 9
"""A trial under way: two checkpoints and the next, each weights and two moments."""


def check(folder: Path, trials: list[Trial], workers: int) -> None:
    """Look at the machine before `trials` are run in a study's folder.

    Raises
    ------
    StudyError
        When they cannot be: the line names the place and what is missing.
    """
    place = existing(folder)
    _check_disk(place, trials, workers)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".longdep-") as file:
            if not locking.exclude(Path(file.name)):
                raise StudyError(
                    f"{place}: locks do not work on this file system, so one trial could be run "
                    "twice; choose another folder with --out"
                )
    except OSError as error:
        raise StudyError(
            f"{place} cannot be written: {error.strerror}; choose another folder with --out"
        ) from None


def check_memory(trials: list[Trial], units: dict[tuple[str, str], int]) -> None:
    """Refuse a trial whose tensors cannot fit, however the rest is counted. Needs torch.

    What is counted is the least that is kept: a number for each unit of each step of a batch, at
    `lag` steps a sequence. `units` gives the hidden size of each (arm, task).

    Raises
    ------
    StudyError
        When the largest trial needs more than is available.
    """
    available = available_memory()
    groups = list({trial.group: trial for trial in trials}.values())
    needed = [4 * _examples(t) * t.lag * units[_pair(t)] * _layers(t) for t in groups]
    most = max(needed)
    if available is not None and most > available:
        trial = groups[needed.index(most)]
        raise StudyError(
            f"{trial.group}: {_examples(trial):,} sequences of {trial.lag:,} steps need at least "
            f"{size(most)} of memory; {size(available)} are available"
        )


def _layers(trial: Trial) -> int:
    return trial.arm.layers * (2 if trial.arm.bidirectional else 1)


def _pair(trial: Trial) -> tuple[str, str]:
    return trial.arm.label, f"{trial.task}/{trial.dialect}"


def _examples(trial: Trial) -> int:
    from experiments.sizes import task_of

    recipe = trial.recipe
    # A finite set is scored on what it has, which may be less than was asked for.
    if task_of(trial).space != "large":
        return recipe.batch
    return max(recipe.batch, recipe.validation_size, recipe.test_size)


def existing(folder: Path) -> Path:
    """Give the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def available_memory() -> int | None:
    """Count the bytes that a process may still take, where the system says so."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next((int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable")), None)
    limit = _number("/sys/fs/cgroup/memory.max")
    return min((n for n in (free, limit) if n is not None), default=None)


def size(count: int) -> str:
    """Write a number of bytes as a reader says it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:,.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"


def _check_disk(place: Path, trials: list[Trial], workers: int) -> None:
    needed = sum(_bytes_on_disk(trial) for trial in trials)
    largest = max(_parameters(trial) for trial in trials)
    needed += workers * COPIES * BYTES_PER_PARAMETER * largest
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StudyError(
            f"only {size(free)} free at {place}; {len(trials)} trials need about {size(needed)}"
        )


def _bytes_on_disk(trial: Trial) -> int:
    rows = trial.recipe.steps // trial.recipe.validation_every + 1
    return BYTES_PER_TRIAL + BYTES_PER_ROW * rows + BYTES_PER_PARAMETER * _parameters(trial)


def _parameters(trial: Trial) -> int:
    budget = trial.budget
    # A state of n numbers is moved by a few matrices of n x n.
    return budget.parameters or 8 * budget.amount**2


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None
