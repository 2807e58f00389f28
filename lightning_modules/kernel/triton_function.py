"""From one step to a function over all of time, in Triton."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from lightning_modules.kernel.expressions import Node
from lightning_modules.kernel.triton_places import Given, Place, Range, Target
from lightning_modules.kernel.triton_step import Step


@dataclass(frozen=True)
class Way:
    """The way forth or back: what its step writes, and what each step hands to the next.

    `last` is, by the name of what is handed on, its value and where it lies before and after. With
    delays, a step reads what an earlier one has written.
    """

    name: str
    names: list[str]
    last: dict[str, tuple[Node, Place]]
    write: Callable[[Step], None]
    finish: Callable[[Step], None]
    has_delays: bool


def write_function(way: Way, given: Given, target: Target) -> tuple[str, tuple[str, ...]]:
    """Write a function over all of time; gives its text and which of its names it takes."""
    cuts: dict[Node, set[int]] = {}
    # Where a step cuts its rows itself comes first: whatever is cut after that fits into it.
    widest, is_far = 1 << 30, False
    while True:
        step = Step(given, cuts, target, widest, is_far=is_far)
        way.write(step)
        handed, after = [], []
        for leaf, of in given.carried.items():
            value, place = way.last[of]
            # Cut alike on both sides: where it is made, and where it is read.
            for tile in step.tiles(value, cuts.get(leaf, ())):
                handed.append((step.value(leaf, tile), place, tile))
                after.append(step.value(value, tile))
        way.finish(step)
        if step.is_settled and widest == 1 << 30:
            widest = target.far if is_far else target.near
        elif step.is_settled and step.bytes_of_weights > target.room and not is_far:
            cuts.clear()
            widest, is_far = 1 << 30, True
        elif step.is_settled:
            break
    # What this step wrote, a later one reads, in another of the program's threads.
    is_shared = is_far or way.has_delays
    lines = _lines(way.name, step, handed, after, is_shared=is_shared)
    # What is handed over and not used would be compiled for all the same.
    used = set(re.findall(r"\w+", " ".join(lines)))
    names = [name for name in way.names if name in used]
    return _text(way.name, names, lines), tuple(names)


def _lines(
    name: str,
    step: Step,
    handed: list[tuple[str, Place, Range]],
    after: list[str],
    *,
    is_shared: bool,
) -> list[str]:
    addresses = {
        name: f"{place.pointer} + rows * {place.row} + {step.units(tile)}"
        for name, place, tile in handed
    }
    masks = {name: step.mask(tile) for name, _, tile in handed}
    is_back = name == "backward"
    units = [f"u{width} = tl.arange(0, {width})[None, :]" for width in sorted(step.widths)]
    units += [f"d{width} = tl.arange(0, {width})[:, None]" for width in sorted(step.widths)]
    body = [f"i = tl.cast({'time - 1 - t' if is_back else 't'}, tl.int64)", *step.lines]
    if handed:
        body.append(f"{', '.join(addresses)} = {', '.join(after)}")
    if is_shared:
        # What this step wrote, a later one reads, in another of the program's threads.
        body.append("tl.debug_barrier()")
    lines = [
        "rows = tl.cast(tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.int64)[:, None]",
        "here = rows < batch",
        *units,
        *step.before,
        *(f"{n} = tl.load({at}, mask={masks[n]}, other=0.0)" for n, at in addresses.items()),
        "for t in range(time):",
        *(f"    {line}" for line in body),
    ]
    if is_back:
        lines += [f"tl.store({at}, {n}, mask={masks[n]})" for n, at in addresses.items()]
    return lines


def _text(name: str, names: list[str], lines: list[str]) -> str:
    head = ", ".join([*names, "time", "batch", "BLOCK: tl.constexpr"])
    more = ", IS_WANTED: tl.constexpr" if name == "backward" else ""
    return "\n".join(
        [
            '@triton.jit(do_not_specialize=["time", "batch"])',
            f"def {name}({head}{more}):",
            *(f"    {line}" for line in lines),
            "",
        ]
    )
