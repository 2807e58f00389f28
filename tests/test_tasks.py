"""The contract over every registered task and dialect, and what its generator is pinned to."""

import subprocess
import sys
from typing import Any

import pytest
from golden import GOLDEN, NOT_PINNED
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ORACLES
from task_cases import CASES, build, fingerprint, smallest, stream_fingerprint

from lightning_modules import task_contract
from lightning_modules.task_guessers import draw


@pytest.mark.parametrize("clause", task_contract.CLAUSES)
@pytest.mark.parametrize("case", CASES)
def test_a_task_keeps_the_clause(case: str, clause: str) -> None:
    task_contract.CLAUSES[clause](build(case))


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_batch_of_any_lag_and_size_is_as_promised(case: str, data: Any) -> None:
    task = build(case)
    lag = data.draw(st.integers(smallest(task), smallest(task) + 60), "lag")
    size = data.draw(st.integers(1, 9), "batch")
    batch = draw(task, size, lag, data.draw(st.integers(0, 2**32), "seed"))
    task_contract.shapes(task, batch, size)
    task_contract.values(task, batch)
    task_contract.marks(task, batch)


@pytest.mark.slow
def test_every_batch_is_the_same_in_another_process() -> None:
    code = (
        "import conftest, task_cases as t\n"
        "print([(t.fingerprint(c), t.stream_fingerprint(c)) for c in t.CASES])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(["tests", *sys.path]), "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    here = [(fingerprint(case), stream_fingerprint(case)) for case in CASES]
    assert done.stdout.strip() == str(here)


def test_every_dialect_has_an_oracle_and_a_golden_hash() -> None:
    assert sorted(ORACLES) == sorted(CASES)
    assert sorted([*GOLDEN, *NOT_PINNED]) == sorted(CASES)


@pytest.mark.parametrize("case", GOLDEN)
def test_what_a_generator_draws_is_pinned_at_its_version(case: str) -> None:
    found = (build(case).version, fingerprint(case))
    assert found == GOLDEN[case], (
        f"{case} draws other numbers: raise `version` in the task, then write {found} here"
    )
