"""Logs of any origin: found, read in parallel, kept, joined, told of, and put into tidy frames.

Longer than a file should be: every kind of log that is met has its test.
"""

import json
import math
import multiprocessing
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from log_writer import log

from analysis import csv_source, export, folder_source, log_cache, logs, mapping, segments
from analysis.folder_source import SourceError
from analysis.logs import Joined, Logs
from analysis.segments import Segment

LONG_AGO = 1_700_000_000


def put(
    top: Path,
    run: str,
    rows: list[dict[str, Any]],
    *,
    started: int = LONG_AGO,
    modified: float | None = None,
    cut: int | None = None,
    **more: Any,
) -> Path:
    """Write a log into a folder of its own, as W&B lays them out."""
    path = top / f"wandb/offline-run-{started}-{run}/run-{run}.wandb"
    path.parent.mkdir(parents=True)
    who = {"id": run, "project": "p", "group": "", "name": f"the {run}", "started": started}
    given = {"config": {"model": {"name": "a"}, "seed": 1}, "summary": {}, **more}
    path.write_bytes(log(run=who, rows=rows, **given)[:cut])
    os.utime(path, (modified or started, modified or started))
    return path


def rows_of(*steps: int, key: str = "global", **more: Any) -> list[dict[str, Any]]:
    return [{key: step, "loss": 1 / (1 + step), **more} for step in steps]


def read(top: Path, cache: Path | None = None, **more: Any) -> Logs:
    return logs.join("here", folder_source.read(top, cache), now=LONG_AGO + 10_000, **more)


def only(top: Path, **more: Any) -> Joined:
    (run,) = read(top, **more).runs
    return run


def test_each_run_is_one_of_five_sorts(tmp_path: Path) -> None:
    two = rows_of(1, 2)
    put(tmp_path, "complete", two)
    put(tmp_path, "status", two, exit_code=3)
    put(tmp_path, "killed", two, exit_code=None)
    put(tmp_path, "going", two, exit_code=None, modified=LONG_AGO + 9_900)
    put(tmp_path, "cut", two, cut=-20, modified=LONG_AGO + 9_900)
    put(tmp_path, "header", [], cut=7)
    put(tmp_path, "nothing", [], cut=0)
    put(tmp_path, "silent", [])
    flipped = put(tmp_path, "flipped", two)
    data = bytearray(flipped.read_bytes())
    data[-30] ^= 1
    flipped.write_bytes(data)
    found = {run.id: (run.health, run.note) for run in read(tmp_path).runs}
    assert {name: health for name, (health, _) in found.items()} == {
        "complete": "complete", "status": "crashed", "killed": "crashed", "going": "running",
        "cut": "running", "header": "empty", "nothing": "empty", "silent": "empty",
        "flipped": "damaged",
    }  # fmt: skip
    assert found["complete"][1] == ""
    assert found["status"][1] == "exit status 3"
    assert found["killed"][1] == "no end"
    assert found["cut"][1].startswith("truncated at bytes")
    assert found["flipped"][1].startswith("damaged at bytes")


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    put(tmp_path, "good", rows_of(1))
    pipe = tmp_path / "run-pipe.wandb"
    os.mkfifo(pipe)
    found = read(tmp_path)
    assert [run.id for run in found.runs] == ["good"]
    assert found.unreadable == ((str(pipe), f"{pipe}: not a regular file"),)
    with pytest.raises(SourceError, match="no such folder"):
        read(tmp_path / "nowhere")


def test_segments_are_joined_by_start_and_later_rows_win(tmp_path: Path) -> None:
    """Killed after step 30, gone on with from 20: what was done again counts, and is told."""
    second = [{"global": s, "loss": -1.0} for s in (20, 25, 30, 35)]
    put(tmp_path / "a", "one", second, started=LONG_AGO + 100, config={"seed": 2, "more": 1})
    first = [{"global": s, "loss": 1.0, "first": s} for s in (10, 20, 22, 30)]
    put(tmp_path / "b", "one", first, exit_code=None, config={"seed": 1, "old": 1})
    run = only(tmp_path, step="global")
    assert (run.health, len(run.segments)) == ("complete", 2)
    assert run.note == "resumed: joined from 2 files, 2 steps replaced by later ones"
    assert run.steps.tolist() == [10, 20, 22, 25, 30, 35]
    assert run.columns["loss"].to_pylist() == [1.0, -1.0, 1.0, -1.0, -1.0, -1.0]
    assert run.columns["first"].to_pylist() == [10, None, 22, None, None, None]
    assert run.config == {"seed": 2, "old": 1, "more": 1}


