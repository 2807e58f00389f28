"""Two studies compared: what is told to differ, and that nothing is told which is not shown."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import HOSTILE
from page_reader import Page
from planting import Fate, Fates, plant

from analysis import versus, versus_page
from analysis.answer import Answer
from analysis.json_file import StudyFileError
from analysis.sources import Frames, load

TASKS = {"a/x": [5, 30]}

pytestmark = pytest.mark.slow


def some(arm: str, task: str, lag: int, seed: int) -> Fate:
    if arm == "gated" and lag == 30:
        return Fate("unsolved")
    return Fate("solved", 100 + 25 * seed)


def all_solve(arm: str, task: str, lag: int, seed: int) -> Fate:
    return Fate("solved", 100 + 25 * seed)


def two(folder: Path, one: Fates, other: Fates, **more: Any) -> tuple[Frames, Frames]:
    more = {"tasks": TASKS, "seeds": 10} | more
    return load(plant(folder / "a", one, **more)), load(plant(folder / "b", other, **more))


def told(a: Frames, b: Frames, groups: pd.DataFrame | None = None) -> Answer:
    groups = versus.groups(a, b) if groups is None else groups
    arms = versus.arms(groups, is_complete=not (a.ledger.open or b.ledger.open))
    return versus_page.answer(a, b, groups, arms)


def test_a_study_and_itself_show_no_difference(tmp_path: Path) -> None:
    a, b = two(tmp_path, some, some)
    groups = versus.groups(a, b)
    answer = told(a, b, groups)
    assert answer.headline.startswith("No difference is shown for any arm.")
    assert (groups[["effect", "steps"]] == 0).all(axis=None)
    assert "40 of them ended alike and at the same step, 40 also with the same test" in str(answer)


def test_what_was_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    a, b = two(tmp_path, some, all_solve)
    groups = versus.groups(a, b)
    answer = told(a, b, groups)
    assert answer.headline == (
        "B solves more often with gated; no difference is shown for plain. In the groups that both "
        "have, A solves 30 of 40 trials and B 40 of 40."
    )
    assert answer.points[0] == (
        "gated on a/x at lag 30: B solves more often, B takes fewer steps (0/10 and 10/10 solved)."
    )
    assert "30 of them ended alike" in answer.points[1]
    assert told(b, a).headline.startswith("B solves less often with gated;")
    (row,) = groups.query("arm == 'gated' and lag == 30").to_dict("records")
    assert row["effect"] == 1.0
    assert row["steps"] == pytest.approx(100 + 25 * 4.5 - 1000)
    assert 0 < row["low"] < row["high"] == 1.0


def test_the_p_of_steps_is_that_of_all_labellings() -> None:
    def runs(steps: list[int]) -> pd.DataFrame:
        return pd.DataFrame({"outcome": "solved", "solved_step": steps, "budget_steps": 100})

    # 2 of the 20 labellings are as extreme.
    assert versus.restricted_means(runs([1, 2, 3]), runs([7, 8, 9])) == (6.0, pytest.approx(0.1))
    assert versus.restricted_means(runs([5, 5]), runs([5, 5])) == (0.0, 1.0)
    assert versus.restricted_means(runs([1]), runs([50])) == (49.0, 1.0)


def test_a_longer_budget_is_no_difference_in_steps() -> None:
    short = pd.DataFrame({"outcome": ["unsolved"] * 4, "solved_step": [None] * 4,
                          "budget_steps": [100] * 4})  # fmt: skip
    long = short.assign(budget_steps=500)
    assert versus.restricted_means(short, long) == (0.0, 1.0)


def test_while_a_trial_is_missing_no_verdict_is_given(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> Fate | str:
        return "missing" if (arm, lag, seed) == ("plain", 5, 0) else all_solve(arm, task, lag, seed)

    a, b = two(tmp_path, some, fate)
    answer = told(a, b)
    assert answer.headline.startswith("No verdict is given: 1 of 40 trials of B lack a result")
    groups = versus.groups(a, b)
    assert set(groups["verdict"]) == {"withheld"}
    assert groups[["p", "p_adjusted", "steps_p", "steps_p_adjusted"]].isna().all(axis=None)
    arms = versus.arms(groups, is_complete=False)
    assert set(arms["verdict"]) == {"withheld"} and arms["p"].isna().all()


def test_studies_that_share_no_group_are_not_compared(tmp_path: Path) -> None:
    a = load(plant(tmp_path / "a", tasks={"a/x": [5]}, seeds=2))
    b = load(plant(tmp_path / "b", tasks={"b/x": [5]}, seeds=2))
    assert told(a, b).headline == "No group has results in both studies: nothing can be compared."
    page = Page(versus_page.write(tmp_path / "a", tmp_path / "b", tmp_path / "out").read_text())
    assert "there is nothing to compare" in page.text
    assert "no difference" not in page.text


@pytest.mark.parametrize("fate", ["missing", "failed", "measured"])
def test_studies_without_results_claim_nothing(tmp_path: Path, fate: str) -> None:
    a, b = two(tmp_path, lambda *_: Fate(fate, rows=[]), some, seeds=1)
    assert told(a, b).headline.startswith("No group has results in both")


def test_what_differs_is_named_and_what_does_not_is_not(tmp_path: Path) -> None:
    def elsewhere(arm: str, task: str, lag: int, seed: int) -> Fate:
        code = {"lightning_modules/training.py": "11", "lightning_modules/new.py": "22"}
        return Fate("solved", 100, config={"code": code})

    plant(tmp_path / "a", all_solve, seeds=2)
    plant(tmp_path / "b", elsewhere, seeds=3, recipes={"gated": {"learning_rate": 0.1}})
    facts = versus.facts(load(tmp_path / "a"), load(tmp_path / "b")).set_index("what")
    assert set(facts.index[~facts["is_same"]]) == {
        *("seeds", "learning rate"),
        *("code of lightning_modules/training.py", "code of lightning_modules/new.py"),
    }
    assert facts.loc["learning rate", "b"] == "plain 0.01, gated 0.1"
    assert {"question", "arms", "torch", "lags of adding/x"} <= set(facts.index[facts["is_same"]])


@pytest.mark.slow
def test_the_page_is_whole_safe_and_the_same_each_time(tmp_path: Path) -> None:
    two(tmp_path, some, all_solve, arms=HOSTILE[:6], tasks={"</td>/<b>": [5]}, seeds=2,
        question="</title><script>alert(1)</script>")  # fmt: skip
    written = []
    for out in ("one", "two"):
        page = versus_page.write(tmp_path / "a", tmp_path / "b", tmp_path / out)
        written.append({p.name: p.read_bytes() for p in page.parent.rglob("*") if p.is_file()})
    assert written[0] == written[1]
    assert set(written[0]) == {
        *("index.html", "arms.csv", "groups.csv", "groups.tex", "facts.csv"),
        *("trials_a.csv", "trials_b.csv"),
    }
    seen = Page(page.read_text())
    assert seen.all("script") == [{}]
    assert not {"b", "iframe"} & {tag for tag, _ in seen.tags}
    for link in seen.all("a"):
        href = str(link["href"])
        assert href.startswith("#") or (page.parent / href).is_file()
    rows = list(csv.DictReader((page.parent / "tables/groups.csv").read_text().splitlines()))
    assert len(rows) == 6
    assert str(tmp_path) not in "".join(map(repr, written[0].values()))


def test_a_folder_that_holds_no_study_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    plant(tmp_path / "a", seeds=1)
    with pytest.raises(StudyFileError, match=r"study\.json: no such file"):
        versus_page.write(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert not (tmp_path / "out").exists()
