"""The answer to a study's question, in sentences that are computed from the numbers.

Counts are told as counts ("4 of 5 seeds"). That one arm is better than another is said where a
claim, stated in advance, is supported, and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.escaping import plain
from analysis.estimate import wilson
from analysis.ledger import Ledger

ENOUGH_SEEDS = 10
"""With fewer per group, a study is called preliminary."""

SEEDS_FOR_AN_ORDER = 3
"""With fewer, "all" and "none" of the seeds are no order."""

CLEAR = 0.8
"""Solve rates that differ by less are not told as an order that reverses."""


@dataclass(frozen=True)
class Answer:
    """What the report says first, as plain text; `claims` are (verdict, claim)."""

    headline: str
    points: list[str] = field(default_factory=list)
    reversals: list[str] = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)


def compose(rates: pd.DataFrame, verdicts: pd.DataFrame, ledger: Ledger) -> Answer:
    """Say what the numbers say: per task, where the order reverses, which claims hold.

    `rates` is of `estimate.solve_rates`, `verdicts` of `compare.judge`.
    """
    if ledger.open or not ledger.planned:
        return Answer(_withheld(ledger), caveats=_stale(ledger))
    claims = [
        (str(verdict), plain(text, 250))
        for verdict, text in zip(verdicts["verdict"], verdicts["claim"], strict=True)
    ]
    if rates.empty:
        return Answer(
            _of_claims(verdicts)
            + "No solve rate can be stated: the study's trials measure, or their tasks have no "
            "chance level.",
            claims=claims,
            caveats=_caveats(rates, ledger),
        )
    rates = rates.assign(arm=rates["arm"].map(plain), task=rates["task"].map(plain))
    longest = rates[rates["lag"] == rates.groupby("task")["lag"].transform("max")]
    return Answer(
        headline=_headline(rates, longest),
        points=_points(rates),
        reversals=_reversals(longest, plain(ledger.study.reference)),
        claims=claims,
        caveats=_caveats(rates, ledger),
    )


def _of_claims(verdicts: pd.DataFrame) -> str:
    """Say how many claims hold, where there is something to judge them by."""
    told = verdicts["verdict"][verdicts["verdict"] != "no data"]
    if told.empty:
        return ""
    count = "The claim" if len(told) == 1 else f"{len(told)} claims"
    held = int((told == "supported").sum())
    if len(told) == 1:
        return f"{count} stated in advance is {'' if held else 'not '}supported. "
    return (
        f"Of {count} stated in advance, {held or 'none'} {'is' if held < 2 else 'are'} supported. "
    )


def listed(names: Iterable[object]) -> str:
    """Join names: a, b and c."""
    *first, last = [str(name) for name in names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def _withheld(ledger: Ledger) -> str:
    if not ledger.planned:
        return "The study plans no trial: there is nothing to conclude."
    if not ledger.done:
        return "No trial has a result yet: there is nothing to conclude."
    states = listed(f"{n} {s}" for s, n in ledger.states.items() if n and s != "done")
    lacking = f"{len(ledger.open)} of {ledger.planned} planned trials lack"
    return (
        f"No order among the arms is given: {lacking}{'s' * (len(ledger.open) == 1)} a result "
        f"({states}), and the order might change with them. What the others show stands in the "
        "table."
    )


def _stale(ledger: Ledger) -> list[str]:
    if not ledger.stale:
        return []
    told = f"{len(ledger.stale)} of {len(ledger.done)} finished trials are stale"
    return [f"{told}: the code that they ran has changed since. Health names the files."]


def _caveats(rates: pd.DataFrame, ledger: Ledger) -> list[str]:
    caveats = _stale(ledger)
    for extension in ledger.study.extensions:
        caveats.append(
            f"Extended on {plain(extension.on)} by {extension.trials} trials "
            f"({plain(extension.added)}), when {extension.done} had been done: whoever adds seeds "
            "after a look at the results finds differences too often."
        )
    fewest = int(rates["n"].min()) if len(rates) else ENOUGH_SEEDS
    if fewest < ENOUGH_SEEDS:
        (least,), _ = wilson(np.array([fewest]), np.array([fewest]))
        seeds = f"{fewest} seed" + "s" * (fewest > 1)
        caveats.append(
            f"Preliminary: {seeds} per group, and even {fewest} of {fewest} leaves true rates from "
            f"{least:.0%} to 100% possible (95% interval). {ENOUGH_SEEDS} seeds make a study."
        )
    if len(ledger.study.arms) == 1 and ledger.planned:
        caveats.append("One arm was run: there is nothing to compare it with.")
    return caveats


def _headline(rates: pd.DataFrame, longest: pd.DataFrame) -> str:
    if (rates["solved"] == rates["n"]).all():
        end = ": these lags do not tell the arms apart." if rates["arm"].nunique() > 1 else "."
        return f"Every trial solves its task, at every lag{end}"
    if (rates["solved"] == 0).all():
        return (
            "No trial solves its task, at any lag: nothing shows that the recipe can train these "
            "arms at all, so nothing is learnt about the lag."
        )
    tasks = longest["task"].nunique()
    seeds = "every seed" if longest["n"].max() > 1 else "its one seed"
    is_held = longest.assign(held=(longest["solved"] == longest["n"]).astype("int64"))
    held = is_held.groupby("arm", sort=False)["held"].sum()
    by_count: dict[int, list[str]] = {}
    for arm, count in held.sort_values(ascending=False, kind="stable").items():
        by_count.setdefault(int(count), []).append(str(arm))
    if tasks == 1:
        where = f"the task at lag {longest['lag'].iloc[0]} with {seeds}"
        if 1 not in by_count:
            return f"No arm solves {where}."
        return f"{listed(by_count[1])} {_verb(by_count[1], 'solve')} {where}."
    if tasks in by_count:
        every = by_count.pop(tasks)
        begin = f"{listed(every)} {_verb(every, 'solve')} every task at its longest lag"
    else:
        begin = "No arm solves every task at its longest lag"
    parts = [
        f"{listed(arms)}{' each' if len(arms) > 1 else ''} {_verb(arms, 'solve')} "
        f"{count or 'none'} of {tasks}"
        for count, arms in by_count.items()
    ]
    return f"{begin} with {seeds}{': ' * bool(parts)}{'; '.join(parts)}."


def _points(rates: pd.DataFrame) -> list[str]:
    """Say of each task who solves it; tasks of one lag that come out alike share a sentence."""
    tasks = [task for _, task in rates.groupby("task", sort=False)]
    alike: dict[str, list[str]] = {}
    points = []
    for task in tasks:
        if len(tasks) > 1 and task["lag"].nunique() == 1:
            place = f"{task['task'].iloc[0]} (lag {task['lag'].iloc[0]})"
            alike.setdefault(tally(task), []).append(place)
        else:
            points.append(_point(task))
    points += [f"{listed(places)}: {told}." for told, places in alike.items()]
    if alike:
        points.append("These were run at one lag alone: what the lag does is not shown.")
    return points


def _point(task: pd.DataFrame) -> str:
    lags = sorted({int(lag) for lag in task["lag"]})
    long, short = task[task["lag"] == lags[-1]], task[task["lag"] == lags[0]]
    name = task["task"].iloc[0]
    sentence = f"{name}, lag {lags[-1]}: {tally(long)}."
    if len(lags) == 1:
        return f"{sentence} It was run at this lag alone: what the lag does is not shown."
    failing = short[short["solved"] * 2 < short["n"]]
    if (short["solved"] == short["n"]).all():
        return f"{sentence} At lag {lags[0]} every trial solves it."
    if failing.empty:
        return f"{sentence} At lag {lags[0]}: {tally(short)}."
    return (
        f"{sentence} Already at lag {lags[0]}: {tally(short)}. Where an arm fails at the shortest "
        "lag, it may be the recipe that fails, not the memory."
    )


def tally(group: pd.DataFrame) -> str:
    """Tell solved of n of each arm in a group's row: most first, arms with the same together."""
    ordered = group.sort_values("rate", ascending=False, kind="stable")
    parts: dict[tuple[int, int], list[str]] = {}
    for arm, solved, n in zip(ordered["arm"], ordered["solved"], ordered["n"], strict=True):
        parts.setdefault((int(solved), int(n)), []).append(str(arm))
    if len(parts) == 1:
        ((solved, n),) = parts
        who = "each arm" if len(group) > 1 else str(group["arm"].iloc[0])
        return f"{who} solves it with {solved} of {n} seeds"
    (solved, n), *others = parts
    first = parts[solved, n]
    return "; ".join(
        [
            f"{listed(first)} {_verb(first, 'solve')} it with {solved} of {n} seeds",
            *(f"{listed(parts[key])} with {key[0]} of {key[1]}" for key in others),
        ]
    )


