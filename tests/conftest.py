"""What all tests share: one thread, a core, and an order in which no core waits for another."""

import gc
import os
import sys

import local_data
import pytest
import torch

LONGEST = (
    "test_readme.py::test_everything_runs_as_written",
    "test_ray.py::",
    "test_slurm.py::",
    "test_faults_study.py::",
    "test_tuning.py::test_two_launchers",
    "test_bench.py::test_it_runs",
    "test_running.py::",
    "test_faults_trial_",
    "test_ten_thousand.py::",
    "test_serving.py::",
    "test_cli.py::",
    "test_foreign",
    "test_trial.py::",
    "test_cohort_trials.py::",
)
"""What takes longest among the slow tests, the longest first."""

# Nothing that is imported is thrown away: looking for what could be would take a tenth of the time.
gc.disable()


def _keep_to_a_core() -> None:
    """Give each of several processes that run tests a core of its own.

    A run that a test starts has a worker for each core that it may use, and each of them imports
    torch: with one, all tests together are done sooner.
    """
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    if name and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(name.removeprefix("gw")) % len(cores)]})


torch.set_num_threads(1)
_keep_to_a_core()
local_data.put_in_place()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest: one that is begun last keeps one core, and leaves the others idle."""

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("slow") is None:
            return len(LONGEST)
        name = item.nodeid.rpartition("tests/")[2]
        return next((n for n, begin in enumerate(LONGEST) if name.startswith(begin)), len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Look for garbage again, and keep nothing that is compiled from now on."""
    gc.enable()
    # Of two files of one size that a test writes within a second, the first would be kept compiled.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.fixture(autouse=True)
def _nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
