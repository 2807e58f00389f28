"""Forks trials that are about to be disturbed: all is imported once, each costs milliseconds.

Run as a program, with orders on its input. A child stops itself (SIGSTOP) at the moment `stop_at`,
so that strace can be attached there, sends itself the signals of `signals_at`, and ends at the
moment `end_at` if nothing ended it before.
"""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
import wandb  # noqa: F401

from experiments import checkpoint, environment, interruption, tracking
from experiments import trial as trials
from experiments.study import Trial


def child(order: dict[str, Any]) -> None:
    trial, folder = Trial.model_validate_json(json.dumps(order["trial"])), Path(order["folder"])
    rows = 0

    def come_to(moment: str) -> None:
        if moment == order.get("end_at"):
            os._exit(0)
        if moment == order.get("stop_at"):
            os.kill(os.getpid(), signal.SIGSTOP)
        for number in order.get("signals_at", {}).pop(moment, ()):
            os.kill(os.getpid(), number)

    def on_row(row: dict[str, Any]) -> None:
        nonlocal rows
        rows += 1
        come_to(f"row {rows}")

    def after_step(step: int) -> bool:
        come_to(f"step {step}")
        return is_asked()

    save = checkpoint.save

    def saving(place: Path, step: int, state: dict[str, Any]) -> None:
        come_to(f"saving {step}")
        save(place, step, state)

    checkpoint.save = saving
    real = tracking.render

    def render(*arguments: Any) -> Path:
        come_to("render")
        if planted := order.get("log"):
            # W&B's process is not ours to trace: what it would write is there already.
            shutil.copytree(Path(planted) / "wandb", folder / "wandb", symlinks=True)
            log = next(folder.glob("wandb/offline-run-*/*.wandb"))
        else:
            log = real(*arguments)
        come_to("rendered")
        return log

    tracking.render = render
    come_to("start")
    with interruption.caught() as is_asked:
        report = trials.run(
            trial, folder, on_row=on_row, after_step=after_step, checkpoint_seconds=0.0
        )
    Path(order["told"]).write_text(json.dumps(report))
    os._exit(interruption.EXIT_STATUS if report["outcome"] == "interrupted" else 0)


def main() -> None:
    torch.set_num_threads(1)
    os.environ.pop("WANDB_SERVICE", None)
    environment.record()
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        if (pid := os.fork()) == 0:
            os.setsid()
            os.environ.update(order.get("environment", {}))
            try:
                child(order)
            except BaseException:
                traceback.print_exc()
            os._exit(9)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        seconds = time.monotonic() - began
        print(json.dumps([os.waitstatus_to_exitcode(status), seconds]), flush=True)


if __name__ == "__main__":
    main()
