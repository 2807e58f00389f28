"""The command `longdep status`: what is done, failed, missing, stale or damaged."""

from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from experiments import opening, reproducing
from experiments.cli_lines import console
from experiments.cli_names import Out, StudyName
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.study import Study
from experiments.watching import Look, watch

PANEL = "Studies"
SECONDS_BETWEEN_LOOKS = 2.0

app = typer.Typer()


class StatusCommand(TyperCommand):
    """Lets `--watch` stand alone: without a number behind it, it looks every two seconds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the number there."""
        if "--watch" in args:
            after = args.index("--watch") + 1
            if not (args[after:] and args[after].replace(".", "", 1).isdigit()):
                args = [*args[:after], str(SECONDS_BETWEEN_LOOKS), *args[after:]]
        return super().parse_args(ctx, args)


@app.command(cls=StatusCommand, rich_help_panel=PANEL)
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
