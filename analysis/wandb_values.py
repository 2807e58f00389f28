"""The values of a log: items to rows and trees, within a bound on what they may take.

An item is a name and a value. Its name is a `key` (seen up to 0.17) or a path in `nested_key` (seen
from 0.18 on, which logs a dictionary leaf by leaf, and a float without a fraction as an integer).
Its value is JSON text, with the bare tokens `NaN`, `Infinity` and `-Infinity`; the schema of 0.31
has typed values too, which nothing writes yet.
"""

import json
from typing import Any

from google.protobuf.message import DecodeError

from analysis.wandb_schema import ITEM

DEPTH = 100
"""Names and values nested deeper are refused: they could be neither compared nor printed."""

GROWTH = 8
"""Decoded values may take so many times the bytes of their log, and `SLACK` besides."""

SLACK = 2**20

NOTED = 350
"""A change that is noted takes at most so many bytes, beside those of its item."""

BRANCH = 300
"""As `NOTED`: a value in a tree, for each part of its path."""

Path = tuple[str, ...]
Tree = dict[str, Any]

_NAMES = 2_000
"""So many names are kept with the bytes they come from; the rest are read each time."""

VALUE_JSON = b"\x82\x01"
"""The key of field 16 in protobuf, with which W&B ends an item."""


class Values:
    """Reads the items of one log, and keeps count of what they take.

    What is refused, because it cannot be decoded or would take more memory than the size of its log
    allows, is left out; whoever asks is told.
    """

    def __init__(self, size: int) -> None:
        self.left = GROWTH * size + SLACK
        self._names: dict[bytes, str] = {}

    def row(self, items: list[bytes]) -> tuple[Tree, bool]:
        """Decode a history row; false if a value is left out: undecodable, or its name is taken.

        Raises
        ------
        DecodeError, ValueError
            An item is no message of this schema.
        """
        # The ordinary item: a name seen before, then a short text, and nothing else.
        parts = [item.partition(VALUE_JSON) for item in items]
        try:
            names = [self._names[head] for head, _, _ in parts]
        except KeyError:
            for head, _, _ in parts:
                self._learn(head)
            if not all(head in self._names for head, _, _ in parts):
                return self._slow_row(items)
            names = [self._names[head] for head, _, _ in parts]
        tails = [tail for _, _, tail in parts]
        sizes = [len(tail) - 1 for tail in tails]
        is_short = not tails or (0 <= min(sizes) and max(sizes) < 128)
        if not is_short or [tail[0] for tail in tails] != sizes:
            return self._slow_row(items)
        text = b",".join([tail[1:] for tail in tails]).decode()
        if is_plain(text) and self.spend(184 + 72 * len(names)) and self._affords(text):
            # One call for a row takes a fraction of the time of one for each value.
            try:
                values = json.loads(f"[{text}]")
            except ValueError:
                values = []
            if len(values) == len(names):
                row = dict(zip(names, values, strict=True))
                return row, len(row) == len(names)
        return self._slow_row(items)

    def decode(self, text: str) -> Any:
        """Decode JSON text; refuse what is too deep or too much, and half surrogate pairs.

        Raises
        ------
        ValueError
            It is refused, or no JSON.
        """
        if not self._affords(text):
            raise ValueError
        value = json.loads(text)
        if not is_plain(text):
            if not _is_shallow(value, DEPTH):
                raise ValueError
            json.dumps(value, ensure_ascii=False).encode()
        return value

    def _slow_row(self, items: list[bytes]) -> tuple[Tree, bool]:
        row: Tree = {}
        read = [ITEM.FromString(item) for item in items]
        for item in read:
            name = ".".join(path_of(item))
            typed = item.WhichOneof("one_of")
            if not self.spend(184 + (_width(item.text) if typed == "text" else 0)):
                continue
            try:
                if typed is None or typed == "json":
                    row[name] = self.decode(item.json or item.value_json)
                else:
                    row[name] = None if typed == "none" else getattr(item, typed)
            except (ValueError, RecursionError):
                continue
        return row, len(row) == len(read)

    def _learn(self, head: bytes) -> None:
        """Note the name in these bytes, if they hold that and nothing else."""
        try:
            item = ITEM.FromString(head)
        except DecodeError:
            return
        if len(self._names) < _NAMES and {f.number for f, _ in item.ListFields()} <= {1, 2}:
            self._names[head] = ".".join(path_of(item))

    def spend(self, bytes_: int) -> bool:
        """Take from what may be taken; where that is less, take nothing and give false."""
        if bytes_ > self.left:
            return False
        self.left -= bytes_
        return True

    def _affords(self, text: str) -> bool:
        """Tell whether a value's text may be decoded, at the most that Python could make of it."""
        cost = 32
        if len(text) > 64 or "[" in text or "{" in text:
            cost = 240 * text.count("{") + 96 * text.count("[") + 40 * text.count(",")
            cost += 28 * text.count('"') + _width(text)
        return self.spend(cost)


def _width(text: str) -> int:
    # One character beyond the 16-bit ones makes all of them four bytes wide, in each of the copies
    # that decoding takes.
    return len(text) if text.isascii() else 12 * len(text)


def path_of(item: Any) -> Path:
    """Give an item's name as a path."""
    return tuple(item.nested_key) if not item.key and item.nested_key else (item.key,)


def is_plain(text: str) -> bool:
    """Tell whether text can neither be nested too deep nor spell half a surrogate pair."""
    return "\\u" not in text and text.count("[") + text.count("{") < DEPTH


def _is_shallow(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_shallow(each, depth - 1) for each in inner)
