"""What each option of an architecture adds, as a part of the report: a forest plot, a table."""

import pandas as pd
from matplotlib.ticker import FuncFormatter

from analysis import factorial
from analysis.escaping import FIGURE_LIMIT, plain
from analysis.gallery import Shown
from analysis.looks import COLORS, INK, SOFT, styled
from analysis.panels import Panels
from analysis.section import Evidence, Section
from analysis.tables import Table

MOST_DRAWN = 30
"""More rows are no figure."""

KINDS = {"alone": "alone", "main": "main effect", "interaction": "interaction"}


def compose(evidence: Evidence) -> Section | None:
    """Tell the effects of options, where arms of one architecture form a grid of them."""
    study = evidence.frames.study
    found = factorial.effects(evidence.rates, study)
    if found.empty:
        return None
    open_trials = evidence.frames.ledger.open
    is_full = (found["kind"] != "alone").any()
    lead = (
        "Every combination of these options is an arm. A main effect is what a value adds to the "
        "share of seeds that solve, on average over all other options; an interaction is how much "
        "more (or less) two values add together than each by itself."
        if is_full
        else "Each of these arms differs in one option from another of its architecture. Shown is "
        "how many more (or fewer) of its seeds solve; how parts work together such a study cannot "
        "tell."
    )
    late = ["Trials are missing: all of this may change."] if open_trials else []
    return Section(
        name="ablation",
        title="What does each part add?",
        lead=[lead, *late],
        tables=[_table(found)],
        figures=[_figure(found)] if len(found) <= MOST_DRAWN else [],
        note=(
            "Differences of solve rates, averaged over the tasks and lags that all arms of the "
            "grid have. The intervals join the Wilson intervals of all rates that an effect is "
            "made of, and are of single effects: of many, some lie apart from zero by chance."
        ),
        data={"ablation": found},
    )


def has_any(evidence: Evidence) -> bool:
    """Tell whether arms of the study form a grid."""
    return bool(factorial.grids(evidence.frames.study))


def _table(found: pd.DataFrame) -> Table:
    rows = found.to_dict("records")
    cells = {
        "effect of": [plain(row["effect_of"], 80) for row in rows],
        "architecture": [plain(row["architecture"], 60) for row in rows],
        "kind": [KINDS[row["kind"]] for row in rows],
        "seeds": [str(row["n"]) for row in rows],
        "difference in solve rate (95%)": [
            f"{row['effect']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%})" for row in rows
        ],
    }
    return Table("ablation", "Effects of options on the solve rate", pd.DataFrame(cells),
                 numbers=["seeds", "difference in solve rate (95%)"])  # fmt: skip


def _figure(found: pd.DataFrame) -> Shown:
    told = "; ".join(
        f"{plain(row['effect_of'], 80)}: {row['effect']:+.0%}" for row in found.to_dict("records")
    )
    return Shown(
        name="ablation",
        title="Effects of options",
        caption=(
            "Each row is an effect on the share of seeds that solve, with its 95% interval. To the "
            "right of zero, more seeds solve with the value than without it; a bar that crosses "
            "zero leaves open which. Hollow: interactions."
        ),
        alternative=f"Effects on the solve rate. {told}.",
        data=found,
        figure=draw(found),
    )


def draw(found: pd.DataFrame) -> Panels:
    """Draw a forest plot: a row an effect, a panel an architecture."""
    with styled():
        names = list(dict.fromkeys(found["architecture"]))
        effects = list(dict.fromkeys(found["effect_of"]))
        reach = max(0.1, float(found[["low", "high"]].abs().max().max()) * 1.05)
        labels = [plain(effect, FIGURE_LIMIT) for effect in effects]
        figure = Panels({name: plain(name, FIGURE_LIMIT) for name in names}, arms=effects)
        for name in names:
            ax = figure.panels[name, 0]
            ax.axvline(0, color=SOFT, linewidth=0.9, zorder=1)
            for row in found[found["architecture"] == name].to_dict("records"):
                place, is_hollow = effects.index(row["effect_of"]), row["kind"] == "interaction"
                ax.hlines(place, row["low"], row["high"], color=COLORS[0], linewidth=1.6, zorder=2)
                ax.plot(
                    row["effect"], place, marker="o", markersize=6.5, color=COLORS[0],
                    markerfacecolor="white" if is_hollow else COLORS[0],
                    markeredgewidth=1.3 if is_hollow else 0.8,
                    markeredgecolor=COLORS[0] if is_hollow else "white", linestyle="", zorder=3,
                )  # fmt: skip
            ax.set_ylim(len(effects) - 0.5, -0.5)
            ax.set_yticks(range(len(effects)), labels)
            ax.tick_params(axis="y", length=0, labelcolor=INK)
            ax.set_xlim(-reach, reach)
            ax.xaxis.set_major_formatter(
                FuncFormatter(lambda v, _: f"{v:+.0%}" if round(v, 4) else "0%")
            )
            ax.grid(True, axis="x")
            ax.grid(False, axis="y")
            ax.set_xlabel("difference in solve rate")
        return figure.finish({})
