"""What every probe keeps, as clauses that can be tried on any: ours in the tests, anybody's by
`longdep check`. `contract.py` is the same for architectures.
"""

import copy
import gc
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules import registry
from lightning_modules.assembly import ONE_LAYER, assemble
from lightning_modules.contract import BrokenClauseError, Verdict, require
from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, Row
from lightning_modules.randomness import batch_generator
from lightning_modules.shape import Shape, Wiring
from lightning_modules.tasks.base import Batch, Chance, Task

HIDDEN, BATCH, LAG = 6, 8, 9
NEEDS = ("layer", "recurrent", "gates")


class Recall(Task):
    """The task that probes are tried on: say the first symbol, at the last step or at each."""

    paper = "ours"
    dialects = {"last": "asked at the last step", "each": "asked at each step"}
    provenance = {"last": "ours", "each": "ours"}
    lag_means = "steps from the symbol to the last step"
    smallest_lag = {"last": 1, "each": 1}
    input_size = output_size = 3
    solved_at = 0.9

    def __init__(self, answer: Literal["last", "each"]) -> None:
        super().__init__(answer)
        self.answer = answer  # type: ignore[misc]

    def sample(self, batch: int, lag: int, generator: np.random.Generator) -> Batch:
        inputs = torch.from_numpy(generator.integers(3, size=(batch, lag + 1)))
        evidence = torch.zeros(batch, lag + 1, dtype=torch.bool)
        evidence[:, 0] = True
        is_each = self.answer == "each"
        mask = torch.ones_like(evidence) if is_each else evidence.flip(1)
        targets = inputs[:, :1].expand(-1, lag + 1) if is_each else inputs[:, 0]
        return Batch(inputs, targets, mask, evidence)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs.flatten(0, -2), batch.targets.flatten())

    def score(self, outputs: Tensor, batch: Batch) -> float:
        return float((outputs.argmax(-1) == batch.targets).double().mean())

    def chance(self, lag: int) -> Chance:
        return Chance(1 / 3, math.log(3), "one of three symbols")


def check(probe: type[Probe]) -> Iterator[Verdict]:
    """Try every clause on a probe."""
    for clause, try_it in CLAUSES.items():
        try:
            try_it(probe)
        except BrokenClauseError as broken:
            yield Verdict(clause, str(broken))
        except Exception as error:
            yield Verdict(clause, " ".join(f"{type(error).__name__}: {error}".split()))
        else:
            yield Verdict(clause, None)


def it_says_what_it_is(probe: type[Probe]) -> None:
    """It names its paper and what it needs, and its docstring says in one line what it is."""
    paper = getattr(probe, "paper", "")
    require(isinstance(paper, str) and paper.strip() != "", "it has no `paper`")
    require(probe.needs in NEEDS, f"it needs {probe.needs!r}; allowed: {', '.join(NEEDS)}")
    require(bool(inspect.getdoc(probe)), "its class has no docstring")


def options_are_keywords(probe: type[Probe]) -> None:
    """Its constructor takes (task, seed), and every option by name, with a default."""
    parameters = list(inspect.signature(probe).parameters.values())
    positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    require(positional == ["task", "seed"], f"its positional arguments are {positional}")
    bare = [p.name for p in parameters[2:] if p.default is p.empty]
    require(not bare, f"its options {', '.join(bare)} have no default")


def it_runs_on_every_architecture(probe: type[Probe]) -> None:
    """It measures every registered architecture, or says in one line why it does not apply."""
    for name in registry.names("architecture"):
        for task, network, batch in _cases(name):
            made = probe(task)
            why = made.why_not(network)
            require("\n" not in why, f"on {name}: why it does not apply is more than a line")
            if not why:
                require(bool(made.measure(network, batch)), f"on {name}: it gives no row")


def it_runs_on_every_wiring_and_direction(probe: type[Probe]) -> None:
    """It measures stacks of every wiring, in one direction and in two."""
    for wiring in get_args(Wiring):
        for is_two_way in (False, True):
            shape = Shape(layers=2, wiring=wiring, bidirectional=is_two_way)
            for task, network, batch in _cases(shape=shape):
                made = probe(task)
                has_rows = bool(made.why_not(network) or made.measure(network, batch))
                require(has_rows, f"on {shape.in_words()}: it gives no row")


