"""Words where not every font has every script: no letter may come out as an empty box.

Hangul is spelled in Latin letters by the Revised Romanization of Korean (2000), syllable by
syllable, as one reads it letter by letter; in figures, any other letter that their font lacks by
its code point.
"""

from functools import cache

from analysis.escaping import figure

FIRST, LAST = "\uac00", "\ud7a3"
"""The syllables of Hangul, in the order of their letters (Unicode 16, 3.12)."""
INITIALS = "g kk n d tt r m b pp s ss - j jj ch k t p h".replace("-", "").split(" ")
VOWELS = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split(" ")
FINALS = " k k ks n nj nh t l lk lm lp ls lt lp lh m p ps t t ng t t k t p h".split(" ")


def spelled(word: str, limit: int = 16) -> str:
    """Give a word as the font of figures can set it, cut to a length."""
    known = _known()
    letters = romanized(figure(word, limit))
    return "".join(c if ord(c) in known else f"U+{ord(c):04X}" for c in letters)


def is_spelled(word: str) -> bool:
    """Tell whether a word has a letter that the font of figures lacks."""
    return any(ord(character) not in _known() for character in figure(word))


def romanized(word: str) -> str:
    """Spell the Hangul of a word in Latin letters, and leave the rest as it is."""
    return "".join(_romanized(c) if FIRST <= c <= LAST else c for c in word)


def _romanized(character: str) -> str:
    place, final = divmod(ord(character) - ord(FIRST), len(FINALS))
    initial, vowel = divmod(place, len(VOWELS))
    return INITIALS[initial] + VOWELS[vowel] + FINALS[final]


@cache
def _known() -> frozenset[int]:
    """List the letters of the font that figures are set in."""
    from matplotlib import font_manager

    from analysis.looks import STYLE

    path = font_manager.findfont(STYLE["font.family"], fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())
