"""The benchmark as a figure: how long a step takes by the fast path, as a share of the loop."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure


def ratios(path: Path) -> pd.DataFrame:
    """Read the ratios to the loop out of a benchmark's JSON: a row an architecture and size."""
    rows = []
    for row in json.loads(path.read_text())["rows"]:
        if row["what"] == "of the loop":
            name, hidden, length = row["where"]
            rows.append(
                {
                    "architecture": name,
                    "hidden": hidden,
                    "length": length,
                    **{key: float(row[key]) for key in ("value", "low", "high")},
                }
            )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame) -> Figure:
    """Draw a dot per size, a line per architecture; 1 is the loop."""
    longest = table[table["length"] == table["length"].median()]
    longest = longest if len(longest) else table
    order = longest.groupby("architecture")["value"].mean().sort_values().index
    sizes = sorted(longest["hidden"].unique())
    figure, axes = plt.subplots(figsize=(6.4, 0.32 * len(order) + 1.2), layout="constrained")
    colours = sns.color_palette("crest", len(sizes))
    for colour, marker, hidden in zip(colours, "osD^", sizes, strict=False):
        part = longest[longest["hidden"] == hidden].set_index("architecture").loc[order]
        off = (sizes.index(hidden) - (len(sizes) - 1) / 2) * 0.16
        at = [place + off for place in range(len(order))]
        axes.errorbar(
            part["value"],
            at,
            xerr=[part["value"] - part["low"], part["high"] - part["value"]],
            fmt=marker,
            color=colour,
            markersize=5,
            linewidth=1,
            label=f"{hidden} units",
        )
    axes.axvline(1, color="0.35", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(order)), list(order))
    axes.set_xlim(0, max(1.05, float(longest["high"].max()) * 1.05))
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.set_xlabel(
        f"time of a training step, as a share of the loop's (length "
        f"{int(longest['length'].iloc[0])}, batch 64)"
    )
    # Above, where no point can lie.
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(sizes))
    sns.despine(ax=axes)
    return figure


def write(path: Path, out: Path) -> list[Path]:
    """Write the figure beside its numbers: SVG and CSV."""
    table = ratios(path)
    if table.empty:
        return []
    svg, csv = out / "steps.svg", out / "steps.csv"
    figure = draw(table)
    figure.savefig(svg, metadata={"Date": None})
    plt.close(figure)
    table.to_csv(csv, index=False)
    return [svg, csv]
