"""Units that do nothing, and units that are pressed against their ends."""

from torch import Tensor

from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row, first, has_gates
from lightning_modules.tasks.base import Batch
from lightning_modules.walk import walk

EXAMPLES = 8
STILL = 1e-6
END, NEAR = 0.99, 0.01


class DeadUnits(Probe):
    """Dead units and saturation: what of the state takes no part, and what can hardly move.

    | quantity | part | value |
    |---|---|---|
    | dead | tensor of the state | share of units whose variance over examples and steps is < 1e-6 |
    | saturated | tensor of the state | share of values with |h| > .99, where none leaves [-1, 1] |
    | saturated | gate | share of values outside [.01, .99] |
    """

    paper = "Glorot & Bengio 2010, PMLR 9; Karpathy 2015, arXiv:1506.02078"

    def measure(self, network: Network, batch: Batch) -> list[Row]:
        rows = []
        for passage in walk(network, self.task, first(batch, EXAMPLES)).passages:
            for name, span in passage.parts:
                values = passage.after[..., span]
                dead = values.flatten(0, 1).var(0, correction=0) < STILL
                rows.append(Row("dead", _share(dead), passage.name, name))
                # What is not bounded has no end to be pressed against.
                if bool((values.abs() <= 1).all()):
                    rows.append(Row("saturated", _share(values.abs() > END), passage.name, name))
            if has_gates(passage.layer):
                for name, gate in passage.gates.items():
                    at_end = (gate < NEAR) | (gate > 1 - NEAR)
                    rows.append(Row("saturated", _share(at_end), passage.name, f"{name} gate"))
        return rows


def _share(claims: Tensor) -> float:
    return float(claims.double().mean())
