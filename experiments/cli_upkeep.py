"""The commands that keep a study's folder in order: retry, clean, doctor."""

from typing import Annotated

import typer

from experiments import opening
from experiments.cli_lines import say
from experiments.cli_names import Allow, Only, Out, StudyName
from experiments.cli_where import HERE, somewhere
from experiments.engines.base import Where
from experiments.loading import StudyError
from lightning_modules import registry

PANEL = "A study's folder"
AGAIN = ("out_of_memory", "timed_out", "diverged")
"""The results that another machine or other code may change; the others are never run again."""

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
@somewhere
def retry(
    study: StudyName,
    only: Only = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", help=f"Finished trials as well, by their outcome: {', '.join(AGAIN)}."
        ),
    ] = None,
    where: Where = HERE,
    out: Out = None,
    allow: Allow = None,
) -> None:
    """Run again what failed, was interrupted or is damaged: those trials alone, the same seeds.

    `run` does that too, and begins what is missing. What retry adds: damaged trials are run anew,
    and with --outcome those that ran out of memory or time, or diverged; what they came to before
    is kept beside them as result-N.json, and every attempt is counted.

    Examples:
        longdep retry quick
        longdep retry quick --only arm=lstm,seed=0
        longdep retry quick --outcome out_of_memory --workers 1
        longdep retry quick --outcome out_of_memory --engine slurm --slurm mem=8G
    """
    from analysis import ledger
    from experiments import doctor, running
    from experiments.selection import select

    outcomes = set(outcome or ())
    for name in sorted(outcomes - set(AGAIN)):
        near = registry.hint(name, AGAIN)
        raise StudyError(f"--outcome {name}: run again are {', '.join(AGAIN)}{near}")
    declared, folder = opening.runnable(study, out, allow)
    trials = select(declared, only or [])
    states = {entry.trial.id: entry for entry in ledger.take(folder.path)}
    again, unfinished = set(), set()
    for trial_id in (trial.id for trial in trials if trial.id in states):
        entry = states[trial_id]
        if entry.state in {"failed", "interrupted"}:
            unfinished.add(trial_id)
        elif entry.state == "damaged" or entry.outcome in outcomes or (
            (result := entry.result) is not None
            and doctor.wound_of(
                folder.trial(trial_id), result.log, result.log_sha256, result.weights_sha256
            )
        ):  # fmt: skip
            again.add(trial_id)
    missing = [trial for trial in trials if trial.id in again | unfinished]
    if not missing:
        say(f"nothing to run again in {folder.path}; what is missing: longdep run {study}")
        return
    say(f"to run again: {len(unfinished)} failed or interrupted, {len(again)} anew from the start")
    running.run(
        declared,
        folder,
        trials,
        missing,
        {trial_id: folder.result(trial_id) for trial_id in again},
        reconcile=lambda: folder.reconcile(declared),
        where=where,
        is_foreground=False,
        is_online=False,
    )


@app.command(rich_help_panel=PANEL)
def clean(
    study: StudyName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")
    ] = False,
    out: Out = None,
) -> None:
    """Remove what finished trials need no more: checkpoints, W&B's caches, logs of Slurm's jobs.

    Results, weights, rows, logs and probes stay, and so do the checkpoints of unfinished trials.

    Examples:
        longdep clean quick --dry-run
        longdep clean runs/quick
    """
    from experiments import cleaning
    from experiments.preflight import size

    declared, folder = opening.recorded(study, out)
    done = cleaning.Cleaned()
    for place, its in ((folder, declared), (folder.tuning, declared.tuning_study)):
        trials = its.trials() if its else []
        done += cleaning.clean(place, [trial.id for trial in trials], is_dry=dry_run)
        done += cleaning.clean_launches(place, is_dry=dry_run)
    verb = "would remove" if dry_run else "removed"
    say(f"{verb} {done.files:,} files, {size(done.size)}, of {done.trials:,} finished trials")
    if done.kept:
        say(f"kept {size(done.kept)} of checkpoints: unfinished trials go on from them")
    if done.running:
        say(f"left alone: {done.running:,} trials that are running")


@app.command(rich_help_panel=PANEL)
def doctor(study: StudyName, out: Out = None) -> None:
    """Say what is wrong with a study's folder, with the command that mends it. Reads only.

    Unfinished is not wrong: status tells what is missing. Exit status: 0 healthy, 1 something is
    wrong, 2 no study to look at.

    Examples:
        longdep doctor quick
        longdep doctor runs/quick
    """
    from experiments import doctor as doctors

    declared, folder = opening.recorded(study, out)
    complaints = list(doctors.examine(folder, study + (f" --out {out}" if out else "")))
    places: dict[tuple[str, str], list[str]] = {}
    for found in complaints:
        places.setdefault((found.problem, found.remedy), []).append(found.place)
    for (problem, remedy), at in places.items():
        more = f" and {len(at) - 1} more" if len(at) > 1 else ""
        say(f"{at[0]}{more}: {problem}", style="red")
        say(f"    {remedy}")
    if complaints:
        raise typer.Exit(1)
    say(f"{declared.name}: nothing is wrong with {folder.path}")
