"""retry, clean and doctor on folders with planted results: what they find, say, and leave alone."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_folder import plant, write
from small import small_study
from typer.testing import CliRunner

from experiments import running
from experiments.cli import app
from experiments.engines import choice
from experiments.engines.base import Where
from experiments.folder import StudyFolder
from experiments.locking import claimed
from experiments.study import Trial

TRIALS = small_study().trials()
ORDER = "solved failed interrupted missing diverged timed_out unsolved solved".split()
FATES = {trial.id: fate for trial, fate in zip(TRIALS, ORDER, strict=True)}


def longdep(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def files(folder: StudyFolder) -> dict[str, bytes]:
    found = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in found}


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """Eight trials, of which each met its own fate."""
    return plant(tmp_path / "small", small_study(), lambda trial: FATES[trial.id])


@pytest.fixture
def healthy(tmp_path: Path) -> StudyFolder:
    return plant(tmp_path / "small", small_study())


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been run."""
    calls: list[dict[str, Any]] = []

    def note(study: Any, folder: Any, trials: list[Trial], missing: list[Trial], again: Any,
             *, where: Where, **_: Any) -> None:  # fmt: skip
        calls.append(
            {
                "missing": [FATES[t.id] for t in missing],
                "again": [FATES[t] for t in again],
                "where": where,
            }
        )

    monkeypatch.setattr(running, "run", note)
    return calls


@pytest.mark.parametrize(
    ("arguments", "missing", "again"),
    [
        ([], ["failed", "interrupted"], []),
        (["--outcome", "timed_out"], ["failed", "interrupted", "timed_out"], ["timed_out"]),
        (
            ["--outcome", "timed_out", "--outcome", "diverged"],
            ["failed", "interrupted", "diverged", "timed_out"],
            ["diverged", "timed_out"],
        ),
        (["--only", "arm=highway"], ["failed"], []),
    ],
)
def test_retry_runs_what_came_to_no_result_and_others_only_by_name(
    folder: StudyFolder,
    ran: list[dict[str, Any]],
    arguments: list[str],
    missing: list[str],
    again: list[str],
) -> None:
    status, out, _ = longdep("retry", str(folder.path), *arguments)
    assert status == 0
    assert f"{len(missing) - len(again)} failed or interrupted, {len(again)} anew" in out
    (call,) = ran
    assert (call["missing"], sorted(call["again"])) == (missing, sorted(again))


