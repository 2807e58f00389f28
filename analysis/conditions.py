"""Under which conditions a study ran: arms, recipes, budgets, tasks, machines. Frames to tables."""

import dataclasses
import json

import pandas as pd

from analysis import tables
from analysis.answer import listed
from analysis.escaping import plain
from analysis.estimate import GROUP, counted
from analysis.sources import ENVIRONMENT, ON_GPU, Frames
from analysis.study_file import Recipe, Study
from analysis.tables import MANY_TASKS, NOTHING, Table

SPACES = {
    "large": "drawn anew from a large space; training, validation and test have their own",
    "finite": "a finite set, split by example into training, validation and test",
    "exhaustive": "exhaustive: training and test are the same space, so a solved test shows "
    "memory and not generalisation",
}

TASK_COLUMNS = [
    *("task", "lags", "the lag counts", "chance", "chance by", "solved from"),
    *("evidence to answer, in steps", "examples"),
]


def arms(study: Study) -> Table:
    """Show what the arms are; how layers are joined, and which way they run, where that differs."""
    cells = {
        "arm": [arm.label for arm in study.arms],
        # A file from outside is named, not the place where somebody keeps it.
        "architecture": [arm.architecture.rpartition("/")[2] for arm in study.arms],
        "layers": [str(arm.layers) for arm in study.arms],
        "wiring": [arm.joined for arm in study.arms],
        "direction": [arm.direction for arm in study.arms],
        "decoder": [arm.decoder or "none" for arm in study.arms],
        "options": [
            ", ".join(f"{name}={value}" for name, value in arm.options.items()) or "none"
            for arm in study.arms
        ],
        "in a line": [arm.summary for arm in study.arms],
        "from": [arm.paper for arm in study.arms],
    }
    for column, usual in (
        ("layers", "1"),
        ("wiring", "plain"),
        ("direction", "forwards"),
        ("decoder", "none"),
    ):
        if set(cells[column]) <= {usual}:
            del cells[column]
    return Table(name="arms", caption="The arms", cells=pd.DataFrame(cells))


def recipe(study: Study) -> str:
    """Tell the recipe of the first arm in a sentence; `inequalities` tells where others differ."""
    if not study.arms:
        return "No arm was declared."
    r = study.arms[0].recipe
    if not r.optimizer:
        return "The logs do not state how the arms were trained."
    clip = "not clipped" if r.clip is None else f"clipped to norm {r.clip:g}"
    stop = (
        f"a trial stops once the score has held {r.solved_for} validations in a row"
        if r.stop == "solved"
        else "every trial runs to the last step"
    )
    rate = (
        "the learning rate of its tuning" if study.tuning else f"learning rate {r.learning_rate:g}"
    )
    return (
        f"{plain(r.optimizer)} at {rate}, gradients {clip}, batches of "
        f"{r.batch}, at most {r.steps:,} steps; validation on {r.validation_size:,} examples every "
        f"{r.validation_every} steps, {stop}; test once at the end, on {r.test_size:,} examples."
    )


def inequalities(study: Study) -> list[str]:
    """Say, a line each, where the arms are not trained alike."""
    lines = []
    for field in dataclasses.fields(Recipe):
        if field.name == "learning_rate" and study.tuning:
            continue  # each has the one that was chosen for it, as its tuning shows
        values = {arm.label: getattr(arm.recipe, field.name) for arm in study.arms}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{plain(arm)} {value}" for arm, value in values.items())
            lines.append(f"{field.name.replace('_', ' ')}: {told}")
    own = [f"{plain(arm.label)} {plain(arm.budget)}" for arm in study.arms if arm.budget]
    if own:
        lines.append(f"budget: {', '.join(own)}; all others the study's")
    return lines


def sizes(frames: Frames) -> tuple[Table, pd.DataFrame]:
    """Show what was counted of each arm on each task, and how far it is from the budget.

    The frame has arm, task, hidden_size, parameters, state_size, flops_per_step, budget_of,
    budget_amount, deviation.
    """
    runs = frames.runs
    frame = counted(runs).drop(columns=["lag", "path", "seconds_per_step"])
    budgets = runs.groupby(GROUP, sort=False)[["budget_of", "budget_amount"]].first()
    frame = pd.concat([frame, budgets.reset_index(drop=True)], axis=1)
    frame = frame.drop_duplicates(["arm", "task"]).reset_index(drop=True)
    is_state = frame["budget_of"] == "state"
    size = frame["parameters"].mask(is_state, frame["state_size"]).astype("Float64")
    frame["deviation"] = (size / frame["budget_amount"] - 1).astype("float64")
    told = [
        NOTHING
        if pd.isna(row["hidden_size"]) and pd.isna(row["parameters"])
        else f"{tables.whole(row['state_size' if row['budget_of'] == 'state' else 'parameters'])}"
        f" ({_signed(row['deviation'])}), "
        f"{tables.whole(row['hidden_size'])} units"
        for row in frame.to_dict("records")
    ]
    wide = frame.assign(told=told).pivot(index="arm", columns="task", values="told")
    order = [arm.label for arm in frames.study.arms], [axis.task for axis in frames.study.tasks]
    wide = wide.reindex(index=[a for a in order[0] if a in wide.index],
                        columns=[t for t in order[1] if t in wide.columns])  # fmt: skip
    wide = wide.T if len(wide.columns) > max(MANY_TASKS, len(wide)) else wide
    budgets = frame[["budget_of", "budget_amount"]].drop_duplicates().dropna()
    held = listed(f"{n:,} {plain(of)}" for of, n in budgets.itertuples(index=False, name=None))
    caption = f"Counted sizes, and their distance from what is held equal: {held}"
    return Table("sizes", caption, wide.fillna(NOTHING).reset_index()), frame


