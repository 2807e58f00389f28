"""A study on a Ray cluster: as on one machine, whatever is lost; nothing stays behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import ray_nodes
from disturbed import assert_same, needs, rows, wait_until
from ray_nodes import Nodes
from slurm_study import GATE, SLOW, STUDY

from experiments import accelerator, loading, trial
from experiments.engines import ray_joining, ray_keeper
from experiments.interruption import EXIT_STATUS
from lightning_modules.refusal import RefusedError

LONGDEP = str(Path(sys.executable).parent / "longdep")
PATIENCE = 150.0
TRIALS = 3
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks in /proc")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose trials take their time until a gate is open."""
    folder = tmp_path_factory.mktemp("file")
    (folder / "slow.py").write_text(SLOW)
    (folder / "small.py").write_text(STUDY)
    return folder / "small.py"


def run(file: Path, *options: str, folder: Path, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [LONGDEP, "run", str(file), "--engine", "ray", *options],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(file: Path, *options: str, folder: Path, **variables: str) -> str:
    """Give the line of a run that is refused: one line, status 2, nothing made, nothing left."""
    before = sorted(folder.rglob("*"))
    with run(file, *options, folder=folder, **variables) as process:
        told, line = process.communicate(timeout=120)
    assert process.returncode == 2 and told == "" and line.count("\n") == 1, told + line
    assert sorted(folder.rglob("*")) == before
    return line


def first_row(folder: Path) -> bool:
    return any(folder.glob("runs/small/*/history.jsonl"))


@pytest.fixture(scope="module")
def alike(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's trials as this process runs them."""
    folder = tmp_path_factory.mktemp("alike")
    for each in loading.load(str(file)).trials():
        trial.run(each, folder / each.id)
    return folder


def assert_alike(study: Path, alike: Path) -> None:
    done = sorted(path.parent for path in study.glob("runs/small/*/result.json"))
    assert len(done) == TRIALS
    for folder in done:
        assert_same(folder, alike / folder.name)


@pytest.fixture
def cluster() -> Iterator[Nodes]:
    with ray_nodes.cluster() as nodes:
        yield nodes


@pytest.mark.slow
def test_a_node_that_is_killed_changes_nothing_and_what_cannot_be_is_refused_in_a_line(
    cluster: Nodes, file: Path, alike: Path, tmp_path: Path
) -> None:
    address, variables = cluster.address, cluster.variables
    to = ("--address", address)
    line = refused(file, *to, folder=tmp_path, **{**variables, "RAY_AUTH_TOKEN": "0" * 64})
    assert "asks for its token" in line
    needs(shutil.which("unshare") is not None, "unshare")
    if why := accelerator.why_no_gpu():
        line = refused(file, *to, "--trials-per-gpu", "2", folder=tmp_path, **variables)
        assert line.startswith("longdep: Ray node ") and line.endswith(f"gpu: {why}\n")
    (tmp_path / "here").mkdir()
    hidden = f"mount -t tmpfs none here && exec {LONGDEP} run {file} --engine ray --out here/x"
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", f"{hidden} --address {address}"],
        cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "is another folder; the study's folder must be" in done.stderr
    gate = tmp_path / "gate"
    with run(file, *to, folder=tmp_path, **variables, **{GATE: str(gate)}) as process:
        wait_until(lambda: first_row(tmp_path), PATIENCE)
        cluster.lose_one()
        gate.touch()
        told, error = process.communicate(timeout=300)
    assert process.returncode == 0 and "3 trials to run, 3 at once on 3 Ray nodes" in told, error
    assert_alike(tmp_path, alike)


def lines(study: Path) -> int:
    return sum(len(rows(path.parent)) for path in study.glob("runs/small/*/history.jsonl"))


@pytest.mark.slow
def test_nothing_stays_behind_a_cluster_of_ours_and_the_study_goes_on(
    file: Path, alike: Path, tmp_path: Path
) -> None:
    # A file of a library's name in the working directory is not the library.
    (tmp_path / "html.py").write_text("raise SystemExit('planted')")
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as short:
        for number, status in ((signal.SIGKILL, -9), (signal.SIGINT, EXIT_STATUS), (None, 0)):
            told, place = disturbed(file, tmp_path, Path(short), number)
            assert told == status
            # Where we come to see the end, all is gone before it; behind a kill it is soon.
            seconds = 30.0 if number == signal.SIGKILL else 0.5
            wait_until(partial(is_gone, place), seconds)
    assert_alike(tmp_path, alike)


def disturbed(file: Path, study: Path, short: Path, number: int | None) -> tuple[int, Path]:
    """Run until a row is written, send a signal, and give the status and the cluster's folder."""
    before = lines(study)
    gate = study / "gate"
    if number is None:
        gate.touch()
    variables = {"TMPDIR": str(short), GATE: str(gate)}
    with run(file, "--workers", "2", folder=study, **variables) as process:
        wait_until(lambda: any(short.iterdir()), PATIENCE)
        (place,) = short.iterdir()
        if number is not None:
            wait_until(lambda: lines(study) > before or process.poll() is not None, PATIENCE)
            assert ray_keeper.marked(str(place))
            process.send_signal(number)
        process.communicate(timeout=200)
    return process.returncode, place


def is_gone(place: Path) -> bool:
    return not place.exists() and not ray_keeper.marked(str(place))


def test_an_address_that_leads_nowhere_is_refused_in_a_line(tmp_path: Path) -> None:
    for address, line in (
        ("nowhere", "HOST:PORT"),
        ("ray://localhost:10001", "HOST:PORT"),
        ("localhost:99999", "HOST:PORT"),
        ("127.0.0.1:1", "no Ray cluster answers there"),
        ("nowhere.invalid:6379", "no Ray cluster answers there"),
    ):
        with pytest.raises(RefusedError, match=f"^--address {address}: .*{line}"):
            ray_joining.join(address)
