"""Measures the reader of logs here: against W&B's own reader, from the cache, in parallel.

    python tests/bench_logs.py

Writes its logs with wandb and byte by byte into a folder of its own, and prints seconds: the median
of three, all in one run. Where others use the cores too, the time of a core says more.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from log_writer import log

from analysis import folder_source, logs

ROUNDS = 3


def written_by_wandb(folder: Path) -> Path:
    """Write 10,000 rows of 10 metrics."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    import wandb

    off = {"x_disable_stats": True, "x_disable_meta": True, "x_save_requirements": False}
    settings = wandb.Settings(console="off", disable_git=True, disable_code=True, **off)
    run = wandb.init(mode="offline", dir=folder, id="big", project="p", settings=settings)
    for step in range(10_000):
        run.log({f"m{k}": math.sin(step * k + 0.1) for k in range(10)})
    run.finish()
    wandb.teardown()
    return next(folder.glob("wandb/offline-run-*/run-big.wandb"))


def by_leet(path: Path) -> Any:
    """Read as W&B's command-line reader prints, into a frame."""
    import pandas as pd

    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", path]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    return pd.DataFrame([r["history"]["item"] for r in records if r["type"] == "history"])


def ours(folder: Path, cache: Path | None) -> Any:
    """Read a folder into a frame."""
    return logs.join("here", folder_source.read(folder, cache)).history_frame


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Give the median time of a call, and of what it computes, in seconds of one core."""
    times = []
    for _ in range(ROUNDS):
        began, busy = time.perf_counter(), cpu()
        call()
        times.append((time.perf_counter() - began, cpu() - busy))
    walls, cores = zip(*times, strict=True)
    return statistics.median(walls), statistics.median(cores)


def cpu() -> float:
    """Give how long this process and those that it began have been computing, in seconds."""
    return sum(os.times()[:4])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place:
        top, cache = Path(place) / "big", Path(place) / "cache"
        cache.mkdir()
        path = written_by_wandb(top)
        assert len(by_leet(path)) == len(ours(path.parent, cache)) == 10_000
        leet, leet_cpu = seconds(lambda: by_leet(path))
        cold, cold_cpu = seconds(lambda: ours(path.parent, None))
        kept, kept_cpu = seconds(lambda: ours(path.parent, cache))
        print(f"10,000 rows of 10 metrics to a frame: leet {leet:.2f} s, cold {cold:.2f} s, "
              f"cached {kept:.3f} s")  # fmt: skip
        print(f"{leet / cold:.1f} times as fast, cached {cold / kept:.1f} times again; by the time "
              f"of a core {leet_cpu / cold_cpu:.1f} and {cold_cpu / kept_cpu:.1f}")  # fmt: skip
        many = Path(place) / "many"
        rows = [{"step": s, **{f"m{k}": math.sin(s + k) for k in range(10)}} for s in range(200)]
        for number in range(1000):
            run = many / f"run-{number}" / f"run-{number}.wandb"
            run.parent.mkdir(parents=True)
            who = {"id": str(number), "project": "p", "group": ""}
            run.write_bytes(log(run=who, config={"seed": number}, rows=rows, summary={}))
        began, busy = time.perf_counter(), cpu()
        found = ours(many, None)
        assert len(found) == 200_000
        wall, core = time.perf_counter() - began, cpu() - busy
        print(f"1,000 runs of 200 rows, cold, {os.cpu_count()} cores: {wall:.1f} s, of which "
              f"{core:.1f} s of a core")  # fmt: skip


if __name__ == "__main__":
    main()
