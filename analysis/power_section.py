"""What so many seeds can show, as a part of the report about its method."""

from collections import Counter

import numpy as np
import pandas as pd

from analysis import power
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table, percent


def compose(evidence: Evidence) -> Section | None:
    """Tell what the study's seeds can show of its claims; None where none is on solve rates."""
    study = evidence.frames.study
    claims, on_rates = len(study.claims), [c for c in study.claims if c.on == "solve_rate"]
    per_group = Counter(trial.group for trial in study.trials)
    if not on_rates or not per_group:
        return None
    seeds = min(per_group.values())
    pooled = max(
        len({(task, lag) for _, task, lag in per_group
             if claim.task in (None, task) and claim.lag in (None, lag)})
        for claim in on_rates
    )  # fmt: skip
    found = power.table(seeds, pooled, claims)
    needed = power.least_seeds(1, claims)
    now = found[(found["seeds"] == seeds) & (found["groups"] == 1)].iloc[0]
    stated = "one claim" if claims == 1 else f"{claims} claims, of which the first counts for all"
    if np.isnan(now["least_seen"]):
        lead = (
            f"With {seeds} seeds a group and {stated}, no claim on one group can be supported, "
            f"whatever is found: it takes at least {needed} seeds."
        )
    else:
        lead = (
            f"With {seeds} seeds a group and {stated}, a claim on one group is supported only "
            f"where the arms differ by {percent(now['least_seen'])} of the seeds or more"
            f"{_found(now['found'])}. A smaller difference may be real and will read as too few "
            "seeds to tell."
        )
    return Section(
        name="power",
        title="What could these seeds have shown?",
        lead=[lead],
        tables=[_table(found, seeds)],
        note=(
            "Of two solve rates, at 5% after Holm's first step. The first column is of an arm "
            "against one that never solves; the second is the true rate that is then shown in four "
            "studies of five; the third is about what rates around one half, the hardest to tell "
            "apart, have to differ by. One group: Barnard's test; several: the permutation within "
            "groups, of groups alike."
        ),
        data={"power": found},
        place="method",
    )


def _found(rate: float) -> str:
    return "" if np.isnan(rate) else f", and found in four studies of five from {percent(rate)} on"


def _table(found: pd.DataFrame, seeds: int) -> Table:
    rows = found.to_dict("records")
    cells = {
        "seeds a group": [
            f"{row['seeds']}{' (this study)' if row['seeds'] == seeds else ''}" for row in rows
        ],
        "groups of a claim": [str(row["groups"]) for row in rows],
        "least difference supported": [percent(row["least_seen"]) for row in rows],
        "found with 80% power": [percent(row["found"]) for row in rows],
        "the same around one half": [percent(row["found_middle"]) for row in rows],
    }
    groups = found["groups"].tolist()
    return Table(
        name="power",
        caption=f"Differences of solve rates that can be shown ({NOTHING}: none)",
        cells=pd.DataFrame(cells),
        numbers=list(cells),
        breaks=[i for i in range(1, len(groups)) if groups[i] != groups[i - 1]],
    )
