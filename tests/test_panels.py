"""Figures for a column and for a notebook, and the arms that are highlighted in them."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from planting import plant

from analysis import estimate, figures, highlight, looks, rendering, sources
from analysis.panels import COLUMN, Panels

RATES = pd.DataFrame(
    [("a", "t/x", lag, 5, 5, 1.0, 0.57, 1.0) for lag in (5, 30)],
    columns=["arm", "task", "lag", "n", "solved", "rate", "low", "high"],
)

DRAW = """
import sys
import pandas as pd
from analysis import figures, rendering
rates = pd.read_json(sys.argv[1], orient="split")
sys.stdout.buffer.write(rendering.pdf(figures.solve_rate_by_lag(rates)))
"""


def test_a_pdf_has_the_same_bytes_in_every_process_and_embedded_type(tmp_path: Path) -> None:
    RATES.to_json(tmp_path / "rates.json", orient="split")
    here = rendering.pdf(figures.solve_rate_by_lag(RATES))
    there = subprocess.run(
        [sys.executable, "-c", DRAW, tmp_path / "rates.json"],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
    )
    assert there.stdout == here
    assert b"/CIDFontType2" in here and b"/FontFile2" in here
    assert b"/Type3" not in here
    assert b"CreationDate" not in here
    (width,) = re.findall(rb"/MediaBox \[ ?0 0 ([0-9.]+) ", here)
    assert float(width) == pytest.approx(3.35 * 72)


def test_a_figure_shows_itself_in_a_notebook() -> None:
    figure = figures.solve_rate_by_lag(RATES)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_figure_that_was_set_for_a_column_comes_back_as_it_was() -> None:
    figure = figures.solve_rate_by_lag(RATES)
    before = rendering.svg(figure)
    assert rendering.pdf(figure) == rendering.pdf(figure)
    assert rendering.svg(figure) == before


def test_arms_that_share_a_rate_do_not_hide_one_another() -> None:
    rates = pd.concat([RATES.assign(arm=arm) for arm in "abcde"])
    figure = figures.solve_rate_by_lag(rates)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    heights = sorted(line.get_transform().transform((5, 1.0))[1] for line in ax.lines)
    points = [(high - low) / figure.dpi * 72 for low, high in pairwise(heights)]
    assert min(points) > 1.4
    assert {tuple(line.get_ydata()) for line in ax.lines} == {(1.0, 1.0)}


ARMS = [f"arm{number}" for number in range(12)]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> sources.Frames:
    def fate(arm: str, task: str, lag: int, seed: int) -> str:
        return "solved" if arm in ("arm9", "arm11", "arm1", "arm2", "arm3", "arm4") else "unsolved"

    folder = tmp_path_factory.mktemp("many")
    claims = [("arm10", "arm0", None, None)]
    return sources.load(plant(folder, fate, arms=ARMS, seeds=1, reference="arm7", claims=claims))


def test_eight_of_many_arms_are_highlighted_by_a_rule_that_is_told(many: sources.Frames) -> None:
    look = highlight.highlighted(many.study, estimate.solve_rates(many.runs))
    chosen = [arm for arm, each in look.items() if each.is_highlighted]
    assert chosen == ["arm0", "arm1", "arm2", "arm3", "arm4", "arm7", "arm9", "arm10"]
    assert len({look[arm].color for arm in chosen}) == 8
    assert {look[arm].color for arm in ARMS if arm not in chosen} == {looks.GREY}
    assert "Of 12 arms, 8 are highlighted: the reference, those that claims" in highlight.note(look)
    assert highlight.note(looks.looks(ARMS[:8])) == ""


def test_grey_arms_have_one_entry_in_the_legend_and_lie_behind(many: sources.Frames) -> None:
    rates = estimate.solve_rates(many.runs)
    look = highlight.highlighted(many.study, rates)
    figure = figures.solve_rate_by_lag(rates, look)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == 9
    assert "4 other arms" in names
    front = {
        line.get_zorder()
        for line in figure.axes[0].lines
        if to_hex(line.get_color()).upper() != looks.GREY
    }
    grey = {
        line.get_zorder()
        for line in figure.axes[0].lines
        if to_hex(line.get_color()).upper() == looks.GREY
    }
    assert max(grey) < min(front)


def test_an_arm_has_one_look_in_every_figure(many: sources.Frames) -> None:
    rates = estimate.solve_rates(many.runs)
    look = highlight.highlighted(many.study, rates)
    figure: Panels
    for figure in (
        figures.solve_rate_by_lag(rates, look),
        figures.test_score_by_lag(many.runs, look),
        figures.learning_curves(many.runs, many.history, look),
        figures.gradient_norm(many.runs, many.history, look),
        figures.score_by_cost(many.runs, look),
    ):
        entries = {entry.get_label(): entry for entry in figure.entries}
        for arm, each in look.items():
            if each.is_highlighted:
                assert entries[arm].get_color() == each.color
                assert entries[arm].get_marker() == each.marker


def test_names_of_sixty_letters_fit_a_column() -> None:
    rates = pd.concat([RATES.assign(arm=f"{number}" + "x" * 80) for number in range(9)])
    for figure in (figures.solve_rate_by_lag(rates), figures.heat_map(rates)):
        with figure.arranged(COLUMN):
            figure.draw_without_rendering()
            for ax in figure.axes:
                assert ax.get_window_extent().width > 50


def test_the_lags_of_an_only_task_stand_under_its_name(tmp_path: Path) -> None:
    frames = sources.load(plant(tmp_path, tasks={"a/x": [5, 30]}, seeds=1))
    figure = figures.learning_curves(frames.runs, frames.history)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a/x", ""]