def rows_are_plain(probe: type[Probe]) -> None:
    """Its rows are finite numbers, lists of them or None where there is none, each named once."""
    for task, network, batch in _cases():
        rows = probe(task).measure(network, batch)
        keys = [row.key for row in rows]
        twice = [key for key in keys if keys.count(key) > 1]
        require(not twice, f"{twice[:1]} is measured twice")
        for row in rows:
            require(_is_plain(row.value), f"{row.key} is {row.value!r:.60}")


def the_network_stays_as_it_is(probe: type[Probe]) -> None:
    """Weights, buffers, gradients and mode of the network are what they were, and it is its own."""
    for task, network, batch in _cases():
        task.loss(network(batch.inputs), batch).backward()
        before, gradients = copy.deepcopy(network.state_dict()), _gradients(network)
        answer = network(batch.inputs)
        for mode in (True, False):
            network.train(mode)
            probe(task).measure(network, batch)
            require(network.training == mode, "the network is in another mode afterwards")
        same = all(torch.equal(a, b) for a, b in _pairs(before, network.state_dict()))
        require(same, "the network's weights are others afterwards")
        same = all(torch.equal(a, b) for a, b in _pairs(gradients, _gradients(network)))
        require(same, "the network's gradients are others afterwards")
        require(torch.equal(answer, network(batch.inputs)), "the network answers otherwise")


def random_numbers_are_its_own(probe: type[Probe]) -> None:
    """It takes no number from torch's or numpy's generators: it gives the same twice."""
    for task, network, batch in _cases():
        made = []
        for start in (1, 2):
            torch.default_generator.manual_seed(start)
            before = torch.default_generator.get_state()
            made.append(probe(task).measure(network, batch))
            same = torch.equal(before, torch.default_generator.get_state())
            require(same, "torch's generator has moved")
        require(_values(made[0]) == _values(made[1]), "the same network is measured otherwise")


def it_follows_the_weights(probe: type[Probe]) -> None:
    """A network whose weights have changed is measured anew."""
    task, network, batch = _cases()[0]
    before = probe(task).measure(network, batch)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.5)
    other = copy.deepcopy(network)
    now, anew = (_values(probe(task).measure(n, batch)) for n in (network, other))
    require(now == anew, "a copy of the network is measured otherwise")
    require(now != _values(before), "other weights are measured alike")


def it_lets_go_of_what_it_kept(probe: type[Probe]) -> None:
    """It holds no tensor when it is done, not even in a circle: those of a walk are large."""

    def measure() -> None:
        for task, network, batch in _cases():
            made = probe(task)
            if not made.why_not(network):
                made.measure(network, batch)

    measure()  # what is made once is there now
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()  # it looks for circles now and then, by the number of objects and not bytes
    try:
        before = _tensors()
        measure()
        require(_tensors() <= before, f"{_tensors() - before} tensors are left")
    finally:
        if was_enabled:
            gc.enable()


CLAUSES: dict[str, Callable[[type[Probe]], None]] = {
    (clause.__doc__ or "").strip().rstrip("."): clause
    for clause in (
        it_says_what_it_is,
        options_are_keywords,
        it_runs_on_every_architecture,
        it_runs_on_every_wiring_and_direction,
        rows_are_plain,
        the_network_stays_as_it_is,
        random_numbers_are_its_own,
        it_follows_the_weights,
        it_lets_go_of_what_it_kept,
    )
}


def _cases(name: str = "", shape: Shape = ONE_LAYER) -> list[tuple[Task, Network, Batch]]:
    """Give a small network that answers at the last step, and one that answers at each."""
    architecture = registry.load("architecture", name or _with_gates())
    cases: list[tuple[Task, Network, Batch]] = []
    for answer in ("last", "each"):
        task = Recall(answer)
        batch = task.sample(BATCH, LAG, batch_generator(0, "contract", 0))
        cases.append((task, assemble(architecture, {}, task, HIDDEN, shape=shape, seed=1), batch))
    return cases


def _with_gates() -> str:
    """Name an architecture that has gates and a state of several tensors."""
    for name in registry.names("architecture"):
        layer: Any = registry.load("architecture", name)(1, 1)
        if len(getattr(layer, "state_names", ())) == 2 and "gates" in vars(type(layer)):
            return name
    return registry.names("architecture")[0]


def _tensors() -> int:
    return sum(type(each) is Tensor for each in gc.get_objects())


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(part) for part in value)
    return value is None or (isinstance(value, float | int) and math.isfinite(value))


def _values(rows: list[Row]) -> dict[str, Any]:
    return {row.key: row.value for row in rows}


def _gradients(network: Network) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def _pairs(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    require(a.keys() == b.keys(), "what the network holds has other names")
    return [(a[name], b[name]) for name in a]
