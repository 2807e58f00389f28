"""Run trials as jobs of Slurm's: arrays of jobs, each with a share of the trials.

The truth lies in the study's folder, never in the queue: a trial is done when it is committed. The
queue only tells which jobs are still to be waited for. A job that is gone, however it went, leaves
what it did not finish to be submitted again; one that went on without us is found by its name.
"""

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from experiments.cli_lines import say
from experiments.durable import write_json
from experiments.engines import slurm_launch as launching
from experiments.engines.base import Event, Where
from experiments.engines.slurm_launch import RECORD, Job, name_of
from experiments.engines.slurm_queue import Queue, Seen, at_once
from experiments.folder import SLURM, StudyFolder
from experiments.record import SCHEMA
from experiments.study import Trial
from lightning_modules.refusal import RefusedError

SECONDS_BETWEEN_NEWS = 2.0
SECONDS_BETWEEN_LOOKS = 10.0
"""The queue is everybody's: it is asked rarely, and the folder often."""
SECONDS_TO_WAIT = 60.0
"""After this long without a job that runs, the user is told why they wait."""
SECONDS_TO_LEAVE = 30.0
"""How long jobs whose trials have all come out may take to be gone."""

LOSSES = 3
"""So many jobs may lose a trial without a step forward."""
LOOKS_UNLOCKED = 6
"""So often a running job's lock is not seen before it counts: it may just be ending or starting."""


def begin(where: Where, trials: list[Trial], is_online: bool) -> "Slurm":
    """Ask Slurm whether it takes such jobs; nothing is submitted yet.

    Raises
    ------
    RefusedError
        When Slurm is not here, or refuses.
    """
    queue = Queue(where, is_online=is_online)
    queue.check()
    return Slurm(where, queue, is_online=is_online)


