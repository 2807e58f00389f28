"""The .wandb file format: bytes to records, with every gap reported.

A W&B run is written to `run-<id>.wandb`, a transaction log in the manner of LevelDB. W&B has no
public Python reader for it, and its command-line reader passes over damage with exit status 0. The
facts below were read from logs that wandb 0.12.21 to 0.31.0 wrote:

- Records in blocks: `wandb_frames.py`.
- A record is a protobuf message, `wandb_internal.Record`. Records are numbered from 1 without a
  hole (0.12: not numbered). Values are JSON text, with the bare tokens `NaN`, `Infinity` and
  `-Infinity`; the schema of 0.31 has typed values too, which nothing writes yet. A name is a `key`
  (seen up to 0.17) or a path in `nested_key` (seen from 0.19 on, which logs a dictionary leaf by
  leaf, and a float without a fraction as an integer).
- The exit record is the last (up to 0.17 a summary and a footer follow). `wandb.Run.finish` may
  return some milliseconds before it is there.
"""

import json
import os
import stat
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from analysis.wandb_frames import records

LIMIT = 256 * 2**20
"""Larger files are refused, in bytes. A log of 10,000 rows with 10 metrics has 8 MB."""

DEPTH = 100
"""Names and values nested deeper are refused: they could be neither compared nor printed."""


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
    value          an intact record, used but for a value that cannot be decoded, or whose name
                   another value has too
    """

    kind: str
    start: int
    end: int
    rows: int

    def __str__(self) -> str:
        return f"{self.kind} at bytes {self.start} to {self.end}, after {self.rows} rows"


@dataclass(frozen=True, slots=True)
class Run:
    """Who a run is. What it was not given is the empty text."""

    id: str
    project: str
    group: str
    job_type: str
    name: str
    tags: tuple[str, ...]
    notes: str


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

    def opener(name: str, flags: int) -> int:
        # A named pipe that nobody writes to would otherwise be waited for, for ever.
        return os.open(name, flags | os.O_NONBLOCK)

    with open(path, "rb", opener=opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{os.fspath(path)}: not a regular file")
        if status.st_size > limit:
            raise OSError(f"{os.fspath(path)}: {status.st_size} bytes; the limit is {limit}")
        return parse(file.read(status.st_size))


def parse(data: bytes) -> Log:
    """Read a log from its bytes. Any bytes will do: what is wrong with them stands in `gaps`."""
    run, exit_code = None, None
    history: list[dict[str, Any]] = []
    config: _Updates = {}
    summary: _Updates = {}
    gaps: list[Gap] = []
    last: int | None = 0
    for wrong, start, end, payload in records(data):
        place = start, end, len(history)
        if not wrong:
            try:
                record = _Record.FromString(payload)
            except message.DecodeError:
                wrong = "undecodable"
        if wrong:
            _report(gaps, wrong, *place)
            last = None
            continue
        if record.num:
            if last is not None and record.num != last + 1:
                _report(gaps, "sequence", *place)
            last = record.num
        match record.WhichOneof("one_of"):
            case "history":
                row, is_intact = _row(record.history.item)
                history.append(row)
                if not is_intact:
                    _report(gaps, "value", *place)
            case "summary":
                _note(summary, record.summary, place)
            case "config":
                _note(config, record.config, place)
            case "run":  # Comes again, and whole, when a run is renamed or tagged.
                r = record.run
                run = Run(r.id, r.project, r.group, r.job_type, r.name, tuple(r.tags), r.notes)
                _note(config, r.config, place)
            case "exit":
                exit_code = record.exit.exit_code
    trees = [_tree(updates, gaps) for updates in (config, summary)]
    gaps = sorted(set(gaps), key=lambda gap: (gap.start, gap.end))
    return Log(run, trees[0], history, trees[1], exit_code, gaps, len(data))


def _report(gaps: list[Gap], kind: str, start: int, end: int, rows: int) -> None:
    # What touches is one gap: a file full of damage must not fill the memory.
    if gaps and (gaps[-1].kind, gaps[-1].end) == (kind, start):
        start, rows = gaps[-1].start, gaps.pop().rows
    gaps.append(Gap(kind, start, end, rows))


_Updates = dict[tuple[str, ...], tuple[str | None, tuple[int, int, int]]]
"""By path: JSON text, or None for a removal, and its place. The last word on a path stands last."""


def _note(updates: _Updates, record: Any, place: tuple[int, int, int]) -> None:
    # Not decoded yet: W&B repeats the summary with every row, and the last one replaces the others.
    for items, is_removal in ((record.update, False), (record.remove, True)):
        for item in items:
            path = tuple(item.nested_key) or (item.key,)
            updates.pop(path, None)
            updates[path] = None if is_removal else item.value_json, place


def _tree(updates: _Updates, gaps: list[Gap]) -> dict[str, Any]:
    """Apply the updates in order to an empty dictionary; add a gap for what cannot be decoded."""
    tree: dict[str, Any] = {}
    for path, (text, place) in updates.items():
        try:
            value = None if text is None else _decode(text)
            if len(path) > DEPTH:
                raise ValueError
        except (ValueError, RecursionError):
            _report(gaps, "value", *place)
            continue
        branch = tree
        for key in path[:-1]:
            if not isinstance(branch.get(key), dict):
                branch[key] = {}
            branch = branch[key]
        branch[path[-1]] = value
        if text is None:
            del branch[path[-1]]
    tree.pop("_wandb", None)
    return tree


def _row(items: Any) -> tuple[dict[str, Any], bool]:
    """Decode a history row; false if one value is left out: undecodable, or its name is taken."""
    names = [item.key or ".".join(item.nested_key) for item in items]
    row: dict[str, Any] = {}
    text = ",".join([item.value_json for item in items])
    if _is_plain(text):
        # One call for a row takes a fraction of the time of one for each value.
        try:
            values = json.loads(f"[{text}]")
        except ValueError:
            values = []
        if len(values) == len(names):
            row = dict(zip(names, values, strict=True))
            return row, len(row) == len(names)
    for name, item in zip(names, items, strict=True):
        typed = item.WhichOneof("one_of")
        try:
            if typed is None or typed == "json":
                row[name] = _decode(item.json or item.value_json)
            else:
                row[name] = None if typed == "none" else getattr(item, typed)
        except (ValueError, RecursionError):
            continue
    return row, len(row) == len(names)


def _decode(text: str) -> Any:
    """Decode JSON text; refuse what is too deep, and half surrogate pairs, which no file takes."""
    value = json.loads(text)
    if not _is_plain(text):
        if not _is_shallow(value, DEPTH):
            raise ValueError
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _is_plain(text: str) -> bool:
    return "\\u" not in text and text.count("[") + text.count("{") < DEPTH


def _is_shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(each, depth - 1) for each in inner)


# What is read of W&B's schema: names are free, numbers and types are not. wandb's own classes would
# do, but they are internal, slow to import, and a log should be readable without wandb. In each
# message, at most one of the fields with `?` is there; a field with `*` may be there many times.
_SCHEMA = {
    "Record": "int64 num 1, Row? history 2, Changes? summary 3, Changes? config 5, "
    "Run? run 17, Exit? exit 18",
    "Row": "Item* item 1",
    "Changes": "Item* update 1, Item* remove 2",
    "Item": "string key 1, string* nested_key 2, string value_json 16, int32? none 3, "
    "bool? boolean 4, sint64? integer 5, double? number 6, string? text 7, string? json 8",
    "Run": "string id 1, string project 3, Changes config 4, string group 6, string job_type 7, "
    "string name 8, string notes 9, string* tags 10",
    "Exit": "int32 exit_code 1",
}


def _record_class() -> Any:
    """Build the class of a record, in a pool of its own, where wandb's classes do not clash."""
    file = descriptor_pb2.FileDescriptorProto(name="log", package="log", syntax="proto3")
    for owner, fields in _SCHEMA.items():
        owner_type = file.message_type.add(name=owner)
        if "?" in fields:
            owner_type.oneof_decl.add(name="one_of")
        for kind, name, number in map(str.split, fields.split(", ")):
            field = owner_type.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if "*" in kind else field.LABEL_OPTIONAL
            if "?" in kind:
                field.oneof_index = 0
            if kind.islower():
                field.type = field.Type.Value(f"TYPE_{kind.strip('*?').upper()}")
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".log.{kind.strip('*?')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("log.Record"))


_Record = _record_class()
