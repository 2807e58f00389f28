"""Measured times of this machine: steps by architecture and path, data, harness, trials an hour.

What is compared is timed in turns within one run: a machine is faster at some times than at others.

Longer than a file should be: what is measured is one list, timed in turns.
"""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from experiments.engines.local import Local
from experiments.fitting import fit
from experiments.folder import StudyFolder
from experiments.preparing import prepare
from experiments.study import Study, Trial
from lightning_modules import network, registry
from lightning_modules.architectures.base import Recurrent
from lightning_modules.data import batch_at
from lightning_modules.training import Training

BATCH, INPUT = 64, 3
OF_LOOP = "of the loop"
OF_OWN = "of torch's own or of the scan"
PER_FLOP = "per FLOP, of torch's LSTM"
Unit = Literal["ms", "ratio", "share", "per hour", "s", "GFLOP/s"]


@dataclass(frozen=True)
class Row:
    """One measured quantity: its median over rounds, their quartiles, and what it should be.

    `where` is the architecture, its hidden units and the length, for what is measured at each.
    """

    what: str
    value: float
    low: float
    high: float
    unit: Unit
    goal: float | None = None
    is_more_better: bool = False
    where: tuple[str, int, int] | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.is_more_better else self.value <= self.goal


@dataclass(frozen=True)
class Grid:
    """How much is measured."""

    hidden: tuple[int, ...]
    lengths: tuple[int, ...]
    rounds: int


QUICK = Grid(hidden=(32, 128), lengths=(200,), rounds=5)
FULL = Grid(hidden=(32, 64, 128, 256), lengths=(50, 200, 800), rounds=7)
LOOP_GOALS = {32: 0.35, 128: 0.7}
FLOP_GOALS = {32: 1.6, 128: 1.2}
"""At these sizes: of the loop's time, and per FLOP of the time of torch's LSTM."""


def spread(times: list[float]) -> tuple[float, float, float]:
    """Give the median and the quartiles."""
    low, _, high = quantiles(times, n=4)
    return median(times), low, high


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each way once a round, in seconds, after a round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def product_rate() -> float:
    """Measure this machine's matrix products on one thread, in FLOP a second."""
    a = torch.randn(512, 512)
    times = in_turns({"product": lambda: a @ a}, 20)["product"]
    return 2 * 512**3 / min(times)


def steps(grid: Grid) -> Iterator[Row]:
    """Time a training step of every architecture at every size, by each way that it can run."""
    rate = product_rate()
    yield Row("matrix products", rate / 1e9, rate / 1e9, rate / 1e9, "GFLOP/s")
    for length in grid.lengths:
        for hidden in grid.hidden:
            yield from _steps_at(hidden, length, grid.rounds, rate)


def _steps_at(hidden: int, length: int, rounds: int, rate: float) -> Iterator[Row]:
    x = torch.randn(BATCH, length, INPUT)
    torchs = torch.nn.LSTM(INPUT, hidden, batch_first=True)
    step_of_torch = _training_step(torchs, x)
    for name in registry.names("architecture"):
        layer = registry.load("architecture", name)(INPUT, hidden)
        ways = {"forward": _training_step(layer, x), "loop": _training_step(layer, x, layer.loop)}
        if network.path_of(layer) == "kernel" and layer.path != "loop":
            own = partial(layer.without_kernel, state=layer.initial_state(BATCH))
            ways["own"] = _training_step(layer, x, own)
        times = in_turns({**ways, "torch LSTM": step_of_torch}, rounds)
        per_flop = median(times["torch LSTM"]) / _flops_of_lstm(hidden)
        yield from _rows((name, hidden, length), layer, times, per_flop, rate)


def _training_step(
    module: torch.nn.Module, x: Tensor, run: Callable[[Tensor], Any] | None = None
) -> Callable[[], None]:
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-9, fused=True)
    run = run or module

    def step() -> None:
        optimizer.zero_grad()
        run(x)[0].square().mean().backward()
        optimizer.step()

    return step


def _rows(
    where: tuple[str, int, int],
    layer: Recurrent,
    times: dict[str, list[float]],
    per_flop: float,
    rate: float,
) -> Iterator[Row]:
    path, (_, hidden, length) = network.path_of(layer), where
    value, low, high = spread([1e3 * t for t in times["forward"]])
    # Forward, and two products of the same size on the way back.
    limit = 3e3 * _flops(layer) * BATCH * length / rate
    yield Row(f"step, {path}", value, low, high, "ms", where=where)
    yield Row("limit", limit, limit, limit, "ms", where=where)
    pairs = zip(times["forward"], times["loop"], strict=True)
    value, low, high = spread([a / b for a, b in pairs])
    is_scan = layer.path == "scan"
    goal = LOOP_GOALS.get(hidden) if path == "kernel" and not is_scan else None
    yield Row(OF_LOOP, value, low, high, "ratio", goal, where=where)
    if "own" in times:
        pairs = zip(times["forward"], times["own"], strict=True)
        value, low, high = spread([a / b for a, b in pairs])
        goal = 1.05 if layer.path == "fused" else None
        yield Row(OF_OWN, value, low, high, "ratio", goal, where=where)
    if not is_scan:
        ours = [t / (per_flop * _flops(layer)) for t in times["forward"]]
        value, low, high = spread(ours)
        goal = FLOP_GOALS.get(hidden) if path == "kernel" else None
        yield Row(PER_FLOP, value, low, high, "ratio", goal, where=where)


