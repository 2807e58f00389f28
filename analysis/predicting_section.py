"""Do reach, time constants and exponents say who will solve? Scatter and rank correlation."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator
from scipy import stats

from analysis import probed, tables
from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import styled
from analysis.panels import Panels
from analysis.probed import BEFORE
from analysis.section import Evidence, Section
from analysis.tables import Table

LEAST, LEAST_GROUPS, DRAWS = 10, 4, 1000
PREDICTORS = {
    "reach": "gradient left at the lag, powers of ten",
    "outlasting": "share of units that outlast the lag",
    "exponent": "largest exponent times the lag",
    "recovered": "inputs of the lag recovered, share",
}
TITLES = {
    "reach": ("gradient reach", "left at the lag, powers of ten"),
    "outlasting": ("time constants", "share of units above the lag"),
    "exponent": ("Lyapunov exponent", "largest, times the lag"),
    "recovered": ("memory capacity", "share of the input recovered"),
}
NOTE = (
    "One point a trial. Reach: the slope of the gradient's logarithm times the lag. Exponents: how "
    "many powers of e a difference in the state grows over the lag. What came of a trial is its "
    "test score, as the share of the way from chance to a perfect answer. The interval of "
    "Spearman's rank correlation is a bootstrap over groups (arm, task, lag), not over trials: "
    "seeds of a group begin nearly alike, and counting each as a new piece of evidence would make "
    "it far too narrow. Correlation over arms that differ in much else is no cause."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell whether what was measured before training says who will solve."""
    points = table_of_points(evidence)
    if points.empty:
        return None
    found = correlations(points)
    if found.empty:
        return None
    before = points[points["when"] == BEFORE]
    return Section(
        name="predicting",
        title="Does what was measured say who will solve?",
        lead=_lead(found),
        tables=[_table(found)],
        figures=[_figure(before if len(before) else points, evidence.looks)],
        note=NOTE,
        data={"predicting_points": points},
    )


def table_of_points(evidence: Evidence) -> pd.DataFrame:
    """Give a row per trial, when and predictor: its value, and what came of the trial."""
    frames = evidence.frames
    reach = probed.lowest(probed.measured(frames, "gradient_reach", "slope"))
    reach = reach[reach["part"] == ""]
    outlasting = probed.measured(frames, "gates", "outlasting")
    kept = outlasting.groupby(["trial", "when"])["value"].max().reset_index()
    exponent = probed.lowest(probed.measured(frames, "jacobian_spectrum", "largest"))
    recovered = probed.lowest(probed.measured(frames, "memory_capacity", "recovered"))
    recovered = recovered[recovered["index"] == recovered["lag"]]
    parts = [
        reach.assign(predictor="reach", value=reach["value"] * reach["lag"] / np.log(10)),
        kept.assign(predictor="outlasting"),
        exponent.assign(predictor="exponent", value=exponent["value"] * exponent["lag"]),
        recovered.assign(predictor="recovered"),
    ]
    columns = ["trial", "when", "predictor", "value"]
    points = pd.concat([pd.DataFrame(columns=columns), *(part[columns] for part in parts)])
    runs = frames.runs
    runs = runs[runs["arm"].isin(evidence.looks) & (runs["steps"] > 0)]
    above = (runs["test/score"] - runs["chance_score"]) / (1 - runs["chance_score"])
    runs = runs.assign(above=above.clip(0, 1), solved=runs["outcome"] == "solved")
    if points.empty:
        return points
    named = runs[["trial", "arm", "task", "lag", "seed", "above", "solved"]]
    return points.merge(named, on="trial").dropna(subset=["value", "above"]).reset_index(drop=True)


