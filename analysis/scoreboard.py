"""Paper says, we get: one page over the studies that reproduce published findings.

A finding is reproduced where every claim of its study is supported. It is not where a claim is
contradicted, or where what is seen does not even lie on the claimed side. In between there is too
little evidence. The claims were recorded when the study began.

What every trial came to stands beside the page, so that one that is run again can be held against
it.

Longer than a file should be: a row's verdict, its cells and its paragraph are of one page, and are
read together.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import claims_table, compare, estimate, sources, tables
from analysis.answer import listed
from analysis.errors_in_print import ERRORS
from analysis.escaping import markdown, plain
from analysis.not_asked import NOT_ASKED
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


KINDS = {
    "first": ("Findings", "At a size for two cores, with seeds that no pilot had."),
    "spare": ("More at this size", "Beside those that are counted above."),
    "again": (
        "Asked again",
        (
            "What came out too little or otherwise was asked a second time, with fresh seeds and "
            "an expectation of its own. The first asking stands."
        ),
    ),
    "large": (
        "At published scale",
        (
            "Declared in full, for a machine with a GPU or for days. Where one is not run here, "
            "what it would need is said."
        ),
    ),
}
"""The groups of the board by the kind of a study: title and lead."""

STYLE = """
.answer .scroll { background: var(--page); }
.board .verdict { white-space: nowrap; }
.board tbody th { min-width: 12rem; width: 38%; }
.scoreboard-claims td:nth-child(2), .scoreboard-claims td:nth-child(3) { white-space: nowrap; }
.board td:nth-child(3) { min-width: 12rem; width: 30%; }
"""
"""What the boards have beyond the style of all pages: columns of one width in each."""

TRIAL = ("trial", "arm", "task", "lag", "seed", "outcome", "steps", "test/loss", "test/score")
MACHINE = ("torch", "numpy", "threads", "device", "machine", "cpu", "cpu_capability", "compiler")
"""What is said of every trial, and of what its last digits hang on."""


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
    trained: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def anchor(self) -> str:
        """Where it stands on the page."""
        return f"finding-{re.sub('[^a-z0-9]+', '-', self.entry.study.lower())}"

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


@dataclass(frozen=True)
class Group:
    """The findings of one kind: they stand together."""

    kind: str
    lines: Sequence[Line]

    @property
    def title(self) -> str:
        """What they are."""
        return KINDS[self.kind][0]

    @property
    def lead(self) -> str:
        """Why they are asked for."""
        return KINDS[self.kind][1]

    @property
    def board(self) -> Table:
        """The findings, a row each."""
        return _board(self)


def write(entries: Iterable[Entry], out_dir: str | os.PathLike[str]) -> Path:
    """Write the board, and give the path of its page.

    Raises
    ------
    StudyFileError
        A `study.json` cannot be read, or `out_dir` cannot be a folder.
    """
    out = checked_folder(out_dir)
    lines = [line(entry) for entry in entries]
    told, groups = answer(lines), grouped(lines)
    files = {
        "tables/scoreboard.csv": tables.csv(frame(lines)),
        "tables/claims.csv": tables.csv(_claims(lines)),
        "tables/trials.csv": tables.csv(_trained(lines)),
        "report.md": _markdown(groups, told),
        "index.html": render(
            "scoreboard.html.j2",
            STYLE,
            groups=groups,
            told=told,
            lacking=_not_asked(),
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
    return Line(kept, verdict(claims, frames), claims, counts, _minutes(frames), _of_trials(frames))


def grouped(lines: Sequence[Line]) -> list[Group]:
    """Give the findings by kind, in the order of `KINDS`."""
    by_kind = {kind: [each for each in lines if each.reproduces.kind == kind] for kind in KINDS}
    return [Group(kind, found) for kind, found in by_kind.items() if found]


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


def _of_trials(frames: Frames) -> pd.DataFrame:
    hashes = {
        entry.trial.id: entry.result.weights_sha256 for entry in frames.ledger.done if entry.result
    }
    runs = frames.runs
    found = runs[list(TRIAL)].assign(weights=runs["trial"].map(hashes))
    return found.join(runs[list(MACHINE)].assign(seconds=runs["seconds_per_step"] * runs["steps"]))


def answer(lines: list[Line]) -> list[str]:
    """Say how many findings came out how: those of the collection, then the others by kind."""
    told = []
    for group in grouped(lines):
        counts = Counter(each.verdict for each in group.lines)
        parts = listed([f"{counts[name]} {name}" for name in VERDICTS if counts[name]])
        what = "published findings" if group.kind == "first" else group.title.lower()
        told.append(f"Of {len(group.lines)} {what}: {parts}.")
    return told


def frame(lines: list[Line]) -> pd.DataFrame:
    """Give the board as a frame, a row a finding."""
    return pd.DataFrame(
        [
            {
                "kind": each.reproduces.kind,
                "finding": each.reproduces.finding,
                "paper_says": each.reproduces.says,
                "source": each.reproduces.source,
                "tag": each.reproduces.tag,
                "verdict": each.verdict,
                "differs": each.reproduces.differs,
                "like": each.reproduces.like,
                "needs": each.reproduces.needs,
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


def _trained(lines: list[Line]) -> pd.DataFrame:
    parts = [each.trained for each in lines if len(each.trained)]
    studies = [each.entry.study for each in lines for _ in range(len(each.trained))]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return found.assign(study=studies)


def _board(group: Group) -> Table:
    lines = group.lines
    findings = [plain(each.reproduces.finding, 200) for each in lines]
    cells = pd.DataFrame(
        {
            "finding": findings,
            "verdict": [each.verdict for each in lines],
            "source": [plain(each.reproduces.source, 200) for each in lines],
            "tag": [plain(each.reproduces.tag, 4) for each in lines],
            "cost": [each.cost for each in lines],
        }
    )
    badge = Markup('<strong class="verdict {}">{}</strong>')
    return Table(
        "board",
        f"{group.title}: verdicts",
        cells,
        drawn={
            "finding": [
                Markup('<a href="#{}">{}</a>').format(each.anchor, told)
                for each, told in zip(lines, findings, strict=True)
            ],
            "verdict": [badge.format(each.badge, each.verdict) for each in lines],
        },
    )


def _not_asked() -> Table:
    cells = pd.DataFrame(NOT_ASKED, columns=["finding", "source", "tag", "what is lacking"])
    return Table("not-asked", "Finding, source, and what is lacking", cells)


def _errors() -> Table:
    cells = pd.DataFrame(ERRORS, columns=["where", "what", "consequence"])
    return Table("errors", "Where, what, and what follows", cells)


def _markdown(groups: list[Group], told: list[str]) -> str:
    parts = ["# Paper says, we get", " ".join(told)]
    for group in groups:
        parts += [f"## {group.title}", group.lead, group.board.markdown]
        for each in group.lines:
            this = each.reproduces
            told_of = {
                "paper says": markdown(this.says, 600),
                "source": f"{markdown(this.source, 200)} ({each.known})",
                "differs": markdown(this.differs, 600),
                "asked before by" if this.kind == "again" else "asked smaller by": (
                    f"`{plain(this.like)}`" if this.like else ""
                ),
                "needs": markdown(this.needs, 600) if this.needs else "",
                "study": f"`{plain(each.entry.study)}`, {each.cost}",
            }
            parts += [
                f"### {markdown(this.finding, 200)}",
                f"**{each.verdict}**",
                "\n".join(f"- {what}: {text}" for what, text in told_of.items() if text),
            ]
            if each.got is not None:
                parts.append(each.got.markdown)
    parts += ["## Not asked", _not_asked().markdown]
    return "\n\n".join([*parts, "## Errors and traps in print", _errors().markdown]) + "\n"
