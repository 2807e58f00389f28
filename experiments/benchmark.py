"""Measured times of this machine: a row for each, and steps by architecture and path.

What is compared is timed in turns within one run: a machine is faster at some times than at others.

Longer than a file should be: what is measured is one list, timed in turns.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median, quantiles
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules import network, registry
from lightning_modules.architectures.base import Recurrent

BATCH, INPUT = 64, 3
CPU = torch.device("cpu")
OF_LOOP = "of the loop"
OF_OWN = "of torch's own or of the scan"
PER_FLOP = "per FLOP, of torch's LSTM"
Unit = Literal["ms", "ratio", "share", "per hour", "per second", "s", "GFLOP/s", "processes"]


@dataclass(frozen=True)
class Row:
    """One measured quantity: its median over rounds, their quartiles, and what it should be.

    `where` is the architecture, its hidden units and the length, for what is measured at each.
    `why` says why a goal is missed, where that is known.
    """

    what: str
    value: float
    low: float
    high: float
    unit: Unit
    goal: float | None = None
    is_more_better: bool = False
    where: tuple[str, int, int] | None = None
    why: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.is_more_better else self.value <= self.goal

    @property
    def missed_by(self) -> float | None:
        """By what share of itself the goal is missed; None where it is met or there is none."""
        if self.goal is None or self.is_met:
            return None
        return abs(self.value - self.goal) / self.goal


@dataclass(frozen=True)
class Grid:
    """How much is measured: sizes and rounds of a step, trials of each way, seeds of a report.

    Without `members`, cohorts are not measured.
    """

    hidden: tuple[int, ...]
    lengths: tuple[int, ...]
    rounds: int
    trials: int
    pairs: int
    probed: int = 4
    members: int = 8
    seeds: int = 1


QUICK = Grid(hidden=(32, 128), lengths=(200,), rounds=3, trials=12, pairs=4, members=0)
"""What fits three minutes: without the cohort, which has no goal without a GPU."""
FULL = Grid(
    hidden=(32, 64, 128, 256),
    lengths=(50, 200, 800),
    rounds=7,
    trials=40,
    pairs=40,
    probed=12,
    seeds=5,
)
PRODUCT = 8192
"""Rows of the matrices by which a GPU is measured: a smaller product does not fill it."""
LOOP_GOALS = {32: 0.35, 128: 0.7}
FLOP_GOALS = {32: 1.6, 128: 1.2}
"""At these sizes: of the loop's time, and per FLOP of the time of torch's LSTM."""
UNKNOWN = "no reason is known: measure again where nothing else runs"


def spread(times: list[float]) -> tuple[float, float, float]:
    """Give the median and the quartiles."""
    low, _, high = quantiles(times, n=4)
    return median(times), low, high


def in_turns(
    ways: Mapping[str, Callable[[], object]], rounds: int, device: torch.device = CPU
) -> dict[str, list[float]]:
    """Time each way once a round, in seconds, after a round that does not count.

    A GPU is waited for on both sides: it goes on by itself when it has been told what to do.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            _wait(device)
            began = time.perf_counter()
            way()
            _wait(device)
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def product_rate(device: torch.device = CPU, size: int = 512) -> float:
    """Measure a machine's matrix products, on one thread of a CPU, in FLOP a second."""
    a = torch.randn(size, size, device=device)
    times = in_turns({"product": lambda: a @ a}, 20, device)["product"]
    return 2 * size**3 / min(times)


def steps(grid: Grid, device: torch.device = CPU) -> Iterator[Row]:
    """Time a training step of every architecture at every size, by each way that it can run.

    Goals are for the CPU.
    """
    rate = product_rate(device, 512 if device == CPU else PRODUCT)
    yield Row("matrix products", rate / 1e9, rate / 1e9, rate / 1e9, "GFLOP/s")
    for length in grid.lengths:
        for hidden in grid.hidden:
            yield from _steps_at(hidden, length, grid.rounds, rate, device)


