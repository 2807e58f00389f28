"""The parts of a report with a question of their own; each shows itself where it has an answer.

A new one is a function of the evidence in a file beside this one, and its entry in `SECTIONS`: the
page, its navigation, Markdown, CSV and LaTeX take it from there.
"""

from collections.abc import Callable

from analysis import (
    ablation_section,
    depth_reach_section,
    extrapolation,
    foreign_section,
    gates_section,
    held_section,
    horizon_section,
    layers_section,
    learned_section,
    overall_section,
    power_section,
    predicting_section,
    reach_section,
    reading,
    replies_section,
    tuning_section,
)
from analysis.section import Evidence, Section
from analysis.sources import Progress

SECTIONS: dict[str, Callable[[Evidence], Section | None]] = {
    "foreign": foreign_section.compose,
    "overall": overall_section.compose,
    "horizon": horizon_section.compose,
    "extrapolation": extrapolation.section,
    "replies": replies_section.compose,
    "ablation": ablation_section.compose,
    "layers": layers_section.compose,
    "learned": learned_section.compose,
    "reach": reach_section.compose,
    "depth_reach": depth_reach_section.compose,
    "gate_use": gates_section.compose,
    "held": held_section.compose,
    "predicting": predicting_section.compose,
    "tuning": tuning_section.compose,
    "power": power_section.compose,
    "reading": reading.compose,
}
"""Every section by its name, in the order of the report; None: it has nothing to say."""


def compose(evidence: Evidence, progress: Progress | None = None) -> list[Section]:
    """Give the sections that have something to say."""
    found = []
    for number, (name, write) in enumerate(SECTIONS.items(), start=1):
        section = write(evidence)
        if section is not None:
            assert section.name == name, f"{section.name!r} is registered as {name!r}"
            found.append(section)
        if progress is not None:
            progress("sections written", number, len(SECTIONS))
    return found
