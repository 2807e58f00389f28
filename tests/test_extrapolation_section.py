"""The report's section on tests at other lags: what it shows, and that it is computed from them."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from planting import Fate, plant

from analysis import extrapolation, report, sections
from analysis.looks import Look, given
from analysis.section import Evidence
from analysis.sources import Frames, load

SCORES = {
    ("holds", 16): 0.97,
    ("holds", 32): 0.96,
    ("fits", 16): 0.96,
    ("fits", 32): 0.3,
    ("fails", 16): 0.2,
    ("fails", 32): 0.96,
}


def plant_tested(folder: Path, seeds: int = 3, **more: Any) -> Path:
    """Plant arms that are trained at lag 8, and tested at 4, 16 and 32."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        chance = {str(lag): {"score": 0.05, "loss": 1.0} for lag in (4, 16, 32)}
        solved = arm != "fails"
        return Fate(
            "solved" if solved else "unsolved",
            test_score=0.98 if solved else 0.5,
            config={"test_lags": [4, 16, 32], "test_chance": chance},
            summary={
                "test/4/score": 0.99,
                **{f"test/{at}/score": SCORES[arm, at] - 0.001 * seed for at in (16, 32)},
            },
        )

    arms = ("holds", "fits", "fails")
    return plant(folder, fate, arms=arms, tasks={"adding/x": [8]}, seeds=seeds, **more)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant_tested(tmp_path_factory.mktemp("runs") / "study")


def test_it_says_how_far_back_each_arm_holds(study: Path) -> None:
    scores = extrapolation.tested(load(study))
    assert scores.groupby("trial")["test_lag"].apply(list).tolist() == [[4, 8, 16, 32]] * 9
    ends = extrapolation.reach(scores, ["holds", "fits", "fails"])
    found = ends.set_index("arm")
    assert found["holds"].astype(object).where(found["holds"].notna(), None).to_dict() == {
        "holds": 32,
        "fits": 16,
        "fails": None,
    }
    assert found["own"].to_dict() == {"holds": 0.98, "fits": 0.98, "fails": 0.5}
    # The middle one of three seeds.
    assert found["last"].to_dict() == pytest.approx({"holds": 0.959, "fits": 0.299, "fails": 0.959})


def test_without_a_bar_nothing_holds_or_does_not() -> None:
    row = {"trial": "a", "arm": "x", "task": "t", "lag": 8, "score": 0.5}
    scores = pd.DataFrame([{**row, "test_lag": at, "solved_at": float("nan")} for at in (8, 16)])
    assert extrapolation.reach(scores, ["x"])["holds"].isna().all()


def test_the_page_marks_what_was_trained_and_every_number_is_beside_it(
    study: Path, tmp_path: Path
) -> None:
    html = report.write(study, tmp_path, stale={}, has_pdf=False).read_text()
    assert "Further back than trained" in html and "not at its own" in html
    assert "trials are missing here" not in html
    beside = pd.read_csv(tmp_path / "tables/extrapolation.csv")
    assert len(beside) == 9 * 4
    assert (tmp_path / "figures/extrapolation.svg").exists()


def test_while_trials_are_missing_it_says_so(tmp_path: Path) -> None:
    folder = plant_tested(tmp_path / "study")
    next(folder.glob("*/result.json")).unlink()
    frames = load(folder)
    section = extrapolation.section(Evidence(frames, pd.DataFrame(), pd.DataFrame(), looks(frames)))
    assert section is not None and "arms are not to be ranked" in " ".join(section.lead)


def looks(frames: Frames) -> dict[str, Look]:
    return given(None, frames.study.labels)


def test_with_a_curriculum_the_band_begins_at_its_first_lag(tmp_path: Path) -> None:
    folder = plant_tested(tmp_path / "study", seeds=1)
    study = json.loads((folder / "study.json").read_text())
    told = "each batch has a lag drawn uniformly from 3 to the trial's own"
    study["tasks"][0] |= {"curriculum": {"kind": "uniform", "start": 3}, "trained_at": told}
    (folder / "study.json").write_text(json.dumps(study))
    frames = load(folder)
    assert extrapolation.tested(frames)["shortest"].unique().tolist() == [3]
    evidence = Evidence(frames, pd.DataFrame(), pd.DataFrame(), looks(frames))
    section = extrapolation.section(evidence)
    assert section is not None and "drawn uniformly from 3" in " ".join(section.lead)
    (ax,) = section.figures[0].figure.panels.values()
    left, right = ax.patches[0].get_extents().transformed(ax.transData.inverted()).intervalx
    assert 2 < left < 3 and 8 < right < 12


def test_a_study_that_is_tested_nowhere_else_has_no_such_section(tmp_path: Path) -> None:
    frames = load(plant(tmp_path / "study"))
    found = sections.SECTIONS["extrapolation"](
        Evidence(frames, pd.DataFrame(), pd.DataFrame(), looks(frames))
    )
    assert found is None
