"""The benchmark: its rows, its figure, and one small run of it."""

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pretended_gpu import install, pretended
from rich.console import Console
from small import RECIPE, small_study
from typer.testing import CliRunner

from analysis import bench_figure
from experiments import (
    bench_gpu,
    bench_reasons,
    bench_reports,
    bench_trials,
    benchmark,
    cli,
    cli_bench,
    loading,
)
from experiments.benchmark import Grid, Row
from experiments.engines.local import Local
from experiments.study import Arm
from lightning_modules import registry

ROOT = Path(__file__).resolve().parent.parent


def test_a_goal_is_met_on_its_own_side() -> None:
    assert Row("a", 0.3, 0.2, 0.4, "ratio", 0.35).is_met is True
    assert Row("a", 0.4, 0.2, 0.4, "ratio", 0.35).is_met is False
    assert Row("a", 1.8, 1.8, 1.8, "ratio", 1.9, is_more_better=True).is_met is False
    assert Row("a", 0.4, 0.2, 0.4, "ratio").is_met is None


def test_ways_are_timed_in_turns_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in ("a", "b")}
    times = benchmark.in_turns(ways, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_the_figure_shows_each_architectures_share_of_the_loop(tmp_path: Path) -> None:
    rows = [
        Row(
            "of the loop",
            value,
            value - 0.02,
            value + 0.02,
            "ratio",
            0.35,
            where=(name, hidden, 200),
        )
        for name, value in (("lstm", 0.2), ("rnn", 0.3))
        for hidden in (32, 128)
    ]
    (tmp_path / "b.json").write_text(benchmark.as_json(rows, {"cpu": "any"}))
    svg, csv = bench_figure.write(tmp_path / "b.json", tmp_path)
    assert "lstm" in csv.read_text() and svg.read_text().startswith("<?xml")
    assert json.loads((tmp_path / "b.json").read_text())["rows"][0]["is_met"] is True


def test_a_missed_goal_says_by_how_much_and_why() -> None:
    met = Row(benchmark.OF_LOOP, 0.3, 0.2, 0.4, "ratio", 0.35, where=("dilated", 32, 200))
    own = Row(benchmark.PER_FLOP, 2.4, 2.3, 2.5, "ratio", 1.6, where=("rnn", 32, 200), why="so")
    two = Row("two workers / one", 1.71, 1.71, 1.71, "ratio", 1.9, is_more_better=True)
    strange = Row("a thing of tomorrow", 2.0, 2.0, 2.0, "s", 1.0)
    rows = [bench_reasons.explained(row) for row in (met, own, two, strange)]
    assert [row.missed_by for row in rows] == [None, *map(pytest.approx, (0.5, 0.1, 1.0))]
    assert rows[:2] == [met, own] and rows[3].why == benchmark.UNKNOWN
    kept = json.loads(benchmark.as_json(rows, {}))["rows"]
    assert [row["why"] for row in kept] == [row.why for row in rows]
    assert kept[1]["missed_by"] == pytest.approx(0.5) and "take turns" in kept[2]["why"]
    lines = cli_bench._notes(rows[1:])
    assert lines[:3] == [
        f"missed by 50%: rnn 32 200: {benchmark.PER_FLOP}",
        "  because so",
        "missed by 10%: two workers / one",
    ]


def test_the_reason_of_a_slow_step_is_what_was_measured_of_it() -> None:
    layer = registry.load("architecture", "rnn")(3, 8)
    wide = registry.load("architecture", "dilated")(3, 8, dilation=2)
    assert "0.5 microseconds of matrix products" in benchmark._why(layer, 0.1, 0.5, 0.01)
    assert "60% of its time are matrix products" in benchmark._why(layer, 0.6, 0.5, 0.01)
    assert "30% of its time is taken once" in benchmark._why(layer, 0.1, 50.0, 0.3)
    assert benchmark._why(wide, 0.1, 50.0, 0.01).startswith("a step gives 2 times as many numbers")
    assert benchmark._why(layer, 0.1, 50.0, 0.01) == benchmark.UNKNOWN
    row = Row(benchmark.PER_FLOP, 2.4, 2.3, 2.5, "ratio", 1.6)
    assert benchmark._with_reason(row, "so").why == "so"
    assert benchmark._with_reason(replace(row, goal=3.0), "so").why == ""


def measured() -> list[Row]:
    """What the committed benchmark holds."""
    kept = json.loads((ROOT / "reports/benchmark/benchmark.json").read_text())["rows"]
    return [
        Row(**{k: v for k, v in row.items() if k not in ("is_met", "missed_by", "where")},
            where=tuple(row["where"]) if row["where"] else None)
        for row in kept
    ]  # fmt: skip


def test_its_tables_fit_a_terminal_of_80_columns() -> None:
    steps = [row for row in measured() if row.where]
    others = [row for row in measured() if not row.where]
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(cli_bench._steps(steps))
    lines = console.export_text().splitlines()
    # A line that is wrapped or cut has no name of an architecture at its begin.
    assert len(lines) == 1 + len({row.where for row in steps})
    assert "\u2026" not in "".join(lines)
    legend = cli_bench._legend(steps)
    assert max(map(len, [*legend, *cli_bench.MEANINGS])) <= 80
    assert "/ own: over the time of torch's own, or of the scan; at most 1.05" in legend
    assert "/ loop: over the time of the loop; at most 0.35 at 32 units, 0.7 at 128 units" in legend
    console.print(cli_bench._others([*others, Row("data", 0.062, 0.057, 0.071, "share", 0.05)]))
    assert re.search(r"6\.2% +<= 5\.0% +5\.7% to 7\.1%", console.export_text())


class Shared(Local):
    """Some of the workers of an engine that goes on: they are not started, and not ended."""

    def __init__(self, engine: Local, workers: int) -> None:
        self._workers = engine._workers[:workers]

    def __exit__(self, *_: object) -> None:
        """Leave them to the next."""


@pytest.fixture
def _few_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two workers for all that is measured, and one for what runs without a compiler."""
    with contextlib.ExitStack() as stack:
        engines: dict[str | None, Local] = {}

        def shared(workers: int, *, is_online: bool, on: str = "cpu") -> Local:
            compiler = os.environ.get("CXX")
            if compiler not in engines:
                count = 1 if compiler == "none" else 2
                engines[compiler] = stack.enter_context(Local(count, is_online=is_online, on=on))
            assert workers <= len(engines[compiler]._workers)
            return Shared(engines[compiler], workers)

        monkeypatch.setattr(bench_trials, "Local", shared)
        yield


@pytest.mark.slow
def test_it_runs_and_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _few_workers: None
) -> None:
    little = Grid(hidden=(8,), lengths=(5,), rounds=2, trials=2, pairs=2, members=2, probed=2)
    monkeypatch.setattr(benchmark, "QUICK", little)
    monkeypatch.setattr(bench_reports, "ROWS", 200)
    # What is run is the whole command; on how much, is what takes the time.
    study = small_study(recipe=RECIPE.but(steps=20, validation_every=5))
    monkeypatch.setattr(loading, "load", lambda name: study)
    named = SimpleNamespace(load=registry.load, names=lambda kind: ["gru", "min_gru", "rnn"])
    monkeypatch.setattr(benchmark, "registry", named)
    out = tmp_path / "benchmark"
    done = CliRunner().invoke(cli.app, ["bench", "--quick", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "goals are met" in done.output
    whats = [row["what"] for row in json.loads((out / "benchmark.json").read_text())["rows"]]
    for part in (
        "of the loop",
        "other load, before",
        "harness, adding 8",
        "data, adding 100",
        "two workers / one",
        "kernel / loop, trials an hour",
        "probes, of a trial",
        "cohort of 2 / single, kernel",
        "cohort of 2 / single, stacked",
        "log read, rows",
        "the report of 4 trials",
    ):
        assert part in whats
    assert (out / "steps.svg").is_file()


@pytest.mark.slow
def test_on_a_gpu_it_is_the_steps_a_cohort_and_workers_that_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr("lightning_modules.kernel.running.compiler", lambda: None)
    monkeypatch.setattr(benchmark, "QUICK", Grid((4,), (3,), rounds=2, trials=1, pairs=0))
    monkeypatch.setattr(benchmark, "PRODUCT", 8)
    monkeypatch.setattr(bench_gpu, "MEMBERS", 2)
    monkeypatch.setattr(bench_gpu, "STEPS", 1)
    named = SimpleNamespace(load=registry.load, names=lambda kind: ["gru", "highway"])
    monkeypatch.setattr(benchmark, "registry", named)
    study = small_study(arms=[Arm(architecture="lstm")], reference="lstm")
    monkeypatch.setattr(loading, "load", lambda name: study)
    asked: list[object] = []

    def trials_an_hour(*given: object) -> list[Row]:
        asked.extend(given[2:])
        return []  # Its workers are processes of their own, where nobody pretends.

    monkeypatch.setattr(bench_trials, "trials_an_hour", trials_an_hour)
    monkeypatch.chdir(tmp_path)
    with pretended() as device:
        install(monkeypatch)
        done = CliRunner().invoke(cli.app, ["bench", "--quick", "--accelerator", "gpu"])
    assert done.exit_code == 0, done.output
    assert set(waited) == {device} and asked == ["gpu", (1, 2, 4)]
    kept = json.loads((tmp_path / "reports/benchmark/gpu/benchmark.json").read_text())
    assert kept["environment"]["gpu"] == "a pretended GPU"
    found = {row["what"]: row for row in kept["rows"]}
    ratio = found.pop("torch's LSTM in turn / cohort of 2, stacked")
    assert ratio["goal"] == 15 and ratio["is_more_better"]
    assert {"matrix products", "step, loop", "step, fused", "limit", "of the loop"} <= found.keys()
    assert "cohort of 2, stacked, a step of all" in found
    assert not any(row["goal"] for row in found.values())


def test_a_gpu_that_is_not_there_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.accelerator.why_no_gpu", lambda: "no GPU is visible")
    for name, line in (
        ("gpu", "--accelerator gpu: no GPU is visible"),
        ("vulkan", "--accelerator vulkan: networks train on cpu or gpu"),
    ):
        command = ["bench", "--accelerator", name, "--out", str(tmp_path / "out")]
        done = CliRunner().invoke(cli.app, command)
        assert done.exit_code == 2 and line in done.output
    assert not (tmp_path / "out").exists()
