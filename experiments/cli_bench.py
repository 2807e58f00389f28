"""The command that measures this machine: longdep bench."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from experiments import accelerator as accelerators
from experiments.cli_lines import console, say

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Two sizes, one length, no cohort; under three minutes.")
    ] = False,
    accelerator: Annotated[
        str,
        typer.Option(
            "--accelerator",
            metavar="|".join(accelerators.NAMES),
            help="On a gpu: steps, a cohort of seeds, trials an hour of workers that share it.",
        ),
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where JSON and figure go. Default: reports/benchmark, on a gpu its folder gpu.",
        ),
    ] = None,
) -> None:
    """Measure steps, data, trials, probes, logs and reports on this machine, against goals.

    Of each goal that is missed it says by how much, and why where that is known.

    Examples:
        longdep bench --quick
        longdep bench --quick --accelerator gpu
    """
    accelerators.refuse_unknown(accelerator)
    import torch

    from analysis import bench_figure
    from experiments import bench_harness, bench_reasons, benchmark, environment, loading
    from experiments.durable import replacing

    torch.set_num_threads(1)
    study = loading.load("quick")
    rows: list[Any] = [bench_harness.load_of_machine()]
    with accelerators.used(accelerator) as device, Progress(console=console, transient=True) as bar:
        grid = benchmark.QUICK if quick else benchmark.FULL
        parts = _on_gpu(study, grid, device) if accelerator == "gpu" else _on_cpu(study, grid)
        task = bar.add_task("measuring", total=None)
        for name, part in parts:
            for row in part:
                rows.append(bench_reasons.explained(row))
                bar.update(task, description=f"{name}: {row.what}")
        machine = environment.record(accelerator)
    timed = [row for row in rows if row.where]
    console.print(_steps(timed))
    for line in _legend(timed):
        say(line, style="dim")
    console.print()
    console.print(_others([row for row in rows if not row.where]))
    for line in MEANINGS if accelerator == "cpu" else ():
        say(line, style="dim")
    missed = [row for row in rows if row.is_met is False]
    goals = [row for row in rows if row.goal is not None]
    say(f"{len(goals) - len(missed)} of {len(goals)} goals are met")
    for line in _notes(missed):
        say(line)
    place = Path("reports/benchmark")
    out = out or (place / "gpu" if accelerator == "gpu" else place)
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "benchmark.json") as file:
        file.write(benchmark.as_json(rows, machine).encode())
    for written in bench_figure.write(out / "benchmark.json", out):
        say(f"written: {written}")


def _on_cpu(study: Any, grid: Any) -> list[tuple[str, Iterator[Any]]]:
    """Give what is measured on a machine, by its name."""
    from experiments import bench_harness, bench_reports, bench_trials, benchmark

    longest = {trial.task: trial for trial in study.trials()}
    far = bench_harness.at_lag(list(longest.values()), 100)
    parts = [
        ("steps", benchmark.steps(grid)),
        *(("harness", bench_harness.harness(trial, grid.rounds)) for trial in longest.values()),
        *(("data", bench_harness.data(trial, grid.rounds)) for trial in (*longest.values(), *far)),
        ("trials an hour", bench_trials.trials_an_hour(study, grid.trials)),
        ("kernel and loop", bench_trials.with_and_without_kernel(study, grid.pairs)),
        ("probes", bench_trials.with_and_without_probes(study, grid.probed)),
        ("logs", bench_reports.reading(study, grid.rounds)),
        ("report", bench_reports.reporting(study, grid.seeds)),
    ]
    if grid.members:
        parts.append(("cohort", bench_trials.cohort_and_single(study, grid.members)))
    return parts


def _on_gpu(study: Any, grid: Any, device: Any) -> list[tuple[str, Iterator[Any]]]:
    """Give what is measured on a GPU; the rest is the machine's."""
    from experiments import bench_gpu, bench_trials, benchmark

    # In loops small networks take longer there, and what is asked is how workers share it.
    few = max(4, grid.trials // 3)
    return [
        ("cohort", bench_gpu.cohort(study, bench_gpu.MEMBERS, grid.rounds, device)),
        ("steps", benchmark.steps(grid, device)),
        ("trials an hour", bench_trials.trials_an_hour(study, few, "gpu", (1, 2, 4))),
    ]


COLUMNS = {
    "limit": ("limit", "its matrix products alone, in ms"),
    "of the loop": ("/ loop", "over the time of the loop"),
    "of torch's own or of the scan": ("/ own", "over the time of torch's own, or of the scan"),
    "per FLOP, of torch's LSTM": ("/ FLOP", "per FLOP, over torch's LSTM"),
}
"""What stands over a column, so that a row fits a line of 80 letters, and what it means."""


MEANINGS = (
    "harness: what is around a step, of 5 ms; data: making a batch, of a step",
    "probes: three at each validation, of a trial; cohort: speed over single trials",
)


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


def _notes(missed: list[Any]) -> list[str]:
    """Say of each missed goal by how much it is missed, and of those of one reason why."""
    lines = []
    for why in dict.fromkeys(row.why for row in missed):
        for row in missed:
            if row.why == why:
                place = " ".join(map(str, row.where)) + ": " if row.where else ""
                lines.append(f"missed by {row.missed_by:.0%}: {place}{row.what}")
        lines.append(f"  because {why}")
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
    short = {"ratio": " x", "per hour": "/h", "per second": "/s"}
    unit = short.get(row.unit, f" {row.unit}")
    return f"{value:,.0f}{unit}" if row.unit.startswith("per ") else f"{value:.3g}{unit}"


def _cell(row: Any, text: str) -> str:
    return f"[red]{text}[/red]" if row.is_met is False else text
