"""Slurm's queue, through its own commands: what it takes, what it holds, what is to be cancelled.

Nothing here needs `sacct`: many clusters keep no accounts. Knows no torch.
"""

import contextlib
import getpass
import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import safety
from experiments.engines.base import Where
from lightning_modules import registry
from lightning_modules.refusal import RefusedError

COMMANDS = ("sbatch", "srun", "squeue", "scancel")
SECONDS_TO_ANSWER = 60.0
"""How long one of Slurm's commands may take: a busy controller lets them wait."""

SECONDS_TO_SAVE = 90
"""So long before its time is over, a job is told."""

OURS = {
    "array": "--trials-per-job",
    "partition": "--partition",
    "time": "--time",
    "account": "--account",
    **dict.fromkeys(
        "chdir error job-name nodes ntasks open-mode output requeue signal".split(), ""
    ),
    **dict.fromkeys("test-only wait wrap".split(), ""),
}
"""Directives that are not passed through, with the option that sets them where there is one."""

ENDED = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
     "PREEMPTED", "REVOKED", "TIMEOUT")
)  # fmt: skip
"""States of a job that will not run again; for a while the queue still shows it."""


Directives = dict[str, str | bool]
"""What sbatch is given, by its long names; True for what has no value."""


def directives(where: Where) -> Directives:
    """Give the directives that the command line asks for.

    Raises
    ------
    RefusedError
        For one that is set otherwise, or that is none.
    """
    found: Directives = {"cpus-per-task": str(where.per_gpu or 1)}
    if where.per_gpu:
        found["gres"] = "gpu:1"
    for text in where.slurm:
        name, has_value, value = text.partition("=")
        name = name.strip().removeprefix("--").replace("_", "-")
        if not name or any(ord(letter) < 32 for letter in text):
            raise RefusedError(f"--slurm {text!r}: write KEY=VALUE, or KEY for what has no value")
        if name in OURS:
            how = f"{OURS[name]} sets it" if OURS[name] else "longdep sets it itself"
            raise RefusedError(f"--slurm {text}: {how}")
        if name == "cpus-per-task" and not (value.isdigit() and int(value)):
            raise RefusedError(f"--slurm {text}: give a number of cores")
        if name.startswith("gpus"):
            found.pop("gres", None)
        found[name] = value if has_value else True
    asked = {"partition": where.partition, "time": where.time, "account": where.account}
    return found | {name: value for name, value in asked.items() if value is not None}


def at_once(where: Where) -> int:
    """Count the trials that run beside each other in one job: what shares its GPU, or its cores."""
    return where.per_gpu or int(directives(where)["cpus-per-task"])


Key = tuple[str, int]
"""What a job is known by: its name, and its number in the array."""


@dataclass(frozen=True)
class Seen:
    """What the queue shows of a user's jobs: state and reason to wait of those that are alive.

    `ended` has the states of those that are over and still shown.
    """

    alive: dict[Key, tuple[str, str]]
    ended: dict[Key, str]

    def is_alive(self, key: Key) -> bool:
        """Tell whether a job waits or runs."""
        return key in self.alive

    def has(self, name: str) -> bool:
        """Tell whether any job of a name waits or runs."""
        return any(name == each for each, _ in self.alive)

    def state(self, key: Key) -> str:
        """Give a job's state; none where it is not alive."""
        return self.alive.get(key, ("", ""))[0]

    def reason(self, key: Key) -> str:
        """Say why a job waits."""
        return self.alive.get(key, ("", ""))[1]


