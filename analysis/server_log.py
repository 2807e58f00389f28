"""What a W&B server says of a run, as a segment: its rows in columns, and which of them are new.

A server answers in JSON, with one row for each `_step`. Where exported and live rows meet, some
come twice. Nested dictionaries come nested from live rows, and joined by dots from exported ones;
what is no number in JSON comes as a word; what a row lacks may come as null, so that a null that
was logged cannot be told from it.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from analysis.segments import GOES_ON, Row, Segment, alike, columns_of, flatten
from analysis.wandb_log import Run

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""In a key that no other text is logged under, these words are numbers."""

FINISHED = "finished"
"""A server's word for a run that ended with status 0; of no other state it gives the status."""


NAMES = 16 * 2**20
"""Nested names are joined as if the answers had so many bytes."""

SOURCE = "wandb:"
"""What comes from a server is named by this and ENTITY/PROJECT."""


def project_of(source: str) -> str | None:
    """Give the ENTITY/PROJECT that a source is; none where it is a folder."""
    return source.removeprefix(SOURCE) if source.startswith(SOURCE) else None


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of a run; its list of runs leaves out config, summary and last step.

    `seen` is when the run was last heard of, in seconds since 1970; `lines` how many rows the
    server counts and `last_step` the `_step` of the last one, -1 where it does not say.
    """

    url: str
    run: Run
    config: Row
    summary: Row
    state: str
    seen: float
    lines: int
    last_step: int


def stands(kept: Segment, listed: About) -> bool:
    """Tell whether a run that has ended is listed as it was when it was kept."""
    return (
        listed.state not in GOES_ON
        and (kept.state, kept.lines, kept.modified) == (listed.state, listed.lines, listed.seen)
        and dataclasses.replace(kept.run, wandb="") == listed.run
    )


def first_step(kept: Segment | None, about: About) -> int | None:
    """Give the step from which on rows are to be asked for; none where nothing is new.

    Rows are kept as long as the run only grows: one that began anew, or lost rows, is asked for
    from 0.
    """
    if kept is None or kept.run.started != about.run.started or about.lines < 0:
        return 0
    last = _last_step(kept.columns)
    if kept.lines is None or about.lines < kept.lines or about.last_step < last:
        return 0
    return None if (kept.lines, last) == (about.lines, about.last_step) else last + 1


def begin(about: About, rows: list[Row]) -> Segment:
    """Make a segment of all rows of a run."""
    return _segment(about, _columns(_once(rows)))


def go_on(kept: Segment, about: About, rows: list[Row]) -> Segment | None:
    """Add the rows that are new; none where they are not as many as the server counts more."""
    rows = _once(rows)
    if len(rows) != about.lines - (kept.lines or 0):
        return None
    if not rows:
        return _segment(about, kept.columns)
    tables = alike([kept.columns, _columns(rows)])
    return _segment(about, pa.concat_tables(tables, promote_options="default").combine_chunks())


def _once(rows: list[Row]) -> list[Row]:
    return list({row.get("_step", (number,)): row for number, row in enumerate(rows)}.values())


def _columns(rows: list[Row]) -> pa.Table:
    flatten(rows, NAMES)
    rows = [{k: v for k, v in row.items() if v is not None} for row in rows]
    texts = {k for row in rows for k, v in row.items() if isinstance(v, str) and v not in WORDS}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, str) and key not in texts:
                row[key] = WORDS[value]
    return columns_of(rows)


def _segment(about: About, columns: pa.Table) -> Segment:
    return Segment(
        path=about.url,
        kind="server",
        size=0,
        modified=about.seen,
        digest=_digest(columns),
        run=about.run,
        config=about.config,
        summary=about.summary,
        exit_code=0 if about.state == FINISHED else None,
        gaps=(),
        columns=columns,
        state=about.state,
        lines=about.lines if about.lines >= 0 else None,
    )


def _digest(columns: pa.Table) -> str:
    """Hash the values, however Arrow keeps them."""
    digest = hashlib.sha256()
    for name in columns.column_names:
        column = columns[name]
        digest.update(f"{name} {column.type} ".encode())
        if pa.types.is_floating(column.type):
            digest.update(column.is_valid().to_numpy().tobytes())
            digest.update(column.fill_null(0.0).to_numpy().tobytes())
        else:
            digest.update(json.dumps(column.to_pylist()).encode())
    return digest.hexdigest()


def _last_step(columns: pa.Table) -> int:
    if "_step" not in columns.column_names or not pa.types.is_floating(columns["_step"].type):
        return -1
    steps: Any = pa.compute.max(columns["_step"]).as_py()
    return -1 if steps is None else int(steps)
