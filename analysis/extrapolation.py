"""Does it hold further back than it was trained for? Trials tested at other lags than their own."""

import itertools
from typing import Any

import pandas as pd

from analysis import figures, tables
from analysis.answer import listed
from analysis.escaping import plain
from analysis.gallery import Shown
from analysis.highlight import note
from analysis.section import Evidence, Section
from analysis.sources import Frames
from analysis.tables import NOTHING, Table

COLUMNS = ("trial", "arm", "task", "lag", "seed", "outcome", "solved_at")
GROUP = ["task", "lag", "arm"]


def section(evidence: Evidence) -> Section | None:
    """Show scores against the lag of the test, where a study asks for other lags than its own."""
    frames = evidence.frames
    if frames.tests["score"].notna().sum() == 0:
        return None
    scores = tested(frames)
    ends = reach(scores, frames.study.labels)
    told = (
        "Every trial was tested at other lags too, on the weights that it ended with. A rule that "
        "was learned holds there as well; what was learned for one length does not."
    )
    lead = [told]
    if frames.ledger.open:
        lead.append(
            f"{len(frames.ledger.open)} trials are missing here: arms are not to be ranked."
        )
    if curricula := [axis for axis in frames.study.tasks if axis.trained_at]:
        ways = [f"{plain(axis.task)}: {plain(axis.trained_at)}" for axis in curricula]
        lead.append(f"Lags that were trained: {'; '.join(ways)}.")
    return Section(
        name="extrapolation",
        title="Further back than trained",
        lead=lead,
        tables=[_table(ends, evidence)],
        figures=[_figure(scores, evidence)],
        note=(
            "Medians over the seeds that have a result. An arm holds up to the longest tested lag "
            "before the first at which its median falls below the score from which the task counts "
            "as solved. Descriptive: no claim is judged here."
        ),
        data={"extrapolation": scores, "extrapolation_reach": ends},
    )


def tested(frames: Frames) -> pd.DataFrame:
    """Give a row per trial and lag that it was tested at, its own among them.

    The frame has trial, arm, task, lag (trained at), seed, outcome, solved_at, shortest (the
    shortest lag trained at: less than lag with a curriculum), test_lag, score, chance_score.
    """
    runs = frames.runs[frames.runs["trial"].isin(frames.tests["trial"])]
    own = runs[[*COLUMNS, "test/score", "chance_score"]].assign(test_lag=runs["lag"])
    own = own.rename(columns={"test/score": "score"})
    more = frames.tests[["trial", "test_lag", "score", "chance_score"]]
    more = runs[list(COLUMNS)].merge(more, on="trial")
    found = pd.concat([own, more], ignore_index=True).drop_duplicates(["trial", "test_lag"])
    shortest = {axis.task: axis.shortest for axis in frames.study.tasks}
    begins = [shortest[task] or lag for task, lag in zip(found["task"], found["lag"], strict=True)]
    found.insert(len(COLUMNS), "shortest", begins)
    return found.sort_values(["trial", "test_lag"], kind="stable", ignore_index=True)


def reach(scores: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Tell how far back each arm holds (frame of `tested`).

    The frame has task, lag, arm, n, own (median score at the lag trained at), holds (longest lag
    that it holds up to; NA: not even at its own, or the task has no bar), farthest (longest lag
    tested at), last (median score there), solved_at.
    """
    rows = []
    for (task, lag, arm), group in scores.groupby(GROUP, sort=False):
        medians = group.groupby("test_lag")["score"].median()
        bar = float(group["solved_at"].iloc[0])
        beyond = medians[medians.index >= lag]
        is_below = ~(beyond >= bar)
        held = beyond[: int(is_below.to_numpy().argmax())] if is_below.any() else beyond
        rows.append(
            {
                "task": task,
                "lag": lag,
                "arm": arm,
                "n": group["trial"].nunique(),
                "own": medians.get(lag),
                "holds": held.index[-1] if len(held) else pd.NA,
                "farthest": medians.index[-1],
                "last": medians.iloc[-1],
                "solved_at": bar,
            }
        )
    found = pd.DataFrame(rows).astype({"holds": "Int64"})
    order = {arm: number for number, arm in enumerate(labels)}
    tasks = {task: number for number, task in enumerate(dict.fromkeys(scores["task"]))}
    keys = found.assign(arm=found["arm"].map(order), task=found["task"].map(tasks))
    return found.loc[keys.sort_values(["task", "lag", "arm"]).index].reset_index(drop=True)


def _table(ends: pd.DataFrame, evidence: Evidence) -> Table:
    rows = ends.to_dict("records")
    begins = [n for n, (a, b) in enumerate(itertools.pairwise(rows), start=1)
              if (a["task"], a["lag"]) != (b["task"], b["lag"])]  # fmt: skip
    return Table(
        name="extrapolation",
        caption="How far back each arm holds",
        cells=pd.DataFrame(
            {
                "task": [plain(row["task"]) for row in rows],
                "trained at lag": [str(row["lag"]) for row in rows],
                "arm": [plain(row["arm"], 60) for row in rows],
                "seeds": [str(row["n"]) for row in rows],
                "score there": [tables.score(row["own"]) for row in rows],
                "holds up to lag": [_holds(row) for row in rows],
                "longest lag tested": [str(row["farthest"]) for row in rows],
                "score at it": [tables.score(row["last"]) for row in rows],
            }
        ),
        headers=3,
        numbers=["trained at lag", "seeds", "score there", "holds up to lag",
                 "longest lag tested", "score at it"],
        breaks=begins,
    )  # fmt: skip


def _holds(row: dict[Any, Any]) -> str:
    if pd.isna(row["solved_at"]):
        return NOTHING
    return "not at its own" if pd.isna(row["holds"]) else str(row["holds"])


def _figure(scores: pd.DataFrame, evidence: Evidence) -> Shown:
    lags = listed(sorted(set(scores["test_lag"])))
    middle = scores.groupby([*GROUP, "test_lag"], sort=False)["score"].median().reset_index()
    has_chance = scores["chance_score"].notna().any()
    dotted = "Dotted: the score of the best strategy without memory. " if has_chance else ""
    longest = middle[
        middle["test_lag"] == middle.groupby(["task", "lag"])["test_lag"].transform("max")
    ]
    told = [
        f"{plain(row['arm'], 60)} on {plain(row['task'])}, trained at lag {row['lag']}, tested at "
        f"{row['test_lag']}: {tables.score(row['score'])}"
        for row in longest.to_dict("records")
    ]
    return Shown(
        name="extrapolation",
        title="Score against the lag of the test",
        caption=(
            f"Test score at lags {lags}, one panel for each lag trained at. The grey band marks "
            "the lags that were trained; to its right lies what was not. Small dots are seeds, "
            f"the marker is their median. {dotted}A line that stays up holds a rule; one that "
            f"falls behind the band fits the lengths it has seen.{note(evidence.looks)}"
        ),
        alternative=f"Median test score at the longest lag tested. {'; '.join(told)}.",
        data=scores,
        figure=figures.score_by_test_lag(scores, evidence.looks),
    )
