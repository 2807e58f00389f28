"""The section of a report on foreign logs: each run's health, and what their keys do not allow."""

import pandas as pd

from analysis.escaping import plain
from analysis.section import Evidence, Section
from analysis.server_log import project_of
from analysis.tables import NOTHING, Table

NOTE = (
    "Complete: it ended with status 0 and its log has no gap. Crashed: it ended with another "
    "status, or its log stops without an end. Damaged: a part of its log is lost; none of its "
    "numbers is used. Empty: nothing was logged. Files of one run id are joined; where their steps "
    "overlap, the later file's rows stand."
)


def compose(evidence: Evidence) -> Section | None:
    """Say what became of each run, how the logs were taken, and what their keys do not allow."""
    foreign = evidence.frames.foreign
    if foreign is None:
        return None
    counts = foreign.runs["health"].value_counts()
    told = ", ".join(f"{n} {health}" for health, n in counts.items())
    score = (
        f"The score of a run is the last value of {plain(foreign.score)}; a step is the key that "
        "was named, else that of the logger, else the order of the rows."
    )
    project = project_of(foreign.source)
    where = f"in {plain(project)} on a W&B server" if project else f"below {plain(foreign.source)}"
    begin = f"These logs were not written by longdep. The runs {where}"
    lead = [f"{begin}: {told}.", score, *foreign.lacking]
    # What is not simply complete stands where it is seen.
    plainly = (foreign.runs["health"] == "complete") & (foreign.runs["note"] == "")
    runs = foreign.runs.iloc[plainly.argsort(kind="stable")]
    cells = {
        name: [plain(value, 400) if str(value) else NOTHING for value in runs[name]]
        for name in runs.columns
    }
    table = Table(
        "foreign_runs", "The runs in the logs", pd.DataFrame(cells), numbers=["files", "rows"]
    )
    return Section(
        name="foreign",
        title="The logs",
        lead=lead,
        tables=[table],
        note=NOTE,
        data={"foreign_runs": foreign.runs},
    )
