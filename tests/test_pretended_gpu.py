"""Everything that a trial does, on a pretended GPU: no tensor may be made where the network is not.

The numbers are the CPU's, so that what is compared has to be equal to the last bit.

Longer than a file should be: whatever is registered, and whole trials, on one device.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pretended_gpu import OnGpu, TwoDevicesError, install, pretended
from small import RECIPE, small_study, small_trial
from task_cases import CASES as TASKS
from task_cases import build, smallest
from test_architectures import variants
from torch import Tensor, nn

from experiments import cohort
from experiments import trial as trials
from experiments.study import Arm, Budget, Probing, TaskAxis, Trial
from lightning_modules import registry, task_names
from lightning_modules.assembly import assemble
from lightning_modules.network import Network, count_flops_per_step
from lightning_modules.randomness import reseed
from lightning_modules.samples import samples
from lightning_modules.shape import Decoder, Shape
from lightning_modules.task_guessers import draw
from lightning_modules.tasks.base import Batch, Task

SHAPES = {
    "residual": Shape(layers=2, wiring="residual", norm="before"),
    "highway": Shape(layers=2, wiring="highway"),
    "dense": Shape(layers=2, wiring="dense"),
    "both directions": Shape(bidirectional=True),
}
REPLIES = {
    "alone": Shape(),
    "plain": Shape(decoder=Decoder()),
    "additive": Shape(bidirectional=True, decoder=Decoder(attention="additive", beam=3)),
    "multiplicative": Shape(decoder=Decoder(attention="multiplicative", source="reversed")),
    "cross": Shape(decoder=Decoder(architecture="transformer", attention="cross")),
}
ARCHITECTURES = [(name, options) for name in registry.names("architecture")
                 for options in variants(name)]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in loops: those are what runs on a GPU as well."""
    monkeypatch.setattr("lightning_modules.kernel.running.compiler", lambda: None)
    monkeypatch.setattr("lightning_modules.kernel.running.triton_problem", lambda: "none here")


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    with pretended() as device:
        yield device


def step(network: Network, task: Task, batch: Batch) -> dict[str, Tensor]:
    """Do what training and evaluation do with a batch, and give all that comes of it."""
    reseed(0, "training step")
    outputs = network(batch.inputs)
    loss = task.loss(outputs, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    network.eval()
    with torch.no_grad():
        answers = network.predict(batch)
    network.train()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return {"outputs": outputs, "loss": loss, "answers": answers, **gradients}


def same_on_both(task: Task, lag: int, name: str, options: Any = None, shape: Any = None) -> None:
    """Do a step on the CPU and on the pretended GPU, and compare."""
    shape = Shape() if shape is None else shape
    batch = draw(task, 3, lag, seed=1)

    def network() -> Network:
        kind = registry.load("architecture", name)
        return assemble(kind, options or {}, task, 4, shape=shape, seed=2)

    here = step(network(), task, batch)
    there = step(network().to("cuda"), task, batch.to("cuda"))
    assert here.keys() == there.keys()
    for key, expected in here.items():
        assert there[key].device.type == "cuda", key
        assert torch.equal(expected, there[key].cpu()), key


def test_what_is_made_without_a_device_is_found(
    gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_modules.architectures.base import Recurrent

    def planted(layer: Recurrent, batch: int) -> tuple[Tensor, ...]:
        return tuple(torch.zeros(batch, layer.hidden_size) for _ in layer.state_names)

    task = build("adding/arjovsky")
    same_on_both(task, 4, "highway")
    monkeypatch.setattr(Recurrent, "initial_state", planted)
    with pytest.raises(TwoDevicesError, match="on cuda:0 and on cpu"):
        same_on_both(task, 4, "highway")


def test_tensors_on_the_gpu_are_as_torch_has_them(gpu: torch.device) -> None:
    layer = nn.Linear(3, 2)
    weight = layer.weight
    assert layer.to("cuda").weight is weight and weight.device == gpu and weight.is_cuda
    x = torch.ones(4, 3, device="cuda", requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.device == gpu and x.grad is not None and x.grad.device == gpu
    assert isinstance(x.grad, OnGpu) and y.cpu().device.type == "cpu"
    assert torch.equal(x.new_zeros(2).cpu(), torch.zeros(2)) and x.new_zeros(2).device == gpu
    assert float(x.detach().sum()) == 12 and x.tolist()[0] == [1, 1, 1]
    assert torch.arange(3, device=x.device).device == gpu
    assert (x * torch.tensor(2.0)).device == gpu
    for meeting in (lambda: x + torch.ones(3), lambda: torch.stack([x[0, 0], torch.ones(())])):
        with pytest.raises(TwoDevicesError):
            meeting()
    with pytest.raises(TypeError, match="numpy"):
        x.detach().numpy()
    with pytest.raises(RuntimeError, match="no deterministic implementation"):
        x.cumsum(0)


@pytest.mark.parametrize(
    ("name", "options"),
    # As everywhere: `make test` takes the defaults, .ci/run all.
    [pytest.param(n, o, marks=[pytest.mark.slow] if o else []) for n, o in ARCHITECTURES],
    ids=[" ".join([n, *(f"{k}={v}" for k, v in o.items())]) for n, o in ARCHITECTURES],
)
def test_every_architecture_stays_where_its_input_is(
    gpu: torch.device, name: str, options: dict[str, Any]
) -> None:
    same_on_both(build("first_symbol/eight"), 5, name, options)


FIRST = {case.partition("/")[0]: case for case in reversed(TASKS)}
# Sequences of 64, and sources of many lengths.
LONG = ("permuted_digits", "number_words")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            c, marks=[pytest.mark.slow] if c.startswith(LONG) or c not in FIRST.values() else []
        )
        for c in TASKS
    ],
)
def test_every_task_has_its_loss_where_the_batch_is(gpu: torch.device, case: str) -> None:
    task = build(case)
    # It takes all steps at once: the longest sequences have 784.
    same_on_both(task, smallest(task) + 1, "min_gru")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", ["adding/arjovsky", "copy_memory/arjovsky"])
