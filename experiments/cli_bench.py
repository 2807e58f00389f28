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
    ]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        for name, part in parts:
            for row in part:
                rows.append(row)
                progress.update(task, description=f"{name}: {row.what}")
    console.print(_steps([row for row in rows if row.where]))
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


def _steps(rows: list[Any]) -> Table:
    """Show a row an architecture and size; what misses its goal is red, with the goal beside it."""
    table = Table(box=None, pad_edge=False)
    names = list(dict.fromkeys(row.what for row in rows if not row.what.startswith("step")))
    for name in ("architecture", "units", "length", "path", "ms", *names):
        table.add_column(name, justify="left" if name in ("architecture", "path") else "right")
    for where in dict.fromkeys(row.where for row in rows):
        at = {row.what: row for row in rows if row.where == where}
        (step,) = (row for what, row in at.items() if what.startswith("step"))
        cells = [_cell(at[name]) if name in at else "" for name in names]
        path = step.what.removeprefix("step, ")
        table.add_row(*map(str, where), path, f"{step.value:.1f}", *cells)
    return table


def _others(rows: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("what", "median", "quartiles"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        unit = {"ratio": "x", "share": "of it", "per hour": "/h"}.get(row.unit, row.unit)
        between = f"{row.low:.3g} to {row.high:.3g}" if row.low < row.high else ""
        table.add_row(row.what, f"{_cell(row)} {unit}", between)
    return table


def _cell(row: Any) -> str:
    text = f"{row.value:.3g}"
    if row.goal is None:
        return text
    text += f" ({'>=' if row.is_more_better else '<='} {row.goal:g})"
    return f"[red]{text}[/red]" if row.is_met is False else text
