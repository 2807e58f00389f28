"""Run trials and show how it goes: in worker processes, or in this one."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

from experiments import accelerator, finding, interruption, locking, preflight, timing
from experiments.cli_lines import console, say
from experiments.engines import choice
from experiments.engines.base import ELSEWHERE, Event, Where, bundles
from experiments.engines.local import Local
from experiments.folder import StudyFolder
from experiments.interruption import EXIT_STATUS
from experiments.progress import Progress
from experiments.study import Study, Trial
from lightning_modules.kernel.compiler import notice

SECONDS_BETWEEN_LOOKS = 0.5


class _Told(KeyboardInterrupt):
    """The system told us to stop, not somebody at the keyboard."""


class _Gone(Exception):
    """The study's folder is no longer there."""


def run(
    study: Study,
    folder: StudyFolder,
    trials: list[Trial],
    missing: list[Trial],
    again: dict[str, Any],
    *,
    reconcile: Callable[[], None],
    where: Where,
    is_foreground: bool,
    is_online: bool,
) -> None:
    """Run what is missing. `again` gives the results that are set aside first, by trial.

    `reconcile` writes the study into its folder: nothing is created before everything is checked.

    Exit status 1: a trial failed; 75: told to stop (Ctrl-C as well), or a trial was.
    """
    from experiments import sizes

    on = where.trains_on
    if where.engine == "local":
        accelerator.check(on)
    # On a cluster's GPUs is what its nodes have.
    if (on == "cpu" or where.engine == "local") and (slower := notice(on)):
        say(slower)
    count = 1 if is_foreground else min(where.workers or timing.cores(), len(missing))
    preflight.check(folder.path, missing, count)
    progress = Progress(console, len(trials), len(trials) - len(missing))
    try:
        # The workers import torch while we count; a study that is refused has created nothing.
        with (
            _stoppable(),
            Local(0, is_online=is_online)
            if is_foreground
            else choice.begin(where, missing, is_online) as engine,
        ):
            engine.check(preflight.existing(folder.path))
            finding.check_code(study)
            found = {pair: match.hidden_size for pair, match in sizes.of(study).items()}
            # Another one's machines may have more, or less; a GPU has its own.
            if where.engine == "local" and on == "cpu":
                preflight.check_memory(missing, found)
            reconcile()
            if study.cohort > 1:
                from experiments import cohort

                say(cohort.told(study))
            for trial_id, result in again.items():
                _set_aside(folder, trial_id, result)
            say(
                f"{study.name}: {len(missing)} of {len(trials)} trials to run, "
                + ("in this process" if is_foreground else engine.words)
                + f", in {folder.path}"
            )
            with progress.shown():
                left = missing
                while left:
                    events = _here(left, folder, progress, is_online, on) if is_foreground else None
                    left = _take(events or engine.run(left, folder), folder, progress)
    except KeyboardInterrupt:
        say(
            f"\nstopped: {progress.done} of {len(trials)} trials are done and kept in "
            f"{folder.path}; the same command goes on from there"
        )
        raise typer.Exit(EXIT_STATUS) from None
    except _Gone:
        say(f"stopped: {folder.path} is no longer there; nothing is made anew in its place")
        raise typer.Exit(1) from None
    say(progress.closing())
    if progress.ended["failed"]:
        say(f"what failed: longdep status {folder.path}")
        raise typer.Exit(1)
    if progress.ended["interrupted"]:
        say("what was interrupted goes on when the same command is run again")
        raise typer.Exit(EXIT_STATUS)


def _take(events: Iterator[Event], folder: StudyFolder, progress: Progress) -> list[Trial]:
    """Take note of what happens, and give the trials that are still to be run here."""
    elsewhere: list[Trial] = []
    for event in events:
        if event.outcome == ELSEWHERE:
            elsewhere.append(event.trial)
            progress.leave(event.trial)
            continue
        progress.take(event)
        if event.outcome in {"failed", "interrupted"} and not folder.file.exists():
            raise _Gone
    # Moved away between two trials: none was disturbed, and the others were not begun.
    if not folder.file.exists():
        raise _Gone
    if elsewhere:
        say(f"{len(elsewhere)} trials are being run by another process; waiting for them")
    return _waited(elsewhere, folder, progress)


