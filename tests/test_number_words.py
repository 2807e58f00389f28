"""Numbers in words: pieces put together are what num2words writes, and lists have their length."""

import itertools

import numpy as np
import pytest
from num2words import num2words
from oracles_replies import value
from scipy import stats

from lightning_modules import task_names
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw
from lightning_modules.tasks._numerals import CODES, Numerals, lists, numerals, parted
from lightning_modules.tasks._replies import spoken
from lightning_modules.tasks.number_words import NumberWords


def said(spoken: Numerals, number: int) -> list[str]:
    (row,), _ = spoken.write(np.array([[number]]))
    return [spoken.words[place] for place in row]


@pytest.mark.parametrize("language", CODES)
def test_a_number_put_together_from_pieces_is_the_number_that_num2words_writes(
    language: str,
) -> None:
    spoken = numerals(language)
    generator = np.random.default_rng(0)
    edges = [1, 9, 10, 21, 99, 100, 101, 999, 1000, 1001, 1100, 9999, 10_000, 10_001, 11_000,
             99_999, 100_000, 101_001, 110_000, 999_999]  # fmt: skip
    for number in [*edges, *generator.integers(1, 10**6, 150).tolist()]:
        words = said(spoken, number)
        text = num2words(number, lang=CODES[language])
        # Nothing is lost but spaces, commas and hyphens.
        assert "".join(words) == text.translate(str.maketrans("", "", " ,-"))
        assert words == parted(text, language)
        assert value(words, language) == number


def test_a_part_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="has parts that are not known in german"):
        parted("eine Million", "german")


@pytest.mark.parametrize("language", CODES)
def test_the_order_of_the_numbers_has_each_in_its_place(language: str) -> None:
    spoken = numerals(language)
    assert sorted(spoken.order.tolist()) == list(range(1, 10**6))
    for words, digits in itertools.product(range(spoken.most + 1), range(6)):
        first, count = spoken.first[words, digits], spoken.count[words, digits]
        for number in spoken.order[first : first + count][:: max(1, count // 3)].tolist():
            assert (len(said(spoken, number)), len(str(number))) == (words, digits + 1)


def test_of_numbers_without_a_limit_the_digits_are_as_likely_as_each_other() -> None:
    shares = numerals("german").shares
    assert shares.sum() == pytest.approx(1)
    assert shares.sum(0) == pytest.approx([1 / 6] * 6)


@pytest.mark.parametrize("language", CODES)
def test_a_list_has_exactly_its_length(language: str) -> None:
    spoken = numerals(language)
    for length in (1, 2, 3, 12, 40):
        for row in lists(spoken, 30, length, np.random.default_rng(length)).tolist():
            numbers = row[: row.index(0)] if 0 in row else row
            words = sum(len(said(spoken, number)) for number in numbers)
            assert words + len(numbers) - 1 == length


def test_numbers_of_one_length_are_drawn_by_their_shares() -> None:
    spoken = numerals("german")
    drawn = lists(spoken, 4000, 2, np.random.default_rng(1))
    # Two words leave no room for a comma: one number, of 100, 200, ... or 1000, 2000, ...
    assert drawn.shape == (4000, 1)
    shares = spoken.shares[2] / spoken.shares[2].sum()
    digits = np.bincount([len(str(n)) - 1 for (n,) in drawn.tolist()], minlength=6)
    kept = shares > 0
    assert digits[~kept].sum() == 0
    assert stats.chisquare(digits[kept], 4000 * shares[kept]).pvalue > 1e-3


@pytest.mark.parametrize("pair", list(itertools.permutations(CODES, 2)), ids="-".join)
def test_source_and_target_are_the_same_numbers(pair: tuple[str, str]) -> None:
    source, target = pair
    found = NumberWords("lists", source=source, target=target)  # type: ignore[arg-type]
    batch = draw(found, 20, 15)
    replies = spoken(found.reply, batch.targets, batch)
    for inputs, reply in zip(batch.inputs.tolist(), replies, strict=True):
        there = [found.reply.source[symbol] for symbol in inputs[:15]]
        here = [found.reply.words[symbol] for symbol in reply]
        assert numbers(there, source) == numbers(here, target)


def numbers(words: list[str], language: str) -> list[int]:
    groups = itertools.groupby(words, lambda word: word == ",")
    return [value(list(group), language) for is_comma, group in groups if not is_comma]


def test_the_order_of_the_words_differs() -> None:
    assert said(numerals("german"), 21) == ["ein", "und", "zwanzig"]
    assert said(numerals("english"), 21) == ["twenty", "one"]


def test_one_language_is_no_translation() -> None:
    with pytest.raises(RefusedError, match="from german to german: two languages are needed"):
        task_names.make("number_words", "lists(target=german)")
