"""The command `longdep`. Each command imports what it needs: most answer without torch."""

import functools
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments import loading
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.progress import Progress
from experiments.selection import select
from experiments.study import Study, Trial
from lightning_modules import registry
from lightning_modules.refusal import RefusedError

app = typer.Typer(
    name="longdep",
    help=(
        "How far back can a recurrent network carry a signal, what carries it, and is the "
        "difference between two architectures real?"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
console = Console(highlight=False)
# A line stays one line, however narrow the terminal: programs read it too.
say = functools.partial(console.print, soft_wrap=True, markup=False)

StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="A name, FILE.py, study.json, or a study's folder.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: runs/STUDY.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Some trials: arm=lstm,task=adding,lag=30,seed=0."),
]
Add = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="FILE.py:Class", help="One more arm; also module:Class, NAME."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="FILE.py:Class", help="Outside code that a study.json brings."),
]


def one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake into one line and exit status 2."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except RefusedError as error:
            refuse(str(error))

    return wrapped


def refuse(line: str) -> None:
    """Say in one line what is wrong, and end with exit status 2."""
    print(f"longdep: {line}", file=sys.stderr)
    raise typer.Exit(2)


def main() -> None:
    """Run the command."""
    app()


def _open(
    reference: str, out: Path | None, add: list[str] | None = None, allow: list[str] | None = None
) -> tuple[Study, StudyFolder]:
    """Find a study and its folder; a folder is itself a reference, to the study recorded in it."""
    path = Path(reference)
    if (path / "study.json").is_file():
        study = loading.load(str(path / "study.json"), allow=[*(allow or ()), *(add or ())])
        folder = StudyFolder(out or path)
    else:
        study = loading.load(reference, allow=[*(allow or ()), *(add or ())])
        folder = StudyFolder(out or Path("runs") / study.name)
    for extra in add or ():
        if extra not in {arm.architecture for arm in study.arms}:
            study = _with_arm(study, extra)
    return study, folder


def _with_arm(study: Study, reference: str) -> Study:
    try:
        return study.with_arm(reference)
    except ValueError as error:
        raise StudyError(f"--add {reference}: {loading.one_line(error)}") from None


def _recorded(reference: str, out: Path | None) -> tuple[Study, StudyFolder]:
    """Find a study that has been run, as its folder records it."""
    is_folder = (Path(reference) / "study.json").is_file()
    folder = StudyFolder(Path(reference)) if is_folder else _open(reference, out)[1]
    study = folder.recorded()
    if study is None:
        raise StudyError(f"{folder.path}: nothing has been run yet; longdep run {reference}")
    return study, folder


@app.command()
@one_line_errors
def plan(study: StudyName, out: Out = None, add: Add = None, allow: Allow = None) -> None:
    """Show what a study would run: arms, tasks, trials, sizes at the budget.

    Example: longdep plan quick
    """
    declared, folder = _open(study, out, add, allow)
    trials = declared.trials()
    done = sum(folder.result(trial.id) is not None for trial in trials)
    say(f"{declared.name}: {declared.question}", style="bold")
    places = sum(len(axis.lags) for axis in declared.tasks)
    say(
        f"{len(declared.resolved_arms)} arms x {places} (task, lag) x {len(declared.seeds)} seeds "
        f"= {len(trials)} trials; {done} done in {folder.path}"
    )
    tasks = Table("task", "lags", box=None, pad_edge=False)
    for axis in declared.tasks:
        tasks.add_row(axis.task, ", ".join(map(str, axis.lags)))
    console.print(tasks)
    for line in inequalities(declared):
        say(line, style="yellow")
    sizes = _sizes(declared)
    table = Table("arm", "options", box=None, pad_edge=False)
    for arm in declared.resolved_arms:
        options = ", ".join(f"{name}={value}" for name, value in arm.options.items())
        role = " (reference)" if arm.label == declared.resolved_reference else ""
        table.add_row(escape(arm.label + role), escape(options))
    console.print(table)
    if not sizes:
        say("sizes are counted where torch is installed", style="dim")
        return
    budget = declared.budget
    table = Table("arm", "task", "units", budget.measure, "off", box=None, pad_edge=False)
    for (label, task), match in sizes.items():
        cells = f"{match.hidden_size:,}", f"{match.counted:,}", f"{match.deviation:+.1%}"
        table.add_row(escape(label), task, *cells)
    console.print(table)
    say(f"counted; the budget is {budget.amount:,} {budget.measure}", style="dim")


def _sizes(study: Study) -> dict[tuple[str, str], Any]:
    try:
        from experiments import sizes
    except ImportError:
        return {}
    return dict(sizes.of(study))


def inequalities(study: Study) -> list[str]:
    """Say, a line each, where the arms of a study are not trained alike."""
    lines = []
    recipes = [arm.recipe for arm in study.resolved_arms if arm.recipe is not None]
    for field in type(study.recipe).model_fields:
        values = {getattr(recipe, field) for recipe in recipes}
        if len(values) > 1:
            given = ", ".join(
                f"{arm.label} {getattr(arm.recipe, field)}" for arm in study.resolved_arms
            )
            lines.append(f"not equal between arms: {field}: {given}")
    return lines


