"""How an attempt ended that came to no result: the line for the user, and what to do."""

import errno
import os
import traceback
from pathlib import Path
from typing import Any

from experiments.durable import write_json
from experiments.record import SCHEMA

FAILURE = "failure.json"

GO_ON = "then run the study again, it goes on from there"
REMEDIES = {
    errno.ENOSPC: f"the disk is full; free some space, {GO_ON}",
    errno.EDQUOT: f"your disk quota is used up; free some space, {GO_ON}",
    errno.EFBIG: f"files may not become that large (`ulimit -f`); raise the limit, {GO_ON}",
    errno.EROFS: "the file system is read-only; make it writable or choose another folder, --out",
    errno.EACCES: "not permitted; change the permissions or choose another folder with --out",
    errno.EPERM: "not permitted; change the permissions or choose another folder with --out",
    errno.EMFILE: f"too many open files (`ulimit -n`); raise the limit, {GO_ON}",
    errno.ENFILE: f"too many open files on this machine; close some, {GO_ON}",
    errno.EAGAIN: f"no process can be started (`ulimit -u`); use fewer --workers, {GO_ON}",
    errno.EIO: "the disk reports an error; check it before you run the study again",
    errno.ELOOP: "a link where a file of the trial should be; remove it",
}

NO_MEMORY = (
    *("can't allocate memory", "not enough memory", "out of memory"),
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)
"""What a `RuntimeError` of torch says that means no memory: the CPU's, and a GPU's."""


def line_of(error: BaseException, folder: Path) -> str:
    """Say in one line what went wrong, where, and what to do."""
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"{folder}: gone while the trial ran; put the folder back, {GO_ON}"
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return f"{error.filename or folder}: {REMEDIES[error.errno]}"
    return " ".join(f"{type(error).__name__}: {error}".split())


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that no memory could be had; torch has several of that kind."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)


def keep(
    folder: Path, trial_id: str, line: str, error: BaseException | None, *, attempts: int, step: int
) -> None:
    """Write `failure.json`, as well as that can be done.

    Whatever hinders it (a full disk, a folder that is gone) is what the line says already.
    """
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "trial": trial_id,
        "outcome": "failed",
        "attempts": attempts,
        "step": step,
        "error": line,
        "traceback": "".join(traceback.format_exception(error)) if error else "",
    }
    try:
        write_json(folder / FAILURE, record)
    except OSError:
        return


def out_of_memory_kills() -> int:
    """Count the processes that the kernel has killed for want of memory since it started.

    0 where the system does not tell (only Linux does).
    """
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            counted = dict(line.split() for line in file)
    except OSError:
        return 0
    return int(counted.get("oom_kill", 0))


def free_megabytes(folder: Path) -> float:
    """Tell how much space is left where a folder lies, for this user."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize / 2**20
