"""The contract of an engine: run each trial somewhere, at least once. Knows no torch.

Trials are idempotent, claimed by a lock and committed last, so an engine needs no state of its own
that is worth keeping: what is missing in a study's folder is submitted again, by the engine itself
while it runs and by the next `longdep run`, and a trial that is submitted twice is run once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

from experiments.folder import StudyFolder
from experiments.study import Trial

SECONDS_WITHOUT_PROGRESS = 900.0
"""A trial that comes to no next step for so long is ended: far more than a step or a validation of
the largest trials takes, and than torch takes to be imported from a slow disk."""

SECONDS_TO_SAVE = 60.0
"""How long a worker that is asked to stop may take to come to its next step and save."""

ELSEWHERE = "running elsewhere"
"""How a trial ended here that another process has: whoever asked waits for that one."""


@dataclass(frozen=True)
class Event:
    """What has happened to a trial: it started, came to a step, or ended."""

    kind: Literal["started", "row", "ended"]
    trial: Trial
    step: int = 0
    score: float | None = None
    outcome: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Where:
    """Where trials are to run, as the command line says it; None is what it does not say.

    A field beside `engine` and `workers` is an option of the engines that name it in
    `choice.ENGINES`; with another one it is refused.
    """

    engine: str = "local"
    workers: int | None = None
    """At most so many trials (or cohorts of them) at once."""
    accelerator: str | None = None
    """What networks train on, "cpu" or "gpu"; see `trains_on`."""
    trials_per_gpu: int | None = None
    """So many share one GPU; see `per_gpu`."""
    address: str | None = None
    partition: str | None = None
    time: str | None = None
    account: str | None = None
    slurm: tuple[str, ...] = ()
    """More of sbatch's directives, KEY=VALUE each."""
    trials_per_job: int | None = None

    @property
    def trains_on(self) -> str:
        """What networks train on: the CPU, unless a GPU is asked for, by its name or its share."""
        return self.accelerator or ("gpu" if self.trials_per_gpu else "cpu")

    @property
    def per_gpu(self) -> int | None:
        """How many trials share a GPU that is reserved for them; None where none is asked for."""
        return self.trials_per_gpu or (1 if self.trains_on == "gpu" else None)


class Engine(Protocol):
    """What runs trials. Its module has `begin(where, trials, is_online) -> Engine`.

    `begin` starts what it needs, or refuses in one line (`RefusedError`) with nothing left behind,
    also when it is interrupted: the study's folder is made only afterwards.
    """

    @property
    def words(self) -> str:
        """What it runs on, to be read behind "12 trials to run,": "2 workers"."""

    def check(self, place: Path) -> None:
        """Refuse a folder that is not one and the same wherever trials run; see `sharing`.

        `place` is the study's folder, or the nearest one above it that is there.

        Raises
        ------
        RefusedError
            Where it is not there, is another one, or locks held there do not exclude.
        """

    def run(self, trials: list[Trial], folder: StudyFolder) -> Iterator[Event]:
        """Run the trials and yield what happens, until each has ended; may be called again.

        Events are of trials in `trials`: any number of "row", and one "ended" each, with the
        outcome that `experiments.trial.run` reports, `ELSEWHERE` among them. What trains together
        (`bundles`) goes to one worker. An error of a trial is its outcome and is not tried again;
        a lost worker or machine is no outcome, and what it had is submitted again. A trial that
        ran out of memory is run once more with `is_alone`, when no other one is running beside it.
        """

    def __enter__(self) -> Self:
        """Give itself."""

    def __exit__(self, *_: object) -> None:
        """Have what runs save itself and stop, and leave no process, socket or folder behind.

        Whoever is asked to stop again (`KeyboardInterrupt`) does not wait.
        """


def bundles(trials: list[Trial]) -> list[list[Trial]]:
    """Put together what trains together: trials of a group, as many as their study declares.

    A bundle stands where its first trial stood.
    """
    made: list[list[Trial]] = []
    last: dict[str, list[Trial]] = {}
    for trial in trials:
        bundle = last.get(trial.group)
        if bundle is None or len(bundle) == trial.cohort:
            bundle = last[trial.group] = []
            made.append(bundle)
        bundle.append(trial)
    return made
