"""The report's section on replies: lengths, halving, what was looked at, what was said."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hostile import HOSTILE
from page_reader import Page
from planting import Fate, plant

from analysis import (
    attention_figure,
    contents,
    replies_section,
    replies_table,
    report,
    sample_frames,
)
from analysis.looks import looks
from analysis.replies_section import by_length, halving, says
from analysis.section import Evidence, Section
from analysis.sections import SECTIONS
from analysis.sources import Frames, load
from analysis.spelling import FINALS, INITIALS, VOWELS, is_spelled, spelled

ARMS = ("vector", "looking")
TASK = "number_words/lists(source=korean)"
SCORES = {"vector": (1.0, 0.8, 0.4, 0.2), "looking": (1.0, 1.0, 0.9, 0.8)}
LAGS = (2, 4, 8, 16)
KOREAN = ["이", "십", "일", "중"]


def sample(lag: int, said: list[str], has_weights: bool) -> dict[str, Any]:
    source = (KOREAN * 4)[:lag]
    weights = [[1 / lag] * lag for _ in range(len(said) + 1)] if has_weights else None
    target = ["twenty", "one", ",", "dreißig"]
    return {"lag": lag, "source": source, "target": target, "said": said, "weights": weights}


def plant_replies(folder: Path, seeds: int = 5, **more: Any) -> Path:
    """Plant a study of two arms, trained at 8 and tested at 2, 4 and 16, and what they said."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        scores = dict(zip(LAGS, SCORES[arm], strict=True))
        scores[16] -= 0.02 * seed
        summary = {f"test/{at}/{m}": scores[at] for at in (2, 4, 16) for m in ("score", "exact")}
        summary |= {"test/exact": 0.5, "test/bleu": 0.6, "test/chrf": 0.7, "test/16/bleu": 0.1}
        config = {"test_lags": [2, 4, 16], "solved_at": None, "chance": None}
        return Fate("measured", test_score=scores[8], config=config, summary=summary)

    plant(folder, fate, arms=ARMS, tasks={TASK: [8]}, seeds=seeds, **more)
    for trial, where in json.loads((folder / "study.json").read_text())["trials"].items():
        is_looking = where["arm"] == "looking"
        said = ["twenty", "one", ",", "dreißig"] if is_looking else ["twenty", "two"]
        kept = [sample(lag, said, is_looking) for lag in (8, 8, 2, 4, 16)]
        record = {"schema": 1, "trial": trial, "samples": kept}
        (folder / trial / "samples.json").write_text(json.dumps(record))
    return folder


def section_of(frames: Frames) -> Section:
    evidence = Evidence(frames, pd.DataFrame(), pd.DataFrame(), looks(frames.study.labels))
    section = replies_section.compose(evidence)
    assert section is not None
    return section


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant_replies(tmp_path_factory.mktemp("runs") / "study")


def test_all_measures_are_read_at_every_length(study: Path) -> None:
    frames = load(study)
    assert frames.runs["test/exact"].tolist() == [0.5] * 10
    measured = by_length(frames)
    assert measured.groupby("trial")["test_lag"].apply(list).tolist() == [list(LAGS)] * 10
    one = measured[(measured["arm"] == "looking") & (measured["seed"] == 1)].set_index("test_lag")
    assert one["exact"].to_dict() == pytest.approx({2: 1.0, 4: 1.0, 8: 0.5, 16: 0.78})
    assert one["bleu"].dropna().to_dict() == pytest.approx({8: 0.6, 16: 0.1})
    samples = frames.samples
    assert len(samples) == 2 * 5 and set(samples["seed"]) == {0}
    assert samples[samples["test_lag"] == 8]["number"].tolist() == [0, 1, 0, 1]
    assert json.loads(samples["source"].iloc[2]) == KOREAN[:2]


