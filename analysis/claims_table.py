"""The claims of a study as a table of its report: what was found, tested and concluded."""

import math
from itertools import repeat
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import tables
from analysis.escaping import plain
from analysis.tables import NOTHING, Table

Row = dict[Any, Any]
Groups = dict[tuple[str, str, int], int]
"""The number of each group in the study."""

RATES = (
    "A claim on one group: Barnard's exact test, two-sided, with Newcombe's interval for the "
    "difference of two rates. A claim over several groups: the mean of their differences, tested "
    "by exact permutation of the two arms' labels within each task and lag; its interval adds the "
    "groups' Newcombe bounds as independent errors."
)
VALUES = (
    "Steps to solve are means up to the smaller budget of the two arms, and a trial that did not "
    "solve takes all of it. A trial that failed scores 0, and has the largest loss of the "
    "comparison. Means are compared by permutation, of labels within each task and lag or of the "
    "signs of pairs of one seed; of a probe counts what it measured last."
)
NUMBERS = (
    "Against a number stand a rate, by the exact binomial test, or the median of one group, by the "
    "sign test with the interval of two order statistics."
)
MARGINS = (
    "That two are equivalent is shown by two one-sided tests, at either margin (Schuirmann 1987), "
    "and contradicted by a difference beyond one. Of rates, and of steps, a margin or a ratio is "
    "tested by the error at which the bound of the interval would lie there."
)


def note(verdicts: pd.DataFrame) -> str:
    """Say how the claims were tested, as far as they need it."""
    is_rate = verdicts["on"] == "solve_rate"
    is_number = verdicts["value"].notna()
    is_alike = verdicts["threshold"] == (verdicts["scale"] == "ratio").astype("float64")
    told = [
        (RATES, (is_rate & ~is_number).any()),
        (VALUES, (~is_rate & ~is_number).any()),
        (NUMBERS, is_number.any()),
        (MARGINS, (~is_alike).any()),
    ]
    return " ".join(text for text, is_needed in told if is_needed)


def table(verdicts: pd.DataFrame, groups: Groups) -> Table:
    """Show verdicts of `compare.judge`; `groups` gives those that a cell may lead to."""

    def leading(row: Row, arm: str, told: str) -> Markup:
        if arm == "than" and not pd.isna(row["value"]):
            return Markup("{}").format(told)
        number = None
        if not pd.isna(row["lag"]):
            number = groups.get((row[arm], row["task"], row["lag"]))
        place = "comparison" if number is None else f"g{number}"
        return Markup('<a href="#{}">{}</a>').format(place, told)

    def marked(row: Row) -> Markup:
        kind = str(row["verdict"]).partition(" ")[0]
        badge = Markup('<strong class="verdict {}">{}</strong>').format(kind, row["verdict"])
        return badge + Markup("<br>{}").format(row["remedy"]) if row["remedy"] else badge

    rows = verdicts.to_dict("records")
    is_plain = (verdicts["on"] == "solve_rate").all() and verdicts["value"].isna().all()
    found = "solved" if is_plain else "found"
    effect = "difference" if (verdicts["scale"] == "difference").all() else "difference or ratio"
    cells = {
        "claim": [plain(row["claim"], 300) for row in rows],
        found: [_found(row, "arm") for row in rows],
        "against": [_found(row, "than") for row in rows],
        f"{effect} (95% interval)": [_effect(row) for row in rows],
        "p": [tables.p_value(row["p"]) for row in rows],
        "p, Holm": [tables.p_value(row["p_adjusted"]) for row in rows],
        "test": [row["test"] or NOTHING for row in rows],
        "verdict": [
            f"{row['verdict']}; {row['remedy']}" if row["remedy"] else str(row["verdict"])
            for row in rows
        ],
    }
    return Table(
        name="claims",
        caption="Claims that the study states in advance",
        cells=pd.DataFrame(cells),
        numbers=[found, "against", "p", "p, Holm"],
        drawn={
            found: [leading(*each) for each in zip(rows, repeat("arm"), cells[found])],
            "against": [leading(*each) for each in zip(rows, repeat("than"), cells["against"])],
            "verdict": [marked(row) for row in rows],
        },
    )


def _found(row: Row, side: str) -> str:
    """Say what was found on a side: solved of n, or the mean (against a number, the median)."""
    if side == "than" and not pd.isna(row["value"]):
        return f"{row['value']:g}"
    if row["on"] == "solve_rate":
        return f"{row[f'solved_{side}']}/{row[f'n_{side}']}"
    if pd.isna(row[f"mean_{side}"]):
        return NOTHING
    return f"{_number(row, row[f'mean_{side}'])} (n {row[f'n_{side}']})"


def _effect(row: Row) -> str:
    if pd.isna(row["effect"]):
        return NOTHING
    effect, low, high = (_signed(row, row[name]) for name in ("effect", "low", "high"))
    if math.isinf(row["low"]) and math.isinf(row["high"]):
        return f"{effect} (no bounds)"
    return f"{effect} ({low} to {high})"


def _signed(row: Row, value: float) -> str:
    if row["scale"] == "ratio":
        return f"x {value:.3g}"
    if row["on"] == "solve_rate":
        return f"{value:+.0%}"
    told = _number(row, value)
    return told if told.startswith("-") or told == NOTHING else f"+{told}"


def _number(row: Row, value: float) -> str:
    if math.isinf(value):
        return "more than the budget" if row["on"] == "steps_to_solve" else f"{value:g}"
    if row["on"] == "steps_to_solve":
        return f"{value:,.0f}"
    is_score = str(row["on"]).startswith("test/") and str(row["on"]).endswith("/score")
    return f"{value:.3f}" if is_score else f"{value:.3g}"
