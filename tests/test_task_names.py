"""A task is written in one way, with its options and its data; and it may come from outside."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import local_data
import pytest
from small import small_study
from typer.testing import CliRunner

from experiments import finding, loading, sizes
from experiments.cli import app
from experiments.folder import StudyFolder
from experiments.study import Study, TaskAxis, Trial
from experiments.trial import run
from lightning_modules import data_sets, registry, task_names
from lightning_modules.refusal import RefusedError

MINE = '''"""A task of one's own."""
from lightning_modules.tasks.parity import Parity


class Mine(Parity):
    """Say whether a string holds an odd number of ones."""

    paper = "unpublished"
    version = 3
    dialects = {"deletang": "bits"}
    lag_means = "length"
    smallest_lag = {"deletang": 1}
    answer = "last"
'''


def first(task: str, lag: int = 5) -> Trial:
    return small_study(tasks=[TaskAxis(task=task, lags=[lag])]).trials()[0]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


# One way to write a task


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ("parity", "parity/deletang"),
        ("adding/bai", "adding/bai"),
        ("permuted_digits", "permuted_digits/pixels"),
        ("permuted_digits/pixels()", "permuted_digits/pixels"),
        ("permuted_digits(permutation=7)", "permuted_digits/pixels(permutation=7)"),
        ("permuted_digits/pixels( permutation = 7 )", "permuted_digits/pixels(permutation=7)"),
        ("permuted_digits/pixels(permutation=92916)", "permuted_digits/pixels"),
    ],
)
def test_however_a_task_is_written_it_is_known_by_one_text(written: str, resolved: str) -> None:
    axis = TaskAxis(task=written, lags=[5])
    assert axis.task == resolved == f"{axis.name}/{axis.dialect}"
    assert TaskAxis(task=axis.task, lags=[5]) == axis


def test_a_task_without_options_keeps_the_id_it_had_before_there_were_any() -> None:
    # As the first release computed it.
    assert loading.load("quick").trials()[0].id == "6e78d7a6982b7b2f"


def test_an_option_is_part_of_the_id_and_reaches_the_task() -> None:
    trials = [first(f"permuted_digits/pixels(permutation={seed})") for seed in (7, 8, 92916)]
    assert len({trial.id for trial in trials}) == 3
    assert trials[2].id == first("permuted_digits/pixels").id
    orders = [sizes.task_of(trial).order.tolist() for trial in trials]  # type: ignore[attr-defined]
    assert len({tuple(order) for order in orders}) == 3
    assert [sorted(order) for order in orders] == [list(range(64))] * 3
    assert trials[0].group == "rnn | permuted_digits/pixels(permutation=7) | 5"


WRONG = [
    ("permuted_digits/pixels(permutaton=7)", "has no option 'permutaton'; .*mean 'permutation'"),
    ("permuted_digits/pixels(permutation=x)", "option permutation is 'x'; it takes int"),
    ("permuted_digits/pixels(permutation=7.5)", "it takes int"),
    ("permuted_digits/pixels(permutation)", "write each option once, as option=value"),
    ("permuted_digits/pixels(permutation=1, permutation=2)", "write each option once"),
    ("permuted_digits/pixels(permutation=7", r"write NAME/DIALECT\(option=value"),
    ("permuted_digits/pixels(data=00)", "reads no data of this machine"),
    ("adding/bai(permutation=7)", "adding has no option 'permutation'; it has none"),
    ("permuted_digits/pixls(permutation=7)", "has no dialect 'pixls'; .*mean 'pixels'"),
    ("permutd_digits/pixels", "unknown task 'permutd_digits'; .*mean 'permuted_digits'"),
    ("nowhere.py:Mine/plain", "no such file"),
    ("nowhere:Mine/plain", "no module 'nowhere'"),
]


@pytest.mark.parametrize(("written", "message"), WRONG, ids=[w for w, _ in WRONG])
def test_a_mistake_in_a_task_is_one_line_that_names_it(written: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        TaskAxis(task=written, lags=[5])
    line = loading.one_line(caught.value)
    assert "\n" not in line
    assert re.search(message, line), line


def test_a_seed_that_no_generator_takes_is_refused() -> None:
    with pytest.raises(RefusedError, match="permutation -1: a seed is from 0"):
        task_names.make("permuted_digits", "pixels(permutation=-1)")


def test_show_takes_options_as_a_study_does() -> None:
    done = CliRunner().invoke(app, ["show", "permuted_digits/pixels(permutation=7)"])
    assert done.exit_code == 0, done.output
    kind, named = finding.task("permuted_digits/pixels(permutation=7)")
    assert kind is registry.load("task", "permuted_digits")
    assert (named.dialect, named.options) == ("pixels", {"permutation": 7})


# Data of this machine


def test_the_data_that_is_read_is_part_of_the_declaration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = first("character_lm/file")
    assert one.dialect == f"file(data={data_sets.fingerprint('text')})"
    (tmp_path / "other.txt").write_text(local_data.varied() + "!")
    monkeypatch.setenv(data_sets.TEXT, str(tmp_path / "other.txt"))
    other = first("character_lm/file")
    assert other.id != one.id
    with pytest.raises(RefusedError, match=r"'text' of this machine is \w{16}; declared is \w{16}"):
        sizes.task_of(one)
    # The declaration itself can be read anywhere.
    assert TaskAxis(task=f"character_lm/{one.dialect}", lags=[5]).dialect == one.dialect


@pytest.mark.parametrize(
    ("task", "variable", "message"),
    [
        ("character_lm/file", data_sets.TEXT, "LONGDEP_TEXT=FILE names one"),
        ("sequential_digits/mnist_rows", data_sets.FOLDER, r"no train-images-idx3-ubyte\(.gz\) in"),
        ("permuted_digits/mnist_pixels", data_sets.FOLDER, "or name their folder: LONGDEP_MNIST="),
    ],
)
def test_data_that_is_not_there_is_one_clear_line(
    task: str, variable: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(variable)
    with pytest.raises(ValueError, match=message):
        TaskAxis(task=task, lags=[5])
    done = CliRunner().invoke(app, ["show", task])
    assert done.exit_code == 2
    assert re.search(message, done.stderr.replace("\n", ""))
    assert list(tmp_path.iterdir()) == []


# Tasks from outside


def outside(reference: str) -> Study:
    return small_study(tasks=[TaskAxis(task=reference, lags=[2])], seeds=1)


def test_a_task_from_outside_is_known_by_what_it_is_and_not_by_where_it_lies(
    mine: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "mine.py"
    elsewhere.parent.mkdir()
    shutil.copy(mine, elsewhere)
    trials = [outside(f"{path}:Mine").trials()[0] for path in (mine, elsewhere)]
    assert trials[0].id == trials[1].id != outside("parity").trials()[0].id
    assert [trial.task_version for trial in trials] == [3, 3]
    assert trials[0].task == f"{mine}:Mine"


def test_a_task_of_a_module_is_named_by_module_and_class(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(mine.parent)
    axis = TaskAxis(task="mine:Mine", lags=[2])
    assert (axis.task, axis.is_outside) == ("mine:Mine/deletang", True)
    assert sizes.task_of(outside("mine:Mine").trials()[0]).input_size == 3


def test_a_task_from_outside_is_trained_and_recorded(mine: Path, tmp_path: Path) -> None:
    study = outside(f"{mine}:Mine/deletang")
    folder = StudyFolder(tmp_path / "runs" / "small")
    folder.reconcile(study)
    trial = study.trials()[0]
    assert run(trial, folder.trial(trial.id), is_debugged=True)["outcome"] in ("solved", "unsolved")
    # To read a folder runs nothing of it, so it is read; to run what it names must be allowed.
    assert folder.recorded() == study
    with pytest.raises(loading.StudyError, match=r"the task .*mine\.py:Mine' is code from outside"):
        loading.load(str(folder.file))
    assert loading.load(str(folder.file), allow=[f"{mine}:Mine"]) == study
    assert "mine.py" in json.loads((folder.trial(trial.id) / "trial.json").read_text())["code"]


def test_a_file_without_dialects_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("class Bare: pass\n")
    with pytest.raises(RefusedError, match="no plain value `dialects"):
        task_names.parse(f"{tmp_path}/bare.py:Bare")


def test_a_name_is_parted_from_its_dialect_wherever_its_file_lies() -> None:
    parted: dict[str, Any] = {
        "adding": "adding",
        "adding/bai": "adding",
        "/a/b.c/mine.py:Mine": "/a/b.c/mine.py:Mine",
        "/a/b.c/mine.py:Mine/plain(x=1)": "/a/b.c/mine.py:Mine",
        "package.module:Mine/plain": "package.module:Mine",
    }
    assert {written: task_names.name_of(written) for written in parted} == parted
