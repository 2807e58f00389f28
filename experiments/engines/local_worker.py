"""One worker process: reads trials from its input, runs them, tells what happens on its output."""

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
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
    import_lightning()
    from experiments import interruption, wandb_process
    from experiments import trial as trials
    from experiments.study import Trial

    def tell(**message: Any) -> None:
        try:
            told.write(json.dumps(message) + "\n")
        except OSError:
            is_over.set()  # Nobody listens any more.

    def run(order: dict[str, Any]) -> bool:
        """Run what is ordered, one trial or several together; False when one was interrupted."""
        last_row: dict[int, float] = {}
        last_pulse = time.monotonic()
        scores: dict[int, float] = {}
        outcomes: set[str] = set()

        def on_row(number: int, row: dict[str, Any]) -> None:
            scores[number] = row["validation/score"]
            now = time.monotonic()
            if now - last_row.setdefault(number, began) >= SECONDS_BETWEEN_ROWS:
                last_row[number] = now
                tell(kind="row", number=number, step=row["step"], score=scores[number])

        def after_step(step: int) -> bool:
            nonlocal last_pulse
            if time.monotonic() - last_pulse >= SECONDS_BETWEEN_PULSES:
                last_pulse = time.monotonic()
                number = next(iter(left))
                tell(kind="row", number=number, step=step, score=scores.get(number))
            return is_over.is_set() or is_asked()

        def on_end(number: int, report: dict[str, Any]) -> None:
            left.discard(number)
            outcomes.add(report["outcome"])
            tell(kind="ended", number=number, outcome=report["outcome"], error=report.get("error"))

        began = last_pulse
        declared = [Trial.model_validate_json(json.dumps(each)) for each in order["trials"]]
        left = set(range(len(declared)))
        folders = [Path(folder) for folder in order["folders"]]
        if declared[0].cohort > 1 and not order["is_alone"]:
            from experiments import cohort

            cohort.run(
                declared,
                folders,
                on_end=on_end,
                on_row=on_row,
                after_step=after_step,
                is_online=order["is_online"],
                on=order["on"],
            )
        else:
            report = trials.run(
                declared[0],
                folders[0],
                on_row=lambda row: on_row(0, row),
                after_step=after_step,
                is_online=order["is_online"],
                is_alone=order["is_alone"],
                has_been_killed=order["has_been_killed"],
                on=order["on"],
            )
            on_end(0, report)
        return "interrupted" not in outcomes

    with interruption.caught(lambda: orders.put(None)) as is_asked:
        while not is_asked() and (order := orders.get()) is not None:
            if not run(order):
                break
        # W&B would wait for a process that hangs, for ever.
        wandb_process.close(SECONDS_TO_CLOSE)
    return interruption.EXIT_STATUS if is_asked() else 0


def import_lightning() -> None:
    """Import Lightning without what it has no use for: a sixth of the time that we start in.

    torchmetrics, which it imports, loads all of `scipy.signal` to add a window, for a library of
    sounds, to what it takes to be an old SciPy. Whoever imports that later, has the real one.
    """
    name = "scipy.signal"
    if name in sys.modules:
        import pytorch_lightning
    else:
        sys.modules[name] = pretended = ModuleType(name)
        pretended.hamming = None  # type: ignore[attr-defined]
        try:
            import pytorch_lightning  # noqa: F401
        finally:
            del sys.modules[name]


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
