"""The page that compares two studies, or one before and after a change."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import drawings, latex, sources, tables, versus
from analysis.answer import Answer, listed
from analysis.escaping import plain
from analysis.ledger import Ledger
from analysis.pages import checked_folder, render, write_file
from analysis.sources import Frames
from analysis.tables import NOTHING, Table
from analysis.versus import NO_DIFFERENCE


def write(
    a_dir: str | os.PathLike[str], b_dir: str | os.PathLike[str], out_dir: str | os.PathLike[str]
) -> Path:
    """Write the comparison of two studies' folders, and give the path of its page.

    Raises
    ------
    StudyFileError
        A `study.json` cannot be read, or `out_dir` cannot be a folder.
    """
    out = checked_folder(out_dir)
    a, b = sources.load(a_dir), sources.load(b_dir)
    groups, facts = versus.groups(a, b), versus.facts(a, b)
    arms = versus.arms(groups, is_complete=not (a.ledger.open or b.ledger.open))
    shown = [_arms(arms), *(_groups(str(t), g) for t, g in groups.groupby("task", sort=False))]
    files = {
        "tables/groups.csv": tables.csv(groups),
        "tables/arms.csv": tables.csv(arms),
        "tables/groups.tex": latex.write(shown if len(groups) else []),
        "tables/facts.csv": tables.csv(facts),
        "tables/trials_a.csv": tables.csv(a.runs),
        "tables/trials_b.csv": tables.csv(b.runs),
        "index.html": render(
            "versus.html.j2",
            "",
            names=_names(a, b),
            counts=[_counts(frames.ledger) for frames in (a, b)],
            told=answer(a, b, groups, arms),
            groups=shown if len(groups) else [],
            differing=_facts(facts[~facts["is_same"]], "differing", "What differs"),
            same=_facts(facts[facts["is_same"]], "same", "What is the same"),
            finished=f"{len(a.runs):,} and {len(b.runs):,}",
        ),
    }
    for name, text in files.items():
        write_file(out / name, text.encode())
    return out / "index.html"


def answer(a: Frames, b: Frames, groups: pd.DataFrame, arms: pd.DataFrame) -> Answer:
    """Say what the comparison shows, in sentences computed from it.

    The frames are those of `versus.groups` and `versus.arms`.
    """
    if groups.empty:
        return Answer("No group has results in both studies: nothing can be compared.")
    if a.ledger.open or b.ledger.open:
        lacking = [
            f"{len(frames.ledger.open)} of {frames.ledger.planned} trials of {name}"
            for name, frames in (("A", a), ("B", b))
            if frames.ledger.open
        ]
        return Answer(
            f"No verdict is given: {' and '.join(lacking)} lack a result, and it might change with "
            "them. What the others show stands in the table.",
            points=_repeated(a, b),
        )
    differing = groups[groups["verdict"] != NO_DIFFERENCE]
    solved = [f"{groups[f'solved_{x}'].sum()} of {groups[f'n_{x}'].sum()}" for x in "ab"]
    by_verdict: dict[str, list[str]] = {}
    for arm, verdict in zip(arms["arm"], arms["verdict"], strict=True):
        by_verdict.setdefault(verdict, []).append(plain(arm))
    same = by_verdict.pop(NO_DIFFERENCE, [])
    parts = [f"{verdict} with {listed(names)}" for verdict, names in by_verdict.items()]
    if same:
        parts.append(f"no difference is shown for {listed(same) if parts else 'any arm'}")
    told = "; ".join(parts)
    return Answer(
        f"{told[0].upper()}{told[1:]}. In the groups that both have, A solves {solved[0]} trials "
        f"and B {solved[1]}.",
        points=[
            *(
                f"{plain(row['arm'])} on {plain(row['task'])} at lag {row['lag']}: "
                f"{row['verdict']} ({row['solved_a']}/{row['n_a']} and "
                f"{row['solved_b']}/{row['n_b']} solved)."
                for row in differing.to_dict("records")
            ),
            *_repeated(a, b),
        ],
        caveats=_caveats(a, b, groups),
    )


def _caveats(a: Frames, b: Frames, groups: pd.DataFrame) -> list[str]:
    caveats = []
    left_out = {(*g,) for f in (a, b) for g in f.study.groups} - {
        tuple(row) for row in groups[["arm", "task", "lag"]].itertuples(index=False, name=None)
    }
    if left_out:
        caveats.append(f"{len(left_out)} groups have results in one of the two only, or no chance "
                       "level, and are left out.")  # fmt: skip
    fewest = int(groups[["n_a", "n_b"]].min().min())
    if fewest < 10:
        caveats.append(
            f"As few as {fewest} seeds in a group: no difference shown is not no difference."
        )
    return caveats


def _repeated(a: Frames, b: Frames) -> list[str]:
    counts = versus.repeated(a, b)
    if not counts["trials"]:
        return ["No trial has the same declaration in both."]
    same = f"{counts['trials']} trials have the same declaration in both"
    alike = f"{counts['outcome']} of them ended alike and at the same step"
    return [f"{same}: {alike}, {counts['bits']} also with the same test score."]


def _arms(arms: pd.DataFrame) -> Table:
    rows = arms.to_dict("records")
    cells = {
        "arm": [plain(row["arm"], 60) for row in rows],
        "groups": [str(row["groups"]) for row in rows],
        **_counted(rows),
        "verdict": [row["verdict"] for row in rows],
    }
    return _table("versus-arms", "Each arm over all its groups, B less A", cells, rows)


def _groups(task: str, groups: pd.DataFrame) -> Table:
    rows = groups.to_dict("records")
    cells = {
        "arm": [plain(row["arm"], 60) for row in rows],
        "lag": [str(row["lag"]) for row in rows],
        **_counted(rows),
        "steps A": [_steps(row, "a") for row in rows],
        "steps B": [_steps(row, "b") for row in rows],
        "steps, mean difference": [_signed(row["steps"]) for row in rows],
        "steps p, Holm": [tables.p_value(row["steps_p_adjusted"]) for row in rows],
        "verdict": [row["verdict"] for row in rows],
    }
    return _table("versus", plain(task), cells, rows)


RATE = "difference (95% interval)"


def _counted(rows: list[dict[Any, Any]]) -> dict[str, list[str]]:
    return {
        "solved A": [f"{row['solved_a']}/{row['n_a']}" for row in rows],
        "solved B": [f"{row['solved_b']}/{row['n_b']}" for row in rows],
        RATE: [_difference(row) for row in rows],
        "p, Holm": [tables.p_value(row["p_adjusted"]) for row in rows],
    }


def _table(
    name: str, caption: str, cells: dict[str, list[str]], rows: list[dict[Any, Any]]
) -> Table:
    keys = {
        "solved A": [repr(row["solved_a"] / row["n_a"]) for row in rows],
        "solved B": [repr(row["solved_b"] / row["n_b"]) for row in rows],
        RATE: [repr(float(row["effect"])) for row in rows],
    }
    if "steps, mean difference" in cells:
        keys["steps, mean difference"] = [repr(float(row["steps"])) for row in rows]
    lags = cells.get("lag", [])
    return Table(
        name=name,
        caption=caption,
        cells=pd.DataFrame(cells),
        headers=2 if lags else 1,
        numbers=[column for column in cells if column not in ("arm", RATE, "verdict")],
        drawn={RATE: [_drawn(row, told) for row, told in zip(rows, cells[RATE], strict=True)]},
        keys=keys,
        breaks=[n for n in range(1, len(lags)) if lags[n] != lags[n - 1]],
    )


def _difference(row: Mapping[Any, Any]) -> str:
    effect, low, high = (f"{row[name]:+.0%}" for name in ("effect", "low", "high"))
    return f"{'0%' if effect in ('+0%', '-0%') else effect} ({low} to {high})"


def _drawn(row: Mapping[Any, Any], told: str) -> Markup:
    return drawings.difference(row["low"], row["effect"], row["high"]) + f" {told}"


def _signed(steps: float) -> str:
    return f"{steps:+,.0f}" if round(steps) else "0"


def _steps(row: Mapping[Any, Any], which: str) -> str:
    median = row[f"median_{which}"]
    return f"> {row[f'budget_{which}']:,}" if pd.isna(median) else f"{median:,.0f}"


def _facts(facts: pd.DataFrame, name: str, caption: str) -> Table:
    cells = facts[["what", "a", "b"]].replace("", NOTHING).rename(columns={"a": "A", "b": "B"})
    return Table(name, caption, cells.reset_index(drop=True))


def _names(a: Frames, b: Frames) -> list[str]:
    names = [plain(frames.study.name) for frames in (a, b)]
    # One study in two folders: the folders tell them apart, where their names do.
    folders = [plain(frames.ledger.folder.resolve().name) for frames in (a, b)]
    return folders if names[0] == names[1] and folders[0] != folders[1] else names


def _counts(ledger: Ledger) -> str:
    return f"{len(ledger.done):,} of {ledger.planned:,} trials done"
