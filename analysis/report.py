"""A study's report: one self-contained page, and its text, tables and figures beside it."""

import base64
import os
from pathlib import Path
from typing import Any

from analysis import drawings, gallery, latex, markdown, rendering, sources, tables
from analysis.contents import LATEX, Contents, gather
from analysis.ledger import Stale
from analysis.pages import checked_folder, render, write_file
from analysis.section import owns
from analysis.sections import SECTIONS
from analysis.sources import Frames, Progress

WIDE = 640
"""Figures wider than this keep so many pixels on a small screen, and scroll."""


def write(
    study_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    stale: Stale | None = None,
    progress: Progress | None = None,
    *,
    has_pdf: bool = True,
) -> Path:
    """Write the report of a study's folder, and give the path of its page.

    Makes `index.html`, `report.md`, tables as CSV and LaTeX, figures as SVG and PDF with their data
    as CSV; the same data give the same bytes. `stale` names the files that changed since, by trial;
    None says that nobody looked. Without PDF it takes about two thirds of the time.

    Raises
    ------
    StudyFileError
        `study.json` cannot be read, or `out_dir` cannot be a folder.
    """
    checked_folder(out_dir)
    return write_frames(
        sources.load(study_dir, stale, progress), out_dir, progress, has_pdf=has_pdf
    )


def write_frames(
    frames: Frames,
    out_dir: str | os.PathLike[str],
    progress: Progress | None = None,
    *,
    has_pdf: bool = True,
) -> Path:
    """Write the report of frames, wherever they come from; as `write`."""
    out = checked_folder(out_dir)
    contents = gather(frames, progress)
    drawn: dict[str, str] = {}
    files: dict[str, str | bytes] = {
        f"tables/{name}.csv": tables.csv(data) for name, data in contents.data.items()
    }
    for name, group in contents.tables.items():
        if any(len(table.cells) for table in group):
            files[f"tables/{name}.tex"] = latex.write(group)
    for number, shown in enumerate(contents.all_figures, start=1):
        drawn[shown.name] = rendering.svg(shown.figure)
        files[f"figures/{shown.name}.svg"] = drawn[shown.name]
        if has_pdf:
            files[f"figures/{shown.name}.pdf"] = rendering.pdf(shown.figure)
        files[f"figures/{shown.name}.csv"] = tables.csv(shown.data)
        if progress is not None:
            progress("figures rendered", number, len(contents.all_figures))
    files["report.md"] = markdown.write(contents)
    files["index.html"] = page(contents, drawn, has_pdf=has_pdf)
    _clear(out, set(files))
    for number, (name, data) in enumerate(files.items(), start=1):
        write_file(out / name, data.encode() if isinstance(data, str) else data)
        if progress is not None:
            progress("files written", number, len(files))
    return out / "index.html"


def _clear(out: Path, kept: set[str]) -> None:
    """Remove what an earlier report had and this one has not: it would be taken for this one's."""
    names = {f"figures/{name}.{kind}" for name in gallery.NAMES for kind in ("svg", "pdf", "csv")}
    names |= {f"tables/{name}.tex" for name in LATEX}
    names |= {
        f"{folder}/{path.name}"
        for folder, kinds in (("figures", {".svg", ".pdf", ".csv"}), ("tables", {".csv", ".tex"}))
        for path in (out / folder).glob("*.*")
        if path.suffix in kinds and any(owns(section, path.stem) for section in SECTIONS)
    }
    for name in names - kept:
        (out / name).unlink(missing_ok=True)


def page(contents: Contents, drawn: dict[str, str], *, has_pdf: bool = True) -> str:
    """Render the page; `drawn` is each figure as SVG."""
    ledger = contents.frames.ledger
    return render(
        "report.html.j2",
        drawings.colors(contents.looks),
        contents=contents,
        study=contents.frames.study,
        ledger=ledger,
        counts=_counts(contents),
        images={shown.name: _image(drawn[shown.name], shown) for shown in contents.all_figures},
        commands=markdown.commands(contents.frames),
        has_pdf=has_pdf,
    )


def _counts(contents: Contents) -> list[dict[str, Any]]:
    """Give the ledger as (state, number, whether it is a worry)."""
    ledger = contents.frames.ledger
    states = [
        {"state": state, "number": number, "is_worry": state != "done" and number > 0}
        for state, number in ledger.states.items()
    ]
    stale = len(ledger.stale) if ledger.is_stale_checked else None
    return [
        {"state": "planned", "number": ledger.planned, "is_worry": False},
        *states,
        {"state": "stale", "number": stale, "is_worry": bool(stale)},
    ]


def _image(svg: str, shown: gallery.Shown) -> dict[str, Any]:
    # A little larger than the type was set for: about that of the page.
    width, height = (round(115 * inches) for inches in shown.figure.get_size_inches())
    data = base64.b64encode(svg.encode()).decode()
    return {
        "source": f"data:image/svg+xml;base64,{data}",
        "width": width,
        "height": height,
        "is_wide": width > WIDE,
    }
