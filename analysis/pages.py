"""What every page is made with: templates that escape, one style sheet, one script, whole files."""

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.escaping import plain
from analysis.json_file import StudyFileError

TEMPLATES = Path(__file__).resolve().parent.parent / "reports" / "templates"


def render(template: str, more_style: str, **given: Any) -> str:
    """Render a page; its policy allows the style sheet and the script by their hashes alone."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")) + more_style
    script = Markup((TEMPLATES / "report.js").read_text(encoding="utf-8"))
    return environment.get_template(template).render(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        **given,
    )


def checked_folder(out_dir: str | os.PathLike[str]) -> Path:
    """Give the folder that a page goes to, before anything is read for it.

    Raises
    ------
    StudyFileError
        It is no folder, and cannot be one.
    """
    out = Path(out_dir)
    for place in (out, *out.parents):
        if os.path.lexists(place) and not place.is_dir():
            raise StudyFileError(f"{place} is no folder; the report needs one")
    return out


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
