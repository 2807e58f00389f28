"""Which engines there are, and what each of them is told. Imports one only when it is asked for."""

import importlib
import importlib.util
from dataclasses import dataclass, fields

from experiments import accelerator
from experiments.engines.base import Engine, Where
from experiments.study import Trial
from lightning_modules import registry
from lightning_modules.refusal import RefusedError

COMMON = ("engine", "workers", "accelerator")
"""What every engine is told."""


@dataclass(frozen=True)
class Kind:
    """An engine: its module, the fields of `Where` that it knows, the package that it needs.

    An engine that needs a package is an extra of ours, under its own name.
    """

    module: str
    options: tuple[str, ...] = ()
    package: str = ""


ENGINES = {
    "local": Kind("experiments.engines.local"),
    "ray": Kind("experiments.engines.ray_cluster", ("address", "trials_per_gpu"), "ray"),
    "slurm": Kind(
        "experiments.engines.slurm",
        ("trials_per_gpu", "partition", "time", "account", "slurm", "trials_per_job"),
        package="submitit",
    ),
}


def names() -> list[str]:
    """Name the engines."""
    return list(ENGINES)


def check(where: Where) -> None:
    """Refuse an engine that is not known or not installed, and options that it does not know.

    Raises
    ------
    RefusedError
        With what is allowed, or what to install.
    """
    kind = ENGINES.get(where.engine)
    if kind is None:
        near = registry.hint(where.engine, ENGINES)
        raise RefusedError(f"--engine {where.engine}: engines are {', '.join(ENGINES)}{near}")
    accelerator.refuse_unknown(where.trains_on)
    given = [f.name for f in fields(where) if getattr(where, f.name) not in (None, ())]
    for name in given:
        if name not in (*COMMON, *kind.options):
            knows = [each for each, its in ENGINES.items() if name in its.options]
            option = f"--{name.replace('_', '-')}"
            raise RefusedError(f"{option} goes with --engine {' or '.join(knows)}")
    if kind.package and importlib.util.find_spec(kind.package) is None:
        raise RefusedError(
            f"--engine {where.engine} needs {kind.package}, which is not installed here: "
            f"pip install 'longdep[{where.engine}]'"
        )


def begin(where: Where, trials: list[Trial], is_online: bool) -> Engine:
    """Start the engine that was asked for.

    Raises
    ------
    RefusedError
        As `check`, and when the engine cannot start.
    """
    check(where)
    module = importlib.import_module(ENGINES[where.engine].module)
    engine: Engine = module.begin(where, trials, is_online)
    return engine