class Queue:
    """The queue of this cluster, for one user's jobs of one kind."""

    def __init__(self, where: Where, *, is_online: bool) -> None:
        self._directives = directives(where)
        self._partition = where.partition
        self._is_online = is_online

    def check(self) -> None:
        """Ask whether jobs of this kind are taken; nothing is submitted.

        Raises
        ------
        RefusedError
            When Slurm is not here, or refuses: the line says what.
        """
        for command in COMMANDS:
            if shutil.which(command) is None:
                raise RefusedError(
                    f"--engine slurm: there is no {command} on this machine; "
                    "start it where jobs are submitted, on the cluster's login node"
                )
        given = [_flag(name, value) for name, value in self._directives.items()]
        done = self._ask("sbatch", "--test-only", *given, "--wrap", "true")
        if done is None:
            raise RefusedError(f"sbatch gives no answer within {SECONDS_TO_ANSWER:.0f} s")
        if done.returncode:
            line = told(done.stderr)
            hint = ""
            if self._partition and "partition" in line:
                known = sorted(set((self._answer("sinfo", "-h", "-o", "%R") or "").split()))
                near = registry.hint(self._partition, known)
                hint = f"; partitions: {', '.join(known)}{near}"
            raise RefusedError(f"Slurm refuses such jobs: {line}{hint}")

    def submit(
        self, place: Path, name: str, orders: list[dict[str, Any]], jobs_at_once: int
    ) -> None:
        """Submit an array of jobs, one for each order; their files go into a folder.

        Raises
        ------
        RefusedError
            When Slurm does not take it.
        """
        import submitit
        from submitit.core import utils as errors

        from experiments.engines import slurm_job

        executor = submitit.SlurmExecutor(
            folder=place, python=f"{shlex.quote(sys.executable)} -P", max_num_timeout=0
        )
        executor.update_parameters(
            # submitit's own defaults: five minutes, and a key for an accounting that may refuse it.
            time=None,
            wckey=None,
            job_name=name,
            additional_parameters={
                **self._directives,
                "requeue": True,
                # To all processes of the job; what Slurm sends at the end comes too late for some.
                "signal": f"USR1@{SECONDS_TO_SAVE}",
            },
            # Since Slurm 22.05 srun takes one core, whatever the job has.
            srun_args=["--cpus-per-task", str(self._directives["cpus-per-task"])],
            array_parallelism=jobs_at_once,
        )
        quiet = contextlib.redirect_stderr(io.StringIO())
        try:
            with _without_secrets(is_online=self._is_online), quiet:
                executor.map_array(slurm_job.work, orders)
        except (errors.FailedJobError, errors.FailedSubmissionError) as error:
            raise RefusedError(f"Slurm takes no such jobs: {told(str(error))}") from None

    def look(self) -> Seen | None:
        """Look at the user's jobs; None where nobody answers."""
        answer = self._answer(
            "squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}",
            "--format=%T|%K|%r|%j",
        )  # fmt: skip
        if answer is None:
            return None
        seen = Seen({}, {})
        for line in answer.splitlines():
            state, number, reason, name = (*line.strip().split("|", 3), "", "", "")[:4]
            # A job that stands alone is no array.
            key = name, int(number) if number.isdigit() else 0
            if state in ENDED:
                seen.ended[key] = state
            else:
                seen.alive[key] = state, reason
        return seen

    def cancel(self, name: str) -> None:
        """Cancel the jobs of a name."""
        self._ask("scancel", "--name", name, f"--user={getpass.getuser()}")

    def _answer(self, *command: str) -> str | None:
        done = self._ask(*command)
        return None if done is None or done.returncode else done.stdout

    def _ask(self, *command: str) -> "subprocess.CompletedProcess[str] | None":
        kept = safety.without_secrets(os.environ, is_online=self._is_online)
        try:
            return subprocess.run(
                command,
                env=kept,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS_TO_ANSWER,
            )
        except (subprocess.TimeoutExpired, OSError):
            return None


def told(text: str) -> str:
    """Give what one of Slurm's commands complains of, in one line."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in text.splitlines()]
    return next((" ".join(line.split()) for line in lines if line.strip()), "no reason given")


def _flag(name: str, value: Any) -> str:
    return f"--{name}" if value is True else f"--{name}={value}"


@contextlib.contextmanager
def _without_secrets(*, is_online: bool) -> Iterator[None]:
    """Leave the user's keys out of what a job is given: Slurm keeps it on its own disk."""
    before = dict(os.environ)
    kept = safety.without_secrets(before, is_online=is_online)
    for name in before.keys() - kept.keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)
