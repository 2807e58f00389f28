"""A study's report: one self-contained page, and its text, tables and figures beside it."""

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis import drawings, gallery, looks, markdown, sources, tables
from analysis.contents import Contents, gather
from analysis.escaping import plain
from analysis.json_file import StudyFileError
from analysis.ledger import Stale
from analysis.sources import Progress

WIDE = 640
"""Figures wider than this keep so many pixels on a small screen, and scroll."""

TEMPLATES = Path(__file__).resolve().parent.parent / "reports" / "templates"


def write(
    study_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    stale: Stale | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a study's folder, and give the path of its page.

    Makes `index.html`, `report.md`, `tables/*.csv`, `figures/*.svg` and `figures/*.csv`; the same
    data give the same bytes. `stale` names the files that changed since, by trial; None says that
    nobody looked.

    Raises
    ------
    StudyFileError
        `study.json` cannot be read, or `out_dir` cannot be a folder.
    """
    out = Path(out_dir)
    for place in (out, *out.parents):
        if os.path.lexists(place) and not place.is_dir():
            raise StudyFileError(f"{place} is no folder; the report needs one")
    contents = gather(sources.load(study_dir, stale, progress), progress)
    files = {f"tables/{name}.csv": tables.csv(data) for name, data in contents.data.items()}
    drawn = {shown.name: looks.svg(shown.figure) for shown in contents.figures}
    for shown in contents.figures:
        files[f"figures/{shown.name}.svg"] = drawn[shown.name]
        files[f"figures/{shown.name}.csv"] = tables.csv(shown.data)
    files["report.md"] = markdown.write(contents)
    files["index.html"] = page(contents, drawn)
    for name in gallery.NAMES:
        # A figure of an earlier report that the data no longer allow would be taken for this one's.
        for kind in ("svg", "csv"):
            if f"figures/{name}.{kind}" not in files:
                (out / "figures" / f"{name}.{kind}").unlink(missing_ok=True)
    for number, (name, text) in enumerate(files.items(), start=1):
        _write(out / name, text)
        if progress is not None:
            progress("files written", number, len(files))
    return out / "index.html"


def page(contents: Contents, drawn: dict[str, str]) -> str:
    """Render the page; `drawn` is each figure as SVG."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    style = _style(contents)
    ledger = contents.frames.ledger
    return environment.get_template("report.html.j2").render(
        contents=contents,
        study=contents.frames.study,
        ledger=ledger,
        counts=_counts(contents),
        images={shown.name: _image(drawn[shown.name], shown) for shown in contents.figures},
        commands=markdown.commands(contents.frames.study.name),
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _style(contents: Contents) -> Markup:
    sheet = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return Markup(sheet) + drawings.colors(contents.looks)


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


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
