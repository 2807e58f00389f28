"""The command about what came out: report, of one study or of two, written or shown."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from experiments import opening
from experiments.cli_lines import console, progress, say
from experiments.cli_names import StudyName, studies
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.study import Study

PORT = 8321

app = typer.Typer()


@app.command(rich_help_panel="Studies")
def report(
    study: StudyName,
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
) -> None:
    """Write the report of a study: one HTML page, figures, tables. Of two, what differs.

    Examples:
        longdep report quick
        longdep report runs/quick --out somewhere/else
        longdep report runs/before runs/after
        longdep report quick --serve
    """
    from analysis.json_file import StudyFileError
    from analysis.serving import PortError

    if port is not None and not serve:
        raise StudyError("--port goes with --serve")
    if other is not None and serve:
        raise StudyError("--serve shows the report of one study; a comparison is written")
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


def _write(declared: Study, folder: StudyFolder, out: Path) -> None:
    from analysis import report as reports

    with progress() as told:
        page = reports.write(folder.path, out, folder.stale(declared.trials()), told)
    say(f"the report: {page}")


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
