"""Counters in, numbers out: nothing else decides what is drawn."""

import subprocess
import sys

import numpy as np
import torch

from lightning_modules.randomness import batch_generator, reseed


def first(seed: int, split: str, index: int) -> float:
    return float(batch_generator(seed, split, index).random())


def test_the_same_counters_give_the_same_numbers_in_another_process() -> None:
    code = (
        "from lightning_modules.randomness import batch_generator\n"
        "print(batch_generator(3, 'train', 7).random())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == first(3, "train", 7)


def test_seed_split_and_index_each_matter() -> None:
    drawn = {first(s, split, k) for s in (0, 1) for split in ("train", "test") for k in range(50)}
    assert len(drawn) == 200


def test_nothing_global_is_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    batch_generator(0, "train", 0).random(1000)
    reseed(0, "initialisation")
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_purpose_and_a_step_have_a_stream_of_their_own() -> None:
    drawn = set()
    for seed in (0, 1):
        for purpose in ("initialisation", "training step"):
            for step in range(20):
                reseed(seed, purpose, step)
                drawn.add(float(torch.rand(1, dtype=torch.float64)))
    assert len(drawn) == 80
