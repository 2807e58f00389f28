"""Measured times of what comes after training: reading logs, making a report."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from analysis import report, sources, wandb_log
from experiments import tracking
from experiments.bench_trials import run_short
from experiments.benchmark import Row, in_turns, spread
from experiments.study import Study

ROWS = 10_000


def reading(study: Study, rounds: int) -> Iterator[Row]:
    """Write a W&B log of 10,000 rows of ten numbers, as a trial's, and read it back."""
    trial = study.trials()[0]
    rows = [
        {"step": step, **{f"metric/{k}": (step * k + 1) / 7 for k in range(9)}}
        for step in range(ROWS)
    ]
    with tempfile.TemporaryDirectory(prefix="longdep-bench-") as scratch:
        began = time.perf_counter()
        log = tracking.render(Path(scratch), trial, {}, rows, {"outcome": "unsolved"})
        rate = ROWS / (time.perf_counter() - began)
        what = "log written and read back, rows"
        yield Row(what, rate, rate, rate, "per second", is_more_better=True)
        times = in_turns({"read": lambda: wandb_log.read(log)}, rounds)["read"]
    value, low, high = spread([ROWS / seconds for seconds in times])
    yield Row("log read, rows", value, low, high, "per second", is_more_better=True)


def reporting(study: Study, seeds: int) -> Iterator[Row]:
    """Run a study for one step a trial, and make the report of its folder as the command does."""
    with tempfile.TemporaryDirectory(prefix="longdep-bench-") as scratch:
        folder = run_short(study, seeds, Path(scratch) / "study")
        count = sum(1 for _ in folder.path.glob("*/result.json"))
        began = time.perf_counter()
        sources.load(folder.path)
        read = time.perf_counter() - began
        began = time.perf_counter()
        report.write(folder.path, Path(scratch) / "report", {})
        made = time.perf_counter() - began
    yield Row(f"reading a study of {count} trials", read, read, read, "s")
    yield Row(f"the report of {count} trials", made, made, made, "s")
