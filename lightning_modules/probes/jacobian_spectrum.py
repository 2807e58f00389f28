"""What a step does to small differences: singular values and Lyapunov exponents."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float

from lightning_modules.network import Network
from lightning_modules.probes._driving import drive
from lightning_modules.probes.base import Probe, Row, first, number, numbers
from lightning_modules.tasks.base import Batch, Task
from lightning_modules.walk import Passage, walker_of

ROWS = 8192
"""Of a step that gives several Jacobians at once."""
SMALLEST = float(np.finfo(np.float64).tiny)
ROUNDING = 1e-13
WASHOUT = 20


class JacobianSpectrum(Probe):
    """How a difference in the state grows or shrinks: spectrum of products of step Jacobians.

    Exponents by QR at every step (Q R = J_t Q; the mean of ln |R_ii|), along one sequence of
    independent inputs (uniform on [-1, 1], or symbols) after 20 steps that do not count. Singular
    values of the product of all steps of the batch's first example.

    | quantity | index | value |
    |---|---|---|
    | exponents | i | Lyapunov exponents per step, the `leading` largest; about 0: on the edge |
    | largest | | the first of them |
    | dimension | | Kaplan and Yorke's, where all exponents are there |
    | floored | | share of the |R_ii| below 2e-308, which count as that: exponents stay finite |
    | singular | i | ln of the singular values; None below 1e-13 of the largest: rounding |
    | steps | | how many the exponents are a mean over |

    A derivative that float64 rounds to 0 (tanh beyond 19) is one of those floored.
    """

    paper = "Vogt 2020, arXiv:2006.14123; Engelken 2023, Physical Review Research 5"

    def __init__(self, task: Task, seed: int = 0, *, leading: int = 8, steps: int = 300) -> None:
        super().__init__(task, seed)
        self.leading, self.steps = leading, steps

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        driven = drive(network, batch, 1, self.steps + WASHOUT, self.generator())
        walker = walker_of(network)
        rows: list[Row] = []
        for passage in walker.run(driven.inputs):
            rows += self._exponents(passage)
        for passage in walker.run(first(batch, 1).inputs):
            rows.append(Row("singular", numbers(_singular(passage)), passage.name))
        return rows

    def _exponents(self, passage: Passage) -> list[Row]:
        size = passage.watched.width
        leading = min(self.leading, size)
        start = self.generator(1).standard_normal((size, leading))
        basis, _ = np.linalg.qr(start)
        total, floored = np.zeros(leading), 0
        for number_of, jacobian in enumerate(jacobians(passage)):
            basis, upper = np.linalg.qr(jacobian @ basis)
            if number_of < WASHOUT:
                continue
            lengths = np.abs(np.diag(upper))
            floored += int((lengths < SMALLEST).sum())
            total += np.log(np.maximum(lengths, SMALLEST))
        exponents = np.sort(total / self.steps)[::-1]
        rows = [
            Row("exponents", numbers(exponents.tolist()), passage.name),
            Row("largest", number(float(exponents[0])), passage.name),
            Row("floored", floored / (self.steps * leading), passage.name),
            Row("steps", float(self.steps), passage.name),
        ]
        if leading == size:
            rows.append(Row("dimension", _dimension(exponents), passage.name))
        return rows


def jacobians(passage: Passage) -> Iterator[Float[np.ndarray, "after before"]]:
    """Give the Jacobian of the whole state, step by step, of the first example."""
    projected, states = passage.rows()
    time, size = passage.states.shape[1], passage.watched.width
    projected, states = projected[:time], states[:time]
    many = max(1, ROWS // size)
    for p, s in zip(projected.split(many), states.split(many), strict=True):
        # One row of the step for each number of the state behind it.
        before = s.repeat_interleave(size, 0).requires_grad_()
        with torch.enable_grad():
            state = passage.watched.split(before)
            _, after = passage.layer.step(p.repeat_interleave(size, 0), state)
            rows = torch.cat([part.flatten(1) for part in after], 1)
        chosen = torch.eye(size, dtype=rows.dtype).repeat(len(s), 1)
        (found,) = torch.autograd.grad(rows, before, chosen, allow_unused=True)
        found = torch.zeros_like(before) if found is None else found
        # Where a state begins at minus infinity, what does not depend on it is NaN.
        yield from found.nan_to_num(0.0, 0.0, 0.0).unflatten(0, (-1, size)).numpy()


def _singular(passage: Passage) -> list[float]:
    """Give ln of the singular values of the product of all steps."""
    product, scale = np.eye(passage.watched.width), 0.0
    for jacobian in jacobians(passage):
        product = jacobian @ product
        size = float(np.abs(product).max())
        if size == 0:
            return [float("nan")] * len(product)
        product, scale = product / size, scale + float(np.log(size))
    values = np.linalg.svd(product, compute_uv=False)
    is_told = values > ROUNDING * values[0]
    return [float(np.log(v)) + scale if told else float("nan")
            for v, told in zip(values, is_told, strict=True)]  # fmt: skip


def _dimension(exponents: np.ndarray) -> float:
    """Give Kaplan and Yorke's dimension: how many directions together do not yet shrink."""
    sums = np.cumsum(exponents)
    held = int((sums >= 0).sum())
    if held == 0 or held == len(exponents):
        return float(held)
    return held + float(sums[held - 1] / abs(exponents[held]))
