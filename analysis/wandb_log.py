"""The .wandb file format: bytes to records, with every gap reported.

A W&B run is written to `run-<id>.wandb`, a transaction log in the manner of LevelDB. W&B has no
public Python reader for it, and its command-line reader passes over damage with exit status 0. The
facts below were read from logs that wandb 0.12.21 to 0.31.0 wrote:

- Records in blocks: `wandb_frames.py`.
- A record is a protobuf message, `wandb_internal.Record`: `wandb_schema.py`. Records are numbered
  from 1 without a hole (0.12: not numbered). Names and values: `wandb_values.py`.
- The exit record is the last (up to 0.17 a summary and a footer follow). `wandb.Run.finish` may
  return some milliseconds before it is there.
"""

import os
import stat
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from analysis.wandb_frames import records
from analysis.wandb_schema import ITEM, RECORD
from analysis.wandb_values import BRANCH, DEPTH, NOTED, VALUE_JSON, Path, Tree, Values, path_of

LIMIT = 256 * 2**20
"""Larger files are refused, in bytes. A log of 10,000 rows with 10 metrics has 8 MB."""

MOST_GAPS = 1000
"""A log with more of them says of the last where all the rest end."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The bytes from `start` to `end` gave not all they should; `rows` history rows came before.

    empty          there are no bytes at all
    header only    there is no record yet
    not a log      the header is another one: nothing is read
    newer version  the header names an unknown version: read as if it were known
    truncated      the file ends inside a record: still being written, or cut
    zeros          zeros where a chunk should be: space that was never written
    damaged        wrong checksum, impossible length, or parts of a record that do not fit together
    sequence       an intact record, used, but its number does not follow: some before it are lost
    undecodable    an intact record that is not a protobuf message of this schema
    value          an intact record, used but for a value that cannot be decoded, that takes more
                   memory than the size of the log allows, or whose name another value has too
    """

    kind: str
    start: int
    end: int
    rows: int

    def __str__(self) -> str:
        return f"{self.kind} at bytes {self.start} to {self.end}, after {self.rows} rows"


