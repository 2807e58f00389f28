"""Publishing: exactly the runs and files, what is flagged, and what wandb is asked to send."""

import sys
from pathlib import Path

import pytest
from planted_folder import plant
from small import small_study
from test_cli_logs import longdep

from analysis import ledger
from experiments import publishing
from experiments.folder import StudyFolder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.chdir(tmp_path)
    return plant(tmp_path / "small", small_study())


def test_a_dry_run_names_exactly_the_runs_and_files(folder: StudyFolder) -> None:
    trials = small_study().trials()
    (folder.trial(trials[0].id) / "result.json").unlink()
    log = next(folder.trial(trials[1].id).rglob("run-*.wandb"))
    (log.parent / "files").mkdir(exist_ok=True)
    (log.parent / "files/output.log").write_text("at /home/ada/thesis/run.py\nhf_" + "Ab" * 17)
    (log.parent / "logs").mkdir(exist_ok=True)
    (log.parent / "logs/debug.log").write_text("stays here")
    before = sorted(folder.path.rglob("*"))
    status, out = longdep("publish", "small", "--entity", "me", "--dry-run")
    assert status == 0
    done = ledger.take(folder.path).done
    assert len(done) == len(trials) - 1
    lines = out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")][:-1] == [
        f"{entry.trial.id}-{entry.result.log_sha256[:8]}" for entry in done if entry.result
    ]
    named = [line.split()[0] for line in lines if line.startswith("    ") and "bytes" in line]
    assert sorted(named) == sorted(
        [*(f"run-{entry.trial.id}.wandb" for entry in done), "files/output.log"]
    )
    assert "    flagged: files/output.log holds a path: /home/ada" in lines
    assert "    flagged: files/output.log holds what looks like a Hugging Face token" in lines
    assert "hf_Ab" not in out
    assert lines[-1].endswith("would go to me/small; 1 flagged")
    assert sorted(folder.path.rglob("*")) == before
    status, out = longdep("publish", "small", "--entity", "me")
    assert (status, len(out.splitlines())) == (2, 1)
    assert "1 of 7 runs are flagged, and nothing was sent" in out


def test_wandb_is_asked_to_send_what_was_named_and_nothing_else(
    folder: StudyFolder, tmp_path: Path
) -> None:
    """In wandb's place: a command that writes down what it was asked, and what lay there."""
    told = tmp_path / "told"
    code = (
        "import sys, pathlib; place = pathlib.Path(sys.argv[-1]);"
        "names = sorted(str(p.relative_to(place)) for p in place.rglob('*') if p.is_file());"
        f"open({str(told)!r}, 'a').write(' '.join(sys.argv[1:-1] + names) + chr(10))"
    )
    found = publishing.parcels(ledger.take(folder.path))[:2]
    sent: list[str] = []
    publishing.send(found, "me", "p", lambda p: sent.append(p.id), (sys.executable, "-c", code))
    assert sent == [parcel.id for parcel in found]
    assert told.read_text().splitlines() == [
        f"--id {p.id} --entity me --project p run-{p.entry.trial.id}.wandb" for p in found
    ]


def test_what_wandb_does_not_send_is_one_line_with_its_last_words(folder: StudyFolder) -> None:
    found = publishing.parcels(ledger.take(folder.path))[:1]
    code = "import sys; print('Traceback'); sys.exit('wandb: no API key')"
    with pytest.raises(publishing.StudyError, match="was not sent: wandb: no API key"):
        publishing.send(found, "me", "p", lambda parcel: None, (sys.executable, "-c", code))


def test_another_log_has_another_id_and_a_changed_one_is_refused(folder: StudyFolder) -> None:
    found = publishing.parcels(ledger.take(folder.path))
    assert len({parcel.id for parcel in found}) == len(found)
    log = found[0].folder / found[0].files[0]
    log.write_bytes(log.read_bytes() + b"x")
    with pytest.raises(publishing.StudyError, match="not the log that was committed"):
        publishing.parcels(ledger.take(folder.path))
