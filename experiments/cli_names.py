"""The arguments that several commands take, and what a shell completes them to."""

from pathlib import Path
from typing import Annotated

import typer

from experiments import loading
from lightning_modules import registry

LISTS = ("architectures", "tasks", "probes", "studies")
KINDS = ("architecture", "task", "probe", "study")


def studies() -> list[str]:
    """Name the studies."""
    return loading.names()


def tasks() -> list[tuple[str, str]]:
    """Name the tasks, and each in its dialects, with a word on what they are."""
    named = []
    for entry in registry.entries("task"):
        dialects: dict[str, str] = entry.constants.get("dialects", {})
        named += [(entry.name, entry.summary)]
        named += [(f"{entry.name}/{dialect}", what) for dialect, what in dialects.items()]
    return named


def architectures() -> list[tuple[str, str]]:
    """Name the architectures."""
    return [(entry.name, entry.summary) for entry in registry.entries("architecture")]


def probes() -> list[tuple[str, str]]:
    """Name the probes."""
    return [(entry.name, entry.summary) for entry in registry.entries("probe")]


def everything() -> list[str | tuple[str, str]]:
    """Name what can be checked."""
    whole_tasks = [(entry.name, entry.summary) for entry in registry.entries("task")]
    return [*architectures(), *whole_tasks, *probes(), *studies()]


def lists() -> list[str]:
    """Name what can be listed."""
    return list(LISTS)


def kinds() -> list[str]:
    """Name what can be begun."""
    return list(KINDS)


StudyName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A name, FILE.py, study.json, or a study's folder.",
        autocompletion=studies,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: runs/STUDY.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Some trials: arm=lstm,task=adding,lag=30,seed=0."),
]
Add = Annotated[
    list[str] | None,
    typer.Option(
        "--add",
        metavar="FILE.py:Class",
        help="One more arm; also module:Class, NAME.",
        autocompletion=architectures,
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="FILE.py:Class", help="Outside code that a study.json brings."),
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", min=1, metavar="N", help="N seeds (0, 1, ...) instead of its own."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="At most N trials at once; default: the cores.", metavar="N"
    ),
]
