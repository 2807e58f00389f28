"""The command `report`: of one study, of two, and what it refuses in one line."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from small import small_study

from experiments import cli_report
from experiments.folder import StudyFolder
from experiments.loading import StudyError

LONGDEP = [sys.executable, "-c", "from experiments.cli import main; main()"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make two folders of a study that has been begun."""
    for name in ("before", "after"):
        StudyFolder(tmp_path / name).reconcile(small_study())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_of_two_studies_a_comparison_is_written(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli_report.report("before", "after", out=begun / "out")
    assert (begun / "out/index.html").is_file()
    assert not (begun / "reports").exists()


def test_the_folders_name_the_comparison_of_one_study_with_itself(begun: Path) -> None:
    cli_report.report("before", "after")
    page = (begun / "reports/before-vs-after/index.html").read_text()
    assert "<h1>before and after</h1>" in page
    assert "nothing can be compared" in page


def test_what_makes_no_sense_is_refused_and_nothing_is_written(begun: Path) -> None:
    with pytest.raises(StudyError, match="--port goes with --serve"):
        cli_report.report("before", port=1)
    with pytest.raises(StudyError, match="--serve shows the report of one study"):
        cli_report.report("before", "after", serve=True)
    with pytest.raises(StudyError, match="nowhere"):
        cli_report.report("before", "nowhere")
    (begun / "file").write_text("")
    with pytest.raises(StudyError, match="is no folder"):
        cli_report.report("before", "after", out=begun / "file")
    assert sorted(path.name for path in begun.iterdir()) == ["after", "before", "file"]


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line_and_status_two(begun: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*LONGDEP, "report", "before", "--serve", "--port", port],
            cwd=begun,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"port {port}: " in done.stderr
