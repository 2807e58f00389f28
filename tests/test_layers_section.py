"""The report's section on depth: a line a wiring, from the single layer that all of them share."""

import json
from pathlib import Path

import pandas as pd
import pytest
from planting import Fate, plant

from analysis import estimate, layers_section, looks, sources
from analysis.section import Evidence

STACKS = {"one": (1, "plain"), "p2": (2, "plain"), "p8": (8, "plain"), "r8": (8, "residual")}


def evidence(folder: Path, stacks: dict[str, tuple[int, str]]) -> Evidence:
    """Plant a study of stacks of one architecture in which a deep plain stack never solves."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate | str:
        if arm == "p8" and seed == 0:
            return Fate("diverged")
        return Fate("unsolved", test_score=0.1) if arm == "p8" else Fate("solved", 100, 0.9)

    plant(folder, fate, arms=stacks, tasks={"adding/x": [40]})
    study = json.loads((folder / "study.json").read_text())
    for arm, (layers, wiring) in zip(study["arms"], stacks.values(), strict=True):
        arm |= {"architecture": "rnn", "paper": "", "summary": ""}
        arm |= {"layers": layers, "wiring": wiring}
    (folder / "study.json").write_text(json.dumps(study))
    frames = sources.load(folder)
    rates = estimate.solve_rates(frames.runs)
    return Evidence(frames, rates, pd.DataFrame(), looks.looks(frames.study.labels))


def test_a_single_layer_begins_the_line_of_every_wiring(tmp_path: Path) -> None:
    section = layers_section.compose(evidence(tmp_path / "runs", STACKS))
    assert section is not None
    found = section.data["layers"]
    lines = {kind: list(line["layers"]) for kind, line in found.groupby("kind")}
    assert lines == {"plain": [1, 2, 8], "residual": [1, 8]}
    deep = found[(found["kind"] == "plain") & (found["layers"] == 8)].to_dict("records")[0]
    assert (deep["solved"], deep["n"], deep["median_score"]) == (0, 5, 0.1)
    (told,) = section.lead
    assert told.endswith("seeds solve with plain up to 2 layers; residual up to 8 layers.")
    cells = section.tables[0].cells
    assert list(cells.columns) == ["task", "wiring", "1 layer", "2 layers", "8 layers"]
    assert cells.iloc[0, 2:].tolist() == ["5/5, 0.900", "5/5, 0.900", "0/5, 0.100"]
    assert [figure.name for figure in section.figures] == ["layers_rates", "layers_scores"]
    ax = section.figures[0].figure.axes[0]
    assert ax.get_xlabel() == "layers"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "8"]


@pytest.mark.parametrize(
    "stacks",
    [{"one": (1, "plain"), "other": (1, "plain")}, {"p8": (8, "plain"), "r8": (8, "residual")}],
    ids=["single layers", "one depth"],
)
def test_without_several_depths_nothing_is_said(
    tmp_path: Path, stacks: dict[str, tuple[int, str]]
) -> None:
    assert layers_section.compose(evidence(tmp_path / "runs", stacks)) is None
