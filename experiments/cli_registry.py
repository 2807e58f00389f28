"""The commands about what there is to study: list, show, new, check."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from experiments import cli_names, loading
from experiments.cli_lines import console, say
from experiments.loading import StudyError
from lightning_modules import registry
from lightning_modules.refusal import RefusedError

PANEL = "What there is to study"
LAG = 12
"""An example at this lag fits on a terminal."""

app = typer.Typer()


@app.command("list", rich_help_panel=PANEL)
def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="architectures|tasks|probes|studies", autocompletion=cli_names.lists
        ),
    ],
) -> None:
    """List architectures, tasks, probes or studies.

    Examples:
        longdep list architectures
        longdep list tasks
    """
    if what not in cli_names.LISTS:
        known = ", ".join(cli_names.LISTS)
        near = registry.hint(what, cli_names.LISTS)
        raise StudyError(f"no list of {what!r}; lists: {known}{near}")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    if what == "studies":
        for name in loading.names():
            table.add_row(name, escape(_first_line(loading.STUDIES / f"{name}.py")))
    else:
        for entry in registry.entries(what[:-1]):
            _add(table, entry)
    console.print(table)


def _add(table: Table, entry: registry.Entry) -> None:
    if entry.error:
        table.add_row(entry.name, escape(entry.error), style="red")
        return
    table.add_row(entry.name, escape(entry.summary))
    notes = [str(entry.constants.get("paper", ""))]
    if lag_means := entry.constants.get("lag_means"):
        notes.append(f"lag: {lag_means}")
    for name, option in entry.options.items():
        allowed = " | ".join(map(str, option.allowed)) or option.annotation
        notes.append(f"{name}: {allowed}, default {option.default}")
    for name, meaning in entry.constants.get("dialects", {}).items():
        chance = _chance(entry.name, name)
        notes.append(f"{entry.name}/{name}: {meaning}{'; ' if chance else ''}{chance}")
    for note in notes:
        table.add_row("", f"[dim]{escape(note)}[/]")


def _chance(name: str, dialect: str) -> str:
    """Say what chance is, where torch is installed and the data of the task are there."""
    from lightning_modules import task_names

    try:
        from experiments import examples

        return examples.chance_line(task_names.make(name, dialect))
    except ImportError:
        return ""
    except RefusedError as refused:
        return str(refused)
    except Exception as error:
        # One broken task must not cost the list of the others.
        return " ".join(f"{type(error).__name__}: {error}".split())


def _first_line(path: Path) -> str:
    import ast

    try:
        return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    except SyntaxError as error:
        return f"{path}:{error.lineno}: {error.msg}"


@app.command(rich_help_panel=PANEL)
def show(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="NAME, NAME/DIALECT, FILE.py or FILE.py:Class.",
            autocompletion=cli_names.tasks,
        ),
    ],
    lag: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help=f"Default: {LAG}, or the smallest there is."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the examples.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=20, help="How many examples.")] = 3,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw them into this file instead.")
    ] = None,
) -> None:
    """Show examples of a task, the evidence and the answer marked.

    Examples:
        longdep show adding
        longdep show temporal_order/pascanu3 --lag 60 --count 5
        longdep show sequential_digits/rows --svg digits.svg
    """
    from experiments import finding

    kind, named = finding.task(task)
    from experiments import examples

    made = kind(named.dialect, **named.options)
    smallest: int = made.smallest_lag[named.dialect]
    sheet = examples.sheet(made, lag or max(LAG, smallest), seed=seed, count=count)
    if svg is not None:
        from experiments import show_svg

        _write(svg, show_svg.drawing(sheet))
        say(f"drawn: {svg}")
        return
    from experiments import show_text

    for line in show_text.lines(sheet, console.width):
        console.print(line)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None


@app.command(rich_help_panel=PANEL)
def new(
    kind: Annotated[
        str,
        typer.Argument(metavar="architecture|task|probe|study", autocompletion=cli_names.kinds),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _.")],
    at: Annotated[Path, typer.Option("--at", metavar="FOLDER", help="Where to write it.")] = Path(),
) -> None:
    """Write the file of a new architecture, task, probe or study, which keeps its contract.

    Examples:
        longdep new architecture mine     then: longdep check mine
        longdep new task mine_too         then: longdep show mine_too
        longdep new probe my_measure      then: longdep check my_measure
        longdep new study my_question     then: longdep run my_question.py
    """
    from experiments import new_file

    path = new_file.write(kind, name, at)
    say(f"written: {path}")
    for line in new_file.what_next(kind, path):
        say(line, style="dim")


@app.command(rich_help_panel=PANEL)
def check(
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A registered name, FILE.py, FILE.py:Class, module:Class, study.json.",
            autocompletion=cli_names.everything,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All registered architectures, tasks and probes.")
    ] = False,
    allow: cli_names.Allow = None,
) -> None:
    """Try the contract on an architecture, a task, a probe or a study, with a verdict per clause.

    Examples:
        longdep check my_cells.py:Mine
        longdep check adding
        longdep check my_study.py
        longdep check --all
    """
    from experiments import checking, finding

    if everything == (reference is not None):
        raise StudyError("name what to check, or say --all")
    found = finding.registered() if everything else finding.find(reference or "")
    if not checking.check(found, allow or []):
        raise typer.Exit(1)