def test_every_wiring_stays_there(gpu: torch.device, case: str, shape: str) -> None:
    same_on_both(build(case), 4, "gru", shape=SHAPES[shape])


@pytest.mark.parametrize(
    "shape",
    [pytest.param(s, marks=[] if s in ("alone", "additive") else [pytest.mark.slow])
     for s in REPLIES],
)  # fmt: skip
def test_replies_are_said_there_and_read_here(gpu: torch.device, shape: str) -> None:
    task = task_names.make("copy_translation", "digits(alphabet=4)")
    # Sources of several lengths, and one.
    for lag in (6, 2):
        same_on_both(task, lag, "gru", shape=REPLIES[shape])
    batch = draw(task, 4, 6, seed=1)
    kind = registry.load("architecture", "gru")
    network = assemble(kind, {}, task, 4, shape=REPLIES[shape], seed=2)
    assert task.reply is not None
    here, flops = samples(network, task.reply, batch), count_flops_per_step(network)
    network.to("cuda")
    assert samples(network, task.reply, batch) == here
    assert count_flops_per_step(network) == flops


def rows(folder: Path) -> list[dict[str, Any]]:
    """Read a trial's rows, without what a clock measured."""
    lines = map(json.loads, (folder / "history.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k not in ("seconds", "crc32")} for row in lines]


def environment(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "trial.json").read_text())["environment"]
    return found


def probed(*probes: str) -> Trial:
    """Give a trial that is measured by some probes, at its start and at its end."""
    study = small_study(
        arms=[Arm(architecture="gru")],
        reference="gru",
        recipe=RECIPE.but(steps=12, validation_every=4),
        probes=[Probing(probe=name, at=["start", "end"]) for name in probes],
    )
    return study.trials()[0]


@pytest.mark.parametrize(
    "probes",
    [("gradient_reach",), pytest.param(registry.names("probe"), marks=pytest.mark.slow)],
    ids=["one", "all"],
)
def test_a_trial_there_ends_in_the_same_bits_probes_and_a_resume_included(
    probes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = probed(*probes)
    here = trials.run(trial, tmp_path / "here", is_debugged=True)
    there = tmp_path / "there"
    with pretended():
        install(monkeypatch)
        stopped = trials.run(
            trial, there, after_step=lambda step: step == 6, is_debugged=True, on="gpu"
        )
        assert stopped["outcome"] == "interrupted"
    # Read where there is no GPU: its tensors are this machine's.
    newest = max((there / "checkpoints").glob("step-*.pt"))
    assert torch.load(newest, weights_only=True)["training"]["step"] == 6
    with pretended():
        found = trials.run(trial, there, is_debugged=True, on="gpu")
    assert found["weights_sha256"] == here["weights_sha256"]
    assert rows(there) == rows(tmp_path / "here")
    assert any(key.startswith("probe/") for key in rows(there)[-1])
    assert found["bit_exact"] and not found["notes"]
    assert environment(there)["device"] == "cuda" and environment(there)["deterministic"]
    assert environment(there)["gpu"] == "a pretended GPU"


def test_a_trial_that_moves_to_another_device_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = small_trial("rnn", steps=6, validation_every=3)
    with pretended():
        install(monkeypatch)
        trials.run(trial, tmp_path, after_step=lambda step: step == 3, is_debugged=True, on="gpu")
    found = trials.run(trial, tmp_path, is_debugged=True)
    assert found["outcome"] == "unsolved" and not found["bit_exact"]
    told = "begun on a pretended GPU, it went on from step 3 on cpu: other bits"
    assert found["notes"] == [told]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "tcn"])
def test_a_cohort_there_ends_in_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(
        arms=[Arm(architecture=name)],
        reference=name,
        tasks=[TaskAxis(task="adding/arjovsky", lags=[4])],
        seeds=3,
        cohort=3,
        recipe=RECIPE.but(steps=10, validation_every=5),
    )
    some = study.trials()

    def run(place: Path, on: str) -> dict[int, dict[str, Any]]:
        place.mkdir()
        ended: dict[int, dict[str, Any]] = {}
        cohort.run(
            some,
            [place / trial.id for trial in some],
            on_end=lambda number, report: ended.update({number: report}),
            is_debugged=True,
            on=on,
        )
        return ended

    here = run(tmp_path / "here", "cpu")
    with pretended():
        install(monkeypatch)
        there = run(tmp_path / "there", "gpu")
    for number, trial in enumerate(some):
        assert there[number]["weights_sha256"] == here[number]["weights_sha256"]
        assert rows(tmp_path / "there" / trial.id) == rows(tmp_path / "here" / trial.id)


@pytest.mark.slow
def test_a_translation_there_is_trained_scored_and_kept_as_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(attention="additive", beam=2)
    study = small_study(
        arms=[Arm(architecture="gru", decoder=decoder)],
        reference="gru",
        tasks=[TaskAxis(task="copy_translation/digits", lags=[4])],
        budget=Budget(parameters=6000),
        recipe=RECIPE.but(steps=6, validation_every=3),
    )
    trial = study.trials()[0]
    here = trials.run(trial, tmp_path / "here", is_debugged=True)
    with pretended():
        install(monkeypatch)
        there = trials.run(trial, tmp_path / "there", is_debugged=True, on="gpu")
    assert there["weights_sha256"] == here["weights_sha256"]
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    kept = [(tmp_path / place / "samples.json").read_text() for place in ("here", "there")]
    assert kept[0] == kept[1]