def _waited(trials: list[Trial], folder: StudyFolder, progress: Progress) -> list[Trial]:
    """Wait for the trials that another process runs; give those that it left unfinished."""
    while trials:
        free = [trial for trial in trials if not locking.is_claimed(folder.trial(trial.id))]
        # Looked at when it is free, not before: it may have been committed in between.
        results = {trial.id: folder.result(trial.id) for trial in free}
        for trial in free:
            if found := results[trial.id]:
                progress.take(Event("ended", trial, outcome=str(found.get("outcome"))))
            elif error := folder.failure(trial.id):
                error = f"in another process: {error}"
                progress.take(Event("ended", trial, outcome="failed", error=error))
                results[trial.id] = {"outcome": "failed"}
        held = [trial for trial in trials if trial not in free]
        if abandoned := [trial for trial in free if not results[trial.id]]:
            # Those still held are met again, and waited for, when these have been run.
            return abandoned + held
        trials = held
        if not folder.file.exists():
            raise _Gone
        if trials:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return []


def _set_aside(folder: StudyFolder, trial_id: str, result: dict[str, Any] | None) -> None:
    with locking.claimed(folder.trial(trial_id)) as is_ours:
        # Otherwise another process runs it anew, or has done so since we looked.
        if is_ours and folder.result(trial_id) == result:
            folder.set_aside(trial_id)


def _here(
    missing: list[Trial], folder: StudyFolder, progress: Progress, is_online: bool, on: str
) -> Iterator[Event]:
    import torch

    torch.set_num_threads(1)
    for bundle in bundles(missing):
        yield from (Event("started", trial) for trial in bundle)

        def on_row(trial: Trial, row: dict[str, Any]) -> None:
            progress.take(Event("row", trial, row["step"], row["validation/score"]))

        ended = _together_here if bundle[0].cohort > 1 else _alone_here
        outcomes = ended(bundle, folder, on_row, is_online, on)
        for trial, outcome in zip(bundle, outcomes, strict=True):
            yield Event("ended", trial, outcome=outcome)
        if "interrupted" in outcomes:
            raise _Told


OnRow = Callable[[Trial, dict[str, Any]], None]


def _together_here(
    bundle: list[Trial], folder: StudyFolder, on_row: OnRow, is_online: bool, on: str
) -> list[str]:
    from experiments import cohort

    outcomes: dict[int, str] = {}
    # The trials are saved at their next step.
    with interruption.caught() as is_asked:
        cohort.run(
            bundle,
            [folder.trial(trial.id) for trial in bundle],
            on_end=lambda number, report: outcomes.update({number: report["outcome"]}),
            on_row=lambda number, row: on_row(bundle[number], row),
            after_step=lambda step: is_asked(),
            is_online=is_online,
            is_debugged=True,
            on=on,
        )
    for number, outcome in outcomes.items():
        if outcome == "out_of_memory":
            outcomes[number] = _alone_here([bundle[number]], folder, on_row, is_online, on)[0]
    return [outcomes[number] for number in range(len(bundle))]


def _alone_here(
    bundle: list[Trial], folder: StudyFolder, on_row: OnRow, is_online: bool, on: str
) -> list[str]:
    from experiments import trial as trials

    (trial,) = bundle
    for is_alone in (False, True):
        # The trial is saved at its next step.
        with interruption.caught() as is_asked:
            report = trials.run(
                trial,
                folder.trial(trial.id),
                on_row=lambda row: on_row(trial, row),
                after_step=lambda step, is_asked=is_asked: is_asked(),  # type: ignore[misc]
                is_online=is_online,
                is_alone=is_alone,
                is_debugged=True,
                on=on,
            )
        # Out of memory counts when it comes again.
        if report["outcome"] != "out_of_memory":
            break
    return [str(report["outcome"])]


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let what a scheduler, a logout or `kill` sends end this process as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        raise _Told

    told = (*interruption.SIGNALS, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in told}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
