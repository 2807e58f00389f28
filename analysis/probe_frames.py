"""What the probes of a trial measured, as a tidy frame: from its log, and from `probes/` beside it.

| column | type | what |
|---|---|---|
| trial, arm, task, lag, seed | | as in `runs` |
| step | whole | of the training, when it was measured: 0, before the first |
| probe, quantity | text | what was measured |
| layer, part | text | where; empty: the whole network, the whole layer |
| unit, index | whole or NA | places in a list of lists, in a list; the probe says what they count |
| value | number or NaN | NaN: there is no number |
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.json_file import StudyFileError, read_bytes

PREFIX = "probe/"
PLACE = "probes"
MOST_BYTES, MOST_ROWS = 2**26, 10_000_000

MEASURED = {
    "step": "int64",
    **dict.fromkeys(("probe", "quantity", "layer", "part"), "str"),
    **dict.fromkeys(("unit", "index"), "Int64"),
    "value": "float64",
}
"""The columns that say what was measured, and their types."""

NOTHING = pd.DataFrame(columns=list(MEASURED)).astype(MEASURED)
"""What a log without probes holds."""


def frame(identity: dict[str, str], parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put frames of trials together; `identity` gives the columns that name the trial."""
    columns = {**identity, **MEASURED}
    parts = [part for part in parts if not part.empty]
    if not parts:
        return pd.DataFrame(columns=list(columns)).astype(columns)
    whole = pd.concat(parts, ignore_index=True)[list(columns)].astype(columns)
    # What was measured later stands behind what the log says, and counts.
    named = [column for column in columns if column != "value"]
    return whole.drop_duplicates(named, keep="last", ignore_index=True)


def of_rows(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Take what probes measured from the rows of a log: frames of `MEASURED`."""
    found: dict[str, list[Any]] = {column: [] for column in MEASURED}
    for row in rows:
        for key, value in row.items():
            if not key.startswith(PREFIX):
                continue
            probe, quantity, layer, part = (*key.removeprefix(PREFIX).split("/"), "", "", "")[:4]
            for unit, index, number in _numbers(value):
                entry = (row["step"], probe, quantity, layer.replace("all", "", 1), part)
                for column, cell in zip(found, (*entry, unit, index, number), strict=True):
                    found[column].append(cell)
    return pd.DataFrame(found).astype(MEASURED) if found["step"] else NOTHING


def _numbers(value: Any) -> Iterator[tuple[Any, Any, float]]:
    """Give (unit, index, number) of a number, a list, or a list of lists."""
    if not isinstance(value, list):
        yield pd.NA, pd.NA, _number(value)
        return
    for place, entry in enumerate(value):
        if isinstance(entry, list):
            for index, inner in enumerate(entry):
                yield place, index, _number(inner)
        else:
            yield pd.NA, place, _number(entry)


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return float(value) if is_number else float("nan")
    except OverflowError:
        return float("nan")


def beside(folder: Path, trial: str, weights_sha256: str) -> tuple[list[pd.DataFrame], list[str]]:
    """Read what was measured later on a trial: frames of `MEASURED`, and what could not be read.

    A file of another trial, or of weights that the trial no longer has, is left out.
    """
    found: list[pd.DataFrame] = []
    problems: list[str] = []
    place = folder / PLACE
    if not place.is_dir():
        return found, problems
    for name in sorted(os.listdir(place)):
        if not name.endswith(".parquet") or name.startswith("."):
            continue
        try:
            found.append(_read(place / name, trial, weights_sha256))
        except StudyFileError as error:
            problems.append(f"{trial}/{PLACE}/{name}: {error}")
    return found, problems


def _read(path: Path, trial: str, weights_sha256: str) -> pd.DataFrame:
    # Imported here: few reports have such a file, and it takes a while.
    from pyarrow import ArrowException, parquet

    data = read_bytes(path, MOST_BYTES)
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        if file.metadata.num_rows > MOST_ROWS:
            raise StudyFileError(f"{file.metadata.num_rows:,} rows; at most {MOST_ROWS:,}")
        table = file.read(columns=[c for c in MEASURED if c != "probe"])
    except (ArrowException, ValueError, OSError) as error:
        raise StudyFileError(" ".join(str(error).split())[:200]) from None
    noted = {k.decode(errors="replace"): v for k, v in (table.schema.metadata or {}).items()}
    if noted.get("trial") != trial.encode():
        raise StudyFileError("of another trial")
    if noted.get("weights_sha256") != weights_sha256.encode():
        raise StudyFileError("of weights that the trial has no more")
    try:
        measured: pd.DataFrame = table.to_pandas().assign(probe=path.stem)
        return measured[list(MEASURED)].astype(MEASURED)
    except (ArrowException, KeyError, ValueError, TypeError) as error:
        raise StudyFileError(" ".join(str(error).split())[:200]) from None
