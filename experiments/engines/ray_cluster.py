"""Run trials on a Ray cluster: an actor for each trial at once, with a warm worker process.

Ray decides what runs where and tells which machine is lost. All else is as on one machine.

Longer than a file should be: who sits where, and what is lost with a node, is one state.
"""

import importlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import code, safety, timing
from experiments.cli_lines import say
from experiments.engines import ray_joining, ray_runner, sharing
from experiments.engines.base import SECONDS_TO_SAVE, Event, Where, bundles
from experiments.folder import StudyFolder
from experiments.study import Trial
from lightning_modules.refusal import RefusedError

LOSSES = 3
"""A trial that has lost so many workers is left to the next `longdep run`."""
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_LOOK = 60.0
"""How long a node may take to say whether it can run trials."""
SECONDS_TO_WAIT_QUIETLY = 30.0
PASSED_ON = "LONGDEP_"
"""Variables that begin so reach the nodes of a cluster that was there before us."""


def begin(where: Where, trials: list[Trial], is_online: bool) -> "Ray":
    """Join the cluster at `where.address`, or start one on this machine."""
    safety.refuse_unsafe_loading()
    return Ray(where, trials, is_online)


@dataclass(eq=False)
class _Seat:
    """A place where one trial at a time runs: an actor, asked which node it is on."""

    actor: Any
    asked: Any
    node: str = ""


@dataclass
class _Order:
    """What a seat is running: those of a bundle that are left, by number, and those cut short."""

    seat: _Seat
    bundle: list[Trial]
    left: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)
    step: int = 0


