"""What a part of a report with a question of its own is made of, and what it may draw on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from analysis.gallery import Looks, Shown
from analysis.sources import Frames
from analysis.tables import Table


@dataclass(frozen=True)
class Evidence:
    """What a section may draw on.

    `rates` is of `estimate.solve_rates`, `verdicts` of `compare.judge`; `looks` gives each arm the
    look that it has in the whole report. While `frames.ledger.open` holds trials, nothing is
    ranked.
    """

    frames: Frames
    rates: pd.DataFrame
    verdicts: pd.DataFrame
    looks: Looks


@dataclass(frozen=True)
class Section:
    """A part of a report.

    `lead` are paragraphs, `note` says how the numbers were made. Tables, figures and `data` (CSV
    files beside the page) have file names that begin with the section's own. A section of results
    stands before the claims, one about method behind the environments.
    """

    name: str
    title: str
    lead: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Shown] = ()
    note: str = ""
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    place: Literal["results", "method"] = "results"

    def __post_init__(self) -> None:
        for name in [*(t.name for t in self.tables), *(f.name for f in self.figures), *self.data]:
            if not owns(self.name, name):
                raise ValueError(f"{name!r} in the section {self.name!r}: begin it with that name")


def owns(section: str, name: str) -> bool:
    """Tell whether a file belongs to a section, by its name without the ending."""
    return name == section or name.startswith(f"{section}_")
