"""W&B's own process, `wandb-core`: one that died or hangs is left behind for a new one.

It lives as long as ours and serves all trials of a worker, so it may be found dead or stopped.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

SECONDS_BETWEEN_LOOKS = 0.002


class NoAnswer(RuntimeError):
    """W&B's process is silent."""


def answered(
    write: Callable[[Callable[[], None]], None], seconds: float, seconds_to_start: float
) -> None:
    """Call `write`, which calls back at each sign of life, and wait for it while there are any.

    It runs in a thread of its own: a call into W&B whose process hangs never returns.

    Raises
    ------
    NoAnswer
        When there is no sign for so many seconds; the first may take longer where a process is
        to be started.
    """
    last = time.monotonic()
    limit = seconds if _process() is not None else seconds_to_start
    problem: list[BaseException] = []

    def is_going() -> None:
        nonlocal last, limit
        last, limit = time.monotonic(), seconds

    def call() -> None:
        try:
            write(is_going)
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=call, daemon=True, name="wandb")
    thread.start()
    while thread.is_alive():
        thread.join(SECONDS_BETWEEN_LOOKS)
        if thread.is_alive() and time.monotonic() - last > limit:
            raise NoAnswer(f"no answer for {limit:.0f} s")
    if problem:
        raise problem[0]


def give_up() -> None:
    """End the process, whatever state it is in; the next run starts another."""
    process = _process()
    if process is not None:
        process.kill()
        process.wait()
    wandb = _wandb()
    if wandb is not None:
        # What it says about a process that is not there is no news.
        with contextlib.suppress(Exception):
            wandb.teardown()
    # Else a process that somebody else began, and that is gone, would be asked for ever.
    os.environ.pop("WANDB_SERVICE", None)


def close(seconds: float) -> None:
    """Let the process finish, for so many seconds at most."""
    wandb = _wandb()
    if wandb is None:
        return
    thread = threading.Thread(target=wandb.teardown, daemon=True, name="wandb")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        give_up()


def _wandb() -> Any:
    return sys.modules.get("wandb")


def _process() -> Any:
    """Find the process by W&B's inner names; where they have changed, it cannot be ended."""
    if _wandb() is None:
        return None
    from wandb.sdk import wandb_setup

    inner: Any = wandb_setup
    try:
        return inner._singleton._connection._proc._process
    except AttributeError:
        return None
