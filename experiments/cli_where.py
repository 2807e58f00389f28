"""The options that say where trials run, for every command that runs some."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from experiments import accelerator
from experiments.cli_names import Workers
from experiments.engines import choice
from experiments.engines.base import Where

HERE = Where()
"""Where trials run if nothing is said."""

ON_SLURM = "With --engine slurm"
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help=f"Where trials run: {', '.join(choice.names())}.",
        autocompletion=choice.names,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="The Ray cluster to join, or auto; otherwise one is started here for the run.",
    ),
]
OnWhat = Annotated[
    str | None,
    typer.Option(
        "--accelerator",
        metavar="|".join(accelerator.NAMES),
        help="What networks train on; default: cpu.",
        autocompletion=lambda: list(accelerator.NAMES),
    ),
]
TrialsPerGpu = Annotated[
    int | None,
    typer.Option(
        "--trials-per-gpu",
        min=1,
        metavar="N",
        help="Have N trials share a GPU, and train on it unless told --accelerator cpu.",
    ),
]
TrialsPerJob = Annotated[
    int | None,
    typer.Option(
        "--trials-per-job",
        min=1,
        help="Default: 8, and at most 200 jobs.",
        rich_help_panel=ON_SLURM,
    ),
]
Partition = Annotated[
    str | None, typer.Option("--partition", help="As sbatch's.", rich_help_panel=ON_SLURM)
]
Time = Annotated[
    str | None,
    typer.Option("--time", help="As sbatch's: 4:00:00 is four hours.", rich_help_panel=ON_SLURM),
]
Account = Annotated[
    str | None, typer.Option("--account", help="As sbatch's.", rich_help_panel=ON_SLURM)
]
Directives = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="One more of sbatch's directives: mem=4G, qos=low, exclusive.",
        rich_help_panel=ON_SLURM,
    ),
]

OPTIONS = {
    "engine": EngineName,
    "address": Address,
    "workers": Workers,
    "accelerator": OnWhat,
    "trials_per_gpu": TrialsPerGpu,
    "trials_per_job": TrialsPerJob,
    "partition": Partition,
    "time": Time,
    "account": Account,
    "slurm": Directives,
}
"""By field of `Where`, in the order in which --help lists them."""


def somewhere(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes `where`, the options that say it.

    What the engine does not know, or is not installed, is refused before the command begins.
    """

    @functools.wraps(command)
    def called(**given: Any) -> None:
        said = {name: given.pop(name) for name in OPTIONS}
        where = Where(**{**said, "slurm": tuple(said["slurm"] or ())})
        choice.check(where)
        command(where=where, **given)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name != "where":
            parameters.append(parameter)
            continue
        parameters += [
            inspect.Parameter(
                name, parameter.kind, default=getattr(HERE, name) or None, annotation=annotation
            )
            for name, annotation in OPTIONS.items()
        ]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
