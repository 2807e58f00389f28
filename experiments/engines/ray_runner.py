"""What runs on a Ray node: a worker process as on one machine, and what is asked of the node.

Ray's own process imports no torch; ours, which it starts, does so once for all of its trials. When
Ray's process is gone, ours finds its input closed, saves its trial and ends.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.engines import sharing
from experiments.engines.base import SECONDS_WITHOUT_PROGRESS
from experiments.engines.worker import Worker
from experiments.folder import StudyFolder
from experiments.study import Trial


class Runner:
    """A worker process on a node. As an actor it has a thread to run and one to stop."""

    def __init__(self, variables: dict[str, str], directory: str, is_online: bool, on: str) -> None:
        os.environ.update(variables)
        # Where there is such a place, a file that is named from there is found.
        with contextlib.suppress(OSError):
            os.chdir(directory)
        self._worker = Worker(is_online, SECONDS_WITHOUT_PROGRESS, on)

    def node(self) -> str:
        """Name the node that this is."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def run(
        self, bundle: list[str], folder: str, is_alone: bool
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Run trials, given as JSON, and yield what happens to which of them."""
        trials = [Trial.model_validate_json(each) for each in bundle]
        number = {trial.id: n for n, trial in enumerate(trials)}
        for event in self._worker.run(trials, StudyFolder(Path(folder)), is_alone):
            kept = {name: x for name, x in vars(event).items() if name != "trial"}
            yield number[event.trial.id], kept

    def stop(self, seconds: float) -> None:
        """Have the process save what it is running, and end within so many seconds."""
        self._worker.ask_to_stop()
        self._worker.wait(seconds)
        self._worker.kill()


def look(offer: sharing.Offer, trials: list[str], on: str) -> str | None:
    """Say why this node cannot run trials as the driver would, given as JSON; None: it can."""
    from experiments import accelerator, code

    if wrong := sharing.problem(offer):
        return f"{wrong}; {sharing.REMEDY}"
    for trial, expected in (json.loads(each) for each in trials):
        found = code.of(Trial.model_validate_json(json.dumps(trial)))
        if files := code.changed(expected, found):
            return f"its longdep is another one: {', '.join(files)} differ; install the same"
    if not os.environ.get("CUDA_VISIBLE_DEVICES", "all"):
        # Ray hides them from what has reserved none, as this here.
        del os.environ["CUDA_VISIBLE_DEVICES"]
    if why := accelerator.ask(on):
        return f"--accelerator gpu: {why}"
    return None
