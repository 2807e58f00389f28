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
    console.print(_table(rows))
    missed = [row for row in rows if row.is_met is False]
    goals = [row for row in rows if row.goal is not None]
    say(f"{len(goals) - len(missed)} of {len(goals)} goals are met")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "benchmark.json") as file:
        file.write(benchmark.as_json(rows, environment.record()).encode())
    for written in bench_figure.write(out / "benchmark.json", out):
        say(f"written: {written}")


def _table(rows: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, side in (("what", "left"), ("median", "right"), ("quartiles", "right")):
        table.add_column(name, justify=side, no_wrap=name != "what")  # type: ignore[arg-type]
    table.add_column("goal", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        goal = ""
        if row.goal is not None:
            goal = f"{'>=' if row.is_more_better else '<='} {row.goal:g}"
        off = "" if row.is_met is not False else f"missed by {_off(row):.0%}"
        style = "red" if off else ""
        table.add_row(
            row.what,
            f"{row.value:.3g} {_short(row.unit)}",
            f"{row.low:.3g} to {row.high:.3g}",
            goal,
            off or row.note,
            style=style,
        )
    return table


def _off(row: Any) -> float:
    return float(abs(row.value - row.goal) / row.goal)


def _short(unit: str) -> str:
    return {"ratio": "x", "share": "of it", "per hour": "/h"}.get(unit, unit)