def test_a_copy_of_a_file_is_not_a_resumed_run(tmp_path: Path) -> None:
    path = put(tmp_path / "a", "one", rows_of(1, 2))
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / path.name).write_bytes(path.read_bytes())
    run = only(tmp_path)
    assert (len(run.segments), run.note) == (1, "1 copy of a file left out")


def test_one_id_in_two_projects_is_two_runs(tmp_path: Path) -> None:
    for project in ("p", "q"):
        who = {"id": "one", "project": project, "group": ""}
        path = tmp_path / project / "run-one.wandb"
        path.parent.mkdir()
        path.write_bytes(log(run=who, config={}, rows=rows_of(1), summary={}))
    assert sorted(run.id for run in read(tmp_path).runs) == ["p/one", "q/one"]


def test_rows_of_one_step_are_one_row_and_a_logged_nan_stands(tmp_path: Path) -> None:
    """As Lightning logs: the training and the validation metric of a step in two rows."""
    put(
        tmp_path,
        "one",
        [
            {"trainer/global_step": 9, "train": 0.5, "x": 1.0},
            {"trainer/global_step": 9, "val": 0.25, "x": math.nan},
            {"trainer/global_step": 19, "train": 0.4},
            {"val": 0.2},
        ],
    )
    run = only(tmp_path)
    assert run.step_key == "trainer/global_step"
    assert run.steps.tolist() == [9, 19]
    assert run.columns["train"].to_pylist() == [0.5, 0.4]
    assert run.columns["val"].to_pylist() == [0.25, 0.2]
    x = run.columns["x"].to_pylist()
    assert math.isnan(x[0]) and x[1] is None


@pytest.mark.parametrize(
    ("rows", "key", "steps"),
    [
        ([{"step": 5, "_step": 0}, {"step": 7, "_step": 1}], "step", [5, 7]),
        ([{"_step": 3}, {"_step": 8}], "_step", [3, 8]),
        ([{"_step": 3}, {"x": 1}, {"_step": 8}, {"x": 1}], "_step", [3, 4, 8, 9]),
        ([{"x": 1}, {"x": 2}], "", [0, 1]),
        ([{"step": math.nan, "x": 1}, {"step": 4, "x": 2}], "step", [4]),
        ([{"step": "one"}, {"step": "two"}], "step", [0, 1]),
    ],
)
def test_the_step_is_our_own_else_that_of_wandb_else_the_order(
    rows: list[dict[str, Any]], key: str, steps: list[int]
) -> None:
    segment = segment_of(rows)
    (run,) = logs.join("here", [segment], now=LONG_AGO + 10_000).runs
    assert (run.step_key, run.steps.tolist()) == (key, steps)


def segment_of(rows: list[dict[str, Any]]) -> Segment:
    run = segments.Run("one", "p", "", "", "", (), "")
    columns = segments.columns_of(rows)
    return Segment("x", "wandb", 9, LONG_AGO, "d", run, {}, {}, 0, (), columns)


def test_values_have_types_and_what_is_neither_is_json() -> None:
    histogram = {"_type": "histogram", "values": [1, 2], "bins": [0.0, 0.5, 1.0]}
    rows = [
        {"n": 1, "x": 0.5, "yes": True, "text": "a", "h": histogram, "mixed": 1, "big": 10**400},
        {"n": 2.5, "x": None, "yes": None, "text": "b", "mixed": "one", "large": 2**60 + 1},
        {"n": math.inf, "yes": False, "h": [1, [2]]},
    ]
    (run,) = logs.join("here", [segment_of(rows)]).runs
    frame = Logs("here", (run,)).history_frame
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "run": "str", "step": "int64", "n": "float64", "x": "float64", "yes": "boolean",
        "text": "str", "h": "str", "mixed": "str", "big": "str", "large": "float64",
    }  # fmt: skip
    assert frame["n"].tolist() == [1.0, 2.5, math.inf]
    assert json.loads(frame["h"].iloc[0]) == histogram
    assert [json.loads(v) for v in frame["mixed"].iloc[:2]] == [1, "one"]
    assert frame["large"].iloc[1] == float(2**60)


