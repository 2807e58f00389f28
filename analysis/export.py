"""Frames to files: Parquet as they are, CSV that no spreadsheet takes for formulas."""

import io
import os
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis.pages import checked_folder, write_file

Format = Literal["parquet", "csv"]

_FORMULA = r"^([=+\-@\t\r])"


def write(
    frames: dict[str, pd.DataFrame], out_dir: str | os.PathLike[str], to: Format
) -> list[Path]:
    """Write each frame whole, under its name; give the paths.

    Raises
    ------
    StudyFileError
        `out_dir` cannot be a folder.
    """
    out = checked_folder(out_dir)
    written = []
    for name, frame in frames.items():
        path = out / f"{name}.{to}"
        write_file(path, _parquet(frame) if to == "parquet" else _csv(frame))
        written.append(path)
    return written


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _csv(frame: pd.DataFrame) -> bytes:
    shown = frame.copy()
    for name in shown.columns:
        if isinstance(shown[name].dtype, pd.StringDtype):
            shown[name] = shown[name].str.replace(_FORMULA, r"'\1", regex=True)
    shown.columns = pd.Index([str(n) for n in shown.columns]).str.replace(
        _FORMULA, r"'\1", regex=True
    )
    return shown.to_csv(index=False, lineterminator="\n").encode()
