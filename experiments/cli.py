"""The command `longdep`. Each command imports what it needs: most answer without torch."""

import os
from typing import Annotated

import typer
from rich.text import Text

from experiments import (
    cli_bench,
    cli_logs,
    cli_probe,
    cli_registry,
    cli_report,
    cli_status,
    cli_upkeep,
    opening,
)
from experiments.cli_lines import Commands, console, say
from experiments.cli_names import Add, Allow, Only, Out, Seeds, StudyName, Workers
from experiments.cli_where import HERE, TrialsPerGpu, somewhere
from experiments.engines.base import Where
from experiments.loading import StudyError

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
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="16x4cpu|64x1gpu",
            help="How long on so many machines, each with so many CPUs or GPUs like those here.",
        ),
    ] = None,
    trials_per_gpu: TrialsPerGpu = None,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0.0, help="What a machine of the pool costs an hour."),
    ] = None,
) -> None:
    """Show what a study would run: arms, tasks, trials, sizes at the budget, how long it takes.

    Examples:
        longdep plan quick
        longdep plan quick --workers 16
        longdep plan quick --pool 16x4cpu --price 0.2
        longdep plan quick --add my_cells.py:Mine
    """
    from experiments import planning
    from experiments.pool import Pool

    machines = Pool.of(pool, trials_per_gpu, price)
    for name, declared, folder in opening.every(study, out, add, allow, seeds):
        _name(name, study)
        planning.show(declared, folder, workers, machines)


@app.command(rich_help_panel="Studies")
@somewhere
def run(
    study: StudyName,
    only: Only = None,
    add: Add = None,
    seeds: Seeds = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add seeds, lags, tasks or arms to a study that ran.")
    ] = False,
    where: Where = HERE,
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
        longdep run my_study.py --engine slurm --partition short --time 4:00:00
        longdep run my_study.py --engine ray --address head:6379

    Start it as often as you like, on one machine or several that share the folder: each trial is
    run once, and what was stopped goes on where it was.

    Exit status: 0 all done; 1 a trial failed; 2 refused, nothing was created; 75 told to stop
    (Ctrl-C, SIGTERM, SIGUSR1, SIGHUP) or a trial was.
    """
    from experiments.launching import Launch

    if foreground and where.engine != "local":
        raise StudyError(f"--foreground is in this process, not on {where.engine}: leave one out")
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


app.add_typer(cli_status.app)
app.add_typer(cli_report.app)
app.add_typer(cli_probe.app)
app.add_typer(cli_logs.app)
app.add_typer(cli_upkeep.app)
app.add_typer(cli_bench.app)
app.add_typer(cli_registry.app)
