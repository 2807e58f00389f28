"""The command about what came out: report, of one study or of two, written or shown."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import cli_logs, opening, reproducing
from experiments.cli_lines import console, progress, say
from experiments.cli_names import studies
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.study import Study

PORT = 8321

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def report(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="A name, FILE.py, study.json, or a study's folder.",
            autocompletion=studies,
        ),
    ] = None,
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[OTHER]",
            help="A second study, or the same one after a change: compared with the first.",
            autocompletion=studies,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Default: reports/STUDY, or reports/A-vs-B."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it in a browser here while trials finish.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help=f"For --serve; default: {PORT}, 0: any."),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(
            "--logs", metavar="DIR", help="Anybody's W&B or CSV logs, in place of a study."
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--wandb", metavar="ENTITY/PROJECT", help="As --logs, of a W&B server; same options."
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option("--arm", metavar="KEY", help="For --logs: what is compared.")
    ] = None,
    score: Annotated[
        str | None, typer.Option("--score", metavar="KEY", help="For --logs: a key of the history.")
    ] = None,
    seed: Annotated[str | None, typer.Option("--seed", metavar="KEY", help="For --logs.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="KEY", help="For --logs.")] = None,
    lag: Annotated[str | None, typer.Option("--lag", metavar="KEY", help="For --logs.")] = None,
    step: Annotated[str | None, typer.Option("--step", metavar="KEY", help="For --logs.")] = None,
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="For --logs: the score is a loss.")
    ] = False,
    solved_at: Annotated[
        float | None, typer.Option("--solved-at", help="For --logs: solved from this score on.")
    ] = None,
    chance: Annotated[
        float | None, typer.Option("--chance", help="For --logs: the best guess without memory.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KEY=VALUE", help="For --logs: these runs alone."),
    ] = None,
) -> None:
    """Write the report of a study: one HTML page, figures, tables. Of two, what differs.

    Examples:
        longdep report quick
        longdep report runs/quick --out somewhere/else
        longdep report runs/before runs/after
        longdep report quick --serve
        longdep report repro                   paper says, we get: all reproductions on one page
        longdep report --logs wandb --arm config.model.name --seed config.seed --score val_acc
        longdep report --wandb my-team/speech --arm config.model --score val_acc

    `longdep logs DIR` shows the keys of logs, and suggests which to name. A W&B server is asked
    with the key of wandb login or WANDB_API_KEY, and only for what is new since the last time.
    """
    from analysis.json_file import StudyFileError
    from analysis.serving import PortError

    given: dict[str, Any] = {
        "--arm": arm,
        "--score": score,
        "--seed": seed,
        "--task": task,
        "--lag": lag,
    }
    given |= {"--step": step, "--solved-at": solved_at, "--chance": chance, "--only": only}
    given |= {"--lower-is-better": lower_is_better or None}
    if logs is not None or server is not None:
        option, place = (
            ("--logs", f"{logs}") if server is None else ("--wandb", f"--wandb {server}")
        )
        if study is not None or serve or (logs is not None and server is not None):
            raise StudyError(f"{option} stands in place of a study, and goes without --serve")
        if arm is None or score is None:
            lacking = " and ".join(n for n in ("--arm", "--score") if given[n] is None)
            raise StudyError(f"{option} needs {lacking}; longdep logs {place} shows the keys")
        parts = {"seed": seed, "task": task, "lag": lag, "step": step}
        _foreign(
            logs,
            server,
            dict(arm=arm, score=score, **parts, is_lower_better=lower_is_better,
                 solved_at=solved_at, chance=chance, only=_pairs(only or [])),
            out,
        )  # fmt: skip
        return
    if named := [option for option, value in given.items() if value is not None]:
        raise StudyError(f"{named[0]} goes with --logs or --wandb")
    if study is None:
        raise StudyError("report: name a study, or --logs DIR; longdep report --help")
    if port is not None and not serve:
        raise StudyError("--port goes with --serve")
    if other is not None and serve:
        raise StudyError("--serve shows the report of one study; a comparison is written")
    if study == reproducing.NAME:
        if other is not None or serve:
            raise StudyError(f"{study} is a page of its own, and goes without {other or '--serve'}")
        _board(out or Path("reports") / study)
        return
    declared, folder = opening.recorded(study, None)
    try:
        if other is not None:
            _compare(folder, opening.recorded(other, None)[1], out)
        elif serve:
            _serve(declared, folder, out, PORT if port is None else port)
        else:
            _write(declared, folder, out or Path("reports") / declared.name)
    except (StudyFileError, PortError) as error:
        raise StudyError(str(error)) from None


def _foreign(
    logs: Path | None, server: str | None, parts: dict[str, Any], out: Path | None
) -> None:
    from analysis import foreign, mapping
    from analysis import report as reports
    from analysis.folder_source import SourceError
    from analysis.json_file import StudyFileError

    try:
        found = cli_logs.read(logs, server, parts["step"])
        frames = foreign.frames(found, mapping.Mapping(**parts))
        target = out or Path("reports") / cli_logs.name(logs, server)
        with progress() as told:
            page = reports.write_frames(frames, target, told)
    except (SourceError, foreign.MappingError, StudyFileError) as error:
        raise StudyError(str(error)) from None
    say(f"the report: {page}")


def _pairs(only: list[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for each in only:
        key, is_there, value = each.partition("=")
        if not is_there:
            raise StudyError(f"--only {each}: KEY=VALUE is needed, as in config.lr=0.01")
        found.append((key, value))
    return tuple(found)


def _write(declared: Study, folder: StudyFolder, out: Path) -> None:
    from analysis import report as reports

    with progress() as told:
        page = reports.write(folder.path, out, folder.stale(declared.trials()), told)
    say(f"the report: {page}")


def _board(out: Path) -> None:
    from analysis import scoreboard
    from analysis.json_file import StudyFileError
    from analysis.study_file import Reproduces

    entries = []
    for name, study in opening.board().items():
        assert study.reproduces is not None, name
        folder = opening.folder_of(study)
        page = out.parent / name / "index.html"
        entries.append(
            scoreboard.Entry(
                name,
                Reproduces(**study.reproduces.model_dump()),
                folder.path if (folder.path / "study.json").is_file() else None,
                f"../{name}/index.html" if page.is_file() else "",
            )
        )
    try:
        with console.status("reading logs"):
            page = scoreboard.write(entries, out)
    except StudyFileError as error:
        raise StudyError(str(error)) from None
    say(f"the board: {page}")


def _compare(a: StudyFolder, b: StudyFolder, out: Path | None) -> None:
    from analysis import versus_page

    target = out or Path("reports") / f"{a.path.resolve().name}-vs-{b.path.resolve().name}"
    with console.status("reading logs"):
        page = versus_page.write(a.path, b.path, target)
    say(f"the comparison: {page}")


def _serve(declared: Study, folder: StudyFolder, out: Path | None, port: int) -> None:
    from analysis import ledger, serving
    from analysis import report as reports

    with tempfile.TemporaryDirectory(prefix="longdep-report-") as elsewhere:
        target = out or Path(elsewhere)

        def build() -> tuple[Path, bool]:
            stale = folder.stale(declared.trials())
            page = reports.write(folder.path, target, stale, has_pdf=False)
            return page, not ledger.take(folder.path).open

        try:
            serving.serve(folder.path, build, port, say)
        except KeyboardInterrupt:
            return
