"""The parts of a report about probes: what they say of planted measurements, and when nothing."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import (
    depth_reach_section,
    gates_section,
    held_section,
    predicting_section,
    probe_frames,
    probed,
    reach_section,
    sources,
)
from analysis.looks import looks
from analysis.section import Section

HOSTILE = "<b>$x"
ARMS = ("slow", "fast", "none", "all")
SLOPES = {"slow": -0.01, "fast": -0.5, "none": -2.0, "all": 0.0}
SCORES = {"slow": 0.9, "fast": 0.4, "none": 0.1, "all": 1.0}
LAGS = (5, 20)
SECTIONS = (reach_section, gates_section, held_section, predicting_section, depth_reach_section)


def trials(seeds: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "trial": f"{arm}-{lag}-{seed}", "arm": arm, "task": "planted/task", "lag": lag,
                "seed": seed, "steps": 100,
                "outcome": "solved" if SCORES[arm] > 0.5 else "unsolved",
                "test/score": SCORES[arm] + 0.001 * seed - 0.002 * lag, "chance_score": 0.0,
            }
            for arm in ARMS
            for lag in LAGS
            for seed in range(seeds)
        ]
    )  # fmt: skip


def logged(run: dict[str, Any]) -> list[dict[str, Any]]:
    slope, lag = SLOPES[run["arm"]], run["lag"]
    measured = {
        "probe/gradient_reach/state/1": [None, *(slope * k for k in range(lag))],
        "probe/gradient_reach/slope/1": slope,
        "probe/gradient_reach/output/1": [-2.0 * abs(slope), 0.0],
        "probe/gradient_reach/output/2": [0.0, None],
        f"probe/gates/trace/1/{HOSTILE}": [[0.1] * (lag + 1), [0.9] * (lag + 1)],
        "probe/gates/evidence": [0.0],
        "probe/gates/answer": [float(lag)],
        "probe/gates/time_constant/1/hidden": [1.0, 2.0, 3.0, 4.0, 1e12],
        "probe/gates/outlasting/1/hidden": 0.25,
        "probe/jacobian_spectrum/largest/1": slope,
        "probe/write_erase/loss/1/exchanged": [0.0, None, *[1.0] * (lag - 1)],
        "probe/write_erase/loss/1/held": [1.0, None, *[0.0] * (lag - 1)],
        "probe/occlusion/reach": float(lag),
    }
    return [{"step": step, **measured} for step in (0, 100)]


def evidence(runs: pd.DataFrame, rows: Any = logged) -> Any:
    identity = ["trial", "arm", "task", "lag", "seed"]
    parts = [
        probe_frames.of_rows(rows(run)).assign(**{key: run[key] for key in identity})
        for run in runs.to_dict("records")
    ]
    probes = probe_frames.frame(sources._IDENTITY, parts)
    return SimpleNamespace(
        frames=SimpleNamespace(runs=runs, probes=probes), looks=looks(list(ARMS))
    )


@pytest.fixture(scope="module")
def planted() -> Any:
    return evidence(trials())


def test_a_study_without_probes_has_none_of_these_sections() -> None:
    silent = evidence(trials(), lambda run: [{"step": 0, "validation/score": 1.0}])
    assert [section.compose(silent) for section in SECTIONS] == [None] * len(SECTIONS)


def test_each_section_tells_of_what_was_planted(planted: Any) -> None:
    found: dict[str, Section] = {s.name: s for m in SECTIONS if (s := m.compose(planted))}
    assert len(found) == len(SECTIONS)
    for section in found.values():
        assert section.figures and section.title.endswith("?")
    (told,) = found["reach"].lead
    assert "none 4.2e-18; fast 4.5e-05; slow 0.82; all 1" in told
    assert "slow 25% on planted/task at lag 20" in found["gate_use"].lead[0]
    cells = found["gate_use"].tables[0].cells
    assert set(cells["time constant: median (5% to 95% of units)"]) == {"3 (1 to without end)"}
    assert "slow 20; fast 20; none 20; all 20" in found["held"].lead[0]
    (told,) = found["depth_reach"].lead
    assert "none 0.018 times" in told and "all 1 times" in told
    before = next(line for line in found["predicting"].lead if line.startswith("Gradient left"))
    assert "24 trials in 8 groups" in before


def test_the_gradient_is_drawn_relative_to_one_step_back(planted: Any) -> None:
    (before, after) = reach_section.compose(planted).figures  # type: ignore[union-attr]
    assert (before.name, after.name) == ("reach_before", "reach_after")
    at = before.data.query("arm == 'fast' and lag == 20").set_index("index")[0.5]
    assert at[1] == 0
    assert at[11] == pytest.approx(-0.5 * 10 / np.log(10))


def test_names_in_figures_are_shown_as_they_are_written(planted: Any) -> None:
    (shown,) = gates_section.compose(planted).figures  # type: ignore[union-attr]
    assert any(HOSTILE in heading.get_text() for heading in shown.figure.headings.values())
    assert {(m["evidence"][0], m["answer"][0]) for m in _marks(planted).values()} == {(0.0, 20.0)}


def _marks(planted: Any) -> dict[str, Any]:
    return gates_section._marks(planted, gates_section._traces(planted))


def test_the_rank_correlation_is_spearmans_and_its_interval_is_over_groups(planted: Any) -> None:
    points = predicting_section.table_of_points(planted)
    found = predicting_section.correlations(points).set_index(["predictor", "when"])
    row = found.loc[("reach", probed.BEFORE)]
    here = points.query("predictor == 'reach' and when == 'before training'")
    assert row["rho"] == pytest.approx(stats.spearmanr(here["value"], here["above"]).statistic)
    assert row["low"] <= row["rho"] <= row["high"]
    assert (row["trials"], row["groups"]) == (24, 8)
    # The same for all trials: nothing to rank.
    assert ("outlasting", probed.BEFORE) not in found.index


def test_seeds_that_repeat_a_group_do_not_make_the_interval_narrower() -> None:
    wide, narrow = (
        predicting_section.correlations(predicting_section.table_of_points(evidence(trials(n))))
        for n in (2, 8)
    )
    widths = [(f["high"] - f["low"]).iloc[0] for f in (wide, narrow)]
    assert widths[1] > 0.7 * widths[0]


def test_too_few_groups_say_nothing() -> None:
    runs = trials().query("arm in ('slow', 'fast') and lag == 5")
    assert predicting_section.compose(evidence(runs)) is None
