"""The command `longdep`. Each command imports what it needs: most answer without torch."""

import os
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from experiments import (
    cli_bench,
    cli_logs,
    cli_probe,
    cli_registry,
    cli_report,
    cli_upkeep,
    opening,
    reproducing,
)
from experiments.cli_lines import Commands, console, say
from experiments.cli_names import Add, Allow, EngineName, Only, Out, Seeds, StudyName, Workers
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.study import Study
from experiments.watching import Look, watch

SECONDS_BETWEEN_LOOKS = 2.0

app = typer.Typer(name="longdep", cls=Commands, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command."""
    # Whoever began us may have a W&B process: shared, it would take our runs for its own.
    os.environ.pop("WANDB_SERVICE", None)
    app()


@app.callback(invoke_without_command=True)
def longdep(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """How far back can a recurrent network carry a signal, what carries it, and is the difference
    between two architectures real?

    Begin with:
        longdep plan quick      what a study would run, and how long it takes
        longdep run quick       run it; run it again to go on
        longdep report quick    what came out, as a page
    """
    if version:
        from importlib import metadata

        say(f"longdep {metadata.version('longdep')}")
    elif context.invoked_subcommand is None:
        print(context.get_help(), end="")


@app.command(rich_help_panel="Studies")
def plan(
    study: StudyName,
    workers: Workers = None,
    out: Out = None,
    add: Add = None,
    seeds: Seeds = None,
    allow: Allow = None,
) -> None:
    """Show what a study would run: arms, tasks, trials, sizes at the budget, how long it takes.

    Examples:
        longdep plan quick
        longdep plan quick --workers 16
        longdep plan quick --add my_cells.py:Mine
    """
    from experiments import planning

    for name, declared, folder in opening.every(study, out, add, allow, seeds):
        _name(name, study)
        planning.show(declared, folder, workers)


@app.command(rich_help_panel="Studies")
def run(
    study: StudyName,
    only: Only = None,
    add: Add = None,
    seeds: Seeds = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add seeds, lags, tasks or arms to a study that ran.")
    ] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    out: Out = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="In this process, one by one; errors are raised.")
    ] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also show the trials on a W&B server as they train.")
    ] = False,
    rerun_stale: Annotated[
        bool, typer.Option("--rerun-stale", help="Run trials again whose code has changed.")
    ] = False,
    keep_stale: Annotated[
        bool, typer.Option("--keep-stale", help="Keep trials whose code has changed.")
    ] = False,
    allow: Allow = None,
) -> None:
    """Run what is missing of a study.

    Examples:
        longdep run quick
        longdep run repro                       twelve published findings, asked for again
        longdep run quick --only arm=lstm,seed=0 --foreground
        longdep run quick --add my_cells.py:Mine
        longdep run quick --seeds 10 --extend
        longdep run my_study.py --workers 8

    Start it as often as you like, on one machine or several that share the folder: each trial is
    run once, and what was stopped goes on where it was.

    Exit status: 0 all done; 1 a trial failed; 2 refused, nothing was created; 75 told to stop
    (SIGTERM, SIGUSR1, SIGHUP) or a trial was; 130 Ctrl-C.
    """
    from experiments.engines import choice
    from experiments.engines.base import Where
    from experiments.launching import Launch

    where = Where(engine=engine, workers=workers)
    choice.check(where)
    if foreground and engine != "local":
        raise StudyError(f"--foreground is in this process, not on {engine}: leave one out")
    launch = Launch(
        only=only or [],
        is_extended=extend,
        is_added=bool(add),
        where=where,
        is_foreground=foreground,
        is_online=online,
        is_stale_rerun=rerun_stale,
        is_stale_kept=keep_stale,
    )
    has_failed = False
    for name, declared, folder in opening.every(study, out, add, allow, seeds, only):
        _name(name, study)
        try:
            is_done = launch.run(declared, folder)
        except typer.Exit as stop:
            # What failed in one study of a collection leaves the others to run.
            if name == study or stop.exit_code != 1:
                raise
            has_failed = True
        else:
            if is_done:
                say(f"report: longdep report {name}" + (f" --out {out}" if out else ""))
    if has_failed:
        raise typer.Exit(1)


def _name(name: str, reference: str) -> None:
    """Say which study of a collection comes."""
    if name != reference:
        console.rule(Text(name), align="left")


class StatusCommand(TyperCommand):
    """Lets `--watch` stand alone: without a number behind it, it looks every two seconds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the number there."""
        if "--watch" in args:
            after = args.index("--watch") + 1
            if not (args[after:] and args[after].replace(".", "", 1).isdigit()):
                args = [*args[:after], str(SECONDS_BETWEEN_LOOKS), *args[after:]]
        return super().parse_args(ctx, args)


@app.command(cls=StatusCommand, rich_help_panel="Studies")
def status(
    study: StudyName,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--watch",
            metavar="[SECONDS]",
            min=0.1,
            help="Look again until nothing is left to happen; every 2 seconds unless given.",
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Show what is done, failed, missing, stale or damaged in a study's folder.

    Examples:
        longdep status quick
        longdep status quick --watch
        longdep status runs/quick --watch 10
    """
    if study == reproducing.NAME:
        raise StudyError(f"status is of one study: {', '.join(opening.each(study))}")
    declared, folder = opening.recorded(study, out)
    if seconds is None:
        console.print(_look(declared, folder, study).view, soft_wrap=True)
    else:
        watch(console, lambda: _look(declared, folder, study), seconds)


def _look(declared: Study, folder: StudyFolder, reference: str | None) -> Look:
    from analysis import ledger

    taken = ledger.take(folder.path, folder.stale(declared.trials()))
    counts = [f"{n} {state}" for state, n in taken.states.items() if n]
    line = f"{declared.name}: {taken.planned} planned, {', '.join(counts)}"
    parts: list[Any] = [Text(line)]
    outcomes = [f"{n} {outcome}" for outcome, n in taken.outcomes.items() if n]
    if outcomes:
        parts.append(Text(f"of the done: {', '.join(outcomes)}"))
    table = Table("arm", "task", "lag", "done", "open", box=None, pad_edge=False)
    for (arm, task, lag), states in taken.groups.items():
        left = ", ".join(f"{n} {state}" for state, n in states.items() if n and state != "done")
        if left:
            table.add_row(escape(arm), task, str(lag), str(states["done"]), left)
    if table.row_count:
        parts.append(table)
    for entry in taken.open:
        if entry.note:
            trial = entry.trial
            place = f"{trial.id} {trial.arm} | {trial.task} | {trial.lag} | seed {trial.seed}"
            parts.append(Text(f"{place}: {entry.note}", style="red"))
    changed = Counter((entry.trial.arm, ", ".join(entry.stale)) for entry in taken.stale)
    for (arm, files), n in changed.items():
        parts.append(Text(f"stale: {n} trials of {arm}: {files} changed", style="red"))
    # What failed or is damaged waits for somebody to run it again.
    waiting = taken.states["failed"] + taken.states["damaged"]
    is_over = len(taken.open) == waiting
    if declared.tuning is not None:
        parts += [Text(f"tuned: {choice.text}") for choice in declared.choices]
        if any(not entry.trial.id for entry in taken):
            before = _tuning(declared, folder)
            line += f"; {before.line}"
            parts.append(before.view)
            is_over = before.is_over
    if taken.open and reference is not None:
        parts.append(Text(f"to go on: longdep run {reference}"))
    return Look(Group(*parts), line, is_over=is_over)


def _tuning(declared: Study, folder: StudyFolder) -> Look:
    """Look at a tuning that is not over: it waits for a hand where a trial of it failed."""
    from analysis import ledger

    its = folder.tuning.recorded()
    if its is None:
        line = f"tuning: {declared.tuning_size} planned, {declared.tuning_size} missing"
        return Look(Text(line), line, is_over=False)
    look = _look(its, folder.tuning, None)
    # Once it is done, the launcher goes on by itself.
    is_over = look.is_over and bool(ledger.take(folder.tuning.path).open)
    return Look(look.view, look.line, is_over=is_over)


app.add_typer(cli_report.app)
app.add_typer(cli_probe.app)
app.add_typer(cli_logs.app)
app.add_typer(cli_upkeep.app)
app.add_typer(cli_bench.app)
app.add_typer(cli_registry.app)
