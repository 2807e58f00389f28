"""The command that measures finished trials: longdep probe."""

from typing import Annotated

import typer

from experiments import cli_names, opening
from experiments.cli_lines import say
from experiments.cli_names import Only, Out, StudyName
from experiments.loading import StudyError
from lightning_modules import registry

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def probe(
    study: StudyName,
    probes: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="NAME",
            help="What to measure; also FILE.py:Class, module:Class. Default: all there are.",
            autocompletion=cli_names.probes,
        ),
    ] = None,
    only: Only = None,
    out: Out = None,
) -> None:
    """Measure the networks of finished trials, as they started and as they ended.

    What is measured lies in probes/NAME.parquet beside each trial, and `longdep report` shows it.
    Logs and results are left alone.

    Examples:
        longdep probe quick --probe gates
        longdep probe quick --only arm=lstm,seed=0 --probe gradient_reach --probe skip_paths
        longdep probe runs/quick --probe my_probe.py:Mine
    """
    names = {_name(reference): reference for reference in probes or registry.names("probe")}
    for reference in names.values():
        registry.describe("probe", reference)
    declared, folder = opening.recorded(study, out)
    # From here on torch is needed.
    import torch

    from experiments import finding, measuring

    torch.set_num_threads(1)
    kinds = {name: finding.load("probe", reference) for name, reference in names.items()}
    trials = measuring.done(declared, folder, only)
    if not trials:
        raise StudyError(f"{folder.path}: no such trial is done; longdep run {study}")
    if stale := folder.stale(trials):
        files = sorted({file for changed in stale.values() for file in changed})
        say(f"{len(stale)} of them are stale: {', '.join(files)} changed since", style="yellow")
    written: dict[str, int] = dict.fromkeys(kinds, 0)
    told: set[str] = set()
    for number, trial in enumerate(trials, 1):
        one = measuring.bring_back(trial, folder)
        for name, kind in kinds.items():
            path, why = measuring.measure(one, name, kind)
            written[name] += path is not None
            line = f"{name} does not apply to {trial.arm.label}: {why}"
            if why and line not in told:
                told.add(line)
                say(line, style="dim")
        say(f"{number}/{len(trials)}  {trial.group} | seed {trial.seed}", style="dim")
    for name, count in written.items():
        say(f"measured: {name} on {count} trials, in {folder.path}/*/probes/{name}.parquet")


def _name(reference: str) -> str:
    if not registry.is_outside(reference):
        return reference
    return reference.rpartition(":")[2]