def test_runs_have_a_row_each_with_config_and_summary(tmp_path: Path) -> None:
    put(tmp_path, "a", rows_of(1), summary={"best": {"loss": 0.5}, "text": "=1+1"})
    put(tmp_path, "b", rows_of(1), config={"seed": "one"}, started=LONG_AGO + 1)
    frame = read(tmp_path).runs_frame
    assert frame["run"].tolist() == ["a", "b"]
    assert frame["config.model.name"].tolist()[0] == "a"
    assert frame["config.seed"].tolist() == ["1", '"one"']  # Of two sorts: as JSON.
    assert frame["summary.best.loss"].tolist()[0] == 0.5
    assert frame["exit_code"].tolist() == [0, 0]


def test_frames_of_nothing_have_their_columns(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.runs_frame.columns.tolist() == list(logs.IDENTITY)
    assert found.history_frame.columns.tolist() == ["run", "step"]


def test_a_table_beside_its_log_is_read_and_nothing_outside(tmp_path: Path) -> None:
    table = {"columns": ["lag", "score"], "data": [[10, 0.5]]}
    (tmp_path / "secret.json").write_text(json.dumps(table))
    named = [
        {"t": {"_type": "table-file", "path": path, "ncols": 2}}
        for path in ("media/table/t.json", "../../../secret.json", "none.json")
    ]
    path = put(tmp_path, "one", named)
    beside = path.parent / "files/media/table/t.json"
    beside.parent.mkdir(parents=True)
    beside.write_text(json.dumps(table))
    found = [json.loads(value) for value in only(tmp_path).columns["t"].to_pylist()]
    assert found == [{"_type": "table", **table}, named[1]["t"], named[2]["t"]]


# --- kept as Parquet, read in parallel -----------------------------------------------------------


def same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    pairs = list(zip(list(one), list(other), strict=True))
    return all(a.meta() == b.meta() and a.columns.equals(b.columns) for a, b in pairs)


def test_what_was_read_is_kept_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = put(tmp_path / "logs", "one", [{"x": [1], "y": None, "z": 0.5}, {}])
    first = list(folder_source.read(tmp_path / "logs", cache))
    with monkeypatch.context() as patch:
        patch.setattr(folder_source, "read_wandb", None)
        assert same(first, folder_source.read(tmp_path / "logs", cache))
    os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    with monkeypatch.context() as patch:
        patch.setattr(folder_source, "read_wandb", None)
        with pytest.raises(TypeError):
            list(folder_source.read(tmp_path / "logs", cache))
    assert len(list(cache.iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(log_cache, "reader", lambda: "another version of the reader")
        stamp = log_cache.stamp_of(path)
        assert log_cache.load(cache, stamp[0], stamp) is None


@pytest.mark.parametrize("data", [b"", b"PAR1", b"x" * 1000])
def test_a_damaged_cache_is_read_over(tmp_path: Path, data: bytes) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    put(tmp_path / "logs", "one", rows_of(1, 2))
    first = list(folder_source.read(tmp_path / "logs", cache))
    (kept,) = cache.iterdir()
    kept.write_bytes(data)
    assert same(first, folder_source.read(tmp_path / "logs", cache))
    assert kept.stat().st_size > len(data)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    put(tmp_path / "logs", "one", rows_of(1, 2))
    (segment,) = folder_source.read(tmp_path / "logs", tmp_path / "nowhere")
    assert isinstance(segment, Segment) and segment.rows == 2


def test_the_cache_of_the_user_is_theirs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = log_cache.default_folder()
    assert folder == tmp_path / "longdep/logs"
    folder.chmod(0o777)
    assert log_cache.default_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert log_cache.default_folder() is None


def test_processes_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        put(tmp_path / "logs", f"run{number}", rows_of(*range(number + 1)))
    alone = list(folder_source.read(tmp_path / "logs"))
    monkeypatch.setattr(folder_source, "MANY", 2)
    filled: list[Any] = []
    monkeypatch.setattr(folder_source, "read_wandb", filled.append)  # Nothing is left to read here.
    told: list[tuple[str, int, int]] = []
    together = folder_source.read(
        tmp_path / "logs", progress=lambda *each: told.append(each), workers=2
    )
    assert same(alone, together)
    assert not filled
    assert told[-1] == ("logs read", 4, 4)


def fill(top: Path, cache: Path) -> None:
    for _ in range(20):
        for kept in cache.glob("*.parquet"):
            kept.unlink(missing_ok=True)
        found = list(folder_source.read(top, cache))
        assert [each.rows for each in found if isinstance(each, Segment)] == [1, 2, 3]


@pytest.mark.slow
def test_two_analyses_at_once_do_one_another_no_harm(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for number in range(3):
        put(tmp_path / "logs", f"run{number}", rows_of(*range(number + 1)))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=fill, args=(tmp_path / "logs", cache)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(path.suffix == ".parquet" for path in cache.iterdir())


# --- Lightning's CSV logs ------------------------------------------------------------------------


def csv_log(top: Path, text: str, hparams: str = "") -> Path:
    folder = top / "lightning_logs/version_0"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(text)
    (folder / "hparams.yaml").write_text(hparams)
    return folder


def test_a_csv_log_of_lightning_is_a_run(tmp_path: Path) -> None:
    text = "epoch,step,train_loss,val_acc\n0,9,0.5,\n0,9,,0.25\n1,19,nan,\n"
    hparams = "model:\n  name: gru\nseed: 3\nfrom: !!python/object:os.system {}\n"
    csv_log(tmp_path, text, hparams)
    run = only(tmp_path)
    assert (run.id, run.health) == ("lightning_logs/version_0", "complete")
    assert run.steps.tolist() == [9, 19]
    assert run.columns["val_acc"].to_pylist() == [0.25, None]
    assert math.isnan(run.columns["train_loss"].to_pylist()[1])
    assert run.config["model"] == {"name": "gru"} and run.config["seed"] == 3
    assert run.config["from"] == "tag:yaml.org,2002:python/object:os.system"
    assert "does not say how its run ended" in run.note


@pytest.mark.parametrize(
    ("text", "kind", "rows"),
    [
        ("", "empty", 0),
        ("step,x\n1,2\n3,", "truncated", 1),
        ("step,x\n1,2\n3\n4,5\n", "damaged", 1),
        ("step,step\n1,2\n", "not a log", 0),
        ("step,x\n1,\x00\n", "", 1),
        ('step,x\n1,"\n', "not a log", 0),
    ],
)
def test_a_csv_log_that_is_damaged_says_where(text: str, kind: str, rows: int) -> None:
    found, gaps = csv_source.parse(text.encode())
    assert len(found) == rows
    assert [gap.kind for gap in gaps] == ([kind] if kind else [])


def test_hyperparameters_that_would_fill_the_memory_are_left_out(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    csv_log(tmp_path, "step,x\n1,2\n", bomb)
    assert only(tmp_path).config == {}


# --- which key plays which part ------------------------------------------------------------------


def test_a_mapping_is_guessed_from_the_keys(tmp_path: Path) -> None:
    for number, name in enumerate(("lstm", "gru")):
        config = {"model": {"name": name, "dim": 4}, "seed": number, "optim": "adam", "seq_len": 9}
        rows = [{"trainer/global_step": 1, "train_loss": 1.0, "val_acc": 0.5, "val_loss": 1.0}]
        put(tmp_path, f"run{number}", rows, config=config)
    found = mapping.suggest(read(tmp_path))
    assert found == {
        "arm": "config.model.name", "seed": "config.seed", "lag": "config.seq_len",
        "score": "val_acc", "step": "trainer/global_step",
    }  # fmt: skip
    assert mapping.options(found) == (
        "--arm config.model.name --seed config.seed --score val_acc --lag config.seq_len "
        "--step trainer/global_step"
    )


def test_where_there_is_but_a_loss_lower_is_better(tmp_path: Path) -> None:
    put(tmp_path, "one", rows_of(1, key="step"), config={"x": 1})
    found = mapping.suggest(read(tmp_path))
    assert found == {"score": "loss", "is_lower_better": True, "step": "step"}


# --- exported ------------------------------------------------------------------------------------


def test_frames_are_written_as_they_are_and_no_formula_begins_in_them(tmp_path: Path) -> None:
    put(tmp_path / "logs", "=1+1", rows_of(1, 2, text="@sum", yes=True))
    found = read(tmp_path / "logs")
    frames = {"runs": found.runs_frame, "history": found.history_frame}
    for to in ("parquet", "csv"):
        export.write(frames, tmp_path / "out", to)  # type: ignore[arg-type]
    back = pd.read_parquet(tmp_path / "out/history.parquet")
    pd.testing.assert_frame_equal(back, frames["history"])
    text = pd.read_csv(tmp_path / "out/history.csv")
    assert text["run"].tolist() == ["'=1+1"] * 2
    assert text["text"].tolist() == ["'@sum"] * 2
    assert np.allclose(text["loss"], frames["history"]["loss"])
