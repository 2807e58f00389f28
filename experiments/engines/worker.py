"""A worker process that is replaced when it ends or hangs, and what its trials come to."""

import os
import threading
from collections.abc import Iterator

from experiments import ending, safety
from experiments.engines.base import Event
from experiments.engines.process import NoProgress, Process
from experiments.folder import StudyFolder
from experiments.study import Trial


class Worker:
    """One worker process at a time."""

    def __init__(self, is_online: bool, seconds_without_progress: float, on: str = "cpu") -> None:
        self._is_online, self._on = is_online, on
        self._seconds = seconds_without_progress
        self._is_stopped = False
        self._lock = threading.Lock()
        self._process = Process(environment(is_online))

    @property
    def is_stopped(self) -> bool:
        """Whether no more is to be run."""
        return self._is_stopped

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
                self._process = Process(environment(self._is_online))

    def run(
        self,
        bundle: list[Trial],
        folder: StudyFolder,
        is_alone: bool,
        has_been_killed: bool = False,
    ) -> Iterator[Event]:
        """Run trials, one or what trains together, and yield what happens until all have ended.

        One whose process ended without a word is `interrupted`, with an error that says how; one
        that ran out of memory is to be run again with `is_alone`, and only then counts.
        """
        kills = ending.out_of_memory_kills()
        order = {
            "trials": [trial.model_dump(mode="json") for trial in bundle],
            "folders": [str(folder.trial(trial.id)) for trial in bundle],
            "is_online": self._is_online,
            "on": self._on,
            "is_alone": is_alone,
            "has_been_killed": has_been_killed,
            "patience": self._seconds,
        }
        left = dict(enumerate(bundle))
        step, is_spent = 0, False
        try:
            for message in self._process.messages(order, self._seconds):
                number = message.pop("number")
                event = Event(trial=bundle[number], **message)
                step = max(step, event.step)
                if event.kind == "ended":
                    del left[number]
                    is_spent = is_spent or event.outcome == "interrupted"
                    # After some errors of a GPU no more is to be had of it by that process.
                    is_spent = is_spent or (event.outcome == "failed" and self._on != "cpu")
                if is_spent and not left:
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
                yield from self.run(bundle, folder, is_alone, has_been_killed=True)
                return
            for trial in left.values():
                yield Event("ended", trial, step, outcome="out_of_memory")
            return
        why = f"its process ended with {how}; it goes on when the study is run again"
        for trial in left.values():
            yield Event("ended", trial, step, outcome="interrupted", error=why)


def environment(is_online: bool) -> dict[str, str]:
    """Give the environment of a worker process: one thread, no secrets, nobody's W&B process."""
    kept = safety.without_secrets(os.environ, is_online=is_online)
    # A W&B service of the process that started us is not ours to log through.
    kept.pop("WANDB_SERVICE", None)
    # One thread each, set before torch is imported: two workers on two cores do not compete.
    return kept | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