def correlations(points: pd.DataFrame) -> pd.DataFrame:
    """Give Spearman's rank correlation of each predictor with the score, with its interval.

    Columns: predictor, when, trials, groups, rho, low, high. Bootstrap over groups, from a fixed
    seed; what has fewer than 10 trials or 4 groups is left out.
    """
    rows = []
    for (predictor, when), here in points.groupby(["predictor", "when"], sort=False):
        pairs = here[["value", "above"]].to_numpy("float64")
        of = here.groupby(["arm", "task", "lag"], sort=True).ngroup().to_numpy()
        groups = [pairs[of == number] for number in range(of.max() + 1)]
        is_flat = here["value"].nunique() < 2 or here["above"].nunique() < 2
        if len(here) < LEAST or len(groups) < LEAST_GROUPS or is_flat:
            continue
        rho = _rank_correlation(pairs)
        generator = np.random.default_rng(0)
        drawn = []
        for _ in range(DRAWS):
            chosen = generator.integers(len(groups), size=len(groups))
            drawn.append(_rank_correlation(np.concatenate([groups[number] for number in chosen])))
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        rows.append(
            {
                "predictor": predictor,
                "when": when,
                "trials": len(here),
                "groups": len(groups),
                "rho": rho,
                "low": float(low),
                "high": float(high),
            }
        )
    return pd.DataFrame(rows)


def _rank_correlation(pairs: npt.NDArray[np.float64]) -> float:
    ranks = stats.rankdata(pairs, axis=0)
    x, y = (ranks - ranks.mean(0)).T
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def _lead(found: pd.DataFrame) -> list[str]:
    told = []
    for row in found[found["when"] == BEFORE].to_dict("records"):
        is_told = row["low"] > 0 or row["high"] < 0
        words = (
            f"{PREDICTORS[row['predictor']]}, before training: rank correlation with the test "
            f"score {row['rho']:.2f} (95% interval {row['low']:.2f} to {row['high']:.2f}, "
            f"{row['trials']} trials in {row['groups']} groups)"
        )
        verdict = "" if is_told else "; the interval holds 0: too few groups to tell"
        told.append(words[0].upper() + words[1:] + verdict + ".")
    return told


def _table(found: pd.DataFrame) -> Table:
    records = found.to_dict("records")
    cells = {
        "measured": [PREDICTORS[r["predictor"]] for r in records],
        "when": [r["when"] for r in records],
        "rank correlation (95% interval)": [
            f"{r['rho']:.2f} ({r['low']:.2f} to {r['high']:.2f})" for r in records
        ],
        "trials": [tables.whole(r["trials"]) for r in records],
        "groups": [tables.whole(r["groups"]) for r in records],
    }
    return Table(
        "predicting_table",
        "Rank correlation of what was measured with the test score, over all trials",
        pd.DataFrame(cells),
        headers=2,
        numbers=["rank correlation (95% interval)", "trials", "groups"],
    )


def _figure(points: pd.DataFrame, looks: Looks) -> Shown:
    when = plain(points["when"].iloc[0])
    return Shown(
        name="predicting_scatter",
        title=f"Test score against what was measured {when}",
        caption=(
            f"One point a trial: across, what was measured {when}; up, the share of the way from "
            "chance to a perfect test score. Filled points are trials that solved the task. Points "
            "of one arm that lie in a heap are its seeds."
        ),
        alternative="A dot a trial: what was measured before training, against the test score. "
        + "; ".join(
            f"{PREDICTORS[str(name)]}: {len(of)} trials" for name, of in points.groupby("predictor")
        )
        + ".",
        data=points,
        figure=draw(points, looks),
    )


def draw(points: pd.DataFrame, looks: Looks) -> Panels:
    """Draw the score against each predictor, a panel each."""
    present = [name for name in PREDICTORS if (points["predictor"] == name).any()]
    with styled():
        figure = Panels({name: TITLES[name][0] for name in present})
        for name in present:
            ax = figure.panels[name, 0]
            here = points[points["predictor"] == name]
            for arm, look in looks.items():
                for is_solved in (False, True):
                    mine = here[(here["arm"] == arm) & (here["solved"] == is_solved)]
                    # A line of no points, unclipped, would take room from the panels.
                    if mine.empty:
                        continue
                    ax.plot(
                        mine["value"], mine["above"], linestyle="", marker=look.marker or ".",
                        markersize=5.5, color=look.color, alpha=0.8, clip_on=False,
                        markerfacecolor=look.color if is_solved else "white",
                    )  # fmt: skip
            ax.set_ylim(-0.03, 1.03)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.set_xlabel(TITLES[name][1])
            ax.set_ylabel("test score above chance")
        return figure.finish(looks)