def _steps_at(
    hidden: int, length: int, rounds: int, rate: float, device: torch.device
) -> Iterator[Row]:
    x = torch.randn(BATCH, length, INPUT, device=device)
    torchs = torch.nn.LSTM(INPUT, hidden, batch_first=True).to(device)
    step_of_torch = _training_step(torchs, x)
    for name in registry.names("architecture"):
        layer = registry.load("architecture", name)(INPUT, hidden).to(device)
        ways = {"forward": _training_step(layer, x), "loop": _training_step(layer, x, layer.loop)}
        if network.path_of(layer) == "kernel" and layer.path != "loop":
            own = partial(layer.without_kernel, state=layer.initial_state(BATCH))
            ways["own"] = _training_step(layer, x, own)
        times = in_turns({**ways, "torch LSTM": step_of_torch}, rounds, device)
        per_flop = median(times["torch LSTM"]) / _flops_of_lstm(hidden)
        once = in_turns({"once": _training_step(layer, x[:, :1])}, rounds, device)["once"]
        where = (name, hidden, length)
        for row in _rows(where, layer, times, per_flop, rate, median(once)):
            yield row if device == CPU else replace(row, goal=None, why="")


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
    once: float,
) -> Iterator[Row]:
    path, (_, hidden, length) = network.path_of(layer), where
    value, low, high = spread([1e3 * t for t in times["forward"]])
    # Forward, and two products of the same size on the way back.
    limit = 3e3 * _flops(layer) * BATCH * length / rate
    why = _why(layer, limit / value, 1e3 * limit / (3 * length), 1e3 * once / value)
    yield Row(f"step, {path}", value, low, high, "ms", where=where)
    yield Row("limit", limit, limit, limit, "ms", where=where)
    pairs = zip(times["forward"], times["loop"], strict=True)
    value, low, high = spread([a / b for a, b in pairs])
    is_scan = layer.path == "scan"
    goal = LOOP_GOALS.get(hidden) if path == "kernel" and not is_scan else None
    yield _with_reason(Row(OF_LOOP, value, low, high, "ratio", goal, where=where), why)
    if "own" in times:
        pairs = zip(times["forward"], times["own"], strict=True)
        value, low, high = spread([a / b for a, b in pairs])
        goal = 1.05 if layer.path == "fused" else None
        yield Row(OF_OWN, value, low, high, "ratio", goal, where=where)
    if not is_scan:
        ours = [t / (per_flop * _flops(layer)) for t in times["forward"]]
        value, low, high = spread(ours)
        goal = FLOP_GOALS.get(hidden) if path == "kernel" else None
        yield _with_reason(Row(PER_FLOP, value, low, high, "ratio", goal, where=where), why)


def _with_reason(row: Row, why: str) -> Row:
    return replace(row, why=why) if row.is_met is False else row


def _why(layer: Recurrent, products: float, microseconds: float, once: float) -> str:
    """Say what keeps a step from its goal: shares of its time, and its arithmetic forwards."""
    found = []
    if once > 0.15:
        found.append(
            f"{once:.0%} of its time is taken once for a sequence, whatever its length: what its "
            "weights are made of, and the optimizer"
        )
    if (wide := layer.output_size / getattr(layer, "hidden_size", layer.output_size)) > 1:
        found.append(
            f"a step gives {wide:.0f} times as many numbers as it has units, to write and to read "
            "back for the gradient"
        )
    if products > 0.4:
        found.append(f"{products:.0%} of its time are matrix products, which no path shortens")
    elif microseconds < 10:
        found.append(
            f"a step has {microseconds:.1f} microseconds of matrix products; to call them, and to "
            "pass over the batch once, takes longer"
        )
    return "; ".join(found) or UNKNOWN


def _flops(layer: Recurrent) -> float:
    x = layer.zeros(1, 1, layer.input_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer.loop(x)
    return float(counter.get_total_flops())


def _flops_of_lstm(hidden: int) -> float:
    return 2.0 * 4 * hidden * (hidden + INPUT)


def as_json(rows: list[Row], environment: dict[str, Any]) -> str:
    """Give the rows and the machine that they were measured on."""
    listed = [{**asdict(row), "is_met": row.is_met, "missed_by": row.missed_by} for row in rows]
    return json.dumps({"environment": environment, "rows": listed}, indent=1) + "\n"
