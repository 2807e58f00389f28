"""All tasks and lags together, as a part of the report: the arms in order, and their profiles."""

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from analysis import measures, overall, tables
from analysis.bootstrap import LEAST_SEEDS
from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.section import Evidence, Section
from analysis.tables import NOTHING, Table


def compose(evidence: Evidence) -> Section | None:
    """Sum up the arms over the groups that all of them have; None for an only arm or group."""
    frames, study = evidence.frames, evidence.frames.study
    found = overall.order(frames.runs, study.reference)
    if len(found) < 2 or found["groups"].max() < 2:
        return None
    is_complete = not frames.ledger.open
    if is_complete:
        lead = (
            "The arms that solve most come first. The order is a description: which arm is better "
            "than which is judged under Claims alone."
        )
    else:
        places = {label: place for place, label in enumerate(study.labels)}
        found = found.sort_values("arm", key=lambda arms: arms.map(places), ignore_index=True)
        lead = "Trials are missing, so the arms stand in the order of the study: none is ranked."
    profiles = overall.profiles(frames.runs)
    groups, few = int(found["groups"].max()), found["low"].isna().any()
    return Section(
        name="overall",
        title="All tasks together",
        lead=[lead],
        tables=[_table(found, study.reference)],
        figures=[_figure(profiles, evidence.looks)],
        note=(
            f"Over the {groups} pairs of task and lag that all arms have, each counting the same. "
            "Scores are from 0, chance, to 1, all right; a trial that failed is worth 0."
            + (f" The scores have intervals from {LEAST_SEEDS} seeds a group on." if few else "")
            + " Beside the page, overall_groups.csv has for each group the interquartile mean, the "
            "area under the learning curve, and the steps, FLOPs and seconds to solve, with "
            "intervals."
        ),
        data={
            "overall": found,
            "overall_profiles": profiles,
            "overall_groups": _groups(evidence),
        },
    )


def _groups(evidence: Evidence) -> pd.DataFrame:
    """Join what each group shows beyond its rate and its median."""
    keys = ["arm", "task", "lag"]
    runs = evidence.frames.runs
    means = measures.interquartile_means(runs).rename(
        columns={"low": "iqm_low", "high": "iqm_high"}
    )
    areas = measures.areas(runs, evidence.frames.history).drop(columns=["n", "coverage"])
    areas = areas.rename(columns={"median": "area", "low": "area_low", "high": "area_high"})
    costs = measures.costs_to_solve(runs).drop(columns="n")
    costs = costs.rename(columns={"low": "steps_low", "high": "steps_high"})
    return means.merge(areas, how="left", on=keys).merge(costs, how="left", on=keys)


def _table(found: pd.DataFrame, reference: str) -> Table:
    rows = found.to_dict("records")

    def within(low: float, high: float, value: str) -> str:
        if np.isnan(low) or (low, high) == (0, 1):
            return value
        return f"{value} ({low:.2f} to {high:.2f})"

    cells = {
        "arm": [plain(row["arm"], 60) for row in rows],
        "trials": [str(row["n"]) for row in rows],
        "solved (95%)": [
            f"{row['solved']:.0%} ({row['solved_low']:.0%} to {row['solved_high']:.0%})"
            for row in rows
        ],
        "interquartile mean score": [
            within(row["low"], row["high"], tables.score(row["iqm"])) for row in rows
        ],
        f"scores above {plain(reference, 40)}": [
            NOTHING
            if np.isnan(row["better"])
            else within(row["better_low"], row["better_high"], f"{row['better']:.2f}")
            for row in rows
        ],
    }
    return Table(
        "overall",
        "The arms over all tasks and lags",
        pd.DataFrame(cells),
        numbers=[name for name in cells if name != "arm"],
    )


def _figure(profiles: pd.DataFrame, looks: Looks) -> Shown:
    half = profiles[np.isclose(profiles["score"], 0.5)]
    told = ", ".join(
        f"{plain(arm, 60)} {share:.0%}"
        for arm, share in zip(half["arm"], half["share"], strict=True)
    )
    return Shown(
        name="overall_profiles",
        title="Performance profiles",
        caption=(
            "For each arm, the share of its trials whose test score is above the value at the "
            "axis, from chance (0) to all right (1). A curve above another means an arm that does "
            "better at every demand; where two cross, one has the better best trials and the other "
            "the better worst. A level stretch parts the trials that found the solution from those "
            "that did not."
        ),
        alternative=(
            "A falling line an arm: the share of its trials that score more than each value. More "
            f"than half way from chance to all right are: {told}."
        ),
        data=profiles,
        figure=draw(profiles, looks),
    )


def draw(profiles: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the share of trials above each normalised score."""
    with styled():
        figure = Panels({"all": "all tasks and lags"})
        ax = figure.panels["all", 0]
        for arm in sorted(looks, key=lambda arm: looks[arm].is_highlighted):
            look, mine = looks[arm], profiles[profiles["arm"] == arm]
            ax.step(
                mine["score"], mine["share"], where="post", color=look.color, linestyle=look.dash,
                linewidth=1.6 * look.width, marker=look.marker, markevery=(10, 20),
                markersize=4.5 * look.width, markeredgecolor="white", markeredgewidth=0.6,
                clip_on=False, zorder=3 if look.is_highlighted else 2,
            )  # fmt: skip
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["chance", "0.25", "0.5", "0.75", "1"])
        ax.set_xlabel("normalised test score")
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_ylabel("trials above it")
        return figure.finish(looks)