def _flops(layer: Recurrent) -> float:
    x = torch.zeros(1, 1, layer.input_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer.loop(x)
    return float(counter.get_total_flops())


def _flops_of_lstm(hidden: int) -> float:
    return 2.0 * 4 * hidden * (hidden + INPUT)


def harness(trial: Trial, rounds: int) -> Iterator[Row]:
    """Time what Lightning and our bookkeeping add to a step, and what making a batch costs."""
    made, data = prepare(trial)
    training = Training(made, data, trial.recipe, solved_at=2.0)
    stream = iter(data.train_dataloader())

    def bare() -> None:
        for _ in range(50):
            training.training_step(next(stream), 0)

    def batches() -> None:
        for index in range(50):
            batch_at(data.task, trial.lag, trial.recipe.batch, trial.seed, "train", index)

    def fitted() -> None:
        recipe = trial.recipe.but(steps=50, validation_every=50, stop="budget")
        again = Training(*prepare(trial), recipe, solved_at=2.0)
        fit(again, again.data, Path("none"))

    def nothing() -> None:
        recipe = trial.recipe.but(steps=1, validation_every=1, stop="budget")
        again = Training(*prepare(trial), recipe, solved_at=2.0)
        fit(again, again.data, Path("none"))

    ways = {"fitted": fitted, "nothing": nothing, "bare": bare, "batches": batches}
    times = in_turns(ways, rounds)
    rounds_of = zip(times["fitted"], times["nothing"], times["bare"], strict=True)
    added = [1e3 * (whole - start - bare * 49 / 50) / 49 for whole, start, bare in rounds_of]
    value, low, high = spread([a / 5 for a in added])
    yield Row("harness, of a 5 ms step", value, low, high, "share", 0.15)
    pairs = zip(times["batches"], times["bare"], strict=True)
    value, low, high = spread([a / b for a, b in pairs])
    where = f"{trial.task} lag {trial.lag}, {trial.arm.label}"
    yield Row(f"data, of a step ({where})", value, low, high, "share", 0.05)


def trials_an_hour(study: Study, count: int) -> Iterator[Row]:
    """Run `count` trials of a study with one worker and with two, whole, in a folder of their own.

    The workers are started before the clock is.
    """
    chosen = study.trials()[:count]
    an_hour: dict[int, float] = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="longdep-bench-") as scratch:
            folder = StudyFolder(Path(scratch))
            folder.reconcile(study)
            with Local(workers, is_online=False) as local:
                _run(local, [_short(t) for t in chosen[:workers]], folder)
                began = time.perf_counter()
                _run(local, chosen, folder)
                seconds = time.perf_counter() - began
                began = time.perf_counter()
                shorts = [_short(t, seed) for t in chosen[:2] for seed in range(100, 104)]
                _run(local, shorts, folder)
                overhead = (time.perf_counter() - began) * workers / len(shorts)
        an_hour[workers] = count / seconds * 3600
        value = an_hour[workers]
        yield Row(f"{study.name}, {workers} workers", value, value, value, "per hour")
        if workers == 1:
            what = "a warm worker's trial of one step"
            yield Row(what, overhead, overhead, overhead, "s", 0.25)
    ratio = an_hour[2] / an_hour[1]
    yield Row("two workers / one", ratio, ratio, ratio, "ratio", 1.9, is_more_better=True)


def with_and_without_kernel(study: Study, count: int) -> Iterator[Row]:
    """Run `count` trials, spread over a study's grid, each by the kernel and then by the loop.

    Whole trials, in one warm worker each; what is built and imported is there before the clock is.
    """
    grid = [trial for trial in study.trials() if trial.seed == study.seeds[0]]
    chosen = grid[:: max(1, len(grid) // count)][:count]
    seconds: dict[str, list[float]] = {"kernel": [], "loop": []}
    with contextlib.ExitStack() as stack:
        ways = {}
        for name in seconds:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="longdep-bench-"))
            folder = StudyFolder(Path(scratch))
            folder.reconcile(study)
            with _compiler(None if name == "kernel" else "none"):
                ways[name] = stack.enter_context(Local(1, is_online=False)), folder
        for trial in chosen:
            for name, (local, folder) in ways.items():
                _run(local, [_short(trial)], folder)
                began = time.perf_counter()
                _run(local, [trial], folder)
                seconds[name].append(time.perf_counter() - began)
    for name, taken in seconds.items():
        value = len(taken) / sum(taken) * 3600
        yield Row(f"{study.name}, paired, {name}", value, value, value, "per hour")
    pairs = zip(seconds["loop"], seconds["kernel"], strict=True)
    value, low, high = spread([loop / kernel for loop, kernel in pairs])
    yield Row("kernel / loop, trials an hour", value, low, high, "ratio", is_more_better=True)


@contextlib.contextmanager
def _compiler(name: str | None) -> Iterator[None]:
    """Have the workers that are started meanwhile use a compiler, or the system's."""
    before = os.environ.get("CXX")
    if name is not None:
        os.environ["CXX"] = name
    try:
        yield
    finally:
        if name is not None:
            os.environ.pop("CXX")
            os.environ.update({} if before is None else {"CXX": before})


def _short(trial: Trial, seed: int = 99) -> Trial:
    recipe = trial.recipe.but(steps=1, validation_every=1)
    return trial.model_copy(update={"recipe": recipe, "seed": seed})


def _run(local: Local, chosen: list[Trial], folder: StudyFolder) -> None:
    for event in local.run(chosen, folder):
        if event.kind == "ended" and event.outcome == "failed":
            raise RuntimeError(f"{event.trial.group}: {event.error}")


def as_json(rows: list[Row], environment: dict[str, Any]) -> str:
    """Give the rows and the machine that they were measured on."""
    listed = [{**asdict(row), "is_met": row.is_met} for row in rows]
    return json.dumps({"environment": environment, "rows": listed}, indent=1) + "\n"
