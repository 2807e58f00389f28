"""Sending finished trials to a W&B server, by wandb's own sync: what would go, and what is in it.

Of each trial go its log and the files that W&B keeps beside it, staged in a folder of their own, so
that nothing else can. The published id is the trial's id and the beginning of its log's SHA-256:
the same log always goes to the same run, and another log of the trial to another one.
"""

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis.json_file import StudyFileError, inside, read_bytes
from analysis.ledger import Entry, Ledger
from analysis.wandb_log import LIMIT
from experiments.loading import StudyError
from experiments.secrecy import VALUES

PATHS = re.compile(r"(?<![\w/.:])/(?:home|Users|root|mnt|media|scratch|data|var|tmp|opt)/[\w.+-]+")

SECONDS = 600.0
"""One run takes seconds; one that takes so long is given up."""


@dataclass(frozen=True)
class Parcel:
    """One run that would go: its id on the server, its files below `folder`, what one may mind.

    `flags` say of a file that it holds a host name, a path of this machine, or what looks like a
    secret, which is not repeated.
    """

    entry: Entry
    id: str
    folder: Path
    files: tuple[Path, ...]
    flags: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many bytes go."""
        return sum((self.folder / name).stat().st_size for name in self.files)


def parcels(ledger: Ledger) -> list[Parcel]:
    """Give what would go of a study: its finished trials, in the order of the plan.

    Raises
    ------
    StudyError
        A log is not the one that was committed, or cannot be read.
    """
    return [_parcel(ledger.folder, entry) for entry in ledger.done]


def _parcel(study_folder: Path, entry: Entry) -> Parcel:
    assert entry.result is not None
    try:
        log = inside(study_folder / entry.trial.id, entry.result.log)
        names = [log, *sorted(p for p in (log.parent / "files").rglob("*") if p.is_file())]
        held = {path: read_bytes(inside(log.parent, str(path.relative_to(log.parent))), LIMIT)
                for path in names}  # fmt: skip
    except StudyFileError as error:
        raise StudyError(str(error)) from None
    if hashlib.sha256(held[log]).hexdigest() != entry.result.log_sha256:
        raise StudyError(f"{log}: not the log that was committed; longdep doctor says more")
    flags = [
        f"{path.relative_to(log.parent)} holds {what}"
        for path, data in held.items()
        for what in _found(data)
    ]
    return Parcel(
        entry=entry,
        id=f"{entry.trial.id}-{entry.result.log_sha256[:8]}",
        folder=log.parent,
        files=tuple(path.relative_to(log.parent) for path in names),
        flags=tuple(flags),
    )


def _found(data: bytes) -> list[str]:
    """Say what a reader may mind in a file."""
    text = data.decode("latin-1")
    found = [f"what looks like {kind}" for kind, pattern in VALUES.items() if pattern.search(text)]
    host = socket.gethostname()
    if len(host) > 2 and re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", text):
        found.append("the name of this machine")
    if path := PATHS.search(text):
        found.append(f"a path: {path[0]}")
    return found


def send(
    chosen: Iterable[Parcel],
    entity: str,
    project: str,
    told: Callable[[Parcel], None],
    command: tuple[str, ...] = (sys.executable, "-m", "wandb", "sync"),
) -> None:
    """Send runs, one after the other.

    Raises
    ------
    StudyError
        wandb did not send one; what it says last is in the line.
    """
    for parcel in chosen:
        with tempfile.TemporaryDirectory(prefix="longdep-publish-") as place:
            staged = Path(place) / parcel.folder.name
            for name in parcel.files:
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(parcel.folder / name, staged / name)
            environment = dict(os.environ, WANDB_ERROR_REPORTING="false")
            environment.pop("WANDB_MODE", None)
            where = ["--id", parcel.id, "--entity", entity, "--project", project, str(staged)]
            try:
                done = subprocess.run(
                    [*command, *where],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=SECONDS,
                    stdin=subprocess.DEVNULL,
                )
            except subprocess.TimeoutExpired:
                raise StudyError(f"{parcel.id}: wandb did not end in {SECONDS:.0f} s") from None
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            with contextlib.suppress(IndexError):
                raise StudyError(f"{parcel.id} was not sent: {lines[-1].strip()[:300]}")
            raise StudyError(f"{parcel.id} was not sent: wandb ended with {done.returncode}")
        told(parcel)
