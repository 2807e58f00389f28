"""What is said of a source, by its length; what was looked at while saying it; and some of it."""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from analysis import attention_figure, figures, replies_table, tables
from analysis.escaping import plain
from analysis.estimate import CONFIDENCE, median, order_interval
from analysis.extrapolation import tested
from analysis.gallery import Shown
from analysis.highlight import note
from analysis.horizons import crossing
from analysis.section import Evidence, Section
from analysis.sources import OF_REPLIES, Frames
from analysis.tables import NOTHING, Table

PLACE = ["task", "lag", "arm"]
MEASURES = {"score": "token accuracy", "exact": "exact match", "bleu": "BLEU", "chrf": "chrF"}
NOTE = (
    "A reply is scored as the network says it by itself, its own words shown to it, not the "
    "target's. Token accuracy: the share of symbols, the end among them, that are right in their "
    "places. Exact match: the share of replies without a mistake. BLEU (of words, as they stand) "
    "and chrF (of their characters) by sacrebleu, divided by 100. A score halves at the length "
    "where token accuracy, made to fall with the length (isotonic regression), crosses half of "
    "what it is at the shortest length tested, joined by straight lines over the logarithm of the "
    "length: for each seed, then the median. Descriptive: no claim is judged here."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell of replies, where a study has tasks that are answered in sequences."""
    frames = evidence.frames
    if frames.runs["test/exact"].notna().sum() == 0:
        return None
    measured = by_length(frames)
    halves = halving(measured, frames.study.labels)
    shown = [_measures(measured, evidence)]
    drawn = attention_figure.chosen(frames.samples, evidence.looks)
    if len(drawn):
        shown.append(attention_figure.shown(drawn))
    said = replies_table.spoken(frames.samples, frames.study.labels)
    return Section(
        name="replies",
        title="What gets through, by the length of the source",
        lead=_lead(halves, frames),
        tables=[_table(halves), *replies_table.shown(said)],
        figures=shown,
        note=NOTE,
        data={"replies_halving": halves} | ({"replies_said": said} if len(said) else {}),
    )


def by_length(frames: Frames) -> pd.DataFrame:
    """Give a row per trial and length that replies were tested at, with all that was measured.

    The frame is of `extrapolation.tested`, with exact, bleu and chrf (NaN where not measured).
    """
    own = frames.runs.rename(columns={f"test/{name}": name for name in OF_REPLIES})
    own = own[["trial", "lag", *OF_REPLIES]].rename(columns={"lag": "test_lag"})
    # A trial may be tested at its own lag once more.
    of_each = pd.concat([own, frames.tests[["trial", "test_lag", *OF_REPLIES]]])
    of_each = of_each.drop_duplicates(["trial", "test_lag"])
    all_tested = tested(frames) if len(frames.tests) else _own(frames)
    found = all_tested.merge(of_each, on=["trial", "test_lag"])
    has_replies = found.groupby("trial")["exact"].transform(lambda column: column.notna().any())
    return found[has_replies].reset_index(drop=True)


def _own(frames: Frames) -> pd.DataFrame:
    kept = frames.runs[["trial", "arm", "task", "lag", "seed", "outcome", "solved_at"]]
    return kept.assign(
        shortest=frames.runs["lag"],
        test_lag=frames.runs["lag"],
        score=frames.runs["test/score"],
        chance_score=frames.runs["chance_score"],
    )


def halving(measured: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Tell at which length token accuracy halves (frame of `by_length`).

    The frame has task, lag, arm, n, shortest and longest (tested), first (median score at the
    shortest), halves (median over seeds; infinite: not up to the longest), low, high (exact
    interval of a median, or the lowest and highest seed where there are too few, `is_interval`
    false), and the medians of score, exact, bleu and chrf at the lag trained at.
    """
    rows = []
    for key, group in measured.groupby(PLACE, sort=False):
        wide = group.pivot(index="seed", columns="test_lag", values="score").dropna()
        if wide.empty:
            continue
        lags, values = wide.columns.to_numpy(dtype=float), wide.to_numpy(dtype=float)
        each = np.sort([_halves(lags, row) for row in values])
        bounds = order_interval(each)
        is_interval = bool(np.isfinite(bounds["coverage"]))
        own = group[group["test_lag"] == group["lag"]]
        rows.append(
            dict(zip(PLACE, key, strict=True))
            | {"n": len(wide), "shortest": int(lags[0]), "longest": int(lags[-1])}
            | {"first": float(np.median(values[:, 0])), "halves": median(each)}
            | {"low": bounds["low"] if is_interval else each[0]}
            | {"high": bounds["high"] if is_interval else each[-1]}
            | {"is_interval": is_interval}
            | {name: own[name].median() for name in MEASURES}
        )
    order = {arm: number for number, arm in enumerate(labels)}
    tasks = {task: number for number, task in enumerate(dict.fromkeys(measured["task"]))}
    rows.sort(key=lambda row: (tasks[row["task"]], row["lag"], order.get(row["arm"], 0)))
    return pd.DataFrame(rows)


def _halves(lags: Any, scores: Any) -> float:
    """Give the length at which a seed's score crosses half of its first; infinite: it does not."""
    if len(lags) < 2 or not scores[0] > 0:
        return float("inf") if len(lags) < 2 else 0.0
    return crossing(lags, scores / scores[0])


def says(row: dict[Any, Any]) -> str:
    """Say the length at which a score halves, with its interval, or a bound."""
    if row["shortest"] == row["longest"]:
        return NOTHING
    middle, low, high = (_length(row[name], row["longest"]) for name in ("halves", "low", "high"))
    return middle if low == middle == high else f"{middle} ({low} to {high})"


def _length(value: float, longest: int) -> str:
    return f"beyond {longest}" if np.isinf(value) else f"{value:.0f}"


def _lead(halves: pd.DataFrame, frames: Frames) -> list[str]:
    told = []
    for (task, _), here in halves.groupby(["task", "lag"], sort=False):
        words = "; ".join(f"{plain(row['arm'], 60)} {says(row)}" for row in here.to_dict("records"))
        told.append(f"The length at which token accuracy halves, {plain(task)}: {words}.")
    if frames.ledger.open:
        told.append(
            f"{len(frames.ledger.open)} trials are missing here: arms are not to be ranked."
        )
    if problems := frames.sample_problems:
        told.append(f"Replies that could not be read, {len(problems)}: {plain(problems[0], 200)}.")
    return told


def _table(halves: pd.DataFrame) -> Table:
    rows = halves.to_dict("records")
    is_interval = all(row["is_interval"] for row in rows)
    between = f"{CONFIDENCE:.0%} interval" if is_interval else "lowest to highest seed"
    halved = f"halves at length ({between})"
    measures = [name for name in MEASURES if halves[name].notna().any()]
    cells = pd.DataFrame(
        {
            "task": [plain(row["task"]) for row in rows],
            "trained at lag": [str(row["lag"]) for row in rows],
            "arm": [plain(row["arm"], 60) for row in rows],
            "seeds": [str(row["n"]) for row in rows],
            **{MEASURES[m]: [tables.score(row[m]) for row in rows] for m in measures},
            "token accuracy, shortest": [tables.score(row["first"]) for row in rows],
            halved: [says(row) for row in rows],
        }
    )
    begins = [
        n
        for n, (a, b) in enumerate(itertools.pairwise(rows), start=1)
        if (a["task"], a["lag"]) != (b["task"], b["lag"])
    ]
    return Table(
        "replies",
        "What gets through: medians over seeds, at the longest length trained",
        cells,
        headers=3,
        numbers=[str(name) for name in cells if name not in ("task", "arm")],
        breaks=begins,
    )


def _measures(measured: pd.DataFrame, evidence: Evidence) -> Shown:
    parts = []
    is_alone = measured["task"].nunique() == 1
    for (task, _), here in measured.groupby(["task", "lag"], sort=False):
        for name, words in MEASURES.items():
            if here[name].notna().any():
                chance = here["chance_score"] if name == "score" else np.nan
                title = words if is_alone else f"{words}, {task}"
                part = here.assign(task=title, score=here[name], chance_score=chance)
                parts.append(part)
    drawn = pd.concat(parts, ignore_index=True)
    ends = drawn[drawn["test_lag"] == drawn["lag"]]
    middle = ends.groupby(["task", "arm"], sort=False)["score"].median().reset_index()
    told = "; ".join(
        f"{plain(row['task'])}: {plain(row['arm'], 60)} {row['score']:.3f}"
        for row in middle.to_dict("records")
    )
    return Shown(
        name="replies_measures",
        title="Scores of replies against the length of the source",
        caption=(
            "What is right of the replies, by the number of symbols in the source, a panel for "
            "each measure. The grey band marks the lengths that were trained. Small dots are "
            "seeds, the marker is their median. A line that falls within the band has less room "
            "than the source needs; one that falls only behind it has not learned a rule for "
            f"longer sources.{note(evidence.looks)}"
        ),
        alternative=f"Medians at the longest length that was trained. {told}.",
        data=drawn[["trial", *PLACE, "seed", "test_lag", "score"]],
        figure=figures.score_by_test_lag(
            drawn, evidence.looks, "share", has_lags=(measured["lag"] != measured["lag"][0]).any()
        ),
    )