def test_retry_runs_where_it_is_told(
    folder: StudyFolder, ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = choice.ENGINES["slurm"]
    monkeypatch.setitem(choice.ENGINES, "slurm", dataclasses.replace(slurm, package=""))
    retry = ("retry", str(folder.path), "--outcome", "timed_out")
    status, _, error = longdep(*retry, "--slurm", "mem=8G")
    assert (status, ran) == (2, []) and "--slurm goes with --engine slurm" in error
    options = ("--engine", "slurm", "--slurm", "mem=8G", "--slurm", "qos=low", "--time", "1:00:00")
    assert longdep(*retry, *options, "--workers", "3")[0] == 0
    assert longdep(*retry)[0] == 0
    there = Where(engine="slurm", slurm=("mem=8G", "qos=low"), time="1:00:00", workers=3)
    assert [call["where"] for call in ran] == [there, Where()]


@pytest.mark.parametrize("outcome", ["solved", "unsolved", "timed-out", "failed"])
def test_a_result_that_stands_is_never_run_again(
    folder: StudyFolder, ran: list[dict[str, Any]], outcome: str
) -> None:
    status, _, err = longdep("retry", str(folder.path), "--outcome", outcome)
    assert status == 2
    assert f"--outcome {outcome}: run again are out_of_memory, timed_out, diverged" in err
    assert ran == []


def test_retry_of_a_whole_study_runs_nothing(
    healthy: StudyFolder, ran: list[dict[str, Any]]
) -> None:
    status, out, _ = longdep("retry", str(healthy.path))
    assert (status, ran) == (0, [])
    assert "nothing to run again" in out


def test_clean_removes_what_it_says_and_nothing_else(folder: StudyFolder) -> None:
    done = folder.trial(TRIALS[0].id)
    (done / "checkpoints").mkdir()
    (done / "checkpoints" / "step-000000050.pt").write_bytes(bytes(2000))
    (done / ".result.json.77.tmp").write_bytes(bytes(100))
    (done / "probes").mkdir()
    (done / "probes" / "gates.parquet").write_bytes(bytes(10))
    before = files(folder)
    status, out, _ = longdep("clean", str(folder.path), "--dry-run")
    assert status == 0 and files(folder) == before
    assert "would remove 7 files, 4.6 kB, of 5 finished trials" in out
    assert "kept 1.0 kB of checkpoints: unfinished trials go on from them" in out
    status, out, _ = longdep("clean", str(folder.path))
    assert status == 0 and "removed 7 files, 4.6 kB, of 5 finished trials" in out
    gone = before.keys() - files(folder).keys()
    assert len(gone) == 7
    assert all(n.endswith((".tmp", "debug.log")) or "checkpoints/" in n for n in gone)
    assert f"{TRIALS[2].id}/checkpoints/step-000000010.pt" in files(folder)
    assert "removed 0 files" in longdep("clean", str(folder.path))[1]
    assert longdep("doctor", str(folder.path))[1].count("damaged") == 0


def test_clean_leaves_what_runs_and_what_lies_elsewhere_alone(
    healthy: StudyFolder, tmp_path: Path
) -> None:
    first, second = (healthy.trial(trial.id) for trial in TRIALS[:2])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (first / "checkpoints").symlink_to(tmp_path / "mine")
    with claimed(second) as is_ours:
        assert is_ours
        _, out, _ = longdep("clean", str(healthy.path))
    assert "left alone: 1 trials that are running" in out
    assert not (first / "checkpoints").is_symlink()
    assert (tmp_path / "mine" / "thesis.tex").exists()
    assert any(second.rglob("debug.log"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def one_file(trial: Path, pattern: str) -> Path:
    (found,) = trial.rglob(pattern)
    return found


WOUNDS: dict[str, tuple[Callable[[StudyFolder, Path], Any], str, str]] = {
    "weights flipped": (
        lambda s, t: flip(t / "weights.pt"), "weights.pt is not what was committed", "retry"
    ),
    "weights gone": (
        lambda s, t: (t / "weights.pt").unlink(), "'weights.pt': no such file", "retry"
    ),
    "log flipped": (
        lambda s, t: flip(one_file(t, "*.wandb")), ".wandb is not what was committed", "retry"
    ),
    "log elsewhere": (
        lambda s, t: write(
            t / "result.json", {**(s.result(t.name) or {}), "log": "../../../etc/passwd"}
        ),
        "no such file", "retry",
    ),
    "result cut": (
        lambda s, t: os.truncate(t / "result.json", 40), "result.json: not valid JSON", "retry"
    ),
    "result without end": (
        lambda s, t: ((t / "result.json").unlink(), (t / "result.json").symlink_to("/dev/zero")),
        "result.json: not a regular file", "retry",
    ),
    "result is a pipe": (
        lambda s, t: ((t / "result.json").unlink(), os.mkfifo(t / "result.json")),
        "result.json: not a regular file", "retry",
    ),
    "weights are a pipe": (
        lambda s, t: ((t / "weights.pt").unlink(), os.mkfifo(t / "weights.pt")),
        "weights.pt is not a file", "retry",
    ),
    "failed": (
        lambda s, t: (
            (t / "result.json").unlink(),
            write(t / "failure.json", {"schema": 1, "trial": t.name, "attempts": 1, "step": 0,
                                       "error": "RuntimeError: planted"}),
        ),
        "failed: RuntimeError: planted", "retry",
    ),
    "a killed write": (lambda s, t: (t / ".weights.pt.9.tmp").touch(), "left behind", "clean"),
    "checkpoints": (lambda s, t: (t / "checkpoints").mkdir(), "left behind", "clean"),
    "a stranger": (lambda s, t: (s.path / "thesis.tex").touch(), "not of this study", "mv"),
    "older code": (
        lambda s, t: write(
            t / "result.json", {**(s.result(t.name) or {}), "code": {"old.py": "00"}}
        ),
        "1 finished trials are of older code", "run",
    ),
    "a link for a trial": (
        lambda s, t: (t.rename(s.path.parent / "x"), t.symlink_to(s.path.parent / "x")),
        "a link, not a folder", "rm",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wound", "line", "remedy"), WOUNDS.values(), ids=WOUNDS.keys())
def test_doctor_finds_what_is_wrong_names_the_remedy_and_changes_nothing(
    healthy: StudyFolder,
    wound: Callable[[StudyFolder, Path], Any],
    line: str,
    remedy: str,
    ran: list[dict[str, Any]],
) -> None:
    assert longdep("doctor", str(healthy.path))[0] == 0
    wound(healthy, healthy.trial(TRIALS[0].id))
    before = {path: path.lstat().st_mtime_ns for path in healthy.path.rglob("*")}
    status, out, _ = longdep("doctor", str(healthy.path))
    problem, mend = out.splitlines()
    assert (status, {p: p.lstat().st_mtime_ns for p in healthy.path.rglob("*")}) == (1, before)
    assert line in problem
    words = mend.split()
    assert remedy in words[:2]
    if remedy == "clean":
        longdep(*words[1:])
        assert longdep("doctor", str(healthy.path))[0] == 0
    if remedy == "retry":
        longdep(*words[1:])
        assert len(ran[0]["missing"]) == 1, "the remedy that it names does something"


def test_doctor_says_a_thing_once_however_many_trials_have_it(tmp_path: Path) -> None:
    folder = plant(tmp_path / "small", small_study(), lambda trial: "failed")
    status, out, _ = longdep("doctor", str(folder.path))
    assert (status, len(out.splitlines())) == (1, 2)
    assert out.startswith(f"{TRIALS[0].id} and 7 more: failed: RuntimeError: planted")
