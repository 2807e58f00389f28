"""Run trials on this machine: long-lived worker processes, one torch thread each.

The contract of an engine: run each trial somewhere, at least once. Trials are idempotent, claimed
by a lock and committed last, so whoever asked may submit again what is missing in the end.
Knows no torch: the workers do.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from experiments import ending, safety
from experiments.engines.process import NoProgress, Process
from experiments.folder import StudyFolder
from experiments.study import Trial

SECONDS_WITHOUT_PROGRESS = 900.0
"""A trial that comes to no next step for so long is ended: far more than a step or a validation of
the largest trials takes, and than torch takes to be imported from a slow disk."""

SECONDS_TO_SAVE = 60.0
"""How long a worker that is asked to stop may take to come to its next step and save."""


@dataclass(frozen=True)
class Event:
    """What has happened to a trial: it started, came to a step, or ended."""

    kind: Literal["started", "row", "ended"]
    trial: Trial
    step: int = 0
    score: float | None = None
    outcome: str = ""
    error: str | None = None


_Waiting = queue.SimpleQueue[list[Trial]]


class Local:
    """Worker processes on this machine, started at once and kept until the last trial."""

    def __init__(
        self,
        workers: int,
        *,
        is_online: bool,
        seconds_without_progress: float = SECONDS_WITHOUT_PROGRESS,
    ) -> None:
        safety.refuse_unsafe_loading()
        self._workers = [_Worker(is_online, seconds_without_progress) for _ in range(workers)]

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the workers to save and stop; whoever is asked to stop again does not wait."""
        try:
            for worker in self._workers:
                worker.ask_to_stop()
            for worker in self._workers:
                worker.wait(SECONDS_TO_SAVE)
        finally:
            for worker in self._workers:
                worker.kill()

    def run(self, trials: list[Trial], folder: StudyFolder) -> Iterator[Event]:
        """Run the trials and yield what happens, until all have ended.

        A trial that ran out of memory is run once more in the end, when no other one is running:
        only then it counts.
        """
        held: list[Trial] = []
        for event in _work(self._workers, bundles(trials), folder, is_alone=False):
            if event.kind == "ended" and event.outcome == "out_of_memory":
                held.append(event.trial)
            else:
                yield event
        if held:
            first, *others = self._workers
            for worker in others:
                worker.ask_to_stop()
                worker.wait(SECONDS_TO_SAVE)
                worker.kill()
            first.renew()
            yield from _work([first], [[trial] for trial in held], folder, is_alone=True)


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


def _work(
    workers: "list[_Worker]", bundles: list[list[Trial]], folder: StudyFolder, *, is_alone: bool
) -> Iterator[Event]:
    waiting: _Waiting = queue.SimpleQueue()
    for bundle in bundles:
        waiting.put(bundle)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    for worker in workers:
        arguments = (waiting, folder, events, is_alone)
        threading.Thread(target=worker.work, args=arguments, daemon=True).start()
    left = len(workers)
    while left:
        event = events.get()
        if event is None:
            left -= 1
        else:
            yield event


class _Worker:
    """One worker process, and the thread of ours that hands it trials."""

    def __init__(self, is_online: bool, seconds_without_progress: float) -> None:
        self._is_online = is_online
        self._seconds = seconds_without_progress
        self._is_stopped = False
        self._lock = threading.Lock()
        self._process = Process(_environment(is_online))

    def work(
        self,
        waiting: _Waiting,
        folder: StudyFolder,
        events: "queue.SimpleQueue[Event | None]",
        is_alone: bool,
    ) -> None:
        """Run trials until none is waiting; a process that ended or hangs is replaced."""
        is_recorded = folder.file.exists()
        with contextlib.suppress(queue.Empty):
            while not self._is_stopped:
                if is_recorded and not folder.file.exists():
                    break  # Moved away: W&B may just be making the folder anew, and we would go on.
                bundle = waiting.get_nowait()
                for trial in bundle:
                    events.put(Event("started", trial))
                for event in self._run(bundle, folder, is_alone):
                    events.put(event)
        events.put(None)

    def ask_to_stop(self) -> None:
        """Have the process save what it is running, and end."""
        with self._lock:
            self._is_stopped = True
        self._process.ask_to_stop()

    def wait(self, seconds: float) -> None:
        """Wait for the process to end, for so many seconds at most."""
        self._process.wait(seconds)

    def kill(self) -> None:
        """End the process and what it started, whatever they are doing."""
        with self._lock:
            self._is_stopped = True
        self._process.kill()

    def renew(self) -> None:
        """Replace the process by a new one, unless no more is to be run."""
        with self._lock:
            self._process.kill()
            if not self._is_stopped:
                self._process = Process(_environment(self._is_online))

    def _run(
        self,
        bundle: list[Trial],
        folder: StudyFolder,
        is_alone: bool,
        has_been_killed: bool = False,
    ) -> Iterator[Event]:
        kills = ending.out_of_memory_kills()
        order = {
            "trials": [trial.model_dump(mode="json") for trial in bundle],
            "folders": [str(folder.trial(trial.id)) for trial in bundle],
            "is_online": self._is_online,
            "is_alone": is_alone,
            "has_been_killed": has_been_killed,
            "patience": self._seconds,
        }
        left = dict(enumerate(bundle))
        step, is_interrupted = 0, False
        try:
            for message in self._process.messages(order, self._seconds):
                number = message.pop("number")
                event = Event(trial=bundle[number], **message)
                step = max(step, event.step)
                if event.kind == "ended":
                    del left[number]
                    is_interrupted = is_interrupted or event.outcome == "interrupted"
                if is_interrupted and not left:
                    self.renew()
                yield event
                if not left:
                    return
        except NoProgress as problem:
            self.renew()
            line = f"{problem}, at step {step}: ended; `longdep run` tries it again"
            for trial in left.values():
                place = folder.trial(trial.id)
                ending.keep(place, trial.id, line, None, attempts=1, step=step)
                yield Event("ended", trial, step, outcome="failed", error=line)
            return
        if self._is_stopped:
            for trial in left.values():
                yield Event("ended", trial, step, outcome="interrupted")
            return
        how, is_killed = self._process.how_it_ended()
        self.renew()
        # The kernel tells nobody whom it killed for want of memory, but it counts.
        if is_killed and ending.out_of_memory_kills() > kills and not has_been_killed:
            if is_alone:
                yield from self._run(bundle, folder, is_alone, has_been_killed=True)
                return
            for trial in left.values():
                yield Event("ended", trial, step, outcome="out_of_memory")
            return
        why = f"its process ended with {how}; it goes on when the study is run again"
        for trial in left.values():
            yield Event("ended", trial, step, outcome="interrupted", error=why)


def _environment(is_online: bool) -> dict[str, str]:
    kept = safety.without_secrets(os.environ, is_online=is_online)
    # A W&B service of the process that started us is not ours to log through.
    kept.pop("WANDB_SERVICE", None)
    # One thread each, set before torch is imported: two workers on two cores do not compete.
    return kept | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
