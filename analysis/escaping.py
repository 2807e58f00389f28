"""Text out of a log is hostile until escaped: one function per sink.

HTML is not here: templates escape by themselves, and what is no template uses `markupsafe`.
"""

import re
import unicodedata
from collections.abc import Iterable

LIMIT = 120
"""Longer names are cut, in characters."""

FIGURE_LIMIT = 60
"""As `LIMIT`, in figures, where nothing wraps."""

HAIR_SPACE = "\u200a"

_JOINERS = "\u200c\u200d"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#!|~$&])")

_ACCENTS = {
    **{"\u0300": "\\`", "\u0301": "\\'", "\u0302": "\\^", "\u0303": "\\~", "\u0304": "\\="},
    **{"\u0306": "\\u", "\u0307": "\\.", "\u0308": '\\"', "\u030a": "\\r", "\u030b": "\\H"},
    **{"\u030c": "\\v", "\u0327": "\\c"},
}
_LATEX = {
    **{character: f"\\{character}" for character in "{}#$%&"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"},
    **{"_": "\\_\\allowbreak{}", "/": "/\\allowbreak{}"},
    # Braces part what TeX would join to a dash, a quotation mark or an upside-down mark, and keep
    # a bracket or a star from being taken for an argument of the command before it.
    **{character: f"{{{character}}}" for character in "[]*-'`!?\""},
    **{"\u2026": "\\ldots{}", "\u2013": "--", "\u2014": "---", "\u2212": "{-}", "\u200a": ""},
    **{"\u00b5": "u", "\u03bc": "u", "\u00df": "\\ss{}", "\u00f8": "\\o{}", "\u00d8": "\\O{}"},
    **{"\u00e6": "\\ae{}", "\u00c6": "\\AE{}", "\u0153": "\\oe{}", "\u0142": "\\l{}"},
    **{"\u0141": "\\L{}", "\u00d7": "x", "\u00a0": " "},
}


def plain(text: object, limit: int = LIMIT) -> str:
    """Give text on one line, without control characters and marks that reorder it, cut to a length.

    An empty outcome reads "(no name)": something stood there.
    """
    # A name of a gigabyte is not walked through: combining marks may shrink it, hence the margin.
    kept = "".join(_visible(character) for character in str(text)[: 4 * limit + 40])
    kept = " ".join(unicodedata.normalize("NFC", kept).split())
    return f"{kept[: limit - 1]}…" if len(kept) > limit else kept or "(no name)"


def markdown(text: object, limit: int = LIMIT) -> str:
    """Give text that Markdown shows as it is: no tag, link, table cell or formula begins in it."""
    return _MARKDOWN.sub(r"\\\1", plain(text, limit))


def csv(text: object) -> str:
    """Give text that a spreadsheet takes for text: no formula begins it."""
    kept = plain(text, 1000) if text != "" else ""
    return f"'{kept}" if kept.startswith(("=", "+", "-", "@")) else kept


def figure(text: object, limit: int = FIGURE_LIMIT) -> str:
    """Give text for a figure. A leading underscore, which hides a legend's entry, is kept visible.

    Formulas are switched off where a figure is made; the text itself cannot say so.
    """
    kept = plain(text, limit)
    return HAIR_SPACE + kept if kept.startswith("_") else kept


def latex(text: object, limit: int = LIMIT) -> str:
    """Give text that LaTeX sets as it is, in any encoding: no command, formula or ligature in it.

    The answer is ASCII. Letters with accents are composed, what LaTeX has no plain command for is
    named by its code point. A line may break after a slash and an underscore.
    """
    composed = unicodedata.normalize("NFD", plain(text, limit))
    parts: list[str] = []
    for character in composed:
        if character in _ACCENTS and parts and parts[-1].isalpha():
            parts[-1] = f"{_ACCENTS[character]}{{{parts[-1]}}}"
        elif character in _LATEX:
            parts.append(_LATEX[character])
        elif character.isascii():
            parts.append(character)
        else:
            parts.append(f"{{[}}U+{ord(character):04X}{{]}}")
    # Counts stay whole.
    return re.sub(r"/\\allowbreak\{\}(?=\d)", "/", "".join(parts))


def short(names: Iterable[str], limit: int = FIGURE_LIMIT) -> dict[str, str]:
    """Give each name as a figure shows it; names that look alike once they are cut get numbers."""
    shown: dict[str, str] = {}
    for name in names:
        label = figure(name, limit)
        number = 2
        while label in shown.values():
            label = f"{figure(name, limit - 4)} #{number}"
            number += 1
        shown[name] = label
    return shown


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\r\v\f" or category in {"Zl", "Zp"}:
        return " "
    if category in {"Cc", "Cs"} or (category == "Cf" and character not in _JOINERS):
        return ""
    return character
