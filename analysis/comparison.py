"""The table that a report turns on: every group, what is estimated and what is counted of it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import drawings, estimate, survival, tables
from analysis.escaping import plain
from analysis.estimate import GROUP
from analysis.looks import Look
from analysis.sources import Frames
from analysis.tables import NOTHING, Table

Row = dict[Any, Any]


def estimates(frames: Frames, rates: pd.DataFrame) -> pd.DataFrame:
    """Give a row per planned group: all that is estimated and counted of it.

    Gives arm, task, lag, group (its number in the study), planned, done, solved, n, rate, rate_low,
    rate_high; steps_median, steps_low, steps_high, steps_least, steps_most, budget_steps,
    validation_every; score_median, score_low, score_high, score_least, score_most, chance;
    hidden_size, parameters, state_size, flops_per_step, path, seconds_per_step.
    """
    runs = frames.runs
    groups = pd.DataFrame(frames.study.groups, columns=GROUP)
    groups["group"] = range(1, len(groups) + 1)
    groups["planned"] = [sum(states.values()) for states in frames.ledger.groups.values()]
    done = runs.groupby(GROUP, sort=False)["trial"].count().rename("done").reset_index()
    steps = survival.steps_to_solve(runs).drop(columns=["n", "solved", "coverage"])
    scores = estimate.score_medians(runs).drop(columns=["n", "coverage"])
    bounds = ("median", "low", "high", "least", "most")
    frame = groups
    for part in (
        done,
        rates.rename(columns={"low": "rate_low", "high": "rate_high"}),
        steps.rename(
            columns={"budget": "budget_steps", "every": "validation_every"}
            | {bound: f"steps_{bound}" for bound in bounds}
        ),
        scores.rename(columns={bound: f"score_{bound}" for bound in bounds}),
        estimate.counted(runs),
    ):
        frame = frame.merge(part, how="left", on=GROUP)
    whole = ["done", "n", "solved", "budget_steps", "validation_every"]
    return frame.astype(dict.fromkeys(whole, "Int64")).fillna({"done": 0})


def table(task: str, groups: pd.DataFrame, arms: Sequence[str], looks: Sequence[Look]) -> Table:
    """Show the groups of one task, with links to their trials."""
    # With fewer seeds there is no 95 % interval for a median; what is shown instead says so.
    is_enough = groups["n"].fillna(0).max() >= estimate.LEAST_SEEDS_FOR_A_MEDIAN
    low, high, between = (
        ("low", "high", "95% interval") if is_enough else ("least", "most", "range")
    )
    rate, steps = "solve rate (95% interval)", f"steps to solve: median ({between})"
    score = f"test score: median ({between})"
    cells, drawn, keys = [], [], []
    for row in groups.to_dict("records"):
        number = arms.index(row["arm"])
        told, rate_drawn = _rate(number, row)
        step_bounds = (_steps(row[f"steps_{bound}"], row) for bound in (low, high))
        score_bounds = (tables.score(row[f"score_{bound}"]) for bound in (low, high))
        cells.append(
            {
                "arm": row["arm"],
                "lag": str(row["lag"]),
                "solved": NOTHING if pd.isna(row["n"]) else f"{row['solved']}/{row['n']}",
                rate: told,
                steps: _bounded(_steps(row["steps_median"], row), *step_bounds),
                score: _bounded(tables.score(row["score_median"]), *score_bounds),
                "parameters": tables.whole(row["parameters"]),
                "state": tables.whole(row["state_size"]),
                "time per step": _time(row),
                "trials": _trials(row),
            }
        )
        drawn.append(
            {
                "arm": drawings.swatch(number, looks[number]) + " " + plain(row["arm"], 60),
                rate: rate_drawn,
                "trials": Markup('<a href="#g{}">{}</a>').format(row["group"], _trials(row)),
            }
        )
        keys.append({name: _key(row[of]) for name, of in
                     ((rate, "rate"), ("solved", "rate"), (score, "score_median"))})  # fmt: skip
        never = "" if pd.isna(row["n"]) else "1e99"
        keys[-1][steps] = _key(row["steps_median"]) or never
        # Times of different paths are not ranked: sorted are the paths, and the times within one.
        time = _key(row["seconds_per_step"])
        keys[-1]["time per step"] = f"{row['path']} {float(time):020.9f}" if time else ""
    lags = groups["lag"].tolist()
    return Table(
        name="comparison",
        caption=plain(task),
        cells=pd.DataFrame(cells),
        headers=2,
        numbers=[name for name in cells[0] if name not in ("arm", rate)],
        drawn={name: [row[name] for row in drawn] for name in drawn[0]},
        keys={name: [row[name] for row in keys] for name in keys[0]},
        breaks=[number for number in range(1, len(lags)) if lags[number] != lags[number - 1]],
    )


def _rate(number: int, row: Row) -> tuple[str, Markup]:
    rate, low, high = (float(str(row[key])) for key in ("rate", "rate_low", "rate_high"))
    if pd.isna(rate):
        return NOTHING, Markup(NOTHING)
    told = f"{rate:.0%} ({low:.0%} to {high:.0%})"
    return told, drawings.interval(number, low, rate, high) + f" {told}"


def _key(value: float) -> str:
    return "" if pd.isna(value) or value == float("inf") else repr(float(value))


def _trials(row: Row) -> str:
    return str(row["done"]) + (f" of {row['planned']}" if row["done"] < row["planned"] else "")


def _steps(steps: float, row: Row) -> str:
    if pd.isna(row["n"]):
        return NOTHING
    is_beyond = pd.isna(steps) or steps == float("inf")
    return f"> {row['budget_steps']:,}" if is_beyond else f"{steps:,.0f}"


def _bounded(middle: str, low: str, high: str) -> str:
    if middle == low == high or NOTHING in (low, high):
        return middle
    return f"{middle} ({low if low == high else f'{low} to {high}'})"


def _time(row: Row) -> str:
    told = tables.seconds(float(str(row["seconds_per_step"])))
    return told if told == NOTHING or not row["path"] else f"{told}, {plain(row['path'], 20)}"