def test_the_length_at_which_a_score_halves_is_read_between_lengths_or_is_a_bound(
    study: Path,
) -> None:
    found = halving(by_length(load(study)), list(ARMS)).set_index("arm")
    # From .8 at 4 to .4 at 8, straight over the logarithm: .5 is crossed three quarters on.
    expected = math.exp(math.log(4) + 0.75 * math.log(2))
    assert found.loc["vector", "halves"] == pytest.approx(expected)
    assert math.isinf(float(str(found.loc["looking", "halves"])))
    assert found.loc["vector", "first"] == 1.0 and found.loc["vector", "score"] == 0.4
    told = {arm: says({**row, "arm": arm}) for arm, row in found.to_dict("index").items()}
    assert told == {"vector": "7", "looking": "beyond 16"}
    assert not found["is_interval"].any()


def test_with_six_seeds_it_is_an_exact_interval_and_with_fewer_the_seeds_ends() -> None:
    def measured(scores: list[float]) -> pd.DataFrame:
        rows = [
            {"task": "t", "lag": 8, "arm": "a", "seed": seed, "test_lag": at, "score": score}
            for seed, last in enumerate(scores)
            for at, score in ((2, 1.0), (8, last))
        ]
        return pd.DataFrame(rows).assign(exact=0.0, bleu=np.nan, chrf=np.nan)

    few = halving(measured([0.0, 0.9, 0.25]), ["a"]).iloc[0]
    assert not few["is_interval"] and few["low"] == pytest.approx(4) and math.isinf(few["high"])
    assert says(few.to_dict()) == f"{2 * 4 ** (2 / 3):.0f} (4 to beyond 8)"
    many = halving(measured([0.0, 0.0, 0.25, 0.25, 0.9, 0.9, 0.9]), ["a"]).iloc[0]
    assert many["is_interval"] and math.isinf(many["high"]) and many["low"] == pytest.approx(4)
    alone = measured([0.5]).query("test_lag == 8")
    assert says(halving(alone, ["a"]).iloc[0].to_dict()) == "\u2013"
    silent = measured([0.0]).assign(score=0.0)
    assert halving(silent, ["a"])["halves"].tolist() == [0.0]


def test_a_word_is_wrong_where_it_is_not_the_targets_in_its_place() -> None:
    marked = replies_table.marked(["a", "c", "b"], ["a", "b", "b", "d"])
    assert marked == [("a", False), ("c", True), ("b", False), ("1 missing", True)]
    assert replies_table.marked(["a", "b"], ["a"]) == [("a", False), ("b", True)]


def test_every_arm_is_shown_the_same_examples_and_its_mistakes_marked(study: Path) -> None:
    section = section_of(load(study))
    (table,) = [table for table in section.tables if table.name == "replies_1"]
    assert table.cells["who"].tolist() == [
        "source, 8 words", "target", "vector", "looking",
        "source, 16 words", "target", "vector", "looking",
    ]  # fmt: skip
    assert table.cells["words"][2] == "twenty [two] [2 missing]"
    assert table.drawn["words"][2] == "twenty <mark>two</mark> <mark>2 missing</mark>"
    assert table.cells["words"][3] == "twenty one , dreißig"
    # A page is read where there is no font for Hangul, too.
    assert table.cells["words"][0] == "i sip il jung i sip il jung"
    assert "Hangul in Latin letters" in table.caption


def test_the_map_shows_the_weights_under_words_that_the_font_has(study: Path) -> None:
    frames = load(study)
    drawn = attention_figure.chosen(frames.samples, looks(frames.study.labels))
    assert drawn["arm"].tolist() == ["looking"] and drawn["test_lag"].tolist() == [8]
    shown = attention_figure.shown(drawn)
    assert "Revised Romanization" in shown.caption
    (ax,) = shown.figure.panels.values()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["i", "sip", "il", "jung"] * 2
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "twenty", "one", ",", "dreißig", "(end)",
    ]  # fmt: skip
    (mesh,) = ax.collections
    np.testing.assert_allclose(mesh.get_array(), np.full((5, 8), 1 / 8))
    assert shown.data.groupby("place")["weight"].sum().tolist() == pytest.approx([1] * 5)


