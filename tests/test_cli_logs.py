"""The command `logs`: what it shows of any folder, what it writes, what it refuses in one line."""

from pathlib import Path

import pytest
from test_logs import put, rows_of
from typer.testing import CliRunner

from experiments.cli import app


def longdep(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout + done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a", "b")):
        config = {"model": {"name": name}, "seed": number}
        put(tmp_path / "some", f"run{number}", rows_of(1, 2, val_acc=0.5), config=config)
    put(tmp_path / "some", "killed\x1b[2J", rows_of(1), exit_code=None, config={})
    return tmp_path


def test_runs_keys_and_health_are_shown_and_a_mapping_offered(here: Path) -> None:
    status, out = longdep("logs", "some")
    assert status == 0
    assert out.startswith("3 runs: 2 complete, 1 crashed")
    assert "val_acc (2 runs)" in out and "config.model.name" in out
    told = "longdep report --logs some --arm config.model.name --seed config.seed --score val_acc"
    assert told in out
    assert "\x1b" not in out
    assert list((here / "cache/longdep/logs").glob("*.parquet"))


def test_what_was_read_is_written(here: Path) -> None:
    status, out = longdep("logs", "some", "--to", "csv", "--no-cache")
    assert (status, len(out.splitlines())) == (0, 2)
    assert (here / "some-logs/history.csv").read_text().startswith("run,step,")
    assert not (here / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nowhere",), "nowhere: no such folder"),
        (("some", "--out", "x"), "--out goes with --to"),
        (("some", "--to", "xml"), "'xml' is not one of 'parquet', 'csv'"),
    ],
)
def test_what_makes_no_sense_is_one_line(here: Path, arguments: tuple[str, ...], line: str) -> None:
    status, out = longdep("logs", *arguments)
    assert (status, len(out.splitlines())) == (2, 1)
    assert line in out
    assert not (here / "x").exists()
