"""Kernels in Triton on a GPU equal the loop there: `pytest -m gpu`, by whoever has one."""

import pytest
import torch
from kernel_cases import RECURRENT, off
from random_steps import RandomStep

from lightning_modules import registry
from lightning_modules.kernel.running import kernel_for
from lightning_modules.network import path_of, why_no_kernel

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU"),
]
LIMITS = {torch.float32: 1e-4, torch.float64: 1e-10}
"""Relative to the largest number compared; in float32 a matrix exponential loses digits."""


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize(
    ("batch", "length", "hidden"), [(1, 1, 5), (33, 20, 32), (64, 50, 64), (5, 9, 150)], ids=str
)
@pytest.mark.parametrize("name", RECURRENT)
def test_the_kernel_is_the_loop(
    name: str, batch: int, length: int, hidden: int, dtype: torch.dtype
) -> None:
    torch.default_generator.manual_seed(hidden)
    layer = registry.load("architecture", name)(10, hidden).to("cuda", dtype)
    assert (why_no_kernel(layer), path_of(layer)) == ("", "kernel")
    assert off(layer, layer, batch, length) < LIMITS[dtype]


@pytest.mark.parametrize("seed", range(40))
def test_a_random_step_has_a_kernel_that_is_the_loop(seed: int) -> None:
    layer = RandomStep(3, 18, seed=seed).to("cuda", torch.float64)
    found = kernel_for(layer, layer.zeros(17, 1, 3), layer.initial_state(17))
    assert not isinstance(found, str), found
    assert off(layer, layer, 17, 9) < LIMITS[torch.float64]


@pytest.mark.parametrize("hidden", [32, 150])
def test_a_kernel_gives_the_same_bits_twice(hidden: int) -> None:
    layer = registry.load("architecture", "lstm")(10, hidden).cuda()
    x = torch.randn(64, 100, 10, device="cuda")
    found = []
    for _ in range(2):
        y, _ = layer(x)
        found.append([y, *torch.autograd.grad(y.square().sum(), list(layer.parameters())[:2])])
    for first, second in zip(*found, strict=True):
        assert torch.equal(first, second)