def test_every_syllable_is_spelled_by_its_letters_and_no_letter_is_an_empty_box() -> None:
    assert (len(INITIALS), len(VOWELS), len(FINALS)) == (19, 21, 28)
    words = {"한글": "hangeul", "육": "yuk", "백": "baek", "천": "cheon", "가": "ga", "힣": "hih"}
    assert {word: spelled(word) for word in words} == words
    assert spelled("dreißig") == "dreißig" and not is_spelled("zwölf")
    assert spelled("中") == "U+4E2D" and is_spelled("中")
    assert all(not is_spelled(spelled(word, 40)) for word in HOSTILE)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"trial": "another"}, "trial: 'another' in the folder of"),
        ({"samples": [1]}, "an object expected"),
        ({"samples": [{**sample(2, ["a"], True), "said": ["a"] * 200}]}, "at most 100 words"),
        ({"samples": [{**sample(2, ["a"], True), "said": [1]}]}, "at most 100 words"),
        ({"samples": [{**sample(2, ["a"], True), "weights": [[1.0]]}]}, "2 numbers from 0 to 1"),
        ({"samples": [{**sample(2, ["a"], True), "weights": [[1, -2]]}]}, "2 numbers from 0"),
        ({"samples": [{**sample(2, [], True), "weights": [[1, 0]] * 9}]}, "for each of 1 words"),
        ({"samples": [sample(2, [], False)] * 201}, "201 of them; at most 200"),
    ],
)
def test_what_a_stranger_wrote_is_told_in_a_line_and_the_rest_is_shown(
    tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    folder = plant_replies(tmp_path / "study", seeds=1)
    path = next(folder.glob("*/samples.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | change))
    frames = load(folder)
    (problem,) = frames.sample_problems
    assert problem.startswith(f"{record['trial']}/samples.json: ") and line in problem
    assert str(tmp_path) not in problem
    assert len(frames.samples) == 5


def test_a_file_that_is_none_is_told_and_a_missing_one_is_no_fault(tmp_path: Path) -> None:
    assert sample_frames.beside(tmp_path, "t") == ([], [])
    (tmp_path / "samples.json").write_text("{")
    rows, (problem,) = sample_frames.beside(tmp_path, "t")
    assert rows == [] and problem.startswith("t/samples.json: not valid JSON")


def test_hostile_words_are_shown_as_text_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(SECTIONS) - {"replies"}:
        monkeypatch.delitem(SECTIONS, name)
    monkeypatch.setattr(contents, "hang", lambda *_: [])
    folder = plant_replies(tmp_path / "study", seeds=1)
    for path in folder.glob("*/samples.json"):
        record = json.loads(path.read_text())
        for one in record["samples"]:
            one |= {"source": HOSTILE[:12], "said": HOSTILE, "target": HOSTILE[1:]}
            weights = np.eye(len(HOSTILE) + 1, 12)
            one["weights"] = weights.tolist() if one["weights"] else None
        path.write_text(json.dumps(record))
    page = report.write(folder, tmp_path / "out", stale={}, has_pdf=False)
    html = page.read_text()
    for name in HOSTILE[:5]:
        assert name not in html
    assert "<mark>&lt;img src=x onerror=" in html
    assert "What was looked at" in Page(html).text
    text = (page.parent / "report.md").read_text()
    assert "\\<img src=x" in text and "<img" not in text.replace("\\<", "")
    table = (page.parent / "tables/replies_1.tex").read_text()
    assert "\\textless{}img" in table and "$\\frac$" not in table
    assert "'=HYPERLINK" in (page.parent / "figures/replies_attention.csv").read_text()


def test_a_study_without_replies_has_no_such_section(tmp_path: Path) -> None:
    frames = load(plant(tmp_path / "study"))
    evidence = Evidence(frames, pd.DataFrame(), pd.DataFrame(), looks(frames.study.labels))
    assert replies_section.compose(evidence) is None


def test_while_trials_are_missing_it_says_so_and_without_samples_it_stands(tmp_path: Path) -> None:
    folder = plant_replies(tmp_path / "study", seeds=2)
    for path in folder.glob("*/samples.json"):
        path.write_text("{}")
    next(folder.glob("*/result.json")).unlink()
    section = section_of(load(folder))
    assert any("1 trials are missing" in line for line in section.lead)
    assert any("Replies that could not be read, 2: " in line for line in section.lead)
    assert [shown.name for shown in section.figures] == ["replies_measures"]
    assert [table.name for table in section.tables] == ["replies"]
