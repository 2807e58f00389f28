"""A W&B server as a source: wandb's own client against a server on this machine.

Longer than a file should be: the server that answers is started once, and every query has its test.
"""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import wandb
from local_wandb import KEY, Held, LocalWandb
from test_cli_logs import longdep

from analysis import foreign, foreign_section, logs, report, server_log
from analysis.folder_source import SourceError
from analysis.mapping import Mapping
from analysis.section import Evidence
from analysis.segments import Segment
from experiments import wandb_server


@pytest.fixture(scope="module")
def held() -> Iterator[LocalWandb]:
    server = LocalWandb()
    wandb.teardown()
    os.environ.pop("WANDB_SERVICE", None)
    yield server
    wandb.teardown()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(held: LocalWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalWandb:
    for name in [
        name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_BASE_URL", held.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    held.runs, held.asked, held.refuse = [], [], []
    return held


def rows_of(steps: range, **more: Any) -> list[dict[str, Any]]:
    """Log as Lightning does: training and validation metrics in rows of their own."""
    return [
        {"_step": s, "_runtime": s / 2, "trainer/global_step": s // 2, **more,
         **({"val": {"acc": s / 100}} if s % 2 else {"train_loss": 1 / (1 + s)})}
        for s in steps
    ]  # fmt: skip


CONFIG = {"model": {"name": "gru"}, "budget": {"value": 4, "unit": "steps"}}


def asked(server: LocalWandb, operation: str) -> list[dict[str, Any]]:
    return [given for name, given in server.asked if name == operation]


def test_every_run_and_every_row_of_ten_thousand_arrives(
    server: LocalWandb, tmp_path: Path
) -> None:
    """Over two pages of runs and ten of rows; training and validation in different rows."""
    long = rows_of(range(10_000), loss=0.5)
    server.runs = [Held("long", long, config=CONFIG, summary={"best": 1})]
    server.runs += [Held(f"short{number}", rows_of(range(3))) for number in range(52)]
    server.runs += [Held("empty", [], state="crashed")]
    found = logs.join("wandb:me/p", wandb_server.read("me/p"))
    assert len(found.runs) == 54
    assert [given["cursor"] for given in asked(server, "Runs")] == [None, "50"]
    pages = [given for given in asked(server, "HistoryPage") if given["run"] == "long"]
    assert len(pages) == 10 and {given["pageSize"] for given in pages} == {1000}
    (run,) = [run for run in found.runs if run.id == "long"]
    assert (run.health, run.note, run.config) == ("complete", "", CONFIG)
    assert (run.last.run.name, run.last.run.tags) == ("the long", ("one", "two"))
    assert (run.summary, run.last.run.wandb) == ({"best": 1}, "0.31.0")
    history = history_of(found, "long")
    assert len(history) == 5000
    assert history["train_loss"].tolist() == [1 / (1 + s) for s in range(0, 10_000, 2)]
    assert history["val.acc"].tolist() == [s / 100 for s in range(1, 10_000, 2)]
    assert list(tmp_path.iterdir()) == []


def history_of(found: logs.Logs, run: str) -> pd.DataFrame:
    frame = found.history_frame
    return frame[frame["run"] == run]


def test_a_second_call_asks_for_what_is_new_alone(server: LocalWandb, tmp_path: Path) -> None:
    cache = tmp_path / "kept"
    cache.mkdir()
    server.runs = [
        Held("done", rows_of(range(40))),
        Held("going", rows_of(range(30)), state="running"),
    ]
    first = wandb_server.read("me/p", cache)
    server.asked.clear()
    assert same(first, wandb_server.read("me/p", cache))
    assert {name for name, _ in server.asked} <= {"Viewer", "GetDefaultEntity", "Runs", "Run"}
    assert [given["name"] for given in asked(server, "Run")] == ["going"]
    server.asked.clear()
    server.runs[1] = Held("going", rows_of(range(50), late=math.nan), state="finished")
    grown = wandb_server.read("me/p", cache)
    (given,) = asked(server, "HistoryPage")
    assert (given["run"], given["minStep"], given["maxStep"]) == ("going", 30, 50)
    assert grown[1].rows == 50 and grown[1].state == "finished"
    assert grown[1].columns["late"].null_count == 30
    # Begun anew under the same id: nothing that was kept stands.
    server.runs[1] = Held("going", rows_of(range(60)), created="2026-02-02T03:04:05Z")
    assert wandb_server.read("me/p", cache)[1].columns.num_rows == 60
    assert "late" not in wandb_server.read("me/p", cache)[1].columns.column_names
    # Fewer rows than before: rewound.
    server.runs[1] = Held("going", rows_of(range(9)), created="2026-02-02T03:04:05Z")
    assert wandb_server.read("me/p", cache)[1].rows == 9


def same(one: list[Segment], other: list[Segment]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a.meta() == b.meta() and a.columns.equals(b.columns) for a, b in pairs)


def test_rows_that_were_exported_and_live_ones_are_one_history(server: LocalWandb) -> None:
    """The first come as Parquet, with names joined by dots; the rest as JSON, nested."""
    rows: list[dict[str, Any]] = [
        {"_step": s, "val.acc": s / 10 if s % 2 else None, "x": math.nan if s == 3 else 1.5}
        for s in range(20)
    ]
    live = [{"_step": s, "val": {"acc": s / 10}, "x": math.inf} for s in range(20, 23)]
    server.runs = [Held("one", [*rows, *live], exported=20)]
    (segment,) = wandb_server.read("me/p")
    assert len(asked(server, "parquet")) == 1
    # wandb 0.31 asks for the live rows from 0 on, and gives what was exported twice.
    assert [given["minStep"] for given in asked(server, "HistoryPage")] == [0]
    assert segment.columns["_step"].to_pylist() == list(range(23))
    assert segment.columns["val.acc"].to_pylist()[:3] == [None, 0.1, None]
    assert segment.columns["val.acc"].to_pylist()[20:] == [2.0, 2.1, 2.2]
    x = segment.columns["x"].to_pylist()
    assert math.isnan(x[3]) and x[20:] == [math.inf] * 3


def test_a_server_that_is_busy_is_asked_again(server: LocalWandb) -> None:
    server.runs = [Held("one", rows_of(range(5)))]
    server.refuse = [("Runs", 429), ("HistoryPage", 503)]
    (segment,) = wandb_server.read("me/p")
    assert segment.rows == 5 and not server.refuse
    assert len(asked(server, "Runs")) == len(asked(server, "HistoryPage")) == 2


@pytest.mark.parametrize(
    ("changes", "place", "line"),
    [
        ({"WANDB_API_KEY": None}, "me/p", "no API key for {url}: wandb login, or the variable"),
        (
            {"WANDB_API_KEY": "x" * 40},
            "me/p",
            "the API key for {url} is not taken: permission denied",
        ),
        ({"WANDB_API_KEY": "x"}, "me/p", "is not taken: API key must have 40+ characters"),
        ({}, "me/nothing", "me/nothing: no such project on {url}"),
        ({}, "p", "--wandb p: ENTITY/PROJECT is needed"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, "me/p", "http://127.0.0.1:9 does not answer: "),
    ],
)
def test_what_cannot_be_had_is_one_line(
    server: LocalWandb,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str | None],
    place: str,
    line: str,
) -> None:
    if "WANDB_API_KEY" in changes:  # wandb remembers a key that it has seen.
        wandb.teardown()
    for name, value in changes.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    status, out = longdep("logs", "--wandb", place)
    assert (status, len(out.splitlines())) == (2, 1), out
    assert line.format(url=server.url) in out
    assert KEY not in out and "x" * 40 not in out
    assert {path.name for path in tmp_path.rglob("*")} <= {"cache", "longdep", "logs"}


@pytest.fixture
def project(server: LocalWandb) -> LocalWandb:
    def run(name: str, score: float, seed: int, state: str = "finished") -> Held:
        rows = [
            {"_step": s, **({"train_loss": 1.0} if s % 2 else {"val": {"acc": score * s / 30}})}
            for s in range(1, 31)
        ]
        config = {"model": {"name": name}, "seed": seed}
        return Held(f"{name}{seed}", rows, config=config, state=state)

    server.runs = [run(name, score, seed) for seed in range(3)
                   for name, score in (("gru", 0.95), ("rnn", 0.4))]  # fmt: skip
    server.runs.append(run("gru", 0.9, 3, "failed"))
    return server


REPORT = "longdep report --wandb me/p --arm config.model.name --seed config.seed --score val.acc"


def test_runs_keys_and_health_are_shown_and_a_mapping_offered(project: LocalWandb) -> None:
    status, out = longdep("logs", "--wandb", "me/p")
    assert status == 0 and out.startswith("7 runs: 6 complete, 1 crashed")
    assert "failed, the server says" in out
    assert "val.acc (7 runs)" in out and REPORT in out
    status, out = longdep("logs", "--wandb", "me/p", "--to", "csv")
    assert (status, len(out.splitlines())) == (0, 2)
    assert pd.read_csv("p-logs/history.csv").shape[0] == 7 * 30


def test_a_project_has_the_numbers_that_were_logged(project: LocalWandb) -> None:
    mapping = Mapping("config.model.name", "val.acc", "config.seed", solved_at=0.9, chance=0.1)
    frames = foreign.frames(logs.join("wandb:me/p", wandb_server.read("me/p")), mapping)
    runs = frames.runs.set_index("trial")
    assert sorted(runs.index) == [f"{name}{seed}" for name in ("gru", "rnn") for seed in range(3)]
    assert runs.loc["gru1", ["outcome", "solved_step", "test/score"]].tolist() == [
        "solved", 30, 0.95
    ]  # fmt: skip
    assert runs.loc["rnn2", ["outcome", "test/score"]].tolist() == ["unsolved", 0.4]
    assert [entry.trial.id for entry in frames.ledger.open] == ["gru3"]
    assert frames.foreign is not None and frames.foreign.command.startswith(REPORT)


def test_the_command_reports_on_what_was_read_before_without_asking_for_it(
    project: LocalWandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How frames become pages is told in `test_foreign.py`."""
    longdep("logs", "--wandb", "me/p")
    project.asked.clear()
    written: list[Any] = []

    def write(frames: Any, target: Path, _: Any) -> Path:
        written.append((frames, target))
        return target / "index.html"

    monkeypatch.setattr(report, "write_frames", write)
    status, out = longdep("report", *REPORT.split()[2:], "--solved-at", "0.9", "--chance", "0.1")
    assert (status, out) == (0, "the report: reports/p/index.html\n")
    assert not asked(project, "HistoryPage")
    frames, target = written[0]
    assert target == Path("reports/p") and len(frames.runs) == 6
    said = foreign_section.compose(Evidence(frames, frames.runs, frames.runs, {}))
    assert said is not None
    assert "The runs in me/p on a W&B server: 6 complete, 1 crashed" in said.lead[0]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("report", "--wandb", "me/p"),
            "--wandb needs --arm and --score; longdep logs --wandb me/p",
        ),
        (("report", "x", "--wandb", "me/p"), "--wandb stands in place of a study"),
        (("report", "--logs", "x", "--wandb", "me/p"), "stands in place of"),
        (("logs", "x", "--wandb", "me/p"), "name a folder, or --wandb ENTITY/PROJECT"),
        (("logs",), "name a folder, or --wandb ENTITY/PROJECT"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    status, out = longdep(*arguments)
    assert (status, len(out.splitlines())) == (2, 1)
    assert line in out


# --- without a server ----------------------------------------------------------------------------


def about(lines: int, last_step: int, **more: Any) -> server_log.About:
    run = server_log.Run("r", "p", "", "", "", (), "", started=1.0)
    given = {"url": "u", "run": run, "config": {}, "summary": {}, "state": "finished", "seen": 1.0}
    return server_log.About(**{**given, "lines": lines, "last_step": last_step, **more})


def test_rows_that_the_server_counts_and_does_not_give_are_told() -> None:
    segment = server_log.begin(about(12, 9), rows_of(range(10)))
    (run,) = logs.join("wandb:me/p", [segment]).runs
    assert (run.health, run.note) == ("complete", "the server counts 12 rows and gave 10")
    assert server_log.go_on(segment, about(15, 12), rows_of(range(10, 12))) is None
    grown = server_log.go_on(segment, about(14, 11), rows_of(range(10, 12)))
    assert grown is not None and grown.rows == 12


@pytest.mark.parametrize(
    ("state", "health"),
    [("finished", "complete"), ("running", "running"), ("pending", "running"),
     *((state, "crashed") for state in ("crashed", "failed", "killed", "preempted"))],
)  # fmt: skip
def test_what_became_of_a_run_is_the_servers_word(state: str, health: str) -> None:
    segment = server_log.begin(about(2, 1, state=state), rows_of(range(2)))
    (run,) = logs.join("wandb:me/p", [segment], now=2.0).runs
    assert run.health == health


def test_words_are_numbers_but_not_among_texts() -> None:
    rows: list[dict[str, Any]] = [
        {"x": 1.0, "t": "NaN", "h": {"_type": "histogram", "values": [1]}, "n": {"m": {"k": 1}}},
        {"x": "NaN", "t": "a", "all": "-Infinity", "none": None},
    ]
    columns = server_log.begin(about(2, 1), rows).columns
    assert math.isnan(columns["x"].to_pylist()[1])
    assert columns["t"].to_pylist() == ["NaN", "a"]
    assert columns["all"].to_pylist() == [None, -math.inf]
    assert json.loads(columns["h"].to_pylist()[0]) == {"_type": "histogram", "values": [1]}
    assert columns.column_names == ["x", "t", "h", "n.m.k", "all"]


def test_steps_far_apart_are_asked_for_in_few_answers(server: LocalWandb) -> None:
    """As of tokens seen: a million answers of 1,000 steps each would hold no row."""
    rows = [{"_step": s * 10**8, "x": s} for s in range(10)]
    server.runs = [Held("far", rows)]
    (segment,) = wandb_server.read("me/p")
    assert segment.rows == 10
    assert len(asked(server, "HistoryPage")) <= 2


def test_a_place_that_is_none_is_refused_before_anything_is_asked() -> None:
    for place in ("", "/", "me/", "/p", "me/p/r"):
        with pytest.raises(SourceError, match="ENTITY/PROJECT is needed"):
            wandb_server.read(place)
