"""A report as Markdown: what `index.html` says, for a repository, a pull request or a terminal."""

import shlex
from collections.abc import Iterable

from analysis.contents import Contents
from analysis.escaping import markdown, plain
from analysis.gallery import Shown
from analysis.sources import Frames


def write(contents: Contents) -> str:
    """Write the report; pictures and tables lie beside it, in `figures/` and `tables/`."""
    study, ledger, answer = contents.frames.study, contents.frames.ledger, contents.answer
    stale = f"{len(ledger.stale)} stale" if ledger.is_stale_checked else "stale not checked"
    counts = [f"{number:,} {state}" for state, number in ledger.states.items()]
    parts = [
        f"# {markdown(study.name)}",
        f"> {markdown(study.question, 1000)}",
        "## Answer",
        f"**{_long(answer.headline)}**",
        *map(_long, answer.caveats),
        contents.glance.markdown if contents.glance else "",
        _bullets(answer.points),
        *(["### Where the order reverses", _bullets(answer.reversals)] if answer.reversals else []),
        *(["### Claimed in advance"] if answer.claims else []),
        _bullets(f"{verdict}: {claim}" for verdict, claim in answer.claims),
        "## Health",
        ", ".join([f"{ledger.planned:,} planned", *counts, stale]) + ".",
        _bullets(contents.warnings),
        *([contents.problems.markdown] if contents.problems else []),
        *([contents.remarks.markdown] if contents.remarks else []),
        "## Comparison",
    ]
    for table in contents.comparison:
        parts += [f"### {markdown(table.caption)}", table.markdown]
    parts.append("## Figures")
    for shown in contents.figures:
        parts += _figure(shown)
    parts += _sections(contents, "results")
    parts += ["## Claims", contents.claims.markdown if contents.claims else "None was stated."]
    parts += ["## Budgets and recipes", _long(contents.recipe)]
    if contents.inequalities:
        parts += ["Not equal between arms:", _bullets(contents.inequalities)]
    parts += [contents.arms.markdown, contents.sizes.markdown]
    parts += ["## Tasks", contents.tasks.markdown]
    parts += ["## What ran on what", contents.environments.markdown]
    parts += _sections(contents, "method")
    parts += [
        "## How to repeat it",
        "\n".join(["```sh", *commands(contents.frames), "```"]),
        contents.trials.markdown,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def commands(frames: Frames) -> list[str]:
    """Give the commands that repeat a study; its name is quoted for the shell."""
    if frames.foreign is not None:
        return [frames.foreign.command]
    quoted = shlex.quote(plain(frames.study.name))
    return [f"longdep run {quoted}", f"longdep report {quoted}"]


def _sections(contents: Contents, place: str) -> list[str]:
    parts = []
    for section in contents.sections:
        if section.place == place:
            parts += [f"## {markdown(section.title)}", *map(_long, section.lead)]
            for table in section.tables:
                parts += [f"### {markdown(table.caption)}", table.markdown]
            for shown in section.figures:
                parts += _figure(shown)
            parts.append(_long(section.note))
    return parts


def _figure(shown: Shown) -> list[str]:
    return [
        f"### {shown.title}",
        f"![{_long(shown.alternative)}](figures/{shown.name}.svg)",
        f"{_long(shown.caption)} [Data](figures/{shown.name}.csv)",
    ]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_long(line)}" for line in lines)


def _long(text: str) -> str:
    return markdown(text, 20_000)
