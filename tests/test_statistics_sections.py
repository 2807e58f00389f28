"""The report's sections of statistics: what they say, and that they are silent without matter."""

import json
import math
import random
from pathlib import Path

import pandas as pd
import pytest
from planted_quick import QUICK, quick
from planting import Fate, plant

from analysis import (
    ablation_section,
    compare,
    estimate,
    horizon_section,
    learned_section,
    looks,
    overall_section,
    power_section,
    reading,
    sources,
)
from analysis.escaping import short as cut
from analysis.panels import COLUMN, PAGE
from analysis.section import Evidence

HALF = {"plain": 30, "coupled": 60, "bias": 50, "both": 400}
OPTIONS = ({}, {"coupled": True}, {"bias": 3.0}, {"coupled": True, "bias": 3.0})


def grid_fate(arm: str, task: str, lag: int, seed: int) -> Fate:
    """Solve with a chance that falls with the lag; else sit on a level of the task."""
    draw = random.Random(f"{arm} {task} {lag} {seed}")
    level = {"chance": {"score": 0.05, "loss": 0.9, "derivation": "planted"}}
    level |= {"baselines": [{"name": "half of it", "score": 0.5, "loss": 0.45}]}
    if draw.random() < 1 / (1 + (lag / HALF[arm]) ** 3):
        steps = 25 * math.ceil(min(975, 5 * lag * math.exp(0.3 * draw.gauss(0, 1))) / 25)
        return Fate("solved", steps, config=level)
    return Fate("unsolved", config=level)


def evidence(folder: Path) -> Evidence:
    frames = sources.load(folder)
    rates = estimate.solve_rates(frames.runs)
    verdicts = compare.judge(rates, frames.study.claims, is_complete=not frames.ledger.open)
    return Evidence(frames, rates, verdicts, looks.looks(frames.study.labels))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(plant(tmp_path_factory.mktemp("quick") / "runs", quick(), **QUICK))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = plant(
        tmp_path_factory.mktemp("grid") / "runs", grid_fate, arms=HALF,
        tasks={"adding/x": [10, 20, 40, 80]}, seeds=10, claims=[("both", "plain", None, None)],
    )  # fmt: skip
    study = json.loads((folder / "study.json").read_text())
    for arm, options in zip(study["arms"], OPTIONS, strict=True):
        arm |= {"architecture": "lstm", "options": options}
    (folder / "study.json").write_text(json.dumps(study))
    return evidence(folder)


def test_two_lags_give_bounds_and_no_figure(short: Evidence) -> None:
    section = horizon_section.compose(short)
    assert section is not None and not section.figures
    assert "more lags, not more seeds" in section.lead[-1]
    cells = section.tables[0].cells.set_index(["task", "arm"])
    said = cells["memory horizon (95% interval)"]
    assert said["adding/arjovsky", "highway"].startswith("beyond 30, the longest lag tried")
    assert said["adding/arjovsky", "rnn"].startswith("12 (")
    assert "exponent of steps (95%)" not in cells


def test_more_lags_give_a_figure_with_each_horizon_marked_and_exponents(grid: Evidence) -> None:
    section = horizon_section.compose(grid)
    assert section is not None
    (shown,) = section.figures
    ax = shown.figure.panels["adding/x", 0]
    found = section.data["horizon"].set_index("arm")
    inside = found[(found["horizon"] > 0) & (found["horizon"] < math.inf)]
    assert len(inside) >= 2
    marked = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert set(inside["horizon"]) <= set(marked)
    exponents = section.tables[0].cells["exponent of steps (95%)"]
    assert exponents.str.match(r"-?\d\.\d\d \(").any()


def test_options_that_form_a_grid_have_a_forest_plot(grid: Evidence, short: Evidence) -> None:
    section = ablation_section.compose(grid)
    assert section is not None
    assert section.data["ablation"]["kind"].tolist() == ["main", "main", "interaction"]
    (ax,) = section.figures[0].figure.panels.values()
    found = section.data["ablation"]
    drawn = [float(line.get_xdata()[0]) for line in ax.lines[1:]]
    assert drawn == pytest.approx(found["effect"].tolist())
    assert ablation_section.compose(short) is None


def test_architectures_with_an_option_of_one_name_have_a_panel_each(grid: Evidence) -> None:
    section = ablation_section.compose(grid)
    assert section is not None
    found = section.data["ablation"]
    other = found.iloc[:1].assign(architecture="other", effect=0.125)
    figure = ablation_section.draw(pd.concat([found, other], ignore_index=True))
    one, two = figure.panels.values()
    assert [len(ax.lines) - 1 for ax in (one, two)] == [len(found), 1]
    for form in (PAGE, COLUMN):
        with figure.arranged(form):
            assert len(one.get_yticks()) == len(two.get_yticks()) == len(found)
            shown = [label.get_text() for label in one.get_yticklabels()]
            assert shown == list(cut(found["effect_of"], form.longest).values())


def test_the_arms_are_in_order_only_once_nothing_is_missing(
    short: Evidence, tmp_path: Path
) -> None:
    section = overall_section.compose(short)
    assert section is not None
    rates = section.data["overall"]["solved"]
    assert rates.is_monotonic_decreasing
    assert {"iqm", "area", "steps", "flops", "seconds"} <= set(section.data["overall_groups"])
    fates = quick()

    def missing(arm: str, task: str, lag: int, seed: int) -> Fate | str:
        return "missing" if (arm, seed) == ("rnn", 0) else fates(arm, task, lag, seed)

    late = overall_section.compose(evidence(plant(tmp_path / "late", missing, **QUICK)))
    assert late is not None and "none is ranked" in late.lead[0]
    assert late.data["overall"]["arm"].tolist() == list(QUICK["arms"])


def test_power_says_what_this_many_seeds_and_claims_can_show(short: Evidence) -> None:
    section = power_section.compose(short)
    assert section is not None and section.place == "method"
    assert section.lead[0].startswith("With 5 seeds a group and 5 claims")
    assert "(this study)" in "".join(section.tables[0].cells["seeds a group"])


def test_a_study_without_claims_or_solved_tasks_has_nothing_to_say(tmp_path: Path) -> None:
    bare = evidence(plant(tmp_path / "bare"))
    assert power_section.compose(bare) is None
    assert horizon_section.compose(bare) is None
    assert overall_section.compose(bare) is None
    assert learned_section.compose(bare) is None
    measured = evidence(plant(tmp_path / "none", lambda *_: "missing"))
    assert reading.compose(measured) is None


def test_what_was_learned_is_told_where_it_was_recorded(grid: Evidence, short: Evidence) -> None:
    section = learned_section.compose(grid)
    assert section is not None
    assert section.tables[0].cells["what they learned"].str.fullmatch(r"chance: \d+").all()
    assert learned_section.compose(short) is None


def test_the_reading_explains_what_the_report_has_in_three_sentences(
    grid: Evidence, short: Evidence
) -> None:
    full, plain = reading.compose(grid), reading.compose(short)
    assert full is not None and plain is not None
    names = set(full.tables[0].cells["measure"])
    assert names - set(plain.tables[0].cells["measure"]) == {"effect of an option"}
    for told in reading.MEASURES.values():
        assert 3 <= told.text.count(". ") + 1 <= 4 and told.source
    assert isinstance(full.tables[0].cells, pd.DataFrame)
