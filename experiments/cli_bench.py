"""The command that measures this machine: longdep bench."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from experiments.cli_lines import console, say

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Two sizes and one length; under three minutes.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where JSON and figure go.")
    ] = Path("reports/benchmark"),
) -> None:
    """Measure training steps, data, harness and trials an hour on this machine, against goals.

    Example:
        longdep bench --quick
    """
    import torch

    from analysis import bench_figure
    from experiments import benchmark, environment, loading
    from experiments.durable import replacing

    torch.set_num_threads(1)
    rows: list[Any] = []
    grid = benchmark.QUICK if quick else benchmark.FULL
    study = loading.load("quick")
    longest = {trial.task: trial for trial in study.trials()}
    parts = [
        ("steps", benchmark.steps(grid)),
        *(("harness and data", benchmark.harness(t, grid.rounds)) for t in longest.values()),
        ("trials an hour", benchmark.trials_an_hour(study, 12 if quick else 40)),
        ("kernel and loop", benchmark.with_and_without_kernel(study, 8 if quick else 40)),
    ]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        for name, part in parts:
            for row in part:
                rows.append(row)
                progress.update(task, description=f"{name}: {row.what}")
    timed = [row for row in rows if row.where]
    console.print(_steps(timed))
    for line in _legend(timed):
        say(line, style="dim")
    console.print()
    console.print(_others([row for row in rows if not row.where]))
    missed = [row for row in rows if row.is_met is False]
    goals = [row for row in rows if row.goal is not None]
    say(f"{len(goals) - len(missed)} of {len(goals)} goals are met")
    for row in missed:
        place = " ".join(map(str, row.where)) + ": " if row.where else ""
        say(f"missed by {abs(row.value - row.goal) / row.goal:.0%}: {place}{row.what}")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "benchmark.json") as file:
        file.write(benchmark.as_json(rows, environment.record()).encode())
    for written in bench_figure.write(out / "benchmark.json", out):
        say(f"written: {written}")


COLUMNS = {
    "limit": ("limit", "its matrix products alone, in ms"),
    "of the loop": ("/ loop", "over the time of the loop"),
    "of torch's own or of the scan": ("/ own", "over the time of torch's own, or of the scan"),
    "per FLOP, of torch's LSTM": ("/ FLOP", "per FLOP, over torch's LSTM"),
}
"""What stands over a column, so that a row fits a line of 80 letters, and what it means."""


def _steps(rows: list[Any]) -> Table:
    """Show a row an architecture and size; what misses its goal is red."""
    table = Table(box=None, pad_edge=False)
    names = [name for name in COLUMNS if any(row.what == name for row in rows)]
    heads = [COLUMNS[name][0] for name in names]
    for name in ("architecture", "units", "length", "path", "ms", *heads):
        table.add_column(name, justify="left" if name in ("architecture", "path") else "right")
    for where in dict.fromkeys(row.where for row in rows):
        at = {row.what: row for row in rows if row.where == where}
        (step,) = (row for what, row in at.items() if what.startswith("step"))
        cells = [_cell(at[name], f"{at[name].value:.3g}") if name in at else "" for name in names]
        path = step.what.removeprefix("step, ")
        table.add_row(*map(str, where), path, f"{step.value:.1f}", *cells)
    return table


def _legend(rows: list[Any]) -> list[str]:
    """Say what the columns of `_steps` are, and what they should be at most."""
    lines = ["ms: a training step"]
    for name, (short, meaning) in COLUMNS.items():
        found = [row for row in rows if row.what == name]
        goals = {row.where[1]: row.goal for row in found if row.goal is not None}
        each = [f"{goal:g} at {units} units" for units, goal in goals.items()]
        bounds = each if len(set(goals.values())) > 1 else [f"{g:g}" for g in [*goals.values()][:1]]
        if found:
            lines.append(f"{short}: {meaning}{'; at most ' if bounds else ''}{', '.join(bounds)}")
    return lines


def _others(rows: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("what", "median", "goal", "quartiles"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        told = _told(row, row.value)
        between = f"{_told(row, row.low)} to {_told(row, row.high)}" if row.low < row.high else ""
        sign = ">=" if row.is_more_better else "<="
        goal = "" if row.goal is None else f"{sign} {_told(row, row.goal)}"
        table.add_row(row.what, _cell(row, told), goal, between)
    return table


def _told(row: Any, value: float) -> str:
    if row.unit == "share":
        return f"{value:.1%}"
    unit = {"ratio": " x", "per hour": "/h"}.get(row.unit, f" {row.unit}")
    return f"{value:,.0f}{unit}" if row.unit == "per hour" else f"{value:.3g}{unit}"


def _cell(row: Any, text: str) -> str:
    return f"[red]{text}[/red]" if row.is_met is False else text
