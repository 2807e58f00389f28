"""What all tests share: one thread, and a study that takes a second."""

import os

import local_data
import pytest
import torch


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


@pytest.fixture(autouse=True)
def _nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
