"""The reader of W&B logs: against wandb itself, against damage, and against hostile files.

Longer than a file should be: every kind of damage and every value of the format has its test.
"""

import json
import lzma
import math
import os
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import wandb
from hypothesis import given, settings
from hypothesis import strategies as st
from wandb.proto import wandb_internal_pb2

from analysis import segments, wandb_log
from analysis.wandb_log import Gap, Log, parse, read
from analysis.wandb_schema import ITEM, RECORD

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32768

# --- real logs, written by wandb -----------------------------------------------------------------

SETTINGS = {
    "console": "off",
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "x_transaction_log_flush_interval": 0.2,
}
CONFIG = {
    "task": {"name": "adding", "lags": [10, 50], "options": {"dialect": None}},
    "learning_rate": 1e-3,
    "clip": math.inf,
    "dotted.name": "ü 日本",
}
SPECIAL_ROWS: list[dict[str, Any]] = [
    {"step": 0, "loss": math.nan, "up": math.inf, "down": -math.inf},
    {"step": 1, "nested": {"deep": {"x": 1, "y": [1, 2.5, None]}, "with.dot": 2}},
    {"step": 2, "text": 'two\nlines, "quotes", \\ and 日本 🙂', "none": None, "flag": True},
    {"step": 3, "big": 2**53 + 1, "small": -(2**63), "list": [[1, 2], ["a", {"b": math.nan}]]},
    {"step": 4, "tiny": 5e-324, "third": 1 / 3, "float32": 0.10000000149011612},
]
SPECIAL_ROWS_FLAT = [
    SPECIAL_ROWS[0],
    {"step": 1, "nested.deep.x": 1, "nested.deep.y": [1, 2.5, None], "nested.with.dot": 2},
    *SPECIAL_ROWS[2:],
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for all that wandb writes, and an environment in which it calls nobody."""
    folder = tmp_path_factory.mktemp("wandb")
    # Its process, if another test began one, ends with this module: the variable that names it must
    # not come back then.
    wandb.teardown()
    os.environ.pop("WANDB_SERVICE", None)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        patch.setenv("WANDB_MODE", "offline")
        for place in ("DATA", "CACHE", "CONFIG", "ARTIFACT"):
            patch.setenv(f"WANDB_{place}_DIR", str(folder / place))
        yield folder
        wandb.teardown()


def start(folder: Path, name: str) -> Any:
    return wandb.init(
        mode="offline",
        dir=folder,
        id=name,
        project="a-study",
        group="lstm-adding-10",
        job_type="trial",
        name=f"{name} ü",
        tags=["one", "two"],
        notes="a note",
        config=CONFIG,
        reinit="create_new",
        settings=wandb.Settings(**SETTINGS),
    )


def log_of(run: Any) -> Path:
    return Path(run.dir).parent / f"run-{run.id}.wandb"


def wait(path: Path, enough: Callable[[Log], bool]) -> Log:
    """Read until there is enough: `finish` returns before the file is complete."""
    end = time.monotonic() + 20
    while not enough(log := read(path)):
        assert time.monotonic() < end, f"{path} was not written: {log.gaps}"
        time.sleep(0.01)
    return log


def finish(run: Any, exit_code: int = 0) -> Path:
    run.finish(exit_code=exit_code)
    wait(log_of(run), lambda log: log.exit_code is not None)
    return log_of(run)


@pytest.fixture(scope="module")
def special(home: Path) -> Path:
    """A small log with every sort of value."""
    run = start(home, "special")
    run.define_metric("third", summary="max")
    for row in SPECIAL_ROWS:
        run.log(row)
    run.config.update({"late": {"x": [1]}})
    run.summary["best"] = {"at": {"step": 3, "score": 0.5}}
    run.summary["gone"] = 1
    del run.summary["gone"]
    run.summary["best"]["at"]["seed"] = 7
    del run.summary["best"]["at"]["score"]
    return finish(run)


@pytest.fixture(scope="module")
def medium(home: Path) -> Path:
    """A log of several blocks, with two records that are larger than a block."""
    run = start(home, "medium")
    for step in range(100):
        run.log({"step": step, "loss": 1 / (1 + step)})
        if step in (40, 70):
            run.log({"text": "".join(random.Random(step).choices("abcdef", k=20_000))})
    return finish(run)


@pytest.fixture(scope="module")
def long(home: Path) -> Path:
    """A log of thousands of rows."""
    run = start(home, "long")
    for step in range(3000):
        run.log({"step": step, "train/loss": math.sin(step), "odd": math.nan if step % 3 else 0})
    return finish(run)


def leet(path: Path) -> list[dict[str, Any]]:
    """Give the rows that W&B's own command-line reader prints."""
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", path]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    return [record["history"]["item"] for record in records if record["type"] == "history"]


def spoken(value: Any) -> Any:
    """Write numbers that are not finite as W&B's command-line reader does: as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [spoken(inner) for inner in value]
    return {k: spoken(v) for k, v in value.items()} if isinstance(value, dict) else value


def own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the three columns that W&B adds."""
    return [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]


def as_text(rows: list[dict[str, Any]]) -> list[str]:
    """Make rows comparable: NaN is not equal to itself."""
    return [json.dumps(row, sort_keys=True) for row in rows]


def kinds(log: Log) -> list[str]:
    return [gap.kind for gap in log.gaps]


def test_rows_come_back_as_they_were_logged(special: Path, long: Path) -> None:
    assert as_text(own(read(special).history)) == as_text(SPECIAL_ROWS_FLAT)
    rows = read(long).history
    assert [row["step"] for row in rows] == list(range(3000))
    assert [row["train/loss"] for row in rows] == [math.sin(step) for step in range(3000)]
    assert all(math.isnan(row["odd"]) == (row["step"] % 3 > 0) for row in rows)


def test_each_row_keeps_the_columns_that_wandb_adds(special: Path) -> None:
    for row in read(special).history:
        assert {"_step", "_runtime", "_timestamp"} < set(row)


@pytest.mark.parametrize("name", ["special", "medium", "long"])
def test_rows_are_those_that_wandb_prints(name: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    assert spoken(read(path).history) == leet(path)


def test_a_finished_log_is_complete_and_says_who_it_is(special: Path) -> None:
    log = read(special)
    assert log.complete
    assert (log.exit_code, log.gaps, log.size) == (0, [], special.stat().st_size)
    assert log.run is not None and log.run.started is not None
    assert abs(log.run.started - special.parent.stat().st_ctime) < 3600
    assert log.run == wandb_log.Run(
        id="special",
        project="a-study",
        group="lstm-adding-10",
        job_type="trial",
        name="special ü",
        tags=("one", "two"),
        notes="a note",
        started=log.run.started,
        wandb=wandb.__version__,
    )


def test_config_is_nested_and_has_later_changes_but_nothing_of_wandb(special: Path) -> None:
    assert read(special).config == {**CONFIG, "late": {"x": [1]}}


def test_summary_is_nested_and_follows_updates_and_removals(special: Path) -> None:
    summary = read(special).summary
    assert summary["best"] == {"at": {"step": 3, "seed": 7}}
    assert summary["nested"] == {"deep": {"x": 1, "y": [1, 2.5, None]}, "with.dot": 2}
    assert summary["third"] == {"max": 1 / 3}
    assert summary["step"] == 4
    assert math.isnan(summary["loss"])
    assert not {"gone", "_wandb"} & set(summary)


def test_a_log_that_is_being_written_gives_the_rows_so_far(home: Path) -> None:
    run = start(home, "growing")
    run.log({"step": 0})
    log = wait(log_of(run), lambda log: bool(log.history))
    assert own(log.history) == [{"step": 0}]
    assert not log.complete and log.exit_code is None
    run.log({"step": 1})
    run.name = "renamed"
    run.tags = ("late",)
    log = read(finish(run, exit_code=3))
    assert own(log.history) == [{"step": 0}, {"step": 1}]
    assert log.complete and log.exit_code == 3
    assert log.run is not None
    assert (log.run.name, log.run.tags, log.run.group) == ("renamed", ("late",), "lstm-adding-10")
    assert log.config == CONFIG


def test_the_schema_is_a_part_of_that_of_wandb() -> None:
    theirs = wandb_internal_pb2
    items = (theirs.HistoryItem, theirs.ConfigItem, theirs.SummaryItem)
    pairs = [(RECORD.DESCRIPTOR, theirs.Record.DESCRIPTOR)]
    pairs += [(ITEM.DESCRIPTOR, item.DESCRIPTOR) for item in items]
    seen = set()
    while pairs:
        mine, other_type = pairs.pop()
        seen.add((mine.name, other_type.name))
        for field in mine.fields:
            if field.containing_oneof and other_type.name in ("ConfigItem", "SummaryItem"):
                continue  # Only history has typed values.
            other = other_type.fields_by_number[field.number]
            assert field.is_repeated == other.is_repeated, other.full_name
            if field.type == field.TYPE_BYTES:  # An item, read by `ITEM`.
                assert other.message_type in [item.DESCRIPTOR for item in items]
                continue
            as_number = {other.TYPE_ENUM: other.TYPE_INT32}
            assert field.type == as_number.get(other.type, other.type), other.full_name
            if (
                field.message_type
                and (field.message_type.name, other.message_type.name) not in seen
            ):
                pairs.append((field.message_type, other.message_type))
    # Three sorts of item and two of changes are one message here.
    assert len(seen) == 11


# --- logs written by hand ------------------------------------------------------------------------


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, content: bytes | str | int) -> bytes:
    """Encode one protobuf field: a number, or text, bytes or a message with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def record(kind: int, content: bytes, number: int = 0) -> bytes:
    return field(1, number) + field(kind, content)


def pair(key: str | list[str], value_json: str) -> bytes:
    """Encode a name and its value, as all sorts of item have them."""
    path = [field(1, key)] if isinstance(key, str) else [field(2, part) for part in key]
    return b"".join(path) + field(16, value_json)


def row(*items: bytes, number: int = 0) -> bytes:
    return record(2, b"".join(field(1, item) for item in items), number)


def config(*updates: bytes, remove: tuple[bytes, ...] = ()) -> bytes:
    return record(5, b"".join([field(1, u) for u in updates] + [field(2, r) for r in remove]))


EXIT = record(18, b"")
"""Exit code 0, which protobuf does not write."""


def chunk(part: int, payload: bytes) -> bytes:
    body = bytes([part]) + payload
    return struct.pack("<IH", zlib.crc32(body), len(payload)) + body


def write(*records: bytes, header: bytes = HEADER) -> bytes:
    """Frame records as a log."""
    data = bytearray(header)
    for payload in records:
        is_first, rest = True, payload
        while is_first or rest:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                room = BLOCK
            piece, rest = rest[: room - 7], rest[room - 7 :]
            data += chunk((1 if is_first else 4) if not rest else (2 if is_first else 3), piece)
            is_first = False
    return bytes(data)


def numbered(count: int) -> list[bytes]:
    return [row(pair("step", str(k)), number=k + 1) for k in range(count)]


def test_a_log_written_by_hand_is_one_for_wandb_too(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    # Lengths around a block, so that 0 to 8 bytes are left at the end of one.
    texts = ["x" * (BLOCK - 60 - k) for k in range(-9, 9)]
    path.write_bytes(write(*(row(pair("text", json.dumps(text))) for text in texts), EXIT))
    assert read(path).history == leet(path) == [{"text": text} for text in texts]
    assert read(path).complete


def test_old_rows_have_plain_keys() -> None:
    log = parse(write(row(pair("loss", "0.5"), pair("n", '{"x": NaN}'), pair("t", r'"\u65e5"'))))
    assert as_text(log.history) == as_text([{"loss": 0.5, "n": {"x": math.nan}, "t": "日"}])
    assert not log.gaps


@pytest.mark.parametrize("version", ["0.17.9", "0.18.7"])
def test_a_log_of_an_older_wandb_reads_as_it_was_written(version: str, tmp_path: Path) -> None:
    """The last with plain keys, and the first with paths; `wandb_versions.py` wrote them."""
    written = Path(__file__).parent / f"logs/{version}.wandb.xz"
    path = tmp_path / "run-one.wandb"
    path.write_bytes(lzma.decompress(written.read_bytes()))
    log = read(path)
    assert log.complete and log.run is not None and log.run.wandb == version
    assert (log.run.id, log.run.tags, log.run.group) == ("one", ("one", "two"), "g")
    assert log.config["model"] == {"name": "gru", "sizes": [8, 16]}
    assert (log.summary["best"], log.summary["val_loss"]) == ({"at": 11}, {"min": 1 / 7})
    columns = {name: each.to_pylist() for name, each in as_columns(path).items()}
    kept = [row for row, loss in enumerate(columns["train/loss"]) if loss is not None]
    assert [columns["step"][row] for row in kept] == list(range(20))
    assert [columns["train/loss"][row] for row in kept] == [1 / (1 + s) for s in range(20)]
    assert [columns["text"][row] for row in kept] == [f"日本 {s}" for s in range(20)]
    nested = [columns["nested.deep.x"][row] for row in kept]
    assert nested == [s if s % 4 == 0 else None for s in range(20)]
    assert {columns["nested.deep.list"][row] for row in kept} == {None, "[1, 2.5, null]"}
    assert [math.isnan(v) for v in columns["nested.with.dot"] if v is not None] == [True] * 5
    losses = {
        s: v for s, v in zip(columns["step"], columns["val_loss"], strict=True) if v is not None
    }
    assert losses == {s: abs(s - 11) / 7 for s in range(0, 20, 5)}
    (row,) = [row for row, up in enumerate(columns["up"]) if up is not None]
    names = ("step", "up", "down", "big", "tiny")
    assert [columns[n][row] for n in names] == [7, math.inf, -math.inf, float(2**53), 5e-324]
    assert math.isnan(columns["nan"][row])


def as_columns(path: Path) -> dict[str, Any]:
    table = segments.read_wandb(path).columns
    return {name: table[name] for name in table.column_names}


def test_typed_values_are_read() -> None:
    typed = {
        "none": field(3, 0),
        "yes": field(4, 1),
        "no": field(4, 0),
        "minus three": field(5, 5),  # Zigzag: -3 is written as 5.
        "least": field(5, 2**64 - 1),
        "number": b"\x31" + struct.pack("<d", 0.1),
        "not a number": b"\x31" + struct.pack("<d", math.nan),
        "text": field(7, "[1]"),
        "json": field(8, '{"a": [1, -Infinity]}'),
    }
    expected = [None, True, False, -3, -(2**63), 0.1, math.nan, "[1]", {"a": [1, -math.inf]}]
    row_of_all = row(*(field(1, key) + value for key, value in typed.items()), pair("old", "1"))
    log = parse(write(row_of_all, row(field(2, "a") + field(2, "b") + field(6 - 1, 4))))
    assert as_text(log.history) == as_text(
        [{**dict(zip(typed, expected, strict=True)), "old": 1}, {"a.b": 2}]
    )
    assert not log.gaps


def test_the_last_word_on_a_path_counts() -> None:
    log = parse(
        write(
            config(pair("a", '{"x": 1, "y": 2}'), pair("b", "1"), pair("keep", "0")),
            config(pair(["a", "x"], "3"), pair(["b", "c"], "4"), pair(["_wandb", "t"], "1")),
            config(pair("a", '{"z": 5}'), remove=(pair(["b", "c"], ""), pair("keep", ""))),
            config(pair(["a", "w"], "6"), remove=(pair(["b", "never"], ""),)),
        )
    )
    assert log.config == {"a": {"z": 5, "w": 6}, "b": {}}
    assert not log.gaps


def test_a_step_is_not_invented() -> None:
    item = field(1, pair("loss", "1"))
    assert parse(write(record(2, item + field(2, field(1, 7))))).history == [{"loss": 1}]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "1,2", "[1", "nul", "9" * 5000, r'"\ud800"', "[" * 100_000),
        "[" * 101 + "]" * 101,
        '{"a":' * 101 + "1" + "}" * 101,
    ],
)
@pytest.mark.parametrize("key", ["bad", "json"])
def test_a_value_that_cannot_be_decoded_is_a_gap_and_the_others_are_kept(
    text: str, key: str
) -> None:
    bad = pair("bad", text) if key == "bad" else field(1, "bad") + field(8, text)
    first, second = row(pair("a", "1")), row(pair("a", "2"), bad, pair("b", "3"))
    third = config(pair("x", "1"), pair("bad", text), pair(["y", "bad"], text))
    log = parse(write(first, second, first, third, EXIT))
    assert log.history == [{"a": 1}, {"a": 2, "b": 3}, {"a": 1}]
    assert log.config == {"x": 1}
    middle = len(write(first)), len(write(first, second))
    end = len(write(first, second, first)), len(write(first, second, first, third))
    assert log.gaps == [Gap("value", *middle, rows=1), Gap("value", *end, rows=3)]
    assert not log.complete


def test_a_value_cannot_pass_for_two() -> None:
    log = parse(write(row(pair("a", "1"), pair("b", "2,3"), pair("c", "4"))))
    assert log.history == [{"a": 1, "c": 4}]
    assert kinds(log) == ["value"]


def test_two_values_of_one_name_are_a_gap() -> None:
    log = parse(write(row(pair("a.b", "1"), pair(["a", "b"], "2"))))
    assert log.history == [{"a.b": 2}]
    assert kinds(log) == ["value"]


def test_a_long_list_is_not_taken_for_a_deep_one() -> None:
    table = [[k, {"k": "ü"}] for k in range(1000)]
    log = parse(write(row(pair("table", json.dumps(table))), config(pair("t", json.dumps(table)))))
    assert log.history == [{"table": table}]
    assert log.config == {"t": table}
    assert not log.gaps


def test_a_name_that_is_too_deep_is_a_gap() -> None:
    log = parse(write(config(pair(["x"] * 50_000, "1"), pair("y", "2"))))
    assert log.config == {"y": 2}
    assert kinds(log) == ["value"]


# --- damage --------------------------------------------------------------------------------------


def test_a_cut_anywhere_leaves_the_rows_before_it_and_is_named(special: Path) -> None:
    data = special.read_bytes()
    rows = as_text(read(special).history)
    ends, at = [len(HEADER)], len(HEADER)
    while at < len(data):
        at += 7 + struct.unpack_from("<H", data, at + 4)[0]
        ends.append(at)
    before = 0
    for size in range(len(data) + 1):
        log = parse(data[:size])
        assert as_text(log.history) == rows[: len(log.history)]
        assert len(log.history) >= before
        before = len(log.history)
        if size <= len(HEADER):
            name = {0: "empty", len(HEADER): "header only"}.get(size, "truncated")
            assert log.gaps == [Gap(name, 0, size, 0)]
        elif size in ends:
            assert not log.gaps
        else:
            start = max(end for end in ends if end < size)
            assert log.gaps == [Gap("truncated", start, size, before)]
        assert log.complete == (size == len(data))
    assert before == len(rows)


@pytest.mark.parametrize("flips", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_flipped_bit_goes_unnoticed(medium: Path, flips: int) -> None:
    data = bytearray(medium.read_bytes())
    rows = as_text(parse(bytes(data)).history)
    assert len(data) > 2 * BLOCK
    chance = random.Random(0)
    lost = 0
    for _ in range(flips):
        place, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        data[place] ^= bit
        log = parse(bytes(data))
        data[place] ^= bit
        assert any(gap.start <= place < gap.end for gap in log.gaps), (place, bit)
        left = as_text(log.history)
        originals = iter(rows)
        assert all(any(one == other for other in originals) for one in left), (place, bit)
        gap = log.gaps[0]
        assert left[: gap.rows] == rows[: gap.rows]
        lost += len(left) < len(rows)
    assert flips / 2 < lost < flips


def test_zeros_in_the_middle_are_a_gap_that_covers_them(medium: Path) -> None:
    data = medium.read_bytes()
    rows = as_text(parse(data).history)
    start, end = 20_000, BLOCK * 2 + 100
    log = parse(data[:start] + bytes(end - start) + data[end:])
    assert kinds(log) == ["damaged", "zeros", "damaged"] or kinds(log) == ["damaged", "zeros"]
    assert log.gaps[0].start <= start and log.gaps[-1].end >= end
    assert all(one.end == other.start for one, other in pairwise(log.gaps))
    left = as_text(log.history)
    before = log.gaps[0].rows
    assert 0 < before < len(left) < len(rows)
    assert left == rows[:before] + rows[len(rows) - len(left) + before :]
    assert log.exit_code == 0 and not log.complete


def test_a_garbage_tail_costs_no_row(medium: Path) -> None:
    data = medium.read_bytes()
    log = parse(data + random.Random(1).randbytes(100_000))
    assert as_text(log.history) == as_text(parse(data).history)
    assert {"damaged"} <= set(kinds(log)) <= {"damaged", "truncated"}
    assert (log.gaps[0].start, log.gaps[-1].end) == (len(data), log.size)


def test_bytes_between_records_and_the_end_of_a_block_are_zero_or_damage() -> None:
    filler = row(pair("x", '"' + "x" * (BLOCK - 40) + '"'))
    room = BLOCK - len(write(filler))
    whole = write(row(pair("x", '"' + "x" * (BLOCK - 40 + room - 3) + '"')), EXIT)
    assert parse(whole).complete
    assert whole[BLOCK - 3 : BLOCK] == bytes(3)
    log = parse(whole[: BLOCK - 2] + b"\x01" + whole[BLOCK - 1 :])
    assert log.gaps == [Gap("damaged", BLOCK - 3, BLOCK, 1)]


@pytest.mark.parametrize(
    "parts",
    [(4,), (3, 4), (3,), (2, 1), (2, 2, 4), (5,), (0,)],
    ids=lambda parts: "-".join(
        ("unknown", "whole", "first", "middle", "last")[p % 5] for p in parts
    ),
)
def test_parts_that_do_not_fit_together_are_damage(parts: tuple[int, ...]) -> None:
    start = write(*numbered(2))
    pieces = [chunk(part, numbered(3)[2] if part in (1, 2) else b"") for part in parts]
    log = parse(start + b"".join(pieces) + chunk(1, EXIT))
    assert kinds(log) == ["damaged"]
    assert log.gaps[0].start == len(start) and log.gaps[0].rows == 2
    assert log.history[:2] == [{"step": 0}, {"step": 1}]
    # After a type that is not known, only the next block is trusted.
    assert log.exit_code == (0 if {1, 2, 3, 4} & set(parts) else None)


def test_a_chunk_beyond_the_end_of_its_block_is_damage() -> None:
    start = write(*numbered(2))
    too_long = chunk(1, row(pair("x", '"' + "x" * BLOCK + '"')))
    log = parse(start + too_long)
    # What is left of it in the next block is no chunk either.
    assert log.gaps == [Gap("damaged", len(start), log.size, 2)]
    assert len(log.history) == 2


def test_a_record_is_not_put_together_from_what_is_left_of_it() -> None:
    before, after = row(pair("a", "1")), row(pair("b", "2"))
    broken = row(pair("x", '"' + "x" * (3 * BLOCK) + '"'))
    data = bytearray(write(before, broken, after, EXIT))
    data[BLOCK + 1000] ^= 1
    log = parse(bytes(data))
    assert log.history == [{"a": 1}, {"b": 2}]
    assert log.gaps == [Gap("damaged", len(write(before)), len(write(before, broken)), 1)]


def test_the_first_part_of_a_record_alone_is_a_truncated_one() -> None:
    start = write(*numbered(2))
    log = parse(start + chunk(2, b"x" * 10))
    assert log.gaps == [Gap("truncated", len(start), log.size, 2)]


@pytest.mark.parametrize("order", [(0, 2), (1, 2), (0, 1, 1, 2), (0, 2, 1)])
def test_a_record_out_of_sequence_is_a_gap(order: tuple[int, ...]) -> None:
    log = parse(write(*(numbered(3)[k] for k in order), EXIT))
    assert [entry["step"] for entry in log.history] == list(order)
    assert set(kinds(log)) == {"sequence"}
    assert not log.complete


def test_a_record_that_is_no_message_is_a_gap() -> None:
    start, second = write(*numbered(1)), numbered(3)[2]
    log = parse(start + chunk(1, b"\xff" * 9) + chunk(1, b"\xff" * 9) + chunk(1, second))
    assert log.history == [{"step": 0}, {"step": 2}]
    assert log.gaps == [Gap("undecodable", len(start), len(start) + 32, 1)]


@pytest.mark.parametrize("version", [1, 2, 255])
def test_a_newer_version_is_read_and_named(version: int) -> None:
    log = parse(write(*numbered(3), EXIT, header=HEADER[:6] + bytes([version])))
    assert log.gaps == [Gap("newer version", 6, 7, 0)]
    assert len(log.history) == 3
    assert not log.complete


@pytest.mark.parametrize("place", range(6))
def test_another_header_is_not_a_log(place: int, special: Path) -> None:
    data = bytearray(special.read_bytes())
    data[place] ^= 0x20
    log = parse(bytes(data))
    assert log == Log(None, {}, [], {}, None, [Gap("not a log", 0, len(data), 0)], len(data))
    assert kinds(parse(bytes(data[: place + 1]))) == ["not a log"]


def test_a_gap_reads_as_a_sentence() -> None:
    assert str(Gap("damaged", 7, 99, 3)) == "damaged at bytes 7 to 99, after 3 rows"


# --- hostile files -------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.binary(max_size=60))
def test_no_bytes_crash_the_reader(payloads: list[bytes], tail: bytes) -> None:
    assert isinstance(parse(tail), Log)
    assert isinstance(parse(HEADER + tail), Log)
    assert isinstance(parse(write(*payloads, *(row(p) for p in payloads)) + tail), Log)


def test_a_file_full_of_damage_is_one_gap() -> None:
    assert len(parse(HEADER + bytes(10 * BLOCK)).gaps) == 1
    assert len(parse(HEADER + b"\xff" * (10 * BLOCK)).gaps) == 1
    values = write(*[row(pair("x", "?"))] * 1000)
    assert parse(values).gaps == [Gap("value", len(HEADER), len(values), 0)]


DENSE = {
    "lists": row(pair("x", "[" + ",".join(["[]"] * 130_000) + "]")),
    "objects": row(pair("x", "[" + ",".join(['{"a":1}'] * 50_000) + "]")),
    "short texts": row(pair("x", "[" + ",".join(['"aa"'] * 80_000) + "]")),
    "wide text": row(pair("x", json.dumps("a" * 400_000 + "\U0001f642", ensure_ascii=False))),
    "narrow rows": row(pair("a", "1")),
    "names": config(*(pair(f"{k:x}", "1") for k in range(20_000))),
    "deep names": config(*(pair([f"{k:x}", *["x"] * 90], "1") for k in range(3000))),
    "gaps": row(pair("x", "?")) + field(1, 5),
}


@pytest.mark.parametrize("name", DENSE)
def test_a_log_takes_at_most_ten_times_its_size_in_memory(name: str) -> None:
    """What swells most when it is decoded is refused, and told, before it is."""
    payload = DENSE[name]
    data = write(*[payload] * max(1, 400_000 // len(payload)))
    tracemalloc.start()
    log = parse(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(data) + 2**21
    assert log.gaps


def test_an_ordinary_log_takes_less_than_its_size_in_memory_twice(long: Path) -> None:
    data = long.read_bytes()
    tracemalloc.start()
    parse(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(data)


@pytest.mark.parametrize("name", ["pipe", "link to a pipe", "link to /dev/zero", "folder"])
def test_what_is_not_a_regular_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    if name == "folder":
        path.mkdir()
    elif name == "link to /dev/zero":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        (path if name == "link to a pipe" else tmp_path / "unused").symlink_to(tmp_path / "pipe")
        path = path if name == "link to a pipe" else tmp_path / "pipe"
    # In a process of its own: a reader that waits would hang the tests.
    code = f"from analysis.wandb_log import read; read({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 1
    assert "Error" in done.stderr and str(path) in done.stderr


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(HEADER)
    os.truncate(path, 2**40)
    with pytest.raises(OSError, match=r"1099511627776 bytes; the limit is 268435456"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.wandb")


def test_reading_needs_neither_wandb_nor_what_is_slow_to_import() -> None:
    code = "import sys, analysis.wandb_log; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout.split()
    assert not {"wandb", "torch", "pytorch_lightning", "pandas", "numpy", "pydantic"} & set(loaded)


def test_nested_names_cost_no_more_than_their_log_allows() -> None:
    """A long name before many short ones: joined, each would be as long as the first."""
    wide = {f"{n:x}": n for n in range(20_000)}
    rows: list[dict[str, Any]] = [{"a": {"b": 1}}, {"x" * 100_000: wide}, {"c": {"d": 2}}]
    size = len(json.dumps(rows))
    tracemalloc.start()
    segments.flatten(rows, size)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * size + 3 * 2**20
    assert rows[0] == {"a.b": 1} and rows[1] == {"x" * 100_000: wide}
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"k": deep or 1}
    rows = [{"deep": deep, "y": 1}]
    segments.flatten(rows, size)
    assert rows[0]["deep"] is deep


def test_nested_names_are_joined_but_for_tables() -> None:
    table = {"_type": "table", "columns": ["a"], "data": [[1]]}
    rows = [{"v": {"a": 1, "b": {"c": None}}, "t": table, "e": {}, "l": [{"x": 1}]}, {"plain": 1}]
    segments.flatten(rows, 100)
    assert rows == [{"v.a": 1, "v.b.c": None, "t": table, "e": {}, "l": [{"x": 1}]}, {"plain": 1}]