class Ray:
    """A driver of a Ray cluster."""

    def __init__(self, where: Where, trials: list[Trial], is_online: bool) -> None:
        self._where, self._is_online = where, is_online
        self._codes = [
            json.dumps([trial.model_dump(mode="json"), code.of(trial)])
            for trial in {(t.arm.label, t.task, t.cohort > 1): t for t in trials}.values()
        ]
        self._seats: list[_Seat] = []
        self._limit = where.workers
        self._admitted: dict[str, str | None] = {}
        self._failed = 0
        self._keeper = None
        if where.address is None:
            self._keeper = ray_joining.start(where.workers or timing.cores())
        else:
            ray_joining.join(where.address)
        ray: Any = importlib.import_module("ray")
        self._ray = ray
        try:
            self._actor = ray.remote(
                num_cpus=1, num_gpus=self._share(), max_concurrency=2, max_restarts=0
            )(ray_runner.Runner)
            # Imported by name on the nodes: no code of ours travels.
            self._look = ray.remote(num_cpus=0, max_retries=0)(ray_runner.look)
            if where.per_gpu and not self._total("GPU"):
                option = "trials-per-gpu" if where.trials_per_gpu else "accelerator gpu"
                raise RefusedError(f"--{option}: the Ray cluster has no GPU")
        except BaseException:
            self._leave()
            raise

    @property
    def words(self) -> str:
        """How many trials at once, on how many nodes."""
        nodes = len(self._nodes())
        return f"{self._capacity()} at once on {nodes} Ray node{'s' * (nodes != 1)}"

    def check(self, place: Path) -> None:
        """Refuse a folder that a node does not share, and a node with another longdep."""
        nodes = self._nodes()
        if not nodes and self._limit is None:
            raise RefusedError(
                "the Ray cluster has no CPU to run trials on; where it grows by itself, "
                "--workers N asks for N"
            )
        for node in nodes:
            # A trial on a GPU comes to no node without one.
            on = self._where.trains_on if node["Resources"].get("GPU") else "cpu"
            if why := self._problem(node["NodeID"], place, on):
                raise RefusedError(f"Ray node {node['NodeManagerAddress']}: {why}")
            self._admitted[node["NodeID"]] = None

    def run(self, trials: list[Trial], folder: StudyFolder) -> Iterator[Event]:
        """Run the trials and yield what happens, until all have ended."""
        # Elsewhere there is another working directory.
        folder = StudyFolder(folder.path.absolute())
        held: list[Trial] = []
        for event in self._work(bundles(trials), folder, is_alone=False):
            if event.kind == "ended" and event.outcome == "out_of_memory":
                held.append(event.trial)
            else:
                yield event
        if held:
            self._dismiss(SECONDS_TO_SAVE)
            self._limit = 1
            try:
                yield from self._work([[trial] for trial in held], folder, is_alone=True)
            finally:
                self._limit = self._where.workers

    def __enter__(self) -> "Ray":
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Have the workers save and stop, and leave the cluster."""
        try:
            self._dismiss(SECONDS_TO_SAVE)
        finally:
            self._leave()

    def _work(
        self, bundles: list[list[Trial]], folder: StudyFolder, *, is_alone: bool
    ) -> Iterator[Event]:
        waiting, busy, losses = deque(bundles), dict[Any, _Order](), Counter[str]()
        is_recorded = folder.file.exists()
        began, has_said = time.monotonic(), False
        while waiting or busy:
            if is_recorded and not folder.file.exists():
                waiting.clear()  # Moved away: nothing is made anew in its place.
            self._fill(len(waiting) + len(busy))
            taken = [order.seat for order in busy.values()]
            for seat in [s for s in self._seats if s.node and s not in taken]:
                if waiting:
                    bundle = waiting.popleft()
                    yield from (Event("started", trial) for trial in bundle)
                    stream = self._give(seat, bundle, folder, is_alone)
                    busy[stream] = _Order(seat, bundle, set(range(len(bundle))))
            starting = {seat.asked: seat for seat in self._seats if not seat.node}
            ready, _ = self._ray.wait(
                [*busy, *starting], num_returns=1, timeout=SECONDS_BETWEEN_LOOKS
            )
            for ref in ready:
                if ref in starting:
                    self._seat(starting[ref], folder)
                    continue
                order = busy[ref]
                try:
                    number, told = self._ray.get(next(ref))
                except StopIteration:
                    del busy[ref]
                    lost = order.cut
                except self._ray.exceptions.RayTaskError as error:
                    raise error.cause or error from None
                except self._ray.exceptions.RayError:
                    del busy[ref]
                    self._forget(order.seat)
                    lost = order.left | order.cut
                    say("a Ray worker or its node is lost; what it was running goes on elsewhere")
                else:
                    yield from _taken(order, number, told)
                    continue
                if left := [order.bundle[number] for number in sorted(lost)]:
                    losses[left[0].id] += 1
                    if losses[left[0].id] < LOSSES:
                        waiting.appendleft(left)
                        continue
                    why = f"its worker was lost {LOSSES} times; the next `longdep run` goes on"
                    for trial in left:
                        yield Event("ended", trial, order.step, outcome="interrupted", error=why)
            is_idle = bool(waiting) and not any(seat.node for seat in self._seats)
            if is_idle and not has_said and time.monotonic() - began > SECONDS_TO_WAIT_QUIETLY:
                has_said = True
                say("waiting for the Ray cluster to have a CPU that is free")

    def _give(self, seat: _Seat, bundle: list[Trial], folder: StudyFolder, is_alone: bool) -> Any:
        given = [trial.model_dump_json() for trial in bundle]
        stream = seat.actor.run.options(num_returns="streaming")
        return stream.remote(given, str(folder.path), is_alone)

    def _fill(self, wanted: int) -> None:
        """Ask for as many seats as can be used; Ray gives them as it has them."""
        for _ in range(min(self._capacity(), wanted) - len(self._seats)):
            variables = {n: x for n, x in os.environ.items() if n.startswith(PASSED_ON)}
            actor = self._actor.remote(
                variables, os.getcwd(), self._is_online, self._where.trains_on
            )
            self._seats.append(_Seat(actor, actor.node.remote()))

    def _seat(self, seat: _Seat, folder: StudyFolder) -> None:
        """Take note that a seat is there, unless its node cannot be used."""
        try:
            node = self._ray.get(seat.asked)
        except self._ray.exceptions.RayError as error:
            self._forget(seat)
            self._failed += 1
            if self._failed > LOSSES * max(1, len(self._nodes())):
                raise RefusedError(f"no worker starts on the Ray cluster: {_last(error)}") from None
            return
        self._failed = 0
        if node not in self._admitted:
            self._admitted[node] = why = self._problem(node, folder.path, self._where.trains_on)
            if why:
                say(f"a Ray node that came later is not used: {why}")
        if self._admitted[node]:
            self._forget(seat)
        else:
            seat.node = node

    def _problem(self, node: str, place: Path, on: str) -> str | None:
        """Have a node look at a folder and at its own code; say what is wrong with them."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        look = self._look.options(scheduling_strategy=On(node, soft=False))
        with sharing.offered(place.absolute()) as offer:
            try:
                found: str | None = self._ray.get(
                    look.remote(offer, self._codes, on), timeout=SECONDS_TO_LOOK
                )
            except self._ray.exceptions.GetTimeoutError:
                return f"it does not answer within {SECONDS_TO_LOOK:.0f} s"
            except self._ray.exceptions.RayError as error:
                return _last(error)
        return found

    def _nodes(self) -> list[dict[str, Any]]:
        return [n for n in self._ray.nodes() if n["Alive"] and n["Resources"].get("CPU", 0) >= 1]

    def _total(self, resource: str) -> float:
        return float(self._ray.cluster_resources().get(resource, 0))

    def _share(self) -> float:
        # Ray counts in steps of 1/10,000: so many together must not be more than one.
        per = self._where.per_gpu
        return int(10_000 / per) / 10_000 if per else 0.0

    def _capacity(self) -> int:
        """Count the seats to ask for: `--workers`, or what the nodes that are there have."""
        if self._limit is not None:
            return self._limit
        its = [n["Resources"] for n in self._nodes() if not self._admitted.get(n["NodeID"])]
        per = self._where.per_gpu
        counts = [int(min(r["CPU"], r.get("GPU", 0) * per if per else r["CPU"])) for r in its]
        return max(1, sum(counts))

    def _dismiss(self, seconds: float) -> None:
        """Have all workers save and stop; those that never started are taken back."""
        try:
            stops = [seat.actor.stop.remote(seconds) for seat in self._seats if seat.node]
            if stops:
                self._ray.wait(stops, num_returns=len(stops), timeout=seconds)
        finally:
            for seat in list(self._seats):
                self._forget(seat)

    def _forget(self, seat: _Seat) -> None:
        self._seats.remove(seat)
        self._ray.kill(seat.actor)

    def _leave(self) -> None:
        try:
            ray_joining.leave()
        finally:
            if self._keeper is not None:
                self._keeper.close()


def _taken(order: _Order, number: int, told: dict[str, Any]) -> Iterator[Event]:
    event = Event(trial=order.bundle[number], **told)
    order.step = max(order.step, event.step)
    if event.kind == "ended":
        order.left.discard(number)
        # Not asked to stop by us: its process or its machine is going, and another one goes on.
        if event.outcome == "interrupted":
            order.cut.add(number)
            return
    yield event


def _last(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("No module named" in line for line in lines):
        return "this longdep is not installed for its Python; install the same on every node"
    return lines[-1] if lines else type(error).__name__
