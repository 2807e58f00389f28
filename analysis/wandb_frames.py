"""The framing of a .wandb file: bytes to records, in the manner of LevelDB's log.

- A header of seven bytes: `:W&B`, the bytes E1 BE, and the version, 0.
- Then blocks of 32 KiB, counted from the start of the file. They hold chunks: checksum (uint32,
  little-endian), length (uint16), type (uint8), payload. The checksum is the IEEE CRC-32 of type
  and payload (LevelDB takes CRC-32C). Types: 1 a whole record, 2 its first part, 3 a middle one,
  4 the last. Where a block has fewer than seven bytes left, they are zero.

Nothing but the start of a block says where a chunk begins: after damage, reading goes on there.
"""

import struct
import zlib
from collections.abc import Iterator

_HEADER, _BLOCK, _CHUNK = b":W&B\xe1\xbe\x00", 32768, struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(data: bytes) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield ("", start, end, payload) of each record, and (kind, start, end, b"") of each gap."""
    size = len(data)
    if not data or not data.startswith(_HEADER[: min(size, 6)]):
        yield "not a log" if data else "empty", 0, size, b""
        return
    if size < len(_HEADER):
        yield "truncated", 0, size, b""
    if data[6:7] > _HEADER[6:]:
        yield "newer version", 6, 7, b""
    if size == len(_HEADER):
        yield "header only", 0, size, b""

    at, begun = len(_HEADER), 0
    parts: list[bytes] = []
    while at < size:
        block_end = at - at % _BLOCK + _BLOCK
        if block_end - at < _CHUNK.size:
            if any(data[at:block_end]):
                yield "damaged", at, min(block_end, size), b""
            at = block_end
            continue
        wrong, part, end = _chunk(data, at, block_end)
        if wrong:
            end = min(block_end, size)
            yield wrong, begun if parts else at, end, b""
            parts = []
        elif part in (_WHOLE, _FIRST):
            if parts:
                yield "damaged", begun, at, b""
            begun, parts = at, [data[at + _CHUNK.size : end]]
        elif parts:
            parts.append(data[at + _CHUNK.size : end])
        else:
            yield "damaged", at, end, b""
        if part in (_WHOLE, _LAST) and parts:
            yield "", begun, end, b"".join(parts)
            parts = []
        at = end
    if parts:
        yield "truncated", begun, size, b""


def _chunk(data: bytes, at: int, block_end: int) -> tuple[str, int, int]:
    """Give (what is wrong, type, end) of the chunk at `at`."""
    if len(data) - at < _CHUNK.size:
        return "truncated", 0, 0
    checksum, length, part = _CHUNK.unpack_from(data, at)
    end = at + _CHUNK.size + length
    if checksum == length == part == 0:
        return "zeros", 0, 0
    if end > block_end or not _WHOLE <= part <= _LAST:
        return "damaged", 0, 0
    if end > len(data):
        return "truncated", 0, 0
    if zlib.crc32(data[end - length - 1 : end]) != checksum:
        return "damaged", 0, 0
    return "", part, end
