"""Which arms have a colour of their own, where there are more than a reader can tell apart."""

import pandas as pd

from analysis.looks import COLORS, Look, looks
from analysis.study_file import Study


def chosen(study: Study, rates: pd.DataFrame) -> list[str]:
    """Choose at most eight arms: the reference, those of claims, then those that solve the most.

    What they solve is the mean of their solve rates over all groups (frame of
    `estimate.solve_rates`); of equals the first in the study.
    """
    named = [study.reference, *(name for claim in study.claims for name in (claim.arm, claim.than))]
    means = rates.groupby("arm", sort=False)["rate"].mean().to_dict()
    most = sorted(study.labels, key=lambda arm: -means.get(arm, 0.0))
    return list(dict.fromkeys([*(name for name in named if name), *most]))[: len(COLORS)]


def highlighted(study: Study, rates: pd.DataFrame) -> dict[str, Look]:
    """Give every arm of a study the look that it has in the whole report."""
    return looks(study.labels, chosen(study, rates))


def note(look: dict[str, Look]) -> str:
    """Say how the highlighted arms were chosen, where there are others."""
    if all(each.is_highlighted for each in look.values()):
        return ""
    return (
        f" Of {len(look)} arms, {len(COLORS)} are highlighted: the reference, those that claims "
        "name, then those that solve the most seeds over all groups. The others are grey."
    )
