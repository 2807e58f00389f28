"""What trials that did not solve have learned, as a part of the report."""

import pandas as pd

from analysis import learned
from analysis.escaping import plain
from analysis.section import Evidence, Section
from analysis.tables import Table

LEAD = (
    "Of tasks with known partial solutions: which of them the test loss of each seed that did not "
    "solve sits on. Chance is what can be had without memory."
)


def compose(evidence: Evidence) -> Section | None:
    """Tell what was learned short of a solution; None where all solved or nothing was recorded."""
    runs = evidence.frames.runs
    found = learned.learned(runs)
    # Where guessing is the only level, a group's score says as much.
    lists = {
        key: len(learned.levels(str(group["baselines"].iloc[0]), group["chance_loss"].iloc[0]))
        for key, group in runs.groupby(["task", "lag"])
    }
    has_levels = [lists.get(key, 0) > 1 for key in zip(found["task"], found["lag"], strict=True)]
    found = found[pd.Series(has_levels, index=found.index, dtype=bool)]
    short = found[found["learned"] != "solved"]
    if short.empty:
        return None
    groups = short.groupby(["arm", "task", "lag"], sort=False)
    rows = [
        (
            plain(task),
            str(lag),
            plain(arm, 60),
            f"{group['seeds'].sum()}/{group['n'].iloc[0]}",
            "; ".join(
                f"{plain(row['learned'], 120)}: {row['seeds']}" for row in group.to_dict("records")
            ),
        )
        for (arm, task, lag), group in groups
    ]
    cells = pd.DataFrame(rows, columns=["task", "lag", "arm", "not solved", "what they learned"])
    order = {name: place for place, name in enumerate(dict.fromkeys(cells["task"]))}
    cells = cells.sort_values(
        ["task", "lag"], key=lambda c: c.map(order) if c.name == "task" else c.astype(int),
        kind="stable", ignore_index=True,
    )  # fmt: skip
    tasks = cells["task"].tolist()
    return Section(
        name="learned",
        title="What was learned short of a solution?",
        lead=[LEAD],
        tables=[
            Table(
                "learned",
                "Seeds by the partial solution that their loss sits on",
                cells,
                headers=3,
                numbers=["lag", "not solved"],
                breaks=[i for i in range(1, len(tasks)) if tasks[i] != tasks[i - 1]],
            )
        ],
        note=(
            "A loss sits on a level where it is within a tenth of the way to the next. The levels "
            "are the task's own, derived or measured, as recorded in each log."
        ),
        data={"learned": found},
    )
