"""What a decoder looked at: a map with the words said from top to bottom, the source across."""

import json
from typing import Any

import numpy as np
import pandas as pd

from analysis.escaping import plain
from analysis.gallery import Looks, Shown
from analysis.looks import INK, styled
from analysis.panels import Panels
from analysis.spelling import is_spelled, spelled

MOST_WORDS = 12
"""A source of more words is not drawn: nobody could read its letters."""
LETTERS = 10
END = "(end)"
MOST_PANELS = 12


def chosen(samples: pd.DataFrame, looks: Looks) -> pd.DataFrame:
    """Choose the example to draw: of each task the first of the longest source that can be read.

    All arms are shown the same. Gives rows of `Frames.samples` with weights, in the arms' order.
    """
    able = samples[(samples["weights"] != "") & samples["arm"].isin(looks)]
    counts = np.array([len(json.loads(text)) for text in able["source"]])
    able = able[(counts > 0) & (counts <= MOST_WORDS)]
    parts = []
    for _, here in able.groupby(["task", "lag"], sort=False):
        longest = here[here["test_lag"] == here["test_lag"].max()]
        one = longest[longest["seed"] == longest["seed"].min()]
        one = one[one["number"] == one["number"].min()]
        parts.append(one.sort_values("arm", key=lambda column: column.map(list(looks).index)))
    return pd.concat(parts, ignore_index=True)[:MOST_PANELS] if parts else able[:0]


def shown(drawn: pd.DataFrame) -> Shown:
    """Show the maps, and say in words where each looks most."""
    told, rows, is_other = [], [], False
    for row in drawn.to_dict("records"):
        source, said, weights = _read(row)
        most = weights.argmax(1)
        seen = ", ".join(
            f"{plain(word, 24)} at {plain(source[at], 24)}"
            for word, at in zip(said, most, strict=True)
        )
        told.append(f"{plain(row['arm'], 60)}, {plain(row['task'])}: {seen}.")
        is_other |= any(map(is_spelled, (*source, *said)))
        rows += [
            {"task": row["task"], "arm": row["arm"], "seed": row["seed"], "place": t, "said": word,
             "source_place": s, "source": of, "weight": weights[t, s]}
            for t, word in enumerate(said)
            for s, of in enumerate(source)
        ]  # fmt: skip
    letters = (
        " Hangul is spelled in Latin letters (Revised Romanization), syllable by syllable, since "
        "the figures' font has none; so are other letters that it lacks, by their code points."
        if is_other
        else ""
    )
    return Shown(
        name="replies_attention",
        title="What was looked at",
        caption=(
            "For each word said, from top to bottom, the weights over the words of the source, "
            "from left to right; a row adds up to one, and the darker, the more. The reply is what "
            "the network said by itself, mistakes included; the last row is its end. A diagonal "
            "follows the source's order; where it bends, the languages order their words "
            "differently. Where each layer looks in several parts, their mean. The first test "
            f"example, at the first seed.{letters}"
        ),
        alternative=f"Where each word of a reply looks most. {' '.join(told)}",
        data=pd.DataFrame(rows),
        figure=draw(drawn),
    )


def draw(drawn: pd.DataFrame) -> Panels:
    """Draw a panel for each row of `chosen`."""
    import seaborn as sns

    with styled():
        rows = drawn.to_dict("records")
        tasks = drawn["task"].nunique()
        titles = {
            str(n): f"{row['arm']}, {row['task']}" if tasks > 1 else str(row["arm"])
            for n, row in enumerate(rows)
        }
        figure = Panels(titles, is_shared=False, larger=1.5)
        colours = sns.light_palette("#1B4F8F", as_cmap=True)
        for row, ax in zip(rows, figure.panels.values(), strict=True):
            source, said, weights = _read(row)
            ax.pcolormesh(weights, vmin=0, vmax=1, cmap=colours, edgecolors="white", linewidth=0.6)
            ax.invert_yaxis()
            across = [spelled(word, LETTERS) for word in source]
            turn = 90 if max(map(len, across)) > 2 else 0
            ax.set_xticks(np.arange(len(source)) + 0.5, across, rotation=turn)
            ax.set_yticks(np.arange(len(said)) + 0.5, [spelled(word, LETTERS) for word in said])
            ax.tick_params(length=0, labelcolor=INK)
            ax.set_xlabel("source")
            ax.set_ylabel("reply")
            ax.grid(False)
        return figure.finish({})


def _read(row: dict[Any, Any]) -> tuple[list[str], list[str], np.ndarray]:
    """Read a row: the source, what was said with its end, and the weights [said, source]."""
    source, said = (json.loads(row[key]) for key in ("source", "said"))
    weights = np.array(json.loads(row["weights"]), dtype=float)
    return source, [*said, END][: len(weights)], weights
