"""What `longdep show` draws is what the task drew: marks under the evidence, answers in place."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from experiments import examples, show_svg, show_text
from experiments.cli import app
from experiments.examples import Fold, Step, fold, number
from lightning_modules import registry
from lightning_modules.randomness import batch_generator
from lightning_modules.tasks.base import Task

CASES = [
    f"{name}/{dialect}"
    for name in registry.names("task")
    for dialect in registry.describe("task", name).constants["dialects"]
]
SVG = "{http://www.w3.org/2000/svg}"


def build(case: str) -> Task:
    name, _, dialect = case.partition("/")
    task: Task = registry.load("task", name)(dialect)
    return task


def show(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["show", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(text: str) -> dict[str, list[str]]:
    """Cut the first example of a drawing across into its rows of cells."""
    lines = text.partition("example 1,")[2].partition("\n\n")[0].splitlines()[1:]
    steps = lines[0].removeprefix("step").rstrip()
    width = len(lines[0]) - len(lines[0].removeprefix("step").lstrip())
    cell = len(steps.split()[-1]) + 1
    margin = width - cell + 1
    while (len(lines[0].rstrip()) - margin) % cell:
        cell += 1
        margin = width - cell + 1
    return {
        line[:margin].strip(): [
            line.ljust(200)[at : at + cell].strip()
            for at in range(margin, len(lines[0].rstrip()), cell)
        ]
        for line in lines
        if not line.strip().startswith("…")
    }


@pytest.mark.parametrize("case", CASES)
def test_every_task_is_shown_with_its_lag_distance_chance_and_bar(case: str) -> None:
    text = " ".join(show(case, "--count", "2").split())
    task = build(case)
    lag = max(12, task.smallest_lag[task.dialect])
    assert text.startswith(f"{case}: ")
    assert f"lag {lag} ({task.lag_means})" in text
    assert "the first evidence is" in text
    bar = "no score" if task.solved_at is None else f"a score of {task.solved_at:g}"
    assert f"solved at {bar}" in text
    chance = task.chance(lag)
    if chance is not None:
        assert f"score {chance.score:.4g}, loss {chance.loss:.4g}" in text
        assert " ".join(chance.derivation.split()) in text
    assert "example 2" in text
    assert "holds what the answer needs" in text


def test_the_marks_stand_under_the_evidence_and_the_answer_under_its_step() -> None:
    drawn = rows(show("adding", "--count", "1"))
    assert drawn["step"] == [str(step) for step in range(12)]
    marked = [at for at, mark in enumerate(drawn["evidence"]) if mark == "^"]
    assert marked == [at for at, mark in enumerate(drawn["input 2"]) if mark == "1"]
    assert len(marked) == 2
    total = sum(float(drawn["input 1"][at]) for at in marked)
    # Two decimals of two numbers.
    assert float(drawn["answer"][-1]) == pytest.approx(total, abs=0.011)
    assert set(drawn["answer"][:-1]) == {""}


def test_answers_at_several_steps_stand_under_each() -> None:
    drawn = rows(show("copy_memory/small", "--count", "1", "--lag", "5", "--seed", "3"))
    assert drawn["answer"][-3:] == drawn["input"][:3]
    assert drawn["evidence"][:3] == ["^"] * 3
    assert set(drawn["answer"][:-3] + drawn["evidence"][3:]) == {""}


def test_the_examples_are_those_of_the_seed() -> None:
    assert show("adding", "--seed", "1") == show("adding", "--seed", "1")
    assert show("adding", "--seed", "1") != show("adding", "--seed", "2")


def test_a_long_sequence_is_folded_with_a_note_and_every_mark_stays() -> None:
    text = show("temporal_order", "--lag", "200", "--count", "1")
    assert max(map(len, text.splitlines())) <= 80
    drawn = rows(text)
    assert drawn["evidence"].count("^") == 2
    notes = [line.strip() for line in text.splitlines() if "stands for" in line]
    assert len(notes) == drawn["step"].count("…") >= 2
    folded = sum(int(note.split()[3]) for note in notes)
    assert folded + len(drawn["step"]) - len(notes) == 200


def test_a_digit_is_drawn_upright_with_time_downwards() -> None:
    text = show("sequential_digits/rows", "--count", "1", "--lag", "40")
    lines = [line for line in text.splitlines() if "|" in line]
    assert [line.endswith("evidence") for line in lines[:8]] == [True] * 8
    assert not any("evidence" in line for line in lines[8:])
    task = build("sequential_digits/rows")
    batch = task.sample(1, 40, batch_generator(0, "train", 0))
    assert lines[-1].rstrip().endswith(f"answer {int(batch.targets[0])}")
    assert "stands for" in text


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 120), st.sets(st.integers(0, 119), max_size=20), st.integers(3, 40))
def test_folding_keeps_the_order_the_room_and_as_many_marks_as_fit(
    time: int, marked: set[int], room: int
) -> None:
    columns = fold([Step((0,), t in marked, "") for t in range(time)], room)
    assert len(columns) <= room
    stretches = [range(c.first, c.last + 1) if isinstance(c, Fold) else [c] for c in columns]
    assert [t for stretch in stretches for t in stretch] == list(range(time))
    assert all(len(c) > 1 for c in columns if isinstance(c, Fold))
    # Each mark, and each end, needs its own place and at most a fold before it.
    needed = {0, time - 1} | {t for t in marked if t < time}
    if 2 * len(needed) <= room:
        assert needed <= set(columns)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0, "0"), (0.5, ".5"), (-0.5, "-.5"), (1.0, "1"), (-1.0, "-1"), (0.001, "0"),
     (-0.001, "0"), (10.0, "10"), (100, "100"), (12.345, "12.35"), (2e7, "2.0e+07")],
)  # fmt: skip
def test_a_number_is_short(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("case", CASES)
def test_the_drawing_holds_every_mark_and_nothing_leaves_the_page(
    case: str, tmp_path: Path
) -> None:
    file = tmp_path / "drawn.svg"
    task = build(case)
    lag = max(30, task.smallest_lag[task.dialect])
    show(case, "--lag", str(lag), "--count", "2", "--svg", str(file))
    page = ElementTree.parse(file).getroot()
    width, height = map(float, page.attrib["viewBox"].split()[2:])
    for text in page.iter(f"{SVG}text"):
        size, x = float(text.attrib["font-size"]), float(text.attrib["x"])
        length = len(text.text or "") * size * show_svg.CHARACTER
        start = x - {"start": 0, "middle": 0.5, "end": 1}[text.attrib["text-anchor"]] * length
        assert start >= 0
        assert start + length <= width
        assert 0 < float(text.attrib["y"]) < height
    for box in page.iter(f"{SVG}rect"):
        if "x" in box.attrib:
            assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
            assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height
    batch = task.sample(2, lag, batch_generator(0, "train", 0))
    texts = [text.text for text in page.iter(f"{SVG}text")]
    # Drawn downwards, the legend has the mark once more.
    drawn = texts.count("^") or texts.count("< evidence") - 1
    is_folded = any("stands for" in (text or "") for text in texts)
    assert drawn == int(batch.evidence.sum()) or is_folded
    title = page.find(f"{SVG}title")
    assert title is not None and (title.text or "").startswith(case)


def test_text_from_a_file_stays_text(tmp_path: Path) -> None:
    class Hostile(build("adding/bai").__class__):  # type: ignore[misc]
        """<script>alert(1)</script> & [red]more[/]."""

    sheet = examples.sheet(Hostile("bai"), 12, seed=0, count=1)
    page = ElementTree.fromstring(show_svg.drawing(sheet))
    assert {element.tag.removeprefix(SVG) for element in page.iter()} == {
        "svg", "title", "desc", "rect", "text",
    }  # fmt: skip
    assert "[red]more[/]" in str(next(show_text.lines(sheet, 80)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["addng"], "did you mean 'adding'"),
        (["adding/bia"], "did you mean 'bai'"),
        (["lstm"], "unknown task 'lstm'"),
        (["adding", "--lag", "1"], "lag 1 is too short for arjovsky: at least 2"),
        (["adding", "--lag", "0"], "--lag"),
        (["adding", "--svg", "nowhere/drawn.svg"], "nowhere/drawn.svg: No such file or directory"),
        (["nowhere.py"], "no file nowhere.py"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["show", *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert message in line
