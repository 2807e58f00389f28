"""The commands about logs: what is in them, of any origin, and sending a study's to a server."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from experiments.cli_lines import console, progress, say
from experiments.cli_names import StudyName
from experiments.loading import StudyError

MOST_RUNS = 30
"""Of more, only those that are not simply complete are listed."""

MOST_KEYS = 60

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def logs(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A folder with W&B or Lightning CSV logs below it."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--wandb", metavar="ENTITY/PROJECT", help="In place of DIR: a W&B server's."),
    ] = None,
    to: Annotated[
        Literal["parquet", "csv"] | None,
        typer.Option("--to", help="Write what was read: runs and history, as files."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="For --to; default: DIR-logs or PROJECT-logs."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read all files anew, and keep nothing of them.")
    ] = False,
) -> None:
    """Show the runs in a folder of logs: their health, their keys, and how to report on them.

    Examples:
        longdep logs runs/quick
        longdep logs wandb --to parquet
        longdep logs lightning_logs
        longdep logs --wandb my-team/speech

    Reads .wandb files of wandb 0.12 to 0.31 and Lightning's metrics.csv, without a server; with
    --wandb, a project on one, with the key of wandb login or WANDB_API_KEY. What has been read is
    kept in ~/.cache/longdep/logs: a file is read again when it has changed, a server asked for what
    is new.
    """
    from analysis import export
    from analysis.escaping import plain
    from analysis.folder_source import SourceError
    from analysis.json_file import StudyFileError

    if out is not None and to is None:
        raise StudyError("--out goes with --to")
    if (folder is None) == (server is None):
        raise StudyError("logs: name a folder, or --wandb ENTITY/PROJECT in its place")
    try:
        found = read(folder, server, no_cache=no_cache)
        if to is not None:
            target = out or Path(f"{name(folder, server)}-logs")
            frames = {"runs": found.runs_frame, "history": found.history_frame}
            for path in export.write(frames, target, to):
                say(f"written: {path}")
            return
    except (SourceError, StudyFileError) as error:
        raise StudyError(str(error)) from None
    _show(found, plain)
    _suggest(found, ["--wandb", str(server)] if folder is None else ["--logs", str(folder)])


@app.command(rich_help_panel="Studies")
def publish(
    study: StudyName,
    entity: Annotated[
        str, typer.Option("--entity", metavar="NAME", help="Whose account or team it goes to.")
    ],
    project: Annotated[
        str | None, typer.Option("--project", help="Default: the study's name.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go, and send nothing.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Send it although something in it was flagged.")
    ] = False,
) -> None:
    """Send a study's finished trials to a W&B server, by wandb's own sync.

    Examples:
        longdep publish quick --entity my-team --dry-run
        longdep publish quick --entity my-team

    What holds the name of this machine, a path of it, or what looks like a secret is flagged, and
    is sent only with --anyway. Sent again, the same trial goes to the same run.
    """
    from analysis import ledger
    from analysis.escaping import plain
    from experiments import opening, publishing

    declared, folder = opening.recorded(study, None)
    found = publishing.parcels(ledger.take(folder.path))
    flagged = sum(bool(parcel.flags) for parcel in found)
    target = f"{entity}/{project or declared.name}"
    if dry_run:
        for parcel in found:
            say(f"{parcel.id} {parcel.entry.trial.arm} | {parcel.entry.trial.task} | "
                f"{parcel.entry.trial.lag} | seed {parcel.entry.trial.seed}")  # fmt: skip
            for name in parcel.files:
                say(f"    {plain(name, 300)} {(parcel.folder / name).stat().st_size:,} bytes")
            for flag in parcel.flags:
                say(f"    flagged: {plain(flag, 300)}", style="red")
        size = sum(parcel.size for parcel in found)
        say(f"{len(found)} runs, {size:,} bytes would go to {target}; {flagged} flagged")
        return
    if not found:
        raise StudyError(f"{folder.path}: no trial has a result; there is nothing to send")
    if flagged and not anyway:
        raise StudyError(
            f"{flagged} of {len(found)} runs are flagged, and nothing was sent; --dry-run shows "
            "why, --anyway sends them"
        )
    publishing.send(
        found, entity, project or declared.name, lambda parcel: say(f"sent: {target}/{parcel.id}")
    )


def read(
    folder: Path | None, server: str | None, step: str | None = None, *, no_cache: bool = False
) -> Any:
    """Read the logs below a folder, or a project on a server, telling how far it is.

    Raises
    ------
    SourceError
        There is no such folder, or the server gives nothing.
    """
    from analysis import folder_source, log_cache, server_log
    from analysis import logs as joining

    with progress() as told:
        cache = None if no_cache else log_cache.default_folder()
        if folder is not None:
            return joining.join(str(folder), folder_source.read(folder, cache, told), step)
        from experiments import wandb_server

        assert server is not None
        return joining.join(
            server_log.SOURCE + server, wandb_server.read(server, cache, told), step
        )


def name(folder: Path | None, server: str | None) -> str:
    """Give what files about these logs are called."""
    called = (server or "").rpartition("/")[2] if folder is None else folder.resolve().name
    return "logs" if called in ("", ".", "..") else called


def _show(found: Any, plain: Any) -> None:
    from analysis.logs import HEALTHS

    counts = Counter(run.health for run in found.runs)
    resumed = sum(len(run.segments) > 1 for run in found.runs)
    told = [f"{counts[health]} {health}" for health in HEALTHS if counts[health]]
    told += [f"{resumed} of them resumed"] if resumed else []
    told += [f"{len(found.unreadable)} files cannot be read"] if found.unreadable else []
    say(f"{len(found.runs)} runs: {', '.join(told) or 'none'}")
    listed = [r for r in found.runs if len(found.runs) <= MOST_RUNS or r.note]
    table = Table("run", "name", "project", "health", "rows", "note", box=None, pad_edge=False)
    for run in listed:
        who = run.last.run
        style = "" if run.health in ("complete", "running") else "red"
        cells = (run.id, who.name or "-", who.project or "-", run.health, f"{len(run.steps):,}")
        table.add_row(*(Text(plain(c, 60), style=style) for c in cells),
                      Text(plain(run.note, 300) if run.note else "", style=style))  # fmt: skip
    if listed:
        console.print(table)
    if len(listed) < len(found.runs):
        say(f"and {len(found.runs) - len(listed)} that are simply complete or running")
    for path, why in found.unreadable:
        say(f"{plain(path, 300)}: {why}", style="red")


def _suggest(found: Any, source: list[str]) -> None:
    import shlex

    from analysis import mapping
    from analysis.escaping import plain

    keys = mapping.history_keys(found)
    if not found.runs:
        return
    shown = sorted(keys, key=lambda key: -keys[key])[:MOST_KEYS]
    say("")
    say("keys with numbers: " + ", ".join(f"{plain(k, 80)} ({keys[k]} runs)" for k in shown)
        + (f", and {len(keys) - len(shown)} more" if len(shown) < len(keys) else ""))  # fmt: skip
    config = Counter(
        key for run in mapping.values_of(found) for key in run if key.startswith("config.")
    )
    told = [plain(key, 80) for key, _ in config.most_common(MOST_KEYS)]
    say("config: " + (", ".join(told) or "none"))
    parts = mapping.suggest(found)
    if "arm" in parts and "score" in parts:
        options = mapping.options(parts)
        say(f"to report on them: longdep report {shlex.join(source)} {options}")
    else:
        lacking = " and ".join(f"--{part}" for part in ("arm", "score") if part not in parts)
        say(f"to report on them, name the keys for {lacking}: longdep report --help")
