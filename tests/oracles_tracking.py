"""Oracles of the tasks of state tracking."""

import itertools
import re
from statistics import median

from oracle_case import Expected, Oracle


def string_and_asks(inputs: list[int], ask: int, count: int) -> list[int]:
    """Part the string from the asking symbols behind it."""
    string, asks = inputs[:-count], inputs[-count:]
    assert asks == [ask] * count
    assert ask not in string
    return string


def one_answer(inputs: list[int], answer: int, evidence: list[int] | None = None) -> Expected:
    """One answer after the string, all of which is evidence unless told otherwise."""
    last = len(inputs) - 1
    return Expected(answer, [last], list(range(last)) if evidence is None else evidence)


def answers(inputs: list[int], due: list[int], evidence: list[int] | None = None) -> Expected:
    """Several answers after the string, and nothing before them."""
    begin = len(inputs) - len(due)
    steps = list(range(begin, len(inputs)))
    return Expected([0] * begin + due, steps, list(range(begin)) if evidence is None else evidence)


def parity(inputs: list[int], lag: int) -> Expected:
    """Even number of ones: class 0."""
    string = string_and_asks(inputs, 2, 1)
    assert len(string) == lag
    return one_answer(inputs, 1 if string.count(1) % 2 else 0)


def even_pairs(inputs: list[int], lag: int) -> Expected:
    """Count 01 and 10; even: class 0."""
    string = string_and_asks(inputs, 2, 1)
    assert len(string) == lag
    text = "".join(map(str, string))
    pairs = [text[i : i + 2] for i in range(lag - 1)]
    count = pairs.count("01") + pairs.count("10")
    return one_answer(inputs, count % 2, [0, lag - 1])


def cycle_navigation(inputs: list[int], lag: int) -> Expected:
    """Walk around five positions from the first."""
    string = string_and_asks(inputs, 3, 1)
    assert len(string) == lag
    circle = [0, 1, 2, 3, 4]
    for move in string:
        # Whoever stands still sees the circle turn the other way.
        circle = {0: circle[-1:] + circle[:-1], 1: circle, 2: circle[1:] + circle[:1]}[move]
    return one_answer(inputs, circle[0])


def modular_code(inputs: list[int], lag: int) -> Expected:
    """An even length is one less."""
    return modular(inputs, lag if lag % 2 else lag - 1)


def modular_paper(inputs: list[int], lag: int) -> Expected:
    """An even length is one more."""
    return modular(inputs, lag if lag % 2 else lag + 1)


def modular(inputs: list[int], length: int) -> Expected:
    """Let Python work out the expression."""
    string = string_and_asks(inputs, 8, 1)
    assert len(string) == length
    text = "".join("01234+-*"[symbol] for symbol in string)
    assert re.fullmatch(r"[0-4]([-+*][0-4])*", text)
    return one_answer(inputs, eval(text) % 5)


def reverse_string(inputs: list[int], lag: int) -> Expected:
    """The string backwards."""
    string = string_and_asks(inputs, 2, lag)
    assert set(string) <= {0, 1}
    return answers(inputs, list(reversed(string)))


def duplicate_string(inputs: list[int], lag: int) -> Expected:
    """The string twice."""
    string = string_and_asks(inputs, 2, 2 * lag)
    assert len(string) == lag
    return answers(inputs, string + string)


def permutations(things: int, *, even_only: bool) -> list[str]:
    """List permutations as words, in the order of a dictionary."""
    words = ["".join(p) for p in itertools.permutations("01234"[:things])]
    assert words == sorted(words)
    return [word for word in words if not even_only or swaps(word) % 2 == 0]


def swaps(word: str) -> int:
    """Count the neighbours swapped to sort a word."""
    letters, count = list(word), 0
    while letters != sorted(letters):
        at = next(i for i in range(len(letters)) if letters[i] > letters[i + 1])
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
        count += 1
    return count


def group(things: int, *, even_only: bool = False) -> Oracle:
    """Follow each thing through all permutations so far."""
    words = permutations(things, even_only=even_only)

    def expected(inputs: list[int], lag: int) -> Expected:
        assert len(inputs) == lag
        where, target = list(range(things)), []
        for number in inputs:
            where = [int(words[number][place]) for place in where]
            target.append(words.index("".join(map(str, where))))
        return Expected(target, [lag - 1], list(range(lag)))

    size = len(words)
    return Oracle(
        expected,
        sizes=(size, size, "large"),
        places=set(range(30)),
        distances=(29, 29),
        is_defined=lambda lag: lag >= 2,
    )


