"""Lightning's CSV logs: `metrics.csv`, and `hparams.yaml` beside it.

A cell that is empty was not logged. Such a log does not say how its run ended.
"""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from analysis import wandb_log
from analysis.json_file import StudyFileError, read_bytes
from analysis.segments import Segment, columns_of
from analysis.wandb_log import Gap, Run

NAME = "metrics.csv"

HPARAMS_LIMIT = 2**20
"""Larger files of hyperparameters are passed over, in bytes."""

MOST_COLUMNS = 10_000
"""A table with more of them is not read."""


def read_csv(path: Path) -> Segment:
    """Read a CSV log; of one that is still being written, what is there so far.

    Raises
    ------
    OSError
        There is no such file, it is not a regular file, or it is too large.
    """
    data, modified = wandb_log.read_file(path)
    rows, gaps = parse(data)
    name = path.parent.name
    # Lightning numbers its logs anew in every folder: a log is named by both.
    run = Run(f"{path.parent.parent.name}/{name}", path.parent.parent.name, "", "", name, (), "")
    return Segment(
        path=str(path),
        kind="csv",
        size=len(data),
        modified=modified,
        digest=hashlib.sha256(data).hexdigest(),
        run=run,
        config=_hparams(path.parent / "hparams.yaml"),
        summary=_last(rows),
        exit_code=None,
        gaps=tuple(gaps),
        columns=columns_of(rows),
        has_end=False,
    )


def parse(data: bytes) -> tuple[list[dict[str, Any]], list[Gap]]:
    """Read the rows of a CSV log, and what is wrong with it."""
    if not data.strip():
        return [], [Gap("empty", 0, len(data), 0)]
    whole = data if data.endswith(b"\n") else data[: data.rfind(b"\n") + 1]
    try:
        lines = csv.reader(io.StringIO(whole.decode(), newline=""), strict=True)
        names = next(lines, [])
        rows: list[dict[str, Any]] = []
        gaps: list[Gap] = []
        if not names or len(names) > MOST_COLUMNS or len(set(names)) < len(names):
            return [], [Gap("not a log", 0, len(data), 0)]
        for cells in lines:
            if len(cells) != len(names):
                gaps = [Gap("damaged", 0, len(data), len(rows))]
                break
            rows.append({n: _value(c) for n, c in zip(names, cells, strict=True) if c != ""})
    except (ValueError, csv.Error):
        return [], [Gap("not a log", 0, len(data), 0)]
    if len(whole) < len(data):
        gaps.append(Gap("truncated", len(whole), len(data), len(rows)))
    return rows, gaps


def _value(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _last(rows: list[dict[str, Any]]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for row in rows:
        last.update(row)
    return last


def _hparams(path: Path) -> dict[str, Any]:
    """Read the hyperparameters, as far as they are plain values."""
    import yaml

    # Plain values alone: what a tag names is never made, and its tag stands in its place.
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("", lambda loader, suffix, node: node.tag)
    try:
        found = yaml.load(read_bytes(path, HPARAMS_LIMIT), loader)
        # Through JSON, so that it holds what a W&B config may hold; an alias that contains itself
        # and one that stands for gigabytes end here.
        return json.loads(_bounded(found)) if isinstance(found, dict) else {}
    except (StudyFileError, yaml.YAMLError, ValueError, TypeError, RecursionError):
        return {}


def _bounded(value: Any) -> str:
    parts, size = [], 0
    for part in json.JSONEncoder(default=str).iterencode(value):
        size += len(part)
        if size > HPARAMS_LIMIT:
            raise ValueError
        parts.append(part)
    return "".join(parts)
