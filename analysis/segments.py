"""One log file as it was read: who the run is, what it was given, and its rows in columns.

The columns are an Arrow table, where a value that was not logged is null and one that was logged as
NaN is NaN. Types:

| what was logged under a key | column |
|---|---|
| numbers | float64 |
| true or false | bool |
| text | string |
| tables, histograms, lists, or several of all this | string: each value as JSON |
"""

import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis import wandb_log
from analysis.json_file import StudyFileError, inside, read_bytes
from analysis.wandb_log import Gap, Log, Run

TABLE_LIMIT = 16 * 2**20
"""A table that lies beside its log is read up to so many bytes."""

GOES_ON = frozenset({"running", "pending", "preempting"})
"""A server's words for a run that has not ended; of the others, all but `finished` are crashed."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """What one file holds of a run.

    `path` is where it lies, `modified` when it was last written (seconds since 1970), `digest` the
    SHA-256 of its bytes. `has_end` tells whether files of this kind say how a run ended. Where a
    server was asked in place of a file, `size` is 0, `state` is its word for what became of the
    run, and `lines` how many rows it counts.
    """

    path: str
    kind: str
    size: int
    modified: float
    digest: str
    run: Run
    config: Row
    summary: Row
    exit_code: int | None
    gaps: tuple[Gap, ...]
    columns: pa.Table
    has_end: bool = True
    state: str = ""
    lines: int | None = None

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.columns.num_rows)

    def meta(self) -> Row:
        """Give all but the columns, as JSON can hold it."""
        told = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("columns", "run", "gaps")
        }
        gaps = [dataclasses.astuple(gap) for gap in self.gaps]
        return told | {"run": dataclasses.asdict(self.run), "gaps": gaps}

    @classmethod
    def of(cls, meta: Row, columns: pa.Table) -> "Segment":
        """Make a segment of what `meta` gave, and its columns."""
        run = meta["run"]
        run = Run(**{**run, "tags": tuple(run["tags"])})
        gaps = tuple(Gap(*gap) for gap in meta["gaps"])
        return cls(**{**meta, "run": run, "gaps": gaps}, columns=columns)


def read_wandb(path: Path) -> Segment:
    """Read a `.wandb` file; of one that is still being written, what is there so far.

    Raises
    ------
    OSError
        There is no such file, it is not a regular file, or it is too large.
    """
    data, modified = wandb_log.read_file(path)
    log = wandb_log.parse(data)
    digest = hashlib.sha256(data).hexdigest()
    size = len(data)
    del data
    # Up to wandb 0.17 a nested name is a value that is a dictionary; since then it is a path.
    flatten(log.history, size)
    return Segment(
        path=str(path),
        kind="wandb",
        size=size,
        modified=modified,
        digest=digest,
        run=log.run or _unknown(path),
        config=log.config,
        summary=log.summary,
        exit_code=log.exit_code,
        gaps=tuple(log.gaps),
        columns=columns_of(_with_tables(log, path.parent / "files")),
    )


def flatten(rows: list[Row], size: int) -> None:
    """Join the nested names in rows by dots; a table or a histogram is one value.

    New names may take so many times `size`, in bytes, as `_NAMES` says; rows for which that is not
    enough, or that are nested too deep, stay as they are.
    """
    names: dict[tuple[str, str], str] = {}
    left = _NAMES * size + 2**20

    def flat(row: Row, before: str) -> Row:
        nonlocal left
        found: Row = {}
        for key, value in row.items():
            name = names.get((before, key), None) if before else key
            if name is None:
                left -= len(before) + len(key) + _NAME
                if left < 0:
                    raise OverflowError
                name = names[before, key] = f"{before}.{key}"
            if _is_nested(value):
                found |= flat(value, name)
            else:
                found[name] = value
        return found

    for number, row in enumerate(rows):
        if dict in map(type, row.values()):
            with contextlib.suppress(OverflowError, RecursionError):
                rows[number] = flat(row, "")


_NAMES = 4
"""Names that are joined by dots may take so many times the size of their log."""

_NAME = 250
"""What a name that is joined takes at most, in bytes, beside its characters."""


def _is_nested(value: Any) -> bool:
    return type(value) is dict and bool(value) and "_type" not in value


def columns_of(rows: list[Row]) -> pa.Table:
    """Turn rows into columns."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    columns = {name: _column(rows, name) for name in names}
    if not columns:
        return pa.table({_ROW: pa.nulls(len(rows))})
    return pa.table(columns)


def alike(tables: list[pa.Table]) -> list[pa.Table]:
    """Give every key one type in all tables: what differs is JSON text everywhere."""
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, kinds in types.items() if len(kinds - {pa.null()}) > 1}
    for number, table in enumerate(tables):
        for name in mixed & set(table.column_names):
            if not pa.types.is_string(table[name].type):
                values = [None if v is None else json.dumps(v) for v in table[name].to_pylist()]
                place = table.column_names.index(name)
                tables[number] = table = table.set_column(place, name, pa.array(values))
    return tables


_ABSENT = object()

_ROW = ""
"""A table without columns has no rows either, so rows in which nothing was logged need one."""


def _column(rows: list[Row], name: str) -> pa.Array:
    values = [row.get(name, _ABSENT) for row in rows]
    kinds = set(map(type, values)) - {object, type(None)}
    if kinds <= {float, int}:
        # A null that was logged cannot be told from a number that was not.
        numbers = [row.get(name) for row in rows]
        with contextlib.suppress(pa.ArrowInvalid, OverflowError):
            return pa.array(numbers, pa.float64())
        try:
            # Whole numbers beyond 2 ** 53, rounded.
            return pa.array([v if v is None else float(v) for v in numbers], pa.float64())
        except OverflowError:
            kinds = set()
    for kind, arrow in ((bool, pa.bool_()), (str, pa.string())):
        if kinds == {kind}:
            return pa.array([None if value is _ABSENT else value for value in values], arrow)
    texts = [None if value is _ABSENT else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())


def _unknown(path: Path) -> Run:
    """Name a run whose log does not, by its file."""
    return Run(path.stem.removeprefix("run-"), "", "", "", "", (), "")


def _with_tables(log: Log, files: Path) -> list[Row]:
    """Put the tables that lie beside the log into the rows which name them."""
    for row in log.history:
        if dict not in map(type, row.values()):
            continue
        for key, value in row.items():
            if isinstance(value, dict) and value.get("_type") == "table-file":
                row[key] = _table(value, files)
    return log.history


def _table(value: Row, files: Path) -> Row:
    """Read a table; where it cannot be had as it was logged, its name stays in its place."""
    try:
        data = read_bytes(inside(files, str(value.get("path"))), TABLE_LIMIT)
        if value.get("sha256") not in (None, hashlib.sha256(data).hexdigest()):
            return value
        table = json.loads(data)
        return {"_type": "table", "columns": table["columns"], "data": table["data"]}
    except (StudyFileError, ValueError, TypeError, KeyError, RecursionError):
        return value
