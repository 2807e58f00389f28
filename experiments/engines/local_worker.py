"""One worker process: reads trials from its input, runs them, tells what happens on its output."""

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_ROWS = 0.2
SECONDS_BETWEEN_PULSES = 1.0
SECONDS_TO_CLOSE = 3.0

Orders = queue.SimpleQueue[dict[str, Any] | None]


def main() -> int:
    """Work until the input ends, which it also does when whoever started us is gone.

    A trial that is under way then, or at a signal, is saved at its next step; the exit status is
    75. A second signal ends us at once.
    """
    # Whatever a library prints goes to the error output: the output is for our messages alone.
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # And what a library starts does not keep the orders' pipe open.
    asked = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    orders: Orders = queue.SimpleQueue()
    is_over = threading.Event()
    threading.Thread(
        target=_read, args=(asked, orders, is_over), daemon=True, name="orders"
    ).start()

    import torch

    torch.set_num_threads(1)
    from experiments import interruption, wandb_process
    from experiments import trial as trials
    from experiments.study import Trial

    def tell(**message: Any) -> None:
        try:
            told.write(json.dumps(message) + "\n")
        except OSError:
            is_over.set()  # Nobody listens any more.

    def run(order: dict[str, Any]) -> str:
        last_row = last_pulse = time.monotonic()
        score = None

        def on_row(row: dict[str, Any]) -> None:
            nonlocal last_row, score
            score = row["validation/score"]
            if time.monotonic() - last_row >= SECONDS_BETWEEN_ROWS:
                last_row = time.monotonic()
                tell(kind="row", step=row["step"], score=score)

        def after_step(step: int) -> bool:
            nonlocal last_pulse
            if time.monotonic() - last_pulse >= SECONDS_BETWEEN_PULSES:
                last_pulse = time.monotonic()
                tell(kind="row", step=step, score=score)
            return is_over.is_set() or is_asked()

        report = trials.run(
            Trial.model_validate_json(json.dumps(order["trial"])),
            Path(order["folder"]),
            on_row=on_row,
            after_step=after_step,
            is_online=order["is_online"],
            is_alone=order["is_alone"],
            has_been_killed=order["has_been_killed"],
        )
        tell(kind="ended", outcome=report["outcome"], error=report.get("error"))
        return str(report["outcome"])

    with interruption.caught(lambda: orders.put(None)) as is_asked:
        while not is_asked() and (order := orders.get()) is not None:
            if run(order) == "interrupted":
                break
        # W&B would wait for a process that hangs, for ever.
        wandb_process.close(SECONDS_TO_CLOSE)
    return interruption.EXIT_STATUS if is_asked() else 0


def _read(asked: int, orders: Orders, is_over: threading.Event) -> None:
    # The bare file: a thread that waits in `sys.stdin` cannot be left behind at the end.
    left, patience = b"", 0.0
    while data := os.read(asked, 65536):
        *lines, left = (left + data).split(b"\n")
        for order in map(json.loads, lines):
            patience = order["patience"]
            orders.put(order)
    is_over.set()
    orders.put(None)
    # Over long before, unless the trial hangs: with nobody to end it, it would hold its lock for
    # ever. W&B's process ends when it finds itself alone.
    time.sleep(patience + SECONDS_TO_CLOSE)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
