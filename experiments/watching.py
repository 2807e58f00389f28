"""Look again and again at a study's folder until nothing more will happen there."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.live import Live


@dataclass(frozen=True)
class Look:
    """What a folder looks like now: in full, in one line, and whether that is the end of it."""

    view: RenderableType
    line: str
    is_over: bool


def watch(console: Console, look: Callable[[], Look], seconds: float) -> None:
    """Show what is there until it is over; a line for each change where there is no terminal.

    Ctrl-C ends it: to look away is no error.
    """
    try:
        if not console.is_terminal:
            _follow(console, look, seconds)
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                seen = look()
                live.update(seen.view, refresh=True)
                if seen.is_over:
                    return
                time.sleep(seconds)
    except KeyboardInterrupt:
        return


def _follow(console: Console, look: Callable[[], Look], seconds: float) -> None:
    said = ""
    while not (seen := look()).is_over:
        if seen.line != said:
            console.print(seen.line, markup=False, soft_wrap=True)
            said = seen.line
        time.sleep(seconds)
    console.print(seen.view, soft_wrap=True)
