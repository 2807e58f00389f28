"""Run trials and show how it goes: in worker processes, or in this one."""

from typing import Any

import typer

from experiments import timing
from experiments.cli_lines import console, say
from experiments.folder import StudyFolder
from experiments.progress import Progress
from experiments.study import Study, Trial


def run(
    study: Study,
    folder: StudyFolder,
    trials: list[Trial],
    missing: list[Trial],
    again: set[str],
    *,
    is_extended: bool,
    workers: int | None,
    is_foreground: bool,
    is_online: bool,
) -> None:
    """Run what is missing; Ctrl-C ends with status 130, a failed trial with 1."""
    from experiments import sizes
    from experiments.engines.local import Local

    count = 0 if is_foreground else min(workers or timing.cores(), len(missing))
    # The workers import torch while we count sizes; a study that is refused has created nothing.
    with Local(count, is_online=is_online) as local:
        sizes.of(study)
        folder.reconcile(study, is_extended=is_extended)
        for trial_id in again:
            folder.forget(trial_id)
        progress = Progress(console, len(trials), len(trials) - len(missing))
        say(
            f"{study.name}: {len(missing)} of {len(trials)} trials to run, "
            + ("in this process" if is_foreground else f"{count} workers")
            + f", in {folder.path}"
        )
        try:
            with progress.shown():
                if is_foreground:
                    _run_here(missing, folder, progress, is_online)
                else:
                    for event in local.run(missing, folder):
                        progress.take(event)
        except KeyboardInterrupt:
            say(
                f"\nstopped: {progress.done} of {len(trials)} trials are done and kept in "
                f"{folder.path}; the same command goes on from there"
            )
            raise typer.Exit(130) from None
    say(progress.closing())
    if progress.ended["failed"] or progress.ended["interrupted"]:
        say(f"what failed: longdep status {folder.path}")
        raise typer.Exit(1)


def _run_here(
    missing: list[Trial], folder: StudyFolder, progress: Progress, is_online: bool
) -> None:
    import torch

    from experiments import trial as trials
    from experiments.engines.local import Event

    torch.set_num_threads(1)
    for trial in missing:
        progress.take(Event("started", trial))

        def on_row(row: dict[str, Any], trial: Trial = trial) -> None:
            progress.take(Event("row", trial, row["step"], row["validation/score"]))

        report = trials.run(
            trial, folder.trial(trial.id), on_row=on_row, is_online=is_online, is_debugged=True
        )
        progress.take(Event("ended", trial, outcome=report["outcome"]))