def tasks(frames: Frames) -> tuple[Table, pd.DataFrame]:
    """Show what each task asks, and what scores without any memory.

    The frame has, per task and lag: task, lag, lag_means, chance_score, chance_loss,
    chance_derivation, solved_at, space, distance_least, distance_mean, distance_most; the same as
    nearer_least and so on for the arms that run both ways, where there are some.
    """
    means = {axis.task: axis.lag_means for axis in frames.study.tasks}
    trained = {axis.task: axis.trained_at for axis in frames.study.tasks}
    columns = ["chance_score", "chance_loss", "chance_derivation", "solved_at", "space"]
    columns += ["distance_least", "distance_mean", "distance_most"]
    # For who runs both ways the evidence is as far as the nearer end.
    is_both = frames.runs["arm"].isin([a.label for a in frames.study.arms if a.bidirectional])
    groups = frames.runs.groupby(["task", "lag"], sort=False)
    frame = groups[columns].first()
    nearer = frames.runs[is_both].groupby(["task", "lag"], sort=False)[columns[-3:]].first()
    frame.update(frames.runs[~is_both].groupby(["task", "lag"], sort=False)[columns[-3:]].first())
    if len(nearer):
        names = {name: name.replace("distance", "nearer") for name in columns[-3:]}
        frame = frame.join(nearer.rename(columns=names))
    frame = frame.reset_index()
    frame.insert(2, "lag_means", frame["task"].map(means).astype("str"))
    rows = []
    for task, group in frame.groupby("task", sort=False):
        lags = [str(lag) for lag in group["lag"]]
        distances = _distances(group, "distance")
        if "nearer_mean" in group:
            both = [f"both ways {steps}" for steps in _distances(group, "nearer")]
            pairs = zip(distances, both, strict=True)
            distances = both if is_both.all() else [f"{a}; {b}" for a, b in pairs]
        rows.append(
            {
                "task": str(task),
                "lags": "; ".join(filter(None, [", ".join(lags), trained[str(task)]])),
                "the lag counts": group["lag_means"].iloc[0] or NOTHING,
                "chance": _per_lag(lags, [tables.score(each) for each in group["chance_score"]]),
                "chance by": _per_lag(lags, [e or NOTHING for e in group["chance_derivation"]]),
                "solved from": _per_lag(lags, [tables.score(each) for each in group["solved_at"]]),
                "evidence to answer, in steps": _per_lag(lags, distances),
                "examples": _per_lag(lags, [SPACES.get(e, e or NOTHING) for e in group["space"]]),
            }
        )
    cells = pd.DataFrame(rows, columns=TASK_COLUMNS)
    return Table("tasks", "The tasks", cells), frame


def _signed(share: float) -> str:
    if pd.isna(share):
        return NOTHING
    return "0.0%" if abs(share) < 0.0005 else f"{share:+.1%}"


def _distances(group: pd.DataFrame, what: str) -> list[str]:
    columns = (group[f"{what}_{which}"] for which in ("least", "mean", "most"))
    return [_spread(least, mean, most) for least, mean, most in zip(*columns, strict=True)]


def _spread(least: float, mean: float, most: float) -> str:
    if pd.isna(mean):
        return NOTHING
    if most < 0:
        return f"{_spread(-most, -mean, -least)} ahead"
    return f"{mean:g}" if least == most else f"{least:g} to {most:g} (mean {mean:.1f})"


def _per_lag(lags: list[str], values: list[str]) -> str:
    if len(set(values)) == 1:
        return values[0]
    return "; ".join(f"lag {lag}: {value}" for lag, value in zip(lags, values, strict=True))


def environments(frames: Frames) -> tuple[Table, pd.DataFrame]:
    """Show the machines and versions that trials ran on, most trials first."""
    # Of a GPU nothing is said where none was trained on.
    columns = [c for c in ENVIRONMENT if c not in ON_GPU or frames.runs[c].ne("").any()]
    frame = frames.runs.groupby(columns, sort=False)["trial"].count().rename("trials").reset_index()
    frame = frame.sort_values("trials", ascending=False, kind="stable", ignore_index=True)
    frame = frame[["trials", *columns]]
    told = {"recorded": [name.replace("_", " ") for name in frame.columns]}
    for number, row in enumerate(frame.itertuples(index=False, name=None), start=1):
        told["environment" if len(frame) == 1 else f"environment {number}"] = [
            str(value)[:12] if name == "git_commit" else str(value) or NOTHING
            for name, value in zip(frame.columns, row, strict=True)
        ]
    cells = pd.DataFrame(told)
    if frames.foreign is not None:  # What such logs do not state is no row.
        is_blank = cells.iloc[:, 1:].isin([NOTHING, ""]).all(axis=1)
        cells = cells[~is_blank].reset_index(drop=True)
    return Table("environments", "Versions and machines", cells, is_fixed=True), frame


def mixed_code(runs: pd.DataFrame) -> list[str]:
    """Name the files of which the finished trials ran more than one version."""
    versions: dict[str, set[str]] = {}
    for text in runs["code"].unique():
        for name, version in json.loads(text).items():
            versions.setdefault(str(name), set()).add(str(version))
    return sorted(plain(name) for name, found in versions.items() if len(found) > 1)
