"""Numbers in words, as num2words writes them, parted into words that a network reads one by one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

THOUSAND = 1000
MOST_DIGITS = 6
COMMA = ","

CODES = {"english": "en", "german": "de", "korean": "ko"}
TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
TEENS = "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
ONES = "ein eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf"
PARTS = {
    "english": "[a-z]+",
    # German writes a number as one word, so that its parts have to be known; the longest first.
    "german": "|".join(
        sorted(f"{TENS} {TEENS} {ONES} und hundert tausend".split(), key=len, reverse=True)
    ),
    "korean": "[일이삼사오육칠팔구십백천만]",
}
"""What a word is in each language: in German and Korean a part of one that is written together."""


def parted(text: str, language: str) -> list[str]:
    """Part a number in words into what stands for one thing: ein|und|zwanzig, twenty|one, 이|십|일.

    Raises
    ------
    ValueError
        When something is left over.
    """
    found = re.findall(PARTS[language], text)
    if "".join(found) != re.sub("[ ,-]", "", text):
        raise ValueError(f"{text!r} has parts that are not known in {language}")
    return found


@dataclass(frozen=True)
class Numerals:
    """The numbers from 1 to 10^6 - 1 of one language.

    A number is its thousands and the rest below them; what the rest looks like hangs on whether
    there are thousands before it (`one thousand and one`). So three tables of 999 say all.
    """

    words: tuple[str, ...]
    """All words, the comma last."""
    thousands: Int[np.ndarray, "1000 longest"]
    """The words of k thousand, at k, by their places in `words`; -1 where there is none."""
    alone: Int[np.ndarray, "1000 _"]
    """Of k."""
    behind: Int[np.ndarray, "1000 _"]
    """Of k behind thousands."""
    order: Int[np.ndarray, " numbers"]
    """All numbers, by their words and then by their digits."""
    first: Int[np.ndarray, "lengths digits"]
    """Where in `order` those of so many words and digits begin."""
    count: Int[np.ndarray, "lengths digits"]
    """How many of them there are."""

    def write(
        self, numbers: Int[np.ndarray, "batch most"]
    ) -> tuple[Int[np.ndarray, "batch longest"], Int[np.ndarray, " batch"]]:
        """Write lists of numbers, commas between them: words, by their places, and how many.

        A list ends where the numbers are 0.
        """
        high, low = np.divmod(numbers, THOUSAND)
        comma = np.where(numbers > 0, len(self.words) - 1, -1)[..., None]
        comma[:, :1] = -1
        rest = _beside(self.behind[low], self.alone[low], high[..., None] > 0)
        written = np.concatenate([comma, self.thousands[high], rest], 2).reshape(len(numbers), -1)
        is_word = written >= 0
        lengths = is_word.sum(1)
        order = np.argsort(~is_word, axis=1, kind="stable")[:, : lengths.max()]
        return np.take_along_axis(written, order, 1), lengths

    @property
    def most(self) -> int:
        """How many words the longest number has."""
        return len(self.first) - 1

    @property
    def shares(self) -> Float[np.ndarray, "lengths digits"]:
        """How likely words and digits are: as many digits as one likes, then any such number."""
        digits = np.arange(1, MOST_DIGITS + 1)
        return self.count / (9 * 10.0 ** (digits - 1)) / MOST_DIGITS


@cache
def numerals(language: str) -> Numerals:
    """Ask num2words for all pieces of a language."""
    # Costs a tenth of a second, and only tasks with numbers in words have a use for it.
    from num2words import num2words

    def words(number: int) -> list[str]:
        return parted(num2words(number, lang=CODES[language]), language)

    below = range(1, THOUSAND)
    one_thousand = words(THOUSAND)
    thousands = [[], *(words(k * THOUSAND) for k in below)]
    alone = [[], *(words(k) for k in below)]
    behind = [[], *(words(THOUSAND + k)[len(one_thousand) :] for k in below)]
    known = {word for table in (thousands, alone, behind) for piece in table for word in piece}
    names = (*sorted(known), COMMA)
    places = {word: place for place, word in enumerate(names)}
    a, b, c = (_table(table, places) for table in (thousands, alone, behind))
    return Numerals(names, a, b, c, *_ordered(*((table >= 0).sum(1) for table in (a, b, c))))


def _table(pieces: Sequence[list[str]], places: dict[str, int]) -> np.ndarray:
    table = np.full((len(pieces), max(map(len, pieces))), -1)
    for row, piece in zip(table, pieces, strict=True):
        row[: len(piece)] = [places[word] for word in piece]
    return table


def _beside(a: np.ndarray, b: np.ndarray, is_a: np.ndarray) -> np.ndarray:
    """Take rows of words from one table or the other, which may be of different widths."""
    width = max(a.shape[-1], b.shape[-1])
    a, b = (
        np.pad(x, [*[(0, 0)] * (x.ndim - 1), (0, width - x.shape[-1])], constant_values=-1)
        for x in (a, b)
    )
    return np.where(is_a, a, b)


def _ordered(
    thousands: np.ndarray, alone: np.ndarray, behind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order all numbers by how many words and digits they have, from the lengths of the pieces."""
    table = thousands[:, None] + behind[None]
    table[0] = alone
    numbers = np.arange(THOUSAND**2)
    digits = np.searchsorted(10 ** np.arange(1, MOST_DIGITS + 1), numbers, side="right")
    cell = table.ravel() * MOST_DIGITS + digits
    # Nought is not among them.
    order = np.argsort(cell[1:], kind="stable") + 1
    count = np.bincount(cell[1:], minlength=(table.max() + 1) * MOST_DIGITS)
    first = np.cumsum(count) - count
    return order, first.reshape(-1, MOST_DIGITS), count.reshape(-1, MOST_DIGITS)


def lists(
    spoken: Numerals, size: int, length: int, generator: np.random.Generator
) -> Int[np.ndarray, "size most"]:
    """Draw lists of numbers, each of `length` words with the commas between its numbers; 0 ends it.

    One number after the other: how many words and digits it has, as `Numerals.shares` says of those
    that leave room for a comma and another number, or for nothing; then any such number.
    """
    shares = spoken.shares
    found = np.zeros((size, (length + 1) // 2), dtype=np.int64)
    left = np.full(size, length)
    for at in range(found.shape[1]):
        open_ = np.flatnonzero(left > 0)
        if not open_.size:
            break
        room = left[open_, None, None]
        words = np.arange(spoken.most + 1)[None, :, None]
        fits = (words == room) | (words <= room - 2)
        chances = (np.where(fits, shares, 0)).reshape(len(open_), -1).cumsum(1)
        drawn = generator.random(len(open_)) * chances[:, -1]
        cell = (chances <= drawn[:, None]).sum(1)
        count = spoken.count.ravel()[cell]
        place = spoken.first.ravel()[cell] + (generator.random(len(open_)) * count).astype(int)
        found[open_, at] = spoken.order[place]
        left[open_] -= cell // MOST_DIGITS + 1
    return found
