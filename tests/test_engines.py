"""The door to the engines: what is asked for, what is refused, and a folder that must be shared."""

import dataclasses
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli_where
from experiments.engines import choice, sharing
from experiments.engines.base import Where
from experiments.engines.choice import Kind
from lightning_modules.refusal import RefusedError


def test_an_engine_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(RefusedError, match=r"engines are local.*did you mean 'local'"):
        choice.check(Where(engine="locl"))


def test_what_an_engine_does_not_know_is_refused_with_the_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(choice.ENGINES, "far", Kind("math", ("address", "trials_per_gpu")))
    choice.check(Where(engine="far", workers=3, address="there:1", trials_per_gpu=2))
    for field, option in (("address", "--address"), ("trials_per_gpu", "--trials-per-gpu")):
        with pytest.raises(RefusedError, match=f"^{option} goes with --engine .*far"):
            choice.check(Where(**{field: 1}))  # type: ignore[arg-type]


def test_all_that_says_where_trials_run_is_an_option() -> None:
    assert set(cli_where.OPTIONS) == {field.name for field in dataclasses.fields(Where)}


def test_an_engine_whose_package_is_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(choice.ENGINES, "far", Kind("math", package="no_such_package"))
    with pytest.raises(RefusedError, match=r"pip install 'longdep\[far\]'"):
        choice.check(Where(engine="far"))


def test_no_engine_is_imported_unless_it_is_asked_for() -> None:
    code = (
        "import sys, experiments.cli, experiments.running, experiments.launching; "
        "print({'ray', 'submitit', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


ASK = """
import json, sys
from experiments.engines.sharing import Offer, problem
print(problem(Offer(**json.loads(sys.argv[1]))))
"""


def asked_elsewhere(offer: sharing.Offer) -> str:
    given = f'{{"path": "{offer.path}", "word": "{offer.word}"}}'
    command = [sys.executable, "-P", "-c", ASK, given]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_folder_is_shared_where_a_lock_is_seen_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    with sharing.offered(tmp_path) as offer:
        assert asked_elsewhere(offer) == "None"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_shared_is_told_from_one_whose_locks_do_not_hold(
    tmp_path: Path,
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    with sharing.offered(tmp_path) as offer:
        name = Path(offer.path).name
        elsewhere = sharing.Offer(str(away / name), offer.word)
        assert sharing.problem(elsewhere) == f"{away} is another folder"
        nowhere = sharing.Offer(str(tmp_path / "no" / name), offer.word)
        assert sharing.problem(nowhere) == f"{tmp_path / 'no'} is not there"
        (away / name).write_text("another word")
        assert sharing.problem(elsewhere) == f"{away} is another folder"
        (away / name).write_text(offer.word)  # as where every machine has a lock of its own
        assert "do not keep out another" in str(sharing.problem(elsewhere))
        with (away / name).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert sharing.problem(elsewhere) is None
