"""Fuzzes the reader of logs, guided by coverage: no bytes may crash it or stall it.

    pip install --target /tmp/atheris --no-deps atheris
    PYTHONPATH=/tmp/atheris python tests/fuzz_wandb_log.py -max_total_time=1200

The arguments are libFuzzer's. What it finds it writes to a file `crash-...`, and ends with a status
other than 0. Not a test of `make test`: it has no end of its own.
"""

import json
import sys
import tempfile
import tracemalloc
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["analysis"]):
    from analysis import csv_source, segments, wandb_log

from log_writer import framed, log

HEADER = b":W&B\xe1\xbe\x00"

TIMES = 10
"""What is read takes at most so many times the bytes of the file, and `MORE`."""

MORE = 3 * 2**20


def look(data: bytes) -> None:
    """Read bytes as a log, and hold the answer to what it promises."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    found = wandb_log.parse(data)
    segments.flatten(found.history, len(data))
    columns = segments.columns_of(found.history)
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak <= TIMES * len(data) + MORE, f"{peak} bytes for a log of {len(data)}"
    assert columns.num_rows == len(found.history)
    for gap in found.gaps:
        assert 0 <= gap.start <= gap.end <= len(data)
        assert 0 <= gap.rows <= len(found.history)
    json.dumps([found.config, found.summary], ensure_ascii=False).encode()


def one(data: bytes) -> None:
    """Take the first byte for how the rest is to be read."""
    if not data:
        return
    rest = data[1:]
    match data[0] % 4:
        case 0:
            look(rest)
        case 1:
            look(HEADER + rest)
        case 2:
            # Checksums that fit: what lies behind them is reached.
            source = atheris.FuzzedDataProvider(rest)
            payloads = []
            while source.remaining_bytes() and len(payloads) < 1000:
                payloads.append(source.ConsumeBytes(source.ConsumeIntInRange(0, 400)))
            look(framed(payloads))
        case 3:
            rows, _ = csv_source.parse(rest)
            assert segments.columns_of(rows).num_rows == len(rows)


def seeds(folder: Path) -> None:
    """Write what the fuzzer begins with."""
    rows = [
        {"step": step, "loss": 0.5, "n": {"x": [1, None, "ü"]}, "bad": float("nan")}
        for step in range(3)
    ]
    who = {"id": "a", "project": "p", "group": "g"}
    data = log(run=who, config={"a": {"b": 1}}, rows=rows, summary={"loss": 1})
    (folder / "log").write_bytes(b"\x00" + data)
    (folder / "rest").write_bytes(b"\x01" + data[len(HEADER) :])
    (folder / "payloads").write_bytes(b"\x02" + data[len(HEADER) :])
    (folder / "csv").write_bytes(b"\x03epoch,step,loss\n0,1,0.5\n1,2,\n")


if __name__ == "__main__":
    # What the first table imports would count against the first input's time and memory.
    segments.columns_of([{"x": 0.5}])
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as corpus:
        seeds(Path(corpus))
        options = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", *sys.argv[1:]]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()
