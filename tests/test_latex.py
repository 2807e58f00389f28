"""Tables as LaTeX: every text is set as it is, and the whole compiles in a two-column paper."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hostile import HOSTILE
from planted_quick import QUICK, quick
from planting import plant

from analysis import escaping, latex
from analysis.contents import gather
from analysis.sources import load
from analysis.tables import Table

MORE = [
    *HOSTILE,
    *(
        "\\",
        "\\input{/etc/passwd}",
        "%",
        "&",
        "#1",
        "~^",
        "^^5c",
        "{",
        "}",
        "--",
        "``x''",
        "[x]",
        "*",
    ),
    *(
        "\\end{table*}",
        "$$",
        "\u00e9\u00f1\u00fc\u015f",
        "\u6f22\U0001f389",
        "\u0301",
        "\u2066x\u2069",
    ),
]

SPECIAL = set("{}#$%&_^~\\")

DOCUMENT = r"""\documentclass[twocolumn]{article}
\usepackage{array,booktabs}
\usepackage[margin=0.75in]{geometry}
\begin{document}
\input{tables}
\end{document}
"""


def commands(text: str) -> set[str]:
    """Give the commands in a piece of LaTeX, as TeX reads them."""
    found, place = set(), 0
    while (place := text.find("\\", place)) >= 0:
        end = place + 2
        while text[place + 1].isalpha() and end < len(text) and text[end].isalpha():
            end += 1
        found.add(text[place:end])
        place = end
    return found


OURS = {
    *("\\textbackslash", "\\textasciitilde", "\\textasciicircum", "\\textless", "\\textgreater"),
    *("\\textbar", "\\allowbreak", "\\ldots"),
    *("\\{", "\\}", "\\#", "\\$", "\\%", "\\&", "\\_", "\\'", "\\~", '\\"', "\\c"),
}


@pytest.mark.parametrize("text", MORE)
def test_hostile_text_holds_no_command_but_ours_and_no_open_brace(text: str) -> None:
    written = escaping.latex(text)
    assert written.isascii() and written.isprintable()
    assert commands(written) <= OURS
    bare, depth = written.replace("\\{", "").replace("\\}", ""), 0
    for place, character in enumerate(bare):
        depth += (character == "{") - (character == "}")
        assert depth >= 0
        is_escaped = bare[:place].endswith("\\")
        assert character not in "#$%&_^~" or is_escaped
    assert depth == 0


def test_text_is_told_as_it_is() -> None:
    assert escaping.latex("a_b/c 5/5 50%") == r"a\_\allowbreak{}b/\allowbreak{}c 5/5 50\%"
    assert escaping.latex("Cho \u00e9\u015f") == r"Cho \'{e}\c{s}"
    assert escaping.latex("\u6f22") == "{[}U+6F22{]}"
    assert escaping.latex("[x] --") == "{[}x{]} {-}{-}"


def hostile_table() -> Table:
    cells = pd.DataFrame({"arm": MORE, "solved": ["5/5"] * len(MORE), "note": MORE[::-1]})
    return Table("hostile", MORE[0], cells.rename(columns={"note": MORE[3]}), numbers=["solved"])


def test_a_row_has_as_many_cells_as_the_head_whatever_they_hold() -> None:
    lines = latex.write([hostile_table()]).splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == len(MORE) + 1
    assert all(row.replace(r"\&", "").count(" & ") == 2 for row in rows)


def test_booktabs_rules_and_the_float_that_fits() -> None:
    narrow = Table("t", "c", pd.DataFrame({"arm": ["a", "b"], "n": ["1", "2"]}), numbers=["n"],
                   breaks=[1])  # fmt: skip
    written = latex.write([narrow])
    assert "\\begin{table}\n" in written
    assert "{@{}lr@{}}" in written
    for rule, times in (("top", 1), ("mid", 2), ("bottom", 1)):
        assert written.count(f"\\{rule}rule") == times
    wide = Table("t", "c", pd.DataFrame({f"column {n}": ["x" * 40] for n in range(5)}))
    written = latex.write([wide])
    assert "\\begin{table*}\n" in written
    widths = [float(part.partition("\\textwidth")[0]) for part in written.split("p{")[1:]]
    assert len(widths) == 5
    assert sum(widths) < 1


@pytest.mark.slow
def test_every_table_compiles_in_two_columns_and_none_runs_over(tmp_path: Path) -> None:
    tex = shutil.which("pdflatex") or shutil.which("tectonic")
    if tex is None:
        pytest.skip("no TeX on this machine (pdflatex or tectonic): the tables were not compiled")
    contents = gather(load(plant(tmp_path / "study", quick(), **QUICK)))
    report = [table for tables in contents.tables.values() for table in tables]
    (tmp_path / "document.tex").write_text(DOCUMENT)
    for tables, is_hostile in (([hostile_table()], True), (report, False)):
        (tmp_path / "tables.tex").write_text(latex.write(tables))
        options = [] if tex.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
        # Without pictures of rare signs: a small TeX may lack them, and they are not what is tried.
        options += ["-draftmode"] if options and is_hostile else []
        done = subprocess.run(
            [tex, *options, "document.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:]
        # A name of 5,000 letters may run over; nothing of a report does.
        assert is_hostile or "Overfull" not in done.stdout, done.stdout
    assert (tmp_path / "document.pdf").stat().st_size > 5000
