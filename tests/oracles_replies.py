"""Oracles of the tasks that are answered in sequences."""

import re
from functools import cache

import local_data
from num2words import num2words
from oracle_case import Expected, Oracle


def answered(inputs: list[int], ask: int, due: list[int]) -> Expected:
    """Find where the reply is asked for; it is due from there, symbol by symbol."""
    begin = inputs.index(ask)
    target = [0] * begin + due
    target += [0] * (len(inputs) - len(target))
    return Expected(target, list(range(begin, begin + len(due))), list(range(begin)))


def string(inputs: list[int], lag: int, order: int) -> Expected:
    """Ten symbols; 10 asks; then class 10 ends what was said."""
    source = inputs[: inputs.index(10)]
    assert len(source) == lag
    assert len(inputs) == 2 * lag + 1
    assert set(source) <= set(range(10))
    return answered(inputs, 10, [*source[::order], 10])


DIGITS = [str(n) for n in range(10)]


def strings(order: int) -> Oracle:
    """Copy, or reverse where `order` is -1."""
    return Oracle(
        lambda inputs, lag: string(inputs, lag, order),
        sizes=(22, 11, "large"),
        places=set(range(30)),
        distances=(30, 30),
        is_defined=lambda lag: lag > 0,
        letters=[*DIGITS, ">", *(f"{n}'" for n in DIGITS), ".'"],
        said=[*DIGITS, "."],
    )


GERMAN = {
    **dict(ein=1, eins=1, zwei=2, drei=3, vier=4, fünf=5, sechs=6, sieben=7, acht=8, neun=9),
    **dict(zehn=10, elf=11, zwölf=12, dreizehn=13, vierzehn=14, fünfzehn=15, sechzehn=16),
    **dict(siebzehn=17, achtzehn=18, neunzehn=19, zwanzig=20, dreißig=30, vierzig=40),
    **dict(fünfzig=50, sechzig=60, siebzig=70, achtzig=80, neunzig=90),
}
FACTORS = {"hundert": 100, "hundred": 100, "백": 100, "십": 10, "천": 1000}
GROUPS = {"tausend": 1000, "thousand": 1000, "만": 10_000}
KOREAN = {character: n for n, character in enumerate("일이삼사오육칠팔구", 1)}
ENGLISH = {num2words(n): n for n in (*range(1, 20), *range(20, 100, 10))}
VALUES = {"german": GERMAN, "english": ENGLISH, "korean": KOREAN}


def value(words: list[str], language: str) -> int:
    """Read a number as its speakers do: units times a power of ten, added up."""
    total = section = unit = 0
    for word in words:
        if word in ("und", "and"):
            continue
        if word in GROUPS:
            total += max(section + unit, 1) * GROUPS[word]
            section = unit = 0
        elif word in FACTORS:
            section += max(unit, 1) * FACTORS[word]
            unit = 0
        else:
            unit += VALUES[language][word]
    return total + section + unit


@cache
def english(number: int) -> tuple[str, ...]:
    """Write a number in English words."""
    return tuple(re.sub("[-,]", " ", num2words(number)).split())


READ = [*sorted({*GERMAN, "und", "hundert", "tausend"}), ","]
SAID = [*sorted({*ENGLISH, "and", "hundred", "thousand"}), ",", "."]


def number_words(inputs: list[int], lag: int) -> Expected:
    """German numbers between commas, in English."""
    ask = len(READ)
    words = [READ[n] for n in inputs[: inputs.index(ask)]]
    assert len(words) == lag
    lists: list[list[str]] = [[]]
    for word in words:
        if word == ",":
            lists.append([])
        else:
            lists[-1].append(word)
    assert all(lists)
    numbers = [value(number, "german") for number in lists]
    assert all(0 < number < 10**6 for number in numbers)
    said = [word for number in numbers for word in (",", *english(number))][1:]
    return answered(inputs, ask, [SAID.index(word) for word in (*said, ".")])


PAIRS = dict(line.split("\t") for line in local_data.pairs().splitlines())
PAIRS_READ = [*sorted({word for source in PAIRS for word in source.split()}), "<unknown>"]
PAIRS_SAID = [*sorted({word for said in PAIRS.values() for word in said.split()}), "<unknown>"]


def translation(inputs: list[int], lag: int) -> Expected:
    """A line of the file, whose source has one of the five lengths up to the lag."""
    ask = len(PAIRS_READ)
    source = [PAIRS_READ[n] for n in inputs[: inputs.index(ask)]]
    assert lag - 5 < len(source) <= lag
    said = PAIRS[" ".join(source)].split()
    due = [PAIRS_SAID.index(word) for word in said]
    return answered(inputs, ask, [*due, len(PAIRS_SAID)])


ORACLES: dict[str, Oracle] = {
    "copy_translation/digits": strings(1),
    "reverse_translation/digits": strings(-1),
    "number_words/lists": Oracle(
        number_words,
        sizes=(len(READ) + 1 + len(SAID), len(SAID), "large"),
        places=set(range(30)),
        distances=(30, 30),
        is_defined=lambda lag: lag > 0,
        letters=[*READ, ">", *(f"{word}'" for word in SAID)],
        said=SAID,
    ),
    "translation/file": Oracle(
        translation,
        sizes=(len(PAIRS_READ) + 1 + len(PAIRS_SAID) + 1, len(PAIRS_SAID) + 1, "finite"),
        places=set(range(30)),
        distances=(26, 30),
        is_defined=lambda lag: lag > 0,
        letters=[*PAIRS_READ, ">", *(f"{word}'" for word in PAIRS_SAID)],
        said=[*PAIRS_SAID, "."],
    ),
}
