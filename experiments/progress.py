"""What a user sees while a study runs: a live view on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.engines.base import Event
from experiments.study import Trial

SECONDS_BETWEEN_LINES = 10.0
RESULTS = ("solved", "unsolved", "diverged", "timed_out", "out_of_memory", "measured")
KINDS = (*RESULTS[:3], "failed")
COLOURS = {"solved": "green", "unsolved": "yellow", "diverged": "magenta", "failed": "red"}


class Progress:
    """Counts what happens to the trials of a study and shows it."""

    def __init__(self, console: Console, planned: int, done: int) -> None:
        self.console = console
        self.planned, self.done_before = planned, done
        self.ended: Counter[str] = Counter()
        self.running: dict[str, tuple[Trial, int, float | None]] = {}
        self._began = self._printed = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress while the block runs."""
        if not self.console.is_terminal:
            yield
            self._line()
            return
        with Live(get_renderable=self._view, console=self.console, refresh_per_second=4):
            yield

    def take(self, event: Event) -> None:
        """Take note of what has happened to a trial."""
        trial = event.trial
        if event.kind != "ended":
            self.running[trial.id] = (trial, event.step, event.score)
            return
        self.running.pop(trial.id, None)
        self.ended[event.outcome] += 1
        if event.error:
            line = f"{event.outcome}: {trial.group} | seed {trial.seed}: {event.error}"
            self._say(line, "red")
        if (
            not self.console.is_terminal
            and time.monotonic() - self._printed > SECONDS_BETWEEN_LINES
        ):
            self._line()

    def leave(self, trial: Trial) -> None:
        """Take a trial off the list of those under way here: another process has it."""
        self.running.pop(trial.id, None)

    @property
    def done(self) -> int:
        """How many trials have a result."""
        return self.done_before + sum(self.ended[kind] for kind in RESULTS)

    def closing(self) -> str:
        """Say in one line what came of it."""
        seconds = time.monotonic() - self._began
        return f"{self._count()} in {duration(seconds)}: {', '.join(self._outcomes()[:-1])}"

    def _line(self) -> None:
        self._printed = time.monotonic()
        self._say(" · ".join([self._count(), *self._outcomes(), self._pace()]))

    def _say(self, line: str, style: str = "") -> None:
        # One line stays one line, however narrow the terminal: it may be read by a program.
        self.console.print(line, style=style, markup=False, soft_wrap=True)

    def _count(self) -> str:
        return f"{self.done_before + self.ended.total()}/{self.planned} trials"

    def _outcomes(self) -> list[str]:
        known = [f"{self.ended[kind]} {kind}" for kind in KINDS]
        others = [f"{n} {kind}" for kind, n in self.ended.items() if kind not in KINDS]
        return [*known, *others, f"{len(self.running)} running"]

    def _pace(self) -> str:
        ended, seconds = self.ended.total(), time.monotonic() - self._began
        if not ended:
            return f"{seconds:.0f} s"
        left = (self.planned - self.done_before - ended) * seconds / ended
        return f"{ended / seconds * 60:.0f} trials a minute · about {duration(left)} left"

    def _view(self) -> RenderableType:
        done = self.done_before + self.ended.total()
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(1, self.planned), completed=done, width=30)
        counts = Text(" · ").join(
            Text(text, style=COLOURS.get(text.split()[-1], "") if text[0] != "0" else "dim")
            for text in self._outcomes()
        )
        head.add_row(bar, self._count(), counts)
        rows = Table.grid(padding=(0, 2))
        for trial, step, score in list(self.running.values()):
            shown = "" if score is None else f"score {score:.2f}"
            place = f"{trial.task}/{trial.dialect} lag {trial.lag}"
            rows.add_row(
                Text(trial.arm.label, style="bold"),
                Text(place),
                f"seed {trial.seed}",
                f"step {step}/{trial.recipe.steps}",
                shown,
            )
        return Group(head, Text(self._pace(), style="dim"), rows)


def duration(seconds: float) -> str:
    """Write a duration as a reader says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
