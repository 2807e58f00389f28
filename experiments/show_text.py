"""Examples of a task on a terminal: readable in colour, and without."""

from collections.abc import Iterator

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from experiments.examples import Fold, Sheet, Step, fold, number, where

EVIDENCE, ANSWER, FAINT = "bold green", "bold magenta", "dim"
SHADES = " ░▒▓█"
ROWS = 24
"""Steps that are drawn of an example that runs downwards."""


def lines(sheet: Sheet, width: int) -> Iterator[RenderableType]:
    """Give what to print, from the title to the legend."""
    yield Text(f"{sheet.title}: {sheet.summary}", style="bold")
    facts = Table.grid(padding=(0, 2))
    for name, fact in sheet.facts:
        facts.add_row(Text(name, style=FAINT), Text(fact))
    yield facts
    if sheet.is_tall:
        tall = [_tall(sheet, n, steps) for n, steps in enumerate(sheet.examples)]
        yield Text()
        yield Columns(tall, padding=(1, 4))
    else:
        for n, steps in enumerate(sheet.examples):
            yield Text()
            yield from _wide(sheet, n, steps, width)
    yield Text()
    yield Text.assemble(
        ("evidence" if sheet.is_tall else "^", EVIDENCE),
        " holds what the answer needs   ",
        ("answer", ANSWER),
        " is asked for, and scored",
    )
    if sheet.is_tall:
        yield Text(f"{SHADES[1:]} from {number(sheet.low)} to {number(sheet.high)}", style=FAINT)


def _title(sheet: Sheet, n: int) -> Text:
    return Text(f"example {n + 1}, evidence {where(sheet.distances[n])}", style="underline")


def _wide(sheet: Sheet, n: int, steps: tuple[Step, ...], width: int) -> Iterator[Text]:
    """Draw an example with time from left to right, a row for each number of a step."""
    channels = len(steps[0].inputs)
    names = ["input"] if channels == 1 else [f"input {k + 1}" for k in range(channels)]
    margin = max(map(len, [*names, "evidence"]))
    cell = 1 + sheet.widest
    columns = fold(steps, max(5, (width - margin) // cell))
    shown = [None if isinstance(c, Fold) else steps[c] for c in columns]

    def row(name: str, cells: list[tuple[str, str]]) -> Text:
        pieces = [(text.rjust(cell), style) for text, style in cells]
        return Text.assemble((name.ljust(margin), FAINT), *pieces, no_wrap=True)

    def cells(text: list[str], style: str, plain: str = "") -> list[tuple[str, str]]:
        return [
            ("…", FAINT) if step is None else (t, style if step.is_evidence else plain)
            for step, t in zip(shown, text, strict=True)
        ]

    yield _title(sheet, n)
    yield row("step", cells(["" if isinstance(c, Fold) else str(c) for c in columns], FAINT, FAINT))
    for k, name in enumerate(names):
        texts = [step.text(k) if step else "" for step in shown]
        yield row(name, cells(texts, EVIDENCE))
    yield row("evidence", [("^" if s and s.is_evidence else "", EVIDENCE) for s in shown])
    yield row("answer", [(s.answer if s else "", ANSWER) for s in shown])
    for column in columns:
        if isinstance(column, Fold):
            yield Text(" " * margin + " " + column.text(), style=FAINT)


def _tall(sheet: Sheet, n: int, steps: tuple[Step, ...]) -> Text:
    """Draw an example with time downwards, each step a row of shades."""
    drawn = [_title(sheet, n), Text("step", style=FAINT)]
    for column in fold(steps, ROWS):
        if isinstance(column, Fold):
            drawn.append(Text(f"   {column.text()}", style=FAINT))
            continue
        step = steps[column]
        places = [round(sheet.shade(value) * (len(SHADES) - 1)) for value in step.inputs]
        shades = "".join(SHADES[place] * 2 for place in places)
        drawn.append(
            Text.assemble(
                (f"{column:4d} ", FAINT),
                (f"|{shades}|", EVIDENCE if step.is_evidence else ""),
                (" evidence" if step.is_evidence else "", EVIDENCE),
                (f" answer {step.answer}" if step.answer else "", ANSWER),
            )
        )
    return Text("\n").join(drawn)
