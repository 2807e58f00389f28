"""Paper says, we get: one page over the studies that reproduce published findings.

A finding is reproduced where every claim of its study is supported. It is not where a claim is
contradicted, or where what is seen does not even lie on the claimed side. In between there is too
little evidence. The claims were recorded when the study began.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import claims_table, compare, estimate, sources, tables
from analysis.answer import listed
from analysis.errors_in_print import ERRORS
from analysis.escaping import markdown, plain
from analysis.pages import checked_folder, render, write_file
from analysis.sources import Frames
from analysis.study_file import Reproduces
from analysis.tables import NOTHING, Table

REPRODUCED, FAILED, LITTLE = "reproduced", "not reproduced", "too little evidence"
NOT_RUN, OPEN = "not run", "not complete"
VERDICTS = (REPRODUCED, FAILED, LITTLE, OPEN, NOT_RUN)

TAGS = {
    "R": "read in the paper or its authors' code",
    "S": "read in another paper that quotes it",
    "D": "derived from what the source says",
    "P": "from a pilot of our own",
}


@dataclass(frozen=True)
class Entry:
    """A study that reproduces, as declared; its folder if it has run, its report if it has one."""

    study: str
    reproduces: Reproduces
    folder: Path | None = None
    report: str = ""


@dataclass(frozen=True)
class Line:
    """A finding on the board. `claims` are of `compare.judge`."""

    entry: Entry
    verdict: str
    claims: pd.DataFrame
    trials: str = NOTHING
    minutes: float = float("nan")

    @property
    def reproduces(self) -> Reproduces:
        """What is reproduced."""
        return self.entry.reproduces

    @property
    def known(self) -> str:
        """How it is known what the paper says."""
        return TAGS.get(self.reproduces.tag, "not said")

    @property
    def badge(self) -> str:
        """The class of its verdict on a page: as of a claim's."""
        return {REPRODUCED: "supported", FAILED: "contradicted"}.get(self.verdict, "too")

    @property
    def cost(self) -> str:
        """What its trials took to train."""
        if self.entry.folder is None:
            return NOT_RUN
        trained = f", {self.minutes:.0f} min of training" if self.minutes >= 1 else ""
        return f"{self.trials} trials{trained}"

    @property
    def got(self) -> Table | None:
        """What was found, claim by claim."""
        if self.claims.empty:
            return None
        shown = claims_table.table(self.claims, {})
        return Table("scoreboard-claims", self.reproduces.finding, shown.cells)


def write(entries: Iterable[Entry], out_dir: str | os.PathLike[str]) -> Path:
    """Write the board, and give the path of its page.

    Raises
    ------
    StudyFileError
        A `study.json` cannot be read, or `out_dir` cannot be a folder.
    """
    out = checked_folder(out_dir)
    lines = [line(entry) for entry in entries]
    told = answer(lines)
    files = {
        "tables/scoreboard.csv": tables.csv(frame(lines)),
        "tables/claims.csv": tables.csv(_claims(lines)),
        "report.md": _markdown(lines, told),
        "index.html": render(
            "scoreboard.html.j2",
            "",
            lines=lines,
            told=told,
            board=_board(lines),
            errors=_errors(),
        ),
    }
    for name, text in files.items():
        write_file(out / name, text.encode())
    return out / "index.html"


def line(entry: Entry) -> Line:
    """Judge a finding by the folder of its study."""
    if entry.folder is None:
        return Line(entry, NOT_RUN, pd.DataFrame(columns=compare.COLUMNS))
    frames = sources.load(entry.folder)
    claims = compare.judge(
        estimate.solve_rates(frames.runs),
        frames.study.claims,
        is_complete=not frames.ledger.open,
        runs=frames.runs_with_tests,
        probes=frames.probes,
    )
    # What was recorded when the study began stands, whatever its file says by now.
    kept = replace(entry, reproduces=frames.study.reproduces or entry.reproduces)
    counts = f"{len(frames.ledger.done)} of {frames.ledger.planned}"
    return Line(kept, verdict(claims, frames), claims, counts, _minutes(frames))


def verdict(claims: pd.DataFrame, frames: Frames) -> str:
    """Say whether a finding is reproduced, by the verdicts on its study's claims."""
    if frames.ledger.open:
        return OPEN
    if len(claims) and (claims["verdict"] == "supported").all():
        return REPRODUCED
    rows = claims.to_dict("records")
    if any(row["verdict"] == "contradicted" or not _is_on_its_side(row) for row in rows):
        return FAILED
    return LITTLE


def _is_on_its_side(row: dict[Any, Any]) -> bool:
    effect, by = row["effect"], row["threshold"]
    if pd.isna(effect):
        return True  # nothing was seen, on no side
    match row["relation"]:
        case "more":
            return bool(effect > by)
        case "less":
            return bool(effect < by)
        case "at least":
            return bool(effect >= by)
        case "at most":
            return bool(effect <= by)
    low, high = (1 / by, by) if row["scale"] == "ratio" else (-by, by)
    return bool(low <= effect <= high)


def _minutes(frames: Frames) -> float:
    seconds = frames.runs["seconds_per_step"] * frames.runs["steps"]
    return float(seconds.sum() / 60) if seconds.notna().any() else float("nan")


def answer(lines: list[Line]) -> str:
    """Say in a sentence how many findings came out how."""
    counts = Counter(each.verdict for each in lines)
    parts = [f"{counts[name]} {name}" for name in VERDICTS if counts[name]]
    return f"Of {len(lines)} published findings: {listed(parts)}."


def frame(lines: list[Line]) -> pd.DataFrame:
    """Give the board as a frame, a row a finding."""
    return pd.DataFrame(
        [
            {
                "finding": each.reproduces.finding,
                "paper_says": each.reproduces.says,
                "source": each.reproduces.source,
                "tag": each.reproduces.tag,
                "verdict": each.verdict,
                "differs": each.reproduces.differs,
                "study": each.entry.study,
                "trials": each.trials,
                "training_minutes": each.minutes,
            }
            for each in lines
        ]
    )


def _claims(lines: list[Line]) -> pd.DataFrame:
    parts = [each.claims.assign(study=each.entry.study) for each in lines if len(each.claims)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=compare.COLUMNS)


def _board(lines: list[Line]) -> Table:
    cells = pd.DataFrame(
        {
            "finding": [plain(each.reproduces.finding, 200) for each in lines],
            "verdict": [each.verdict for each in lines],
            "source": [plain(each.reproduces.source, 200) for each in lines],
            "tag": [plain(each.reproduces.tag, 4) for each in lines],
        }
    )
    return Table("scoreboard", "Paper says, we get", cells)


def _errors() -> Table:
    cells = pd.DataFrame(ERRORS, columns=["where", "what", "consequence"])
    return Table("errors", "Where, what, and what follows", cells)


def _markdown(lines: list[Line], told: str) -> str:
    parts = ["# Paper says, we get", told, _board(lines).markdown]
    for each in lines:
        this = each.reproduces
        parts += [
            f"## {markdown(this.finding, 200)}",
            f"**{each.verdict}**",
            f"- paper says: {markdown(this.says, 600)}",
            f"- source: {markdown(this.source, 200)} ({each.known})",
            f"- differs: {markdown(this.differs, 600)}",
            f"- study: `{plain(each.entry.study)}`, {each.cost}",
        ]
        if each.got is not None:
            parts.append(each.got.markdown)
    return "\n\n".join([*parts, "## Errors and traps in print", _errors().markdown]) + "\n"