@dataclass(frozen=True, slots=True)
class Run:
    """Who a run is. What it was not given is the empty text; `started` is in seconds since 1970.

    `wandb` is the version that wrote the log. `resumed` says that a server went on with a run; what
    was resumed offline does not say so.
    """

    id: str
    project: str
    group: str
    job_type: str
    name: str
    tags: tuple[str, ...]
    notes: str
    entity: str = ""
    started: float | None = None
    wandb: str = ""
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds.

    `history` has a dictionary per row, in the order of the records; a path is joined by dots.
    `config` and `summary` are nested dictionaries, without `_wandb`, where W&B keeps its own.
    """

    run: Run | None
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    exit_code: int | None
    gaps: list[Gap]
    size: int

    @property
    def complete(self) -> bool:
        """The run has ended and its log has no gap. Rows that W&B never wrote leave none: count."""
        return self.exit_code is not None and not self.gaps


def read(path: str | os.PathLike[str], limit: int = LIMIT) -> Log:
    """Read a log; of one that is still being written, what is there so far.

    Raises
    ------
    OSError
        There is no such file, it is not a regular file, or it has more than `limit` bytes.
    """
    return parse(read_file(path, limit)[0])


def read_file(path: str | os.PathLike[str], limit: int = LIMIT) -> tuple[bytes, float]:
    """Give a log's bytes, and when it was last written, in seconds since 1970.

    Raises
    ------
    OSError
        As `read`.
    """

    def opener(name: str, flags: int) -> int:
        # A named pipe that nobody writes to would otherwise be waited for, for ever.
        return os.open(name, flags | os.O_NONBLOCK)

    with open(path, "rb", opener=opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{os.fspath(path)}: not a regular file")
        if status.st_size > limit:
            raise OSError(f"{os.fspath(path)}: {status.st_size} bytes; the limit is {limit}")
        return file.read(status.st_size), status.st_mtime


def parse(data: bytes) -> Log:
    """Read a log from its bytes. Any bytes will do: what is wrong with them stands in `gaps`."""
    run, exit_code, version = None, None, ""
    history: list[Tree] = []
    config: _Updates = {}
    summary: _Updates = {}
    gaps: list[Gap] = []
    values = Values(len(data))
    last: int | None = 0
    for wrong, start, end, payload in records(data):
        place = start, end, len(history)
        if not wrong:
            try:
                record = RECORD.FromString(payload)
                kind = record.WhichOneof("one_of")
                is_intact = True
                if kind == "history":
                    row, is_intact = values.row(record.history.item)
                elif kind == "summary":
                    is_intact = _note(summary, record.summary, place, values)
                elif kind == "config":
                    is_intact = _note(config, record.config, place, values)
                elif kind == "run":
                    is_intact = _note(config, record.run.config, place, values)
            except (DecodeError, UnicodeDecodeError):
                wrong = "undecodable"
        if wrong:
            _report(gaps, wrong, *place)
            last = None
            continue
        if record.num:
            if last is not None and record.num != last + 1:
                _report(gaps, "sequence", *place)
            last = record.num
        if kind == "history":
            history.append(row)
        elif kind == "telemetry":
            version = record.telemetry.version or version
        elif kind == "run":  # Comes again, and whole, when a run is renamed or tagged.
            run = record.run
        elif kind == "exit":
            exit_code = record.exit.exit_code
        if not is_intact:
            _report(gaps, "value", *place)
    trees = [_tree(updates, values, gaps) for updates in (config, summary)]
    gaps = sorted(set(gaps), key=lambda gap: (gap.start, gap.end))
    who = None if run is None else _run(run, version)
    return Log(who, trees[0], history, trees[1], exit_code, gaps, len(data))


def _run(run: Any, version: str) -> Run:
    started = run.start.seconds + run.start.nanos / 1e9 if run.HasField("start") else None
    return Run(
        id=run.id,
        project=run.project,
        group=run.group,
        job_type=run.job_type,
        name=run.name,
        tags=tuple(run.tags),
        notes=run.notes,
        entity=run.entity,
        started=started,
        wandb=run.telemetry.version or version,
        resumed=run.resumed,
    )


def _report(gaps: list[Gap], kind: str, start: int, end: int, rows: int) -> None:
    # What touches is one gap: a file full of damage must not fill the memory.
    if gaps and ((gaps[-1].kind, gaps[-1].end) == (kind, start) or len(gaps) >= MOST_GAPS):
        start, rows = gaps[-1].start, gaps.pop().rows
    gaps.append(Gap(kind, start, end, rows))


Place = tuple[int, int, int]

_Updates = dict[tuple[bool, bytes], tuple[int, bytes, Place]]
"""By removal or not, and the bytes of a name: the number of the last item, the item, its place."""


def _note(updates: _Updates, changes: Any, place: Place, values: Values) -> bool:
    """Note changes, the last on each name; false where memory does not allow it."""
    if NOTED * (len(changes.update) + len(changes.remove)) > values.left:
        return False
    # Not decoded yet: W&B repeats the summary with every row, and the last one replaces the others.
    number, known = place[0], len(updates)
    for item in changes.update:
        number += 1
        updates[False, item.partition(VALUE_JSON)[0]] = number, item, place
    for item in changes.remove:
        number += 1
        updates[True, item.partition(VALUE_JSON)[0]] = number, item, place
    return values.spend(NOTED * (len(updates) - known))


def _tree(updates: _Updates, values: Values, gaps: list[Gap]) -> Tree:
    """Apply the last word on each path, in order, to an empty dictionary.

    Adds a gap for what cannot be decoded.
    """
    words: dict[Path, tuple[str | None, Place]] = {}
    tree: Tree = {}
    for (is_removal, _), (_, raw, place) in sorted(updates.items(), key=lambda word: word[1][0]):
        try:
            item = ITEM.FromString(raw)
        except DecodeError:
            _report(gaps, "value", *place)
            continue
        path = path_of(item)
        words.pop(path, None)
        words[path] = None if is_removal else item.value_json, place
    for path, (text, place) in words.items():
        try:
            if len(path) > DEPTH or not values.spend(BRANCH * len(path)):
                raise ValueError
            value = None if text is None else values.decode(text)
        except (ValueError, RecursionError):
            _report(gaps, "value", *place)
            continue
        twig = tree
        for key in path[:-1]:
            if not isinstance(twig.get(key), dict):
                twig[key] = {}
            twig = twig[key]
        twig[path[-1]] = value
        if text is None:
            del twig[path[-1]]
    tree.pop("_wandb", None)
    return tree
