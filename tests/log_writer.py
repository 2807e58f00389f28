"""W&B transaction logs, byte by byte, with nothing of the reader under test.

Chunks of at most one 32 KiB block (checksum, length, type, payload), protobuf written by hand.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

BLOCK = 32768


def log(
    run: Mapping[str, str],
    config: Mapping[str, Any],
    rows: list[dict[str, Any]],
    summary: Mapping[str, Any],
    exit_code: int | None = 0,
) -> bytes:
    """Write a W&B transaction log."""
    records = [
        _field(
            17,
            _field(1, run["id"])
            + _field(3, run["project"])
            + _field(4, _items(1, config))
            + _field(6, run["group"])
            + _field(7, "train")
            + _field(8, run.get("name", ""))
            + (_field(17, _number(1, int(run["started"]))) if "started" in run else b""),
        )
    ]
    for number, row in enumerate(rows):
        records.append(_field(2, _items(1, {**row, "_step": number})))
    records.append(_field(3, _items(1, summary)))
    if exit_code is not None:
        records.append(_field(18, _number(1, exit_code)))
    return framed([_number(1, number) + record for number, record in enumerate(records, start=1)])


def framed(records: list[bytes]) -> bytes:
    """Frame records as a log."""
    data = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        _append(data, record)
    return bytes(data)


def _append(data: bytearray, record: bytes) -> None:
    is_begun = False
    while True:
        room = BLOCK - len(data) % BLOCK
        if room < 7:
            data += bytes(room)
            continue
        part, record = record[: room - 7], record[room - 7 :]
        kind = (3 if record else 4) if is_begun else (2 if record else 1)
        checksum = zlib.crc32(bytes([kind]) + part)
        data += struct.pack("<IHB", checksum, len(part), kind) + part
        is_begun = True
        if not record:
            return


def _items(number: int, values: Mapping[str, Any]) -> bytes:
    return b"".join(
        _field(number, _field(2, key) + _field(16, json.dumps(value)))
        for key, value in values.items()
    )


def _field(number: int, value: str | bytes) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