@app.command()
@one_line_errors
def run(
    study: StudyName,
    only: Only = None,
    add: Add = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: the cores.")
    ] = None,
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

    Examples: longdep run quick; longdep run quick --only arm=lstm,seed=0 --foreground;
    longdep run quick --add my_cells.py:Mine
    """
    declared, folder = _open(study, out, add, allow)
    trials = select(declared, only or [])
    folder.recorded()
    stale = folder.stale(trials)
    if stale and not (rerun_stale or keep_stale):
        files = sorted({file for names in stale.values() for file in names})
        raise StudyError(
            f"{len(stale)} finished trials are stale: {', '.join(files)} changed since; "
            "--rerun-stale runs them again, --keep-stale keeps them"
        )
    again = set(stale) if rerun_stale else set()
    missing = [t for t in trials if folder.result(t.id) is None or t.id in again]
    if not missing:
        folder.reconcile(declared, is_extended=bool(add))
        say(f"all {len(trials)} trials are done in {folder.path}")
        return
    for line in inequalities(declared):
        say(line, style="yellow")
    _run(declared, folder, trials, missing, again, bool(add), workers, foreground, online)
    say(f"report: longdep report {study}" + (f" --out {out}" if out else ""))


def _run(
    study: Study,
    folder: StudyFolder,
    trials: list[Trial],
    missing: list[Trial],
    again: set[str],
    is_extended: bool,
    workers: int | None,
    is_foreground: bool,
    is_online: bool,
) -> None:
    from experiments import sizes
    from experiments.engines.local import Local

    count = 0 if is_foreground else min(workers or len(os.sched_getaffinity(0)), len(missing))
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


@app.command()
@one_line_errors
def status(study: StudyName, out: Out = None) -> None:
    """Show what is done, failed, missing, stale or damaged in a study's folder.

    Example: longdep status quick
    """
    declared, folder = _recorded(study, out)
    from analysis import ledger

    taken = ledger.take(folder.path, folder.stale(declared.trials()))
    counts = [f"{n} {state}" for state, n in taken.states.items() if n]
    say(f"{declared.name}: {taken.planned} planned, {', '.join(counts)}")
    outcomes = [f"{n} {outcome}" for outcome, n in taken.outcomes.items() if n]
    if outcomes:
        say(f"of the done: {', '.join(outcomes)}")
    table = Table("arm", "task", "lag", "done", "open", box=None, pad_edge=False)
    for (arm, task, lag), states in taken.groups.items():
        left = ", ".join(f"{n} {state}" for state, n in states.items() if n and state != "done")
        if left:
            table.add_row(escape(arm), task, str(lag), str(states["done"]), left)
    if table.row_count:
        console.print(table)
    for entry in [*taken.open, *taken.stale]:
        note = entry.note or (f"stale: {', '.join(entry.stale)} changed" if entry.stale else "")
        if note:
            trial = entry.trial
            line = (
                f"{trial.id} {trial.arm} | {trial.task} | {trial.lag} | seed {trial.seed}: {note}"
            )
            say(line, style="red")
    if taken.open:
        say(f"to go on: longdep run {study}")


@app.command()
@one_line_errors
def report(
    study: StudyName,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Default: reports/STUDY.")
    ] = None,
) -> None:
    """Write the report of a study: one HTML page, figures, tables.

    Example: longdep report quick
    """
    declared, folder = _recorded(study, None)
    from analysis import report as reports
    from analysis.json_file import StudyFileError

    target = out or Path("reports") / declared.name
    try:
        with console.status("reading logs") if console.is_terminal else nullcontext():
            page = reports.write(folder.path, target, folder.stale(declared.trials()))
    except StudyFileError as error:
        raise StudyError(str(error)) from None
    say(f"the report: {page}")


@app.command("list")
@one_line_errors
def list_(
    what: Annotated[str, typer.Argument(metavar="architectures|tasks|studies")],
) -> None:
    """List architectures, tasks or studies.

    Example: longdep list architectures
    """
    kinds = ("architectures", "tasks", "studies")
    if what not in kinds:
        raise StudyError(
            f"no list of {what!r}; lists: {', '.join(kinds)}{registry.hint(what, kinds)}"
        )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    if what == "studies":
        for name in loading.names():
            table.add_row(name, _first_line(loading.STUDIES / f"{name}.py"))
    else:
        for entry in registry.entries(what[:-1]):
            if entry.error:
                table.add_row(entry.name, escape(entry.error), style="red")
                continue
            table.add_row(entry.name, entry.summary)
            table.add_row("", f"[dim]{entry.constants.get('paper', '')}[/]")
            for name, option in entry.options.items():
                allowed = " | ".join(map(str, option.allowed)) or option.annotation
                table.add_row("", f"[dim]{name}: {allowed}, default {option.default}[/]")
            for name, meaning in entry.constants.get("dialects", {}).items():
                table.add_row("", f"[dim]{entry.name}/{name}: {meaning}[/]")
    console.print(table)


def _first_line(path: Path) -> str:
    import ast

    try:
        return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    except SyntaxError as error:
        return f"{path}:{error.lineno}: {error.msg}"


@app.command()
@one_line_errors
def check(
    architecture: Annotated[str, typer.Argument(help="NAME, FILE.py:Class or module:Class.")],
) -> None:
    """Try the contract on an architecture, with a verdict per clause.

    Example: longdep check my_cells.py:Mine
    """
    registry.describe("architecture", architecture)
    import torch

    from lightning_modules import contract

    torch.set_num_threads(1)
    try:
        found = registry.load("architecture", architecture)
    except Exception as error:
        raise StudyError(f"{architecture} does not import: {loading.one_line(error)}") from None
    broken = 0
    for verdict in contract.check(found):
        broken += verdict.problem is not None
        if verdict.problem is None:
            say(f"holds   {verdict.clause}", style="green")
        else:
            say(f"BROKEN  {verdict.clause}: {verdict.problem}", style="red")
    count = len(contract.CLAUSES)
    say(f"{architecture}: {count - broken} of {count} clauses hold")
    if broken:
        raise typer.Exit(1)
