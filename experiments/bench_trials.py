"""Measured times of whole trials: an hour's worth, by kernel and loop, with probes, in a cohort."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.axes import Probing
from experiments.benchmark import Row, spread
from experiments.engines.local import Local
from experiments.folder import StudyFolder
from experiments.preparing import prepare
from experiments.study import Study, Trial
from lightning_modules.architectures.base import Recurrent
from lightning_modules.probes.base import has_gates

PROBES = tuple(
    Probing(probe=name, at=("validation",)) for name in ("gates", "gradient_reach", "dead_units")
)
"""What may measure as often as validation does, and what that may add to a trial."""
PROBES_GOAL = 0.15


def trials_an_hour(
    study: Study, count: int, on: str = "cpu", counts: tuple[int, ...] = (1, 2)
) -> Iterator[Row]:
    """Run `count` trials of a study with one worker and with two, whole, in a folder of their own.

    The workers are started before the clock is. Goals are for the CPU.
    """
    is_goal = on == "cpu"
    chosen = study.trials()[:count]
    an_hour: dict[int, float] = {}
    for workers in counts:
        with contextlib.ExitStack() as stack:
            folder = _folder(stack, study)
            local = stack.enter_context(Local(workers, is_online=False, on=on))
            _run(local, [_short(t) for t in chosen[:workers]], folder)
            began = time.perf_counter()
            _run(local, chosen, folder)
            value = an_hour[workers] = count / (time.perf_counter() - began) * 3600
            yield Row(f"{study.name}, {workers} workers", value, value, value, "per hour")
            if workers == 1:
                shorts = [_short(t, seed) for t in chosen[:2] for seed in range(100, 104)]
                began = time.perf_counter()
                _run(local, shorts, folder)
                each = (time.perf_counter() - began) / len(shorts)
                yield Row(
                    "a warm worker's trial of one step",
                    each,
                    each,
                    each,
                    "s",
                    0.25 if is_goal else None,
                )
    ratio = an_hour[2] / an_hour[1]
    goal = 1.9 if is_goal else None
    yield Row("two workers / one", ratio, ratio, ratio, "ratio", goal, is_more_better=True)


def with_and_without_kernel(study: Study, count: int) -> Iterator[Row]:
    """Run `count` trials, spread over a study's grid, each by the kernel and then by the loop.

    Whole trials, in one warm worker each; what is built and imported is there before the clock is.
    """
    grid = [trial for trial in study.trials() if trial.seed == study.seeds[0]]
    # An odd step: places are short and long in turn, and an even one would meet but one kind.
    chosen = grid[:: max(1, len(grid) // count) | 1][:count]
    seconds: dict[str, list[float]] = {"kernel": [], "loop": []}
    with contextlib.ExitStack() as stack:
        ways = {}
        for name in seconds:
            folder = _folder(stack, study)
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


def with_and_without_probes(study: Study, count: int) -> Iterator[Row]:
    """Run `count` trials, one of each task at its longest lag in turn, without probes and with.

    Whole trials in one warm worker, each to the end of a budget of its validation interval eight
    times over; of the arm with gates and a state of two tensors, where probes have most to do.
    """
    dearest = _dearest(study)
    longest = list({t.task: t for t in study.trials() if t.arm.label == dearest}.values())
    plain = [_longer(longest[n % len(longest)], n // len(longest)) for n in range(count)]
    ways = {
        "without": plain,
        "with": [trial.model_copy(update={"probes": PROBES}) for trial in plain],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with contextlib.ExitStack() as stack:
        local = stack.enter_context(Local(1, is_online=False))
        folders = {name: _folder(stack, study) for name in ways}
        for number in range(count):
            for name, listed in ways.items():
                if number < len(longest):
                    # Kernels of a walk are built once a machine.
                    _run(local, [_short(listed[number])], folders[name])
                began = time.perf_counter()
                _run(local, [listed[number]], folders[name])
                seconds[name].append(time.perf_counter() - began)
    pairs = zip(seconds["with"], seconds["without"], strict=True)
    value, low, high = spread([probed / bare - 1 for probed, bare in pairs])
    what = "probes, of a trial"
    yield Row(what, value, low, high, "share", PROBES_GOAL)


def _dearest(study: Study) -> str:
    """Name the arm where probes have most to do: with gates, and the most tensors in its state."""
    work: dict[str, tuple[bool, int]] = {}
    for label, trial in {trial.arm.label: trial for trial in study.trials()}.items():
        layer = prepare(trial)[0].layer
        if isinstance(layer, Recurrent):
            work[label] = (has_gates(layer), len(layer.state_names))
    return max(work, key=lambda label: work[label])


def _longer(trial: Trial, seed: int, rows: int = 8) -> Trial:
    steps = rows * trial.recipe.validation_every
    recipe = trial.recipe.but(steps=steps, stop="budget")
    return trial.model_copy(update={"recipe": recipe, "seed": seed})


def cohort_and_single(study: Study, members: int) -> Iterator[Row]:
    """Run `members` seeds of one group one by one and as a cohort: by the kernel, and stacked."""
    (one, *_) = [t for t in study.trials() if t.arm.label == study.resolved_arms[-1].label]
    single = [_longer(one, seed, rows=4) for seed in range(members)]
    together = [trial.model_copy(update={"cohort": members}) for trial in single]
    for compiled in (True, False):
        with contextlib.ExitStack() as stack:
            with _compiler(None if compiled else "none"):
                local = stack.enter_context(Local(1, is_online=False))
            folder = _folder(stack, study)
            _run(local, [_short(one)], folder)
            taken = []
            for chosen in (single, together):
                began = time.perf_counter()
                _run(local, chosen, folder)
                taken.append(time.perf_counter() - began)
        by = "kernel" if compiled else "stacked"
        ratio = taken[0] / taken[1]
        what = f"cohort of {members} / single, {by}"
        yield Row(what, ratio, ratio, ratio, "ratio", is_more_better=True)


def run_short(study: Study, seeds: int, path: Path) -> StudyFolder:
    """Run a study of some seeds, as declared but for one step a trial, whole in its folder."""
    recipe = study.recipe.but(steps=1, validation_every=1)
    short = Study(**{**dict(study), "recipe": recipe, "seeds": study.seeds[:seeds]})
    folder = StudyFolder(path)
    folder.reconcile(short)
    with Local(2, is_online=False) as local:
        _run(local, short.trials(), folder)
    return folder


def _folder(stack: contextlib.ExitStack, study: Study) -> StudyFolder:
    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="longdep-bench-"))
    folder = StudyFolder(Path(scratch))
    folder.reconcile(study)
    return folder


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
