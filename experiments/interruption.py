"""Asked to stop: SIGINT (Ctrl-C), SIGTERM (kill, Slurm's limit), SIGUSR1 (Slurm's warning)."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

EXIT_STATUS = 75
"""EX_TEMPFAIL: stopped as asked, all is kept, the same command goes on."""


@contextlib.contextmanager
def caught(on_signal: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Catch the first of the signals, in the main thread, and give a way to ask for it.

    Raises
    ------
    KeyboardInterrupt
        At the second signal: who asks twice does not want to wait. Slurm always asks twice, its
        daemon and srun each: there only Ctrl-C counts, and SIGKILL comes when it is time.
    """
    has_come = False
    is_told_twice = "SLURM_JOB_ID" in os.environ

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal has_come
        if has_come and is_told_twice and number != signal.SIGINT:
            return
        if has_come:
            raise KeyboardInterrupt
        has_come = True
        on_signal()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: has_come
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