def _reversals(longest: pd.DataFrame, first: str) -> list[str]:
    """Name the pairs of arms that change places between tasks, those with the arm `first` first.

    They do where the rates differ by `CLEAR` or more, one way in one task and back in another.
    """
    enough = longest[longest["n"] >= SEEDS_FOR_AN_ORDER]
    groups = {
        (arm, task): (rate, f"{solved}/{n}", f"{task} at lag {lag}")
        for arm, task, lag, rate, solved, n in zip(
            *(enough[c] for c in ("arm", "task", "lag", "rate", "solved", "n")), strict=True
        )
    }
    tasks = list(dict.fromkeys(task for _, task in groups))
    arms = sorted(dict.fromkeys(arm for arm, _ in groups), key=lambda arm: arm != first)
    found = []
    for one, other in combinations(arms, 2):
        more: list[str] = []
        fewer: list[str] = []
        for task in tasks:
            if (one, task) in groups and (other, task) in groups:
                (rate, told, where), (against, back, _) = groups[one, task], groups[other, task]
                if abs(rate - against) >= CLEAR:
                    (more if rate > against else fewer).append(f"{where} ({told} against {back})")
        if more and fewer:
            found.append(
                f"{one} solves more seeds than {other} on {listed(more)}, "
                f"and fewer on {listed(fewer)}."
            )
    return found


def _verb(subjects: list[str], verb: str) -> str:
    return verb if len(subjects) > 1 else f"{verb}s"
