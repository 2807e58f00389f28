"""A report on foreign logs: right numbers, every run told of, and what is lacking."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_cli_logs import longdep
from test_logs import LONG_AGO, put

import analysis
from analysis import estimate, folder_source, foreign, logs, survival, versus
from analysis.foreign import MappingError
from analysis.mapping import Mapping
from analysis.sources import Frames

MAPPING = Mapping(
    arm="config.model.name", seed="config.seed", score="val_acc", step="trainer/global_step",
    solved_at=0.9, chance=0.1,
)  # fmt: skip


def lightning(scores: dict[int, float]) -> list[dict[str, Any]]:
    """Log as Lightning does: training and validation of a step in two rows."""
    rows: list[dict[str, Any]] = []
    for step, score in scores.items():
        rows.append({"trainer/global_step": step, "train_loss": 1 - score, "epoch": step // 10})
        rows.append({"trainer/global_step": step, "val_acc": score, "epoch": step // 10})
    return rows


def config(name: str, seed: int) -> dict[str, Any]:
    return {"model": {"name": name, "width": 8}, "seed": seed, "lr": 0.01}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plant a project: two crashed, one resumed into two folders, one empty, one damaged."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    top = tmp_path / "project"
    good, bad = {10: 0.5, 20: 0.92, 30: 0.95}, {10: 0.2, 20: 0.3, 30: 0.4}
    for seed in range(4):
        put(top, f"gru{seed}", lightning(good), config=config("gru", seed))
        put(top, f"rnn{seed}", lightning(bad), config=config("rnn", seed))
    begun = lightning({10: 0.5, 20: 0.6})
    put(top / "a", "resumed", begun, config=config("gru", 4), exit_code=None)
    put(top / "b", "resumed", lightning({20: 0.7, 30: 0.91}), config=config("gru", 4),
        started=LONG_AGO + 50)  # fmt: skip
    put(top, "killed", begun, config=config("gru", 5), exit_code=None)
    put(top, "failed", begun, config=config("rnn", 4), exit_code=1)
    put(top, "empty", [], cut=0)
    damaged = put(top, "damaged", lightning(good), config=config("rnn", 5))
    data = bytearray(damaged.read_bytes())
    data[-120] ^= 1
    damaged.write_bytes(data)
    return top


def frames_of(top: Path, mapping: Mapping = MAPPING, **more: Any) -> Frames:
    found = logs.join(str(top), folder_source.read(top), mapping.step, now=LONG_AGO + 10_000)
    return foreign.frames(found, mapping, **more)


def test_the_numbers_are_those_that_were_logged(project: Path) -> None:
    frames = frames_of(project)
    runs = frames.runs.set_index("trial")
    assert sorted(runs.index) == sorted([*(f"{a}{s}" for a in ("gru", "rnn") for s in range(4)),
                                         "resumed"])  # fmt: skip
    assert runs.loc["gru0", ["outcome", "solved_step", "test/score"]].tolist() == [
        "solved",
        20,
        0.95,
    ]
    assert runs.loc["rnn3", ["outcome", "test/score"]].tolist() == ["unsolved", 0.4]
    assert runs.loc["resumed", ["solved_step", "attempts", "steps"]].tolist() == [30, 2, 30]
    mine = frames.history[frames.history["trial"] == "resumed"]
    assert mine["step"].tolist() == [10, 20, 30]
    assert mine["validation/score"].tolist() == [0.5, 0.7, 0.91]
    rates = estimate.solve_rates(frames.runs).set_index("arm")
    assert rates[["solved", "n"]].to_dict("index") == {
        "gru": {"solved": 5, "n": 5}, "rnn": {"solved": 0, "n": 4}
    }  # fmt: skip
    assert survival.steps_to_solve(frames.runs).set_index("arm").loc["gru", "median"] == 20


def test_every_run_is_told_of_and_nothing_is_ranked_while_some_lack_a_result(project: Path) -> None:
    frames = frames_of(project)
    assert frames.foreign is not None
    told = frames.foreign.runs.set_index("run")
    assert told["health"].drop([f"{a}{s}" for a in ("gru", "rnn") for s in range(4)]).to_dict() == {
        "resumed": "complete", "killed": "crashed", "failed": "crashed", "empty": "empty",
        "damaged": "damaged",
    }  # fmt: skip
    assert (
        told.loc["resumed", "note"]
        == "resumed: joined from 2 files, 1 steps replaced by later ones"
    )
    assert {e.trial.id: e.state for e in frames.ledger.open} == {
        "killed": "failed", "failed": "failed", "damaged": "damaged"
    }  # fmt: skip
    assert any("empty has no config.model.name" in line for line in frames.foreign.lacking)


def test_the_command_writes_the_same_report_for_them(project: Path) -> None:
    arguments = ["--arm", "config.model.name", "--seed", "config.seed", "--score", "val_acc"]
    status, out = longdep(
        "report", "--logs", "project", *arguments, "--solved-at", "0.9", "--chance", "0.1"
    )
    assert (status, out) == (0, "the report: reports/project/index.html\n")
    text = Path("reports/project/report.md").read_text()
    assert "No order among the arms is given: 3 of 12 planned trials lack a result" in text
    for line in (
        *("| resumed |", "| killed |", "| empty |", "| damaged |", "Gradient norm: no run has"),
        "longdep report --logs project --arm config.model.name",
    ):
        assert line.replace("_", "\\_") in text, line
    assert "The last value of val_acc of each run: small dots" in text.replace("\\", "")
    for wrong in ("Score on the test split", "A trial stops once", "was not checked.", "| torch |"):
        assert wrong not in text
    listed = [line.split()[1] for line in text.splitlines() if "complete |" in line]
    assert listed[0] == "resumed" and text.index("| empty |") < text.index("| gru0 |")
    page = Path("reports/project/index.html").read_text()
    assert 'id="foreign' in page and "The logs do not state how the arms were trained." in page
    data = pd.read_csv("reports/project/tables/comparison.csv")
    assert data.set_index("arm")["solved"].to_dict() == {"gru": 5, "rnn": 0}
    figures = {path.stem for path in Path("reports/project/figures").glob("*.svg")}
    assert {"solve_rate", "heat_map", "test_score", "learning_curves", "survival"} <= figures


def test_a_loss_counts_downwards_and_without_a_bar_nothing_is_solved(project: Path) -> None:
    mapping = Mapping(arm="config.model.name", score="train_loss", is_lower_better=True)
    frames = frames_of(project, mapping)
    runs = frames.runs.set_index("trial")
    assert runs.loc["gru0", "test/score"] == pytest.approx(-0.05)
    assert set(runs["outcome"]) == {"measured"}
    assert estimate.solve_rates(frames.runs).empty
    assert len(estimate.score_medians(frames.runs)) == 2
    assert frames.foreign is not None and frames.foreign.score == "minus train_loss"
    assert any("--solved-at and --chance" in line for line in frames.foreign.lacking)


def test_what_crashed_and_was_run_again_gives_way(project: Path) -> None:
    again = lightning({10: 0.3, 20: 0.5})
    put(project, "again", again, config=config("rnn", 4), started=LONG_AGO + 99)
    frames = frames_of(project)
    assert "failed" not in {trial.id for trial in frames.study.trials}
    assert frames.foreign is not None
    assert frames.foreign.runs.set_index("run").loc["failed", "note"].endswith("run again as again")


def test_a_comparison_and_a_notebook_take_them_as_they_are(project: Path) -> None:
    frames = frames_of(project)
    assert versus.groups(frames, frames)["effect"].tolist() == [0.0, 0.0]
    runs, history = analysis.load_logs(
        project, arm="config.model.name", score="val_acc", seed="config.seed",
        step="trainer/global_step",
    )  # fmt: skip
    assert len(runs) == 9 and set(history["trial"]) == set(runs["trial"])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"score": "val_ac"}, "--score: no run has the key 'val_ac'; did you mean 'val_acc'?"),
        ({"arm": "config.model"}, "--arm: no run has the key 'config.model'"),
        (
            {"seed": "config.lr"},
            "--seed config.lr: '0.01' in run damaged: a whole number",
        ),
        ({"seed": "config.model.width"}, "rnn0 and rnn1 are both rnn, the task, lag 1, seed 8"),
        ({"only": (("config.seed", "77"),)}, "no run has config.seed=77"),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_line(
    project: Path, changes: dict[str, Any], line: str
) -> None:
    given = {name: getattr(MAPPING, name) for name in Mapping.__slots__} | changes
    with pytest.raises(MappingError) as refused:
        frames_of(project, Mapping(**given))
    assert line in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--logs", "project"),
            "--logs needs --arm and --score; longdep logs project shows the keys",
        ),
        (("x", "--logs", "project"), "--logs stands in place of a study"),
        (("--arm", "x"), "--arm goes with --logs"),
        ((), "report: name a study, or --logs DIR"),
        (("--logs", "nowhere", "--arm", "x", "--score", "y"), "nowhere: no such folder"),
        (("--logs", "project", "--arm", "x", "--score", "y", "--only", "z"), "KEY=VALUE is needed"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    project: Path, arguments: tuple[str, ...], line: str
) -> None:
    status, out = longdep("report", *arguments)
    assert (status, len(out.splitlines())) == (2, 1)
    assert line in out
    assert not Path("reports").exists()


def test_hostile_logs_come_out_as_text(project: Path) -> None:
    name = "<script>alert(1)</script>"
    put(project, "hostile", lightning({10: 0.5}), config=config(name, 0))
    longdep("report", "--logs", "project", "--arm", "config.model.name", "--score", "val_acc",
            "--seed", "config.seed")  # fmt: skip
    assert name not in Path("reports/project/index.html").read_text()
    assert json.dumps(name) not in Path("reports/project/report.md").read_text()
