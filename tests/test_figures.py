"""Figures as functions of frames: what they show, how they look, what they leave behind."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from planting import Fate, plant

from analysis import curves, estimate, figures, gallery, looks, panels, rendering, sources, survival
from analysis.panels import COLUMN, Panels
from analysis.sources import Frames

TASKS = {"adding/x": [5, 30], "copy_memory/y": [5, 30, 60]}


def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
    if lag == 5:
        return Fate("solved", solved_step=100 + 25 * seed)
    if arm == "plain":
        return Fate("unsolved")
    return Fate("solved", solved_step=500) if seed else Fate("diverged")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    folder = tmp_path_factory.mktemp("study")
    return sources.load(plant(folder, fate, tasks=TASKS, seeds=3))


FIGURES: dict[str, Callable[[Frames], Panels]] = {
    "solve_rate": lambda f: figures.solve_rate_by_lag(estimate.solve_rates(f.runs)),
    "heat_map": lambda f: figures.heat_map(estimate.solve_rates(f.runs)),
    "test_score": lambda f: figures.test_score_by_lag(f.runs),
    "learning_curves": lambda f: curves.learning_curves(f.runs, f.history),
    "survival": lambda f: curves.survival(survival.curves(f.runs)),
    "gradient_norm": lambda f: curves.gradient_norm(f.runs, f.history, clip=1.0),
    "cost": lambda f: figures.score_by_cost(f.runs),
}

# CIE XYZ of linear RGB, and what is seen of it without one kind of cones (Machado 2009).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
SIGHT = {
    "all": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(color: np.ndarray) -> np.ndarray:
    x = XYZ @ color / [0.9505, 1, 1.089]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_the_first_five_colours_stay_apart_for_every_kind_of_sight(sight: str) -> None:
    seen = [lab(np.clip(SIGHT[sight] @ linear(c), 0, 1)) for c in looks.COLORS[:5]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 17


def test_every_colour_has_a_contrast_of_three_on_white() -> None:
    for color in looks.COLORS:
        assert 1.05 / (XYZ[1] @ linear(color) + 0.05) >= 3


def test_an_arm_is_told_by_colour_and_by_dash_and_by_marker() -> None:
    found = looks.looks([f"arm{number}" for number in range(8)]).values()
    for part in ("color", "dash", "marker", "label"):
        assert len({str(getattr(look, part)) for look in found}) == 8
    many = looks.looks([f"arm{number}" for number in range(20)])
    assert len({look.label for look in many.values()}) == 20


def test_names_that_are_the_same_once_cut_get_numbers() -> None:
    names = ["x" * 70, "x" * 71, "_x", "$a$", ""]
    labels = [look.label for look in looks.looks(names).values()]
    assert len(set(labels)) == 5
    assert all(0 < len(label) <= 61 for label in labels)
    assert not any(label.startswith("_") for label in labels)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_leaves_nothing_behind(frames: Frames, name: str) -> None:
    before = dict(mpl.rcParams)
    FIGURES[name](frames)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


@pytest.fixture(scope="module", params=FIGURES)
def made(request: pytest.FixtureRequest, frames: Frames) -> tuple[str, Figure, str]:
    figure = FIGURES[request.param](frames)
    return request.param, figure, rendering.svg(figure)


@pytest.fixture
def drawn(made: tuple[str, Figure, str]) -> Figure:
    return made[1]


def test_the_same_data_give_the_same_bytes(made: tuple[str, Figure, str], frames: Frames) -> None:
    name, _, svg = made
    assert svg == rendering.svg(FIGURES[name](frames))
    assert svg.startswith("<svg")
    assert "<dc:date>" not in svg


def texts(figure: Figure) -> dict[Text, Bbox]:
    """Give what is written in a figure, and where; ticks outside of an axis are never drawn."""
    never = set()
    for ax in figure.axes:
        for axis, at in ((ax.xaxis, 0), (ax.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            for label in [*axis.get_majorticklabels(), *axis.get_minorticklabels()]:
                if not low - 1e-9 <= label.get_position()[at] <= high + 1e-9:
                    never.add(label)
    return {
        text: text.get_window_extent()
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in never
    }


def hold_apart(figure: Figure) -> None:
    figure.draw_without_rendering()
    boxes = texts(figure)
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes.items():
        is_inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
        assert is_inside, text.get_text()
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap) <= 1, f"{one.get_text()!r} and {other.get_text()!r}"


def test_no_text_runs_out_of_the_figure_or_into_another(drawn: Panels) -> None:
    hold_apart(drawn)


def test_in_a_column_too_no_text_runs_out_or_into_another_and_all_can_be_read(
    drawn: Panels,
) -> None:
    before = drawn.get_size_inches().tolist()
    with drawn.arranged(COLUMN):
        assert drawn.get_size_inches()[0] == pytest.approx(3.35)
        hold_apart(drawn)
        assert min(text.get_fontsize() for text in texts(drawn)) >= 6
    # And nothing of it is left.
    assert drawn.get_size_inches().tolist() == before
    drawn.draw_without_rendering()
    assert min(text.get_fontsize() for text in texts(drawn)) >= 7.9


def test_the_legend_hides_no_panel(drawn: Figure) -> None:
    for legend in drawn.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(ax.get_window_extent()) for ax in drawn.axes)


@pytest.mark.parametrize("name", ["test_score", "learning_curves", "cost"])
def test_every_panel_of_a_score_has_its_chance_line(frames: Frames, name: str) -> None:
    figure = FIGURES[name](frames)
    for ax in figure.axes:
        levels = [line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1]
        assert any(np.isclose(level, (0.05, 0.25)).any() for level in levels)
    assert "chance" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_solve_rates_that_are_drawn_are_those_of_the_frame(frames: Frames) -> None:
    rates = estimate.solve_rates(frames.runs)
    ax = figures.solve_rate_by_lag(rates, ["plain", "gated"]).axes[0]
    drawn = [line.get_ydata().tolist() for line in ax.lines]
    assert drawn == [[1, 0], [1, pytest.approx(2 / 3)]]
    bars = [path.vertices[:, 1].tolist() for path in ax.collections[0].get_paths()]
    mine = rates[(rates["arm"] == "plain") & (rates["task"] == "adding/x")]
    assert np.array(bars) == pytest.approx(mine[["low", "high"]].to_numpy())


def test_an_arm_keeps_its_look_when_others_are_absent(frames: Frames) -> None:
    rates = estimate.solve_rates(frames.runs)
    whole = figures.solve_rate_by_lag(rates, ["plain", "gated"])
    part = figures.solve_rate_by_lag(rates[rates["arm"] == "gated"], ["plain", "gated"])
    gated = whole.axes[0].lines[1], part.axes[0].lines[0]
    assert gated[0].get_color() == gated[1].get_color() == looks.COLORS[1]
    assert gated[0].get_marker() == gated[1].get_marker() == looks.MARKERS[1]


def test_the_heat_map_tells_counts_and_hatches_what_is_not_there(frames: Frames) -> None:
    rates = estimate.solve_rates(frames.runs)
    some = rates[~((rates["arm"] == "gated") & (rates["lag"] == 60))]
    figure = figures.heat_map(some, ["plain", "gated"], frames.study.groups)
    told = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert told.count("3/3") == 4
    assert told.count("0/3") == 3
    assert told.count("2/3") == 2
    meshes = [ax.collections[0].get_array() for ax in figure.axes]
    assert [np.ma.count_masked(mesh) for mesh in meshes] == [0, 1]
    assert all(ax.patch.get_hatch() for ax in figure.axes)


def test_a_stopped_trial_is_carried_forward_at_its_last_finite_score(frames: Frames) -> None:
    one = frames.history[frames.history["trial"] == frames.history["trial"].iloc[0]].copy()
    one.loc[one.index[-1], "validation/score"] = float("nan")
    wide = curves.carried_forward(one, 1000)
    assert wide.index[-1] == 1000
    assert wide.iloc[-1].item() == one["validation/score"].iloc[-2]
    assert wide.iloc[0].item() == one["validation/score"].iloc[0]


def test_where_there_are_too_many_panels_the_outer_lags_are_shown(frames: Frames) -> None:
    assert curves.lags_shown(frames.runs) == {task: sorted(lags) for task, lags in TASKS.items()}
    many = frames.runs.head(1).loc[[0] * 30].assign(lag=range(1, 31))
    assert curves.lags_shown(many) == {"adding/x": [1, 30]}


HOSTILE = ["$\\frac$", "_hidden", "<b>", "a\u202eb\x00\n", "x" * 5000, "{0}%s", ""]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from:UserWarning")
def test_hostile_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    folder = plant(tmp_path, arms=HOSTILE, tasks={"$t$/_u": [5]}, seeds=1)
    frames = sources.load(folder)
    for name, make in FIGURES.items():
        figure = make(frames)
        # Also where somebody else draws it.
        figure.savefig(tmp_path / "figure.svg")
        # Ticks that are made while it is drawn are plain numbers.
        texts = [text for text in figure.findobj(Text) if not text.get_text().isdigit()]
        assert not any(text.get_parse_math() for text in texts), name
        assert max(len(text.get_text()) for text in texts) <= 65
        if figure.legends:
            told = [text.get_text().strip() for text in figure.legends[0].get_texts()]
            assert {"$\\frac$", "_hidden", "<b>", "ab", "{0}%s", "(no name)"} <= set(told)


def test_a_figure_says_in_words_what_it_shows(frames: Frames) -> None:
    look = looks.looks(frames.study.labels)
    shown = gallery.hang(frames, estimate.solve_rates(frames.runs), look)
    assert [each.name for each in shown] == list(gallery.NAMES)
    rate, heat, score, learning, steps, gradient, cost = (each.alternative for each in shown)
    assert "adding/x, lag 30: plain 1, gated " in gradient
    assert "adding/x, lag 30: plain " in cost
    assert "FLOPs, score 0.05, gated " in cost
    assert "lag 5:" not in cost
    assert "adding/x, lag 30: gated solves it with 2 of 3 seeds; plain with 0 of 3." in rate
    assert "copy_memory/y, lag 60: gated solves it with 2 of 3 seeds; plain with 0 of 3." in heat
    assert "adding/x, lag 30: plain 0.05, gated 0.97" in score
    assert "adding/x, lag 30: plain 0.06, gated 0.9" in learning
    assert "adding/x, lag 30: plain none, gated 500." in steps
    assert "adding/x, lag 5: plain 125, gated 125." in steps
    assert all(len(each.caption) > 100 and len(each.data) for each in shown)


def test_many_points_are_drawn_as_a_picture(
    frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<image" not in rendering.svg(curves.learning_curves(frames.runs, frames.history))
    monkeypatch.setattr(curves, "MOST_POINTS", 10)
    assert "<image" in rendering.svg(curves.learning_curves(frames.runs, frames.history))


def test_names_break_where_a_reader_would_break_them() -> None:
    assert panels.wrapped("temporal_order/pascanu", 15) == "temporal_order/\npascanu"
    assert panels.wrapped("adding/x", 30) == "adding/x"
    assert panels.wrapped("", 5) == ""