class Slurm:
    """Jobs of this user's in the queue."""

    def __init__(self, where: Where, queue: Queue, *, is_online: bool) -> None:
        self._where, self._queue, self._is_online = where, queue, is_online
        self._jobs: list[Job] = []
        self._losses: Counter[str] = Counter()
        self._reasons: set[str] = set()
        self._has_started = False
        self._looked = self._ran = time.monotonic()

    @property
    def words(self) -> str:
        """Where the trials run."""
        return "jobs of Slurm"

    def check(self, place: Path) -> None:
        """Refuse a folder whose path Slurm would not take as it is.

        Whether the nodes see it, with its locks, is found out by the first jobs.
        """
        if "%" in str(place.absolute()):
            raise RefusedError(f"{place}: Slurm gives % a meaning in a path; choose another --out")

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave the jobs in the queue when somebody stops waiting for them, and say so."""
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._jobs:
            names = ",".join(sorted({name_of(job.launch) for job in self._jobs}))
            say(
                f"\n{len(self._jobs)} jobs go on in the queue, and the same command waits for them "
                f"again; to end them: scancel --name {names}"
            )

    def run(self, trials: list[Trial], folder: StudyFolder) -> Iterator[Event]:
        """Submit what no job has yet, and yield what happens until all trials have ended."""
        self._jobs = self._found(trials, folder)
        held = {trial_id for job in self._jobs for trial_id in job.left}
        if held:
            say(f"{len(held)} trials are in the queue already, in {len(self._jobs)} jobs")
        self._submit([trial for trial in trials if trial.id not in held], folder)
        self._looked = self._ran = time.monotonic()
        while any(job.left for job in self._jobs):
            time.sleep(SECONDS_BETWEEN_NEWS)
            for job in self._jobs:
                yield from job.news()
            if time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
                self._looked = time.monotonic()
                if (seen := self._queue.look()) is not None:
                    yield from self._take(seen, folder)
        self._leave(folder)

    def _found(self, trials: list[Trial], folder: StudyFolder) -> list[Job]:
        """Find the jobs of earlier launches that are in the queue and have some of the trials."""
        launches = launching.launches(folder)
        if not launches:
            return []
        seen = self._queue.look()
        if seen is None:
            raise RefusedError("squeue gives no answer, so what is submitted already is not known")
        wanted = {trial.id: trial for trial in trials}
        found = []
        for launch in launches:
            for number, share in enumerate(launching.shares(launch)):
                left = {trial_id: wanted[trial_id] for trial_id in share if trial_id in wanted}
                if left and seen.is_alive((name_of(launch), number)):
                    found.append(launching.job(launch.absolute(), number, left, folder))
                    wanted = {key: trial for key, trial in wanted.items() if key not in left}
        return found

    def _submit(self, trials: list[Trial], folder: StudyFolder) -> None:
        if not trials:
            return
        beside = at_once(self._where)
        shares = launching.split(trials, self._where.trials_per_job, beside)
        launch = (folder.path / SLURM / secrets.token_hex(4)).absolute()
        # Not the folders above: a study that was moved away is not to come to life again.
        launch.parent.mkdir(exist_ok=True)
        launch.mkdir()
        try:
            ids = [[trial.id for trial in share] for share in shares]
            write_json(launch / RECORD, {"schema": SCHEMA, "jobs": ids})
            orders = [
                {
                    "folder": str(folder.path.absolute()),
                    "launch": str(launch),
                    "number": number,
                    "trials": [trial.model_dump(mode="json") for trial in share],
                    "at_once": beside,
                    "is_online": self._is_online,
                    "on": self._where.trains_on,
                }
                for number, share in enumerate(shares)
            ]
            jobs_at_once = max(1, (self._where.workers or len(trials)) // beside)
            self._queue.submit(launch, name_of(launch), orders, jobs_at_once)
        except BaseException:
            self._queue.cancel(name_of(launch))
            launching.remove(launch)
            raise
        for number, share in enumerate(shares):
            its = {trial.id: trial for trial in share}
            self._jobs.append(launching.job(launch, number, its, folder))

    def _take(self, seen: Seen, folder: StudyFolder) -> Iterator[Event]:
        """Take note of what the queue holds: what is gone from it is submitted again."""
        lost: list[Trial] = []
        if not folder.file.exists():
            yield from self._give_up()
            return
        for job in self._jobs:
            yield from job.news()
        for job in [job for job in self._jobs if not seen.is_alive(job.key)]:
            yield from job.settle(folder)
            self._has_started |= any(each.has_started for each in (job, *self._jobs))
            self._refuse_refusal(job)
            self._jobs.remove(job)
            self._refuse_silence(job, seen)
            for trial in job.left.values():
                self._losses[trial.id] = 0 if job.has_moved else self._losses[trial.id] + 1
                if self._losses[trial.id] < LOSSES:
                    lost.append(trial)
                    continue
                why = f"{LOSSES} jobs were lost on it without a step forward"
                words = f"; the last one's last words: {job.last_words}" if job.last_words else ""
                yield Event("ended", trial, outcome="interrupted", error=why + words)
        if lost:
            say(f"{len(lost)} trials lost their job; they are submitted again")
            self._submit(lost, folder)
        self._refuse_unlocked(seen)
        self._tell_waiting(seen)

    def _give_up(self) -> Iterator[Event]:
        """End the jobs of a study whose folder is no longer there."""
        for launch in {job.launch for job in self._jobs}:
            self._queue.cancel(name_of(launch))
        left = [trial for job in self._jobs for trial in job.left.values()]
        self._jobs = []
        yield from (Event("ended", trial, outcome="interrupted") for trial in left)

    def _refuse_silence(self, job: Job, seen: Seen) -> None:
        """Refuse to go on where a launch has ended and not even its logs could be written."""
        if (
            launching.is_silent(job.launch)
            and seen.ended.get(job.key) != "CANCELLED"
            and not any(other.launch == job.launch for other in self._jobs)
        ):
            launching.remove(job.launch)
            raise RefusedError(
                f"the jobs ended without a word in {job.launch.parent.parent}: the nodes have to "
                "see this folder under the same path; choose one that they share with --out"
            )

    def _refuse_refusal(self, job: Job) -> None:
        """Refuse to go on where a node could run no trial, and none other has begun with one.

        Where some have, what that node had is submitted again as that of a lost job.
        """
        if job.refusal and not self._has_started:
            for launch in {other.launch for other in self._jobs}:
                self._queue.cancel(name_of(launch))
                launching.remove(launch)
            raise RefusedError(f"node {job.refusal}")

    def _refuse_unlocked(self, seen: Seen) -> None:
        """Refuse a folder where what a node locks is free here: two could run one trial."""
        for job in self._jobs:
            if seen.state(job.key) != "RUNNING":
                job.is_begun = False  # It will say so again.
            is_at_work = job.is_begun and not job.is_over
            job.unlocked = job.unlocked + 1 if is_at_work and not job.is_locked else 0
            if job.unlocked >= LOOKS_UNLOCKED:
                for launch in {each.launch for each in self._jobs}:
                    self._queue.cancel(name_of(launch))
                raise RefusedError(
                    f"{job.place}: a lock that a node holds is free on this machine, so one trial "
                    "could be run twice; choose a folder with locks that all see with --out"
                )

    def _tell_waiting(self, seen: Seen) -> None:
        waiting = [seen.reason(job.key) for job in self._jobs if seen.state(job.key) == "PENDING"]
        if len(waiting) < len(self._jobs):
            self._ran = time.monotonic()
        elif waiting and time.monotonic() - self._ran > SECONDS_TO_WAIT:
            for reason, count in Counter(waiting).items():
                if reason not in self._reasons:
                    self._reasons.add(reason)
                    say(f"{count} jobs wait in the queue: {reason}")

    def _leave(self, folder: StudyFolder) -> None:
        """Remove the launches whose trials have all come out, once their jobs are gone.

        The logs of those where a trial has no result are kept.
        """
        mine, self._jobs = self._jobs, []
        until = time.monotonic() + SECONDS_TO_LEAVE
        seen = self._queue.look()
        while seen and any(seen.is_alive(job.key) for job in mine) and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_NEWS)
            seen = self._queue.look()
        for launch in launching.launches(folder):
            if seen and not seen.has(name_of(launch)) and launching.is_over(launch, folder):
                launching.remove(launch)