def dyck(kinds: int, levels: int) -> Oracle:
    """Push and pop."""

    def expected(inputs: list[int], lag: int) -> Expected:
        string = string_and_asks(inputs, 2 * kinds, levels)
        assert len(string) == (lag if (lag - levels) % 2 == 0 else lag + 1)
        stack: list[tuple[int, int]] = []
        for step, symbol in enumerate(string):
            if symbol < kinds:
                stack.append((symbol, step))
            else:
                assert stack.pop()[0] == symbol - kinds
            assert len(stack) <= levels
        assert len(stack) == levels
        closing = [kind for kind, _ in reversed(stack)]
        return answers(inputs, closing, [step for _, step in stack])

    return Oracle(
        expected,
        sizes=(2 * kinds + 1, kinds, "large"),
        places=set(range(30)),
        distances=(levels, 30),
        is_defined=lambda lag: lag >= levels,
    )


def list_ops(inputs: list[int], lag: int) -> Expected:
    """Read the expression as a person would, from the inside out."""
    names = [" ", *"0123456789", "[MIN ", "[MAX ", "[MED ", "[SM ", "]"]
    text = "".join(names[symbol] for symbol in inputs)
    length = len(text.lstrip()) - sum(len(n) - 1 for s in inputs if (n := names[s]) in names[11:15])
    assert len(inputs) == lag - 1
    assert lag / 4 < length < lag
    assert text.count(" ") == len(inputs) - length + sum(11 <= symbol <= 14 for symbol in inputs)
    do = {
        "MIN": min, "MAX": max, "MED": lambda x: int(median(x)), "SM": lambda x: sum(x) % 10
    }  # fmt: skip
    text, depth = text.strip(), 0
    while match := re.search(r"\[(\w+) (\d{2,10})\]", text):
        value = do[match[1]]([int(digit) for digit in match[2]])
        text = text[: match.start()] + str(value) + text[match.end() :]
        depth += 1
    assert depth >= 1 and re.fullmatch(r"\d", text)
    used = [step for step, symbol in enumerate(inputs) if symbol != 0]
    return Expected(int(text), [lag - 2], used)


def arithmetic(most: int) -> Oracle:
    """Strike out the letters and let Python work out what is left."""

    def expected(inputs: list[int], lag: int) -> Expected:
        string = string_and_asks(inputs, 38, most + 2)
        assert len(string) == lag
        evidence = [step for step, symbol in enumerate(string) if symbol < 12]
        text = "".join("0123456789+-"[string[step]] for step in evidence)
        match = re.fullmatch(r"(0|[1-9]\d*)([-+])(0|[1-9]\d*)", text)
        assert match is not None
        assert max(len(match[1]), len(match[3])) <= most
        first, second = int(match[1]), int(match[3])
        value = first + second if match[2] == "+" else first - second
        due = ["0123456789-".index(figure) for figure in str(value)] + [11]
        begin, blanks = lag, most + 2 - len(due)
        target = [0] * begin + due + [11] * blanks
        return Expected(target, list(range(begin, begin + len(due))), evidence)

    return Oracle(
        expected,
        sizes=(39, 12, "large"),
        places=set(range(30)),
        # At least the three symbols of a sum of digits; few numbers of up to 8 digits are so short,
        # and the last three places of 30 rare: this far they come among the 9000 that are drawn.
        distances=(3 if most == 2 else 5, 30),
        is_defined=lambda lag: lag >= 2 * most + 1,
    )


def simple(expected: object, sizes: tuple[int, int, str], *, least: int = 1) -> Oracle:
    """A string of T symbols, all of them evidence."""
    return Oracle(
        expected,  # type: ignore[arg-type]
        sizes=sizes,
        places=set(range(30)),
        distances=(30, 30),
        is_defined=lambda lag: lag >= least,
    )


ORACLES: dict[str, Oracle] = {
    "parity/deletang": simple(parity, (3, 2, "large")),
    "even_pairs/deletang": simple(even_pairs, (3, 2, "large"), least=2)._replace(places={0, 29}),
    "cycle_navigation/deletang": simple(cycle_navigation, (4, 5, "large")),
    "modular_arithmetic/code": simple(modular_code, (9, 5, "large"))._replace(
        places=set(range(29)), distances=(29, 29)
    ),
    "modular_arithmetic/paper": simple(modular_paper, (9, 5, "large"))._replace(
        places=set(range(31)), distances=(31, 31)
    ),
    "reverse_string/deletang": simple(reverse_string, (3, 2, "large")),
    "duplicate_string/deletang": simple(duplicate_string, (3, 2, "large")),
    "s5/s5": group(5),
    "s5/a5": group(5, even_only=True),
    "s5/s3": group(3),
    "dyck/k2m4": dyck(2, 4),
    "dyck/k8m4": dyck(8, 4),
    "dyck/k2m8": dyck(2, 8),
    "list_ops/lra": Oracle(
        list_ops,
        sizes=(16, 10, "large"),
        places=set(range(29)),
        # Longer than 30 / 4, shorter than 30, from its first symbol to its last.
        distances=(7, 28),
        is_defined=lambda lag: any(lag / 4 < length < lag for length in (4, 5)) or lag > 6,
    ),
    "arithmetic/jozefowicz": arithmetic(8),
    "arithmetic/small": arithmetic(2),
}
