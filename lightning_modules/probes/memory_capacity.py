"""How much of what a network has seen can be read out of its state."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from lightning_modules.network import Network
from lightning_modules.probes._driving import drive
from lightning_modules.probes.base import Probe, Row, numbers
from lightning_modules.tasks.base import Batch, Task
from lightning_modules.walk import walker_of

Matrix = Float[np.ndarray, "rows columns"]
GROUPS = 8


class MemoryCapacity(Probe):
    """How well a linear read-out recovers the input of k steps back from the state (Jaeger).

    The network is driven by inputs of its own kind that have nothing to do with one another:
    uniform on [-1, 1], or symbols, each as likely as the others. Ridge regression on half of the
    sequences, scored on the others: r2(k) is the squared correlation, summed over the input's
    independent numbers (a symbol of n is n - 1 of them), less what comes of inputs not seen.

    | quantity | index | value |
    |---|---|---|
    | recovered | k | r2(k) / independent numbers; 1: the input k steps back is there, whole |
    | chance | | the mean of r2 for inputs that the network has not seen, which is taken off |
    | capacity | | sum of r2(k) over k: at most the numbers in the state |
    | capacity_low, capacity_high | | its 95 % interval, over eight groups of sequences |
    | horizon | | k before `recovered` first falls below half; -1: not even the last input |

    An untrained network is the control: the same at step 0. Lags go up to `lags`.
    """

    paper = "Jaeger 2001, GMD report 152; Hewitt & Liang 2019, arXiv:1909.03368"

    def __init__(
        self,
        task: Task,
        seed: int = 0,
        *,
        lags: int = 60,
        sequences: int = 48,
        steps: int = 60,
        ridge: float = 1e-9,
    ) -> None:
        super().__init__(task, seed)
        self.lags, self.sequences, self.steps, self.ridge = lags, sequences, steps, ridge

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        shape = self.sequences, self.lags + self.steps
        seen, unseen = (drive(network, batch, *shape, self.generator(i)) for i in range(2))
        rows: list[Row] = []
        for passage in walker_of(network).run(seen.inputs):
            order = -1 if passage.is_reversed else 1
            targets = [driven.independent[:, ::order] for driven in (seen, unseen)]
            rows += self._rows(passage.after.cpu().numpy(), targets[0], targets[1], passage.name)
        return rows

    def _rows(
        self, states: np.ndarray, targets: np.ndarray, unseen: np.ndarray, layer: str
    ) -> list[Row]:
        half = len(states) // 2
        fit, score = _design(states[:half, self.lags :]), _design(states[half:, self.lags :])
        mean, spread = fit.mean(0), fit.std(0)
        is_moving = spread > 1e-12 * np.maximum(np.abs(mean), 1e-30)
        fit, score = ((x - mean)[:, is_moving] / spread[is_moving] for x in (fit, score))
        read_out = _Ridge(fit, self.ridge)
        per_group: dict[str, list[np.ndarray]] = {"seen": [], "unseen": []}
        for name, sequences in (("seen", targets), ("unseen", unseen)):
            for k in range(self.lags + 1):
                end = sequences.shape[1] - k
                shifted = sequences[:, self.lags - k : end]
                predicted = score @ read_out.weights(_design(shifted[:half]))
                per_group[name].append(_squared_correlations(predicted, _design(shifted[half:])))
        found, floor = (np.array(per_group[name]) for name in ("seen", "unseen"))
        # [lag, group or all, number]. What is found by chance of inputs not seen is taken off.
        chance = floor.mean((0, 2))[None, :, None]
        kept = np.clip((found - chance) / (1 - chance), None, 1).sum(2)
        capacity, groups = kept[:, 0].sum(), kept[:, 1:].sum(0)
        wide = stats.t.ppf(0.975, GROUPS - 1) * groups.std(ddof=1) / GROUPS**0.5
        recovered = kept[:, 0] / targets.shape[2]
        lost = np.flatnonzero(recovered < 0.5)
        return [
            Row("recovered", numbers(recovered.tolist()), layer),
            Row("chance", float(chance[0, 0, 0]), layer),
            Row("capacity", float(capacity), layer),
            Row("capacity_low", float(capacity - wide), layer),
            Row("capacity_high", float(capacity + wide), layer),
            Row("horizon", float(lost[0] - 1 if len(lost) else self.lags), layer),
        ]


class _Ridge:
    """Ridge regression on standardised columns, by the singular values of the design."""

    def __init__(self, design: Matrix, ridge: float) -> None:
        left, sizes, self._right = np.linalg.svd(design, full_matrices=False)
        # Relative to the rows, so that more of them do not make it weaker.
        damped = sizes / (sizes**2 + ridge * len(design))
        self._left = left * damped

    def weights(self, targets: Matrix) -> np.ndarray:
        """Fit the columns of `targets`."""
        found: np.ndarray = self._right.T @ (self._left.T @ (targets - targets.mean(0)))
        return found


def _design(sequences: np.ndarray) -> Matrix:
    flat: Matrix = sequences.reshape(-1, sequences.shape[-1])
    return flat


def _squared_correlations(predicted: Matrix, targets: Matrix) -> np.ndarray:
    """Give the squared correlation of each column: of all rows, then of each group of them."""
    pairs = [(predicted, targets)]
    pairs += zip(np.array_split(predicted, GROUPS), np.array_split(targets, GROUPS), strict=True)
    found = []
    for guess, truth in pairs:
        a, b = guess - guess.mean(0), truth - truth.mean(0)
        size = (a * a).sum(0) * (b * b).sum(0)
        found.append((a * b).sum(0) ** 2 / np.where(size > 0, size, 1))
    return np.array(found)
