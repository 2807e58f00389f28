"""One trial from declaration to outcome: train, render, verify, commit."""

from collections.abc import Callable
from pathlib import Path

from experiments import accelerator, ending
from experiments.attempt import CHECKPOINT_SECONDS, Attempt, Report, committed
from experiments.locking import claimed
from experiments.preparing import prepare
from experiments.safety import refuse_unsafe_loading
from experiments.study import Trial
from lightning_modules.training import Row

__all__ = ["Report", "prepare", "run"]


def run(
    trial: Trial,
    folder: Path,
    *,
    on_row: Callable[[Row], None] = lambda row: None,
    after_step: Callable[[int], bool] = lambda step: False,
    is_online: bool = False,
    is_alone: bool = False,
    has_been_killed: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    is_debugged: bool = False,
    on: str = "cpu",
) -> Report:
    """Run a trial in its folder, or go on with it; it is done when `result.json` is there.

    Once `after_step` answers True, the trial is saved and ends as `interrupted`. An error is kept
    in `failure.json` and raised only when `is_debugged`. Out of memory is a result only when the
    trial `is_alone` on the machine; `has_been_killed` tells that the kernel ended it there. It
    trains `on` a "cpu" or a "gpu".

    Raises
    ------
    RefusedError
        When torch has been told to run what a checkpoint tells it to.
    """
    refuse_unsafe_loading()
    attempt = None
    try:
        with accelerator.used(on) as device, claimed(folder) as is_ours:
            if not is_ours:
                return {"outcome": "running elsewhere"}
            if (done := committed(folder)) is not None:
                return done
            attempt = Attempt(
                trial, folder, on_row, after_step, is_online, checkpoint_seconds, on, device
            )
            if has_been_killed:
                return attempt.give_up()
            try:
                return attempt.run()
            except Exception as error:
                if not ending.is_out_of_memory(error):
                    raise
                attempt.refuse_memory(error, is_alone)
            return attempt.give_up() if is_alone else attempt.report
    except Exception as error:
        line = ending.line_of(error, folder)
        if attempt is not None:
            attempt.keep_failure(line, error)
        if is_debugged:
            raise
        return {"outcome": "failed", "error": line}
