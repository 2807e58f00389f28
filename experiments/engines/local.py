"""Run trials on this machine: long-lived worker processes, one torch thread each.

Knows no torch: the workers do.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from experiments import safety, timing
from experiments.engines.base import (
    SECONDS_TO_SAVE,
    SECONDS_WITHOUT_PROGRESS,
    Event,
    Where,
    bundles,
)
from experiments.engines.worker import Worker
from experiments.folder import StudyFolder
from experiments.study import Trial

_Waiting = queue.SimpleQueue[list[Trial]]
_Events = queue.SimpleQueue[Event | None]


class Local:
    """Worker processes on this machine, started at once and kept until the last trial."""

    def __init__(
        self,
        workers: int,
        *,
        is_online: bool,
        on: str = "cpu",
        seconds_without_progress: float = SECONDS_WITHOUT_PROGRESS,
    ) -> None:
        safety.refuse_unsafe_loading()
        self._workers = [Worker(is_online, seconds_without_progress, on) for _ in range(workers)]

    @property
    def words(self) -> str:
        """How many processes."""
        return "1 worker" if len(self._workers) == 1 else f"{len(self._workers)} workers"

    def check(self, place: Path) -> None:
        """Refuse nothing: the folder is on this machine, and its locks have been tried."""

    def __enter__(self) -> "Local":
        """Give itself."""
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


def begin(where: Where, trials: list[Trial], is_online: bool) -> "Local":
    """Start as many workers as there are cores, or as were asked for; they share one GPU."""
    workers = min(where.workers or timing.cores(), len(trials))
    return Local(workers, is_online=is_online, on=where.trains_on)


def _work(
    workers: list[Worker], bundles: list[list[Trial]], folder: StudyFolder, *, is_alone: bool
) -> Iterator[Event]:
    waiting: _Waiting = queue.SimpleQueue()
    for bundle in bundles:
        waiting.put(bundle)
    events: _Events = queue.SimpleQueue()
    for worker in workers:
        arguments = (worker, waiting, folder, events, is_alone)
        threading.Thread(target=_hand_out, args=arguments, daemon=True).start()
    left = len(workers)
    while left:
        event = events.get()
        if event is None:
            left -= 1
        else:
            yield event


def _hand_out(
    worker: Worker, waiting: _Waiting, folder: StudyFolder, events: _Events, is_alone: bool
) -> None:
    """Run trials until none is waiting."""
    is_recorded = folder.file.exists()
    with contextlib.suppress(queue.Empty):
        while not worker.is_stopped:
            if is_recorded and not folder.file.exists():
                break  # Moved away: W&B may just be making the folder anew, and we would go on.
            bundle = waiting.get_nowait()
            for trial in bundle:
                events.put(Event("started", trial))
            for event in worker.run(bundle, folder, is_alone):
                events.put(event)
    events.put(None)
