"""When the probes of a trial measure, and what its log says of it."""

import copy
import math
from typing import Any

from experiments.study import Trial
from lightning_modules import registry, walk
from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, first
from lightning_modules.tasks.base import Batch, Task

EXAMPLES = 128
"""Of the validation batch; a probe takes as many as it needs."""
PREFIX = "probe/"


class Probing:
    """The probes of one trial. They measure copies, and never change how it trains.

    They do so on the CPU, whatever the trial trains on: what is measured there in float64 can be
    compared, and a probe may use numpy.
    """

    def __init__(self, trial: Trial, task: Task, batch: Batch) -> None:
        self.steps = {
            step
            for probing in trial.probes
            for step in (0 if at == "start" else at for at in probing.at)
            if isinstance(step, int)
        }
        self._plan = trial.probes
        self._probes: dict[str, Probe] = {
            probing.probe: registry.load("probe", probing.probe)(task, trial.seed)
            for probing in trial.probes
        }
        self._batch = first(batch, EXAMPLES)
        self._here: Network | None = None

    def is_due(self, step: int) -> bool:
        """Tell whether a probe measures at a step because of its number."""
        return step in self.steps

    def values(
        self, network: Network, step: int, *, is_validated: bool, is_over: bool
    ) -> dict[str, Any]:
        """Measure what is due, and give it as it stands in a row of the log."""
        now = {name for name, holds in (("validation", is_validated), ("end", is_over)) if holds}
        # What is large is kept before the training and after it.
        is_kept = is_over or step == 0
        found: dict[str, Any] = {}
        if self._plan and network.device.type != "cpu":
            network = self._brought(network)
        with walk.shared():
            for probing in self._plan:
                is_named = step in probing.at or (step == 0 and "start" in probing.at)
                if not (is_named or now.intersection(probing.at)):
                    continue
                probe = self._probes[probing.probe]
                if not probe.why_not(network):
                    probe.is_detailed = is_kept
                    measured = probe.measure(network, self._batch)
                    rows = [row for row in measured if is_kept or not row.is_detail]
                    found |= named(probing.probe, rows)
        return found

    def _brought(self, network: Network) -> Network:
        """Give the network as it is now, on the CPU."""
        if self._here is None:
            self._here = copy.deepcopy(network).cpu()
        walk.take_over(network, self._here)
        self._here.train(network.training)
        return self._here


def named(probe: str, rows: list[Row]) -> dict[str, Any]:
    """Give rows under the names that they have in a log; what has no number is left out."""
    found = {f"{PREFIX}{probe}/{row.key}": _short(row.value) for row in rows}
    return {key: value for key, value in found.items() if value is not None}


def _short(value: Any) -> Any:
    """Keep eight digits, and no NaN: a log is for reading."""
    if isinstance(value, list):
        return [_short(part) for part in value]
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.8g}")
