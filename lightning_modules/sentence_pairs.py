"""The user's own sentence pairs: a line each, source, tab, target. Knows no torch.

What is wrong with a file is told line by line, and the rest can be used. A byte order mark and line
ends of another system spoil nothing: they are told, taken off, and the line is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BOM = "\ufeff"
MOST_SHOWN = 10
"""Lines that are named of each kind of fault; the others are counted."""
CR = "CR LF at the end, taken off"
MARK = "a byte order mark, taken off"
NO_TEXT = "not UTF-8"


@dataclass(frozen=True)
class Pairs:
    """What a file holds: its good pairs, in words, and what was found wrong, with line numbers."""

    sources: tuple[tuple[str, ...], ...]
    targets: tuple[tuple[str, ...], ...]
    faults: tuple[tuple[int, str], ...]

    @property
    def told(self) -> tuple[str, ...]:
        """What is wrong, a line for each kind of fault."""
        kinds = dict.fromkeys(fault for _, fault in self.faults)
        return tuple(
            f"{_lines([number for number, fault in self.faults if fault == kind])}: {kind}"
            for kind in kinds
        )


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:MOST_SHOWN]))
    rest = f" and {len(numbers) - MOST_SHOWN:,} more" if len(numbers) > MOST_SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{rest}"


@cache
def read(path: Path, changed: int, longest: int) -> Pairs:
    """Read the pairs of a file, in the state that it had at the time `changed`.

    Words are what stands between spaces. A sentence of more than `longest` words is a fault.
    """
    sources, targets, faults = [], [], []
    # By hand: Python's own lines would end at a lone CR as well.
    lines = path.read_bytes().split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    for number, line in enumerate(lines, 1):
        pair, found = _read_line(line, is_first=number == 1, longest=longest)
        faults += [(number, fault) for fault in found]
        if pair is not None:
            sources.append(pair[0])
            targets.append(pair[1])
    return Pairs(tuple(sources), tuple(targets), tuple(faults))


Pair = tuple[tuple[str, ...], tuple[str, ...]]


def _read_line(line: bytes, *, is_first: bool, longest: int) -> tuple[Pair | None, list[str]]:
    faults = []
    if line.endswith(b"\r"):
        line = line[:-1]
        faults.append(CR)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None, [*faults, NO_TEXT]
    if is_first and text.startswith(BOM):
        text = text.removeprefix(BOM)
        faults.append(MARK)
    fatal = next(_fatal(text, longest), None)
    if fatal is not None:
        return None, [*faults, fatal]
    source, target = (tuple(side.split()) for side in text.split("\t"))
    return (source, target), faults


def _fatal(text: str, longest: int) -> Iterator[str]:
    sides = text.split("\t")
    if len(sides) == 1:
        yield "no tab"
    elif len(sides) > 2:
        yield f"{len(sides)} columns, not 2"
    for name, side in zip(("source", "target"), sides, strict=False):
        if not side.split():
            yield f"an empty {name}"
    for name, side in zip(("source", "target"), sides, strict=False):
        if len(side.split()) > longest:
            yield f"more than {longest} words in the {name}"
