"""A report on what a plain Lightning script leaves behind, with all that goes wrong with its runs.

The runs are real: `lightning_script.py`, wandb and its process, ended by signals and exceptions. To
save the imports, one process forks for each run.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_cli_logs import longdep

from analysis import folder_source, foreign, log_cache, logs
from analysis.mapping import Mapping

pytestmark = pytest.mark.slow

FORKING = """
import os, sys, json, traceback
import lightning_script, wandb.sdk.launch
for line in sys.stdin:
    if (child := os.fork()) == 0:
        try:
            lightning_script.main(json.loads(line))
        except BaseException:
            traceback.print_exc()
            sys.exit(1)
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

MAPPING = Mapping(
    arm="config.model.name", seed="config.seed", score="val/acc", step="trainer/global_step",
    solved_at=0.85, chance=0.5,
)  # fmt: skip

RUNS: dict[str, tuple[str, int, list[str], int]] = {
    **{f"{name}-{seed}": (name, seed, [], 0) for name in ("gru", "rnn") for seed in (0, 1)},
    "killed": ("gru", 2, ["--end", "kill", "--at", "20"], -9),
    "failed": ("rnn", 2, ["--end", "raise", "--at", "20"], 1),
    "resumed": ("gru", 3, ["--end", "kill", "--at", "20"], -9),
    "empty": ("rnn", 3, ["--end", "kill", "--at", "0"], -9),
    "damaged": ("rnn", 4, [], 0),
}
"""By id: what is trained, its seed, how it ends, and with which status."""


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the script once for each of `RUNS`, and once more for the one that goes on."""
    folder = tmp_path_factory.mktemp("lightning")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    settled = {
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB__TRANSACTION_LOG_FLUSH_INTERVAL": "0.05",
        "WANDB__SAVE_REQUIREMENTS": "false",
        "WANDB__DISABLE_STATS": "true",
        "WANDB__DISABLE_META": "true",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DISABLE_CODE": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parent),
        **{f"WANDB_{name}_DIR": str(folder / "elsewhere") for name in ("DATA", "CACHE", "CONFIG")},
    }
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKING], env=kept | settled, text=True, cwd=folder,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip

        def run(id: str, *arguments: str) -> int:
            assert process.stdin is not None and process.stdout is not None
            line = ["--id", id, "--told", f"{id}.told", *arguments]
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        for id, (name, seed, more, status) in RUNS.items():
            assert run(id, "--name", name, "--seed", str(seed), *more) == status, id
        time.sleep(1.1)  # wandb names a folder by the second.
        checkpoint = str(folder / "checkpoints/resumed/step=12.ckpt")
        assert run("resumed", "--name", "gru", "--seed", "3", "--resume", checkpoint) == 0
    (log,) = folder.glob("wandb/*/run-damaged.wandb")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    for path in folder.glob("wandb/*/*.wandb"):  # Written to a moment ago would be running.
        os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    return folder


def told(top: Path, id: str) -> dict[int, dict[str, float]]:
    """Give what the script wrote of its validations, by the step that Lightning logs them under."""
    rows = [json.loads(line) for line in (top / f"{id}.told").read_text().splitlines()]
    return {row["step"] - 1: row for row in rows}


def test_every_number_is_the_one_that_the_script_had(top: Path) -> None:
    found = logs.join(str(top), folder_source.read(top), MAPPING.step)
    for run in found.runs:
        if run.health == "empty" or run.id == "damaged":
            continue
        for key in ("val/acc", "val/loss"):
            column = run.columns[key].to_pylist()
            logged = {
                s: v for s, v in zip(run.steps.tolist(), column, strict=True) if v is not None
            }
            assert logged == {step: row[key] for step, row in told(top, run.id).items()}, run.id
    frames = foreign.frames(found, MAPPING)
    runs = frames.runs.set_index("trial")
    assert set(runs.index) == {"gru-0", "gru-1", "rnn-0", "rnn-1", "resumed"}
    for id, row in runs.iterrows():
        scores = {step: each["val/acc"] for step, each in told(top, str(id)).items()}
        assert row["test/score"] == scores[29]
        reached = [step for step, score in sorted(scores.items()) if score >= 0.85]
        assert (row["outcome"] == "solved") == bool(reached)
        assert not reached or row["solved_step"] == reached[0]
    assert frames.foreign is not None
    health = frames.foreign.runs.set_index("run")["health"].to_dict()
    assert health == {
        **dict.fromkeys(runs.index, "complete"),
        "killed": "crashed", "failed": "crashed", "empty": "empty", "damaged": "damaged",
    }  # fmt: skip


def test_a_resumed_run_is_told_and_its_later_rows_stand(top: Path) -> None:
    """Killed after step 20, gone on with from 12: steps 17 and what was trained between."""
    found = logs.join(str(top), folder_source.read(top), MAPPING.step)
    (run,) = [run for run in found.runs if run.id == "resumed"]
    assert len(run.segments) == 2
    assert run.note.startswith("resumed: joined from 2 files, ")
    rows = [json.loads(line) for line in (top / "resumed.told").read_text().splitlines()]
    assert [row["step"] for row in rows] == [6, 12, 18, 18, 24, 30]
    assert rows[2]["val/loss"] != rows[3]["val/loss"]
    assert told(top, "resumed")[17] == rows[3]


def test_the_command_reports_on_them_and_says_what_each_is(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(log_cache, "default_folder", lambda: None)
    status, out = longdep("logs", str(top))
    assert status == 0
    assert out.startswith("9 runs: 5 complete, 2 crashed, 1 damaged, 1 empty, 1 of them resumed")
    options = (
        "--arm config.model.name --seed config.seed --score val/acc --step trainer/global_step"
    )
    assert f"longdep report --logs {top} {options}" in out
    bar = ["--solved-at", "0.85", "--chance", "0.5"]
    status, out = longdep("report", "--logs", str(top), *options.split(), *bar, "--out", "report")
    assert (status, out) == (0, "the report: report/index.html\n")
    data = pd.read_csv("report/tables/comparison.csv").set_index("arm")
    ids: dict[str, list[str]] = {"gru": ["gru-0", "gru-1", "resumed"], "rnn": ["rnn-0", "rnn-1"]}
    for arm, members in ids.items():
        solved = [any(row["val/acc"] >= 0.85 for row in told(top, id).values()) for id in members]
        assert (data.loc[arm, "solved"], data.loc[arm, "n"]) == (sum(solved), len(members))
    table: Any = pd.read_csv("report/tables/foreign_runs.csv").set_index("run")
    assert table.loc["resumed", "files"] == 2
    assert table["health"].value_counts().to_dict() == {
        "complete": 5, "crashed": 2, "damaged": 1, "empty": 1
    }  # fmt: skip
