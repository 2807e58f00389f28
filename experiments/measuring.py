"""Probes on finished trials: their networks brought back, what is measured kept beside their logs.

Log and result are left alone. In Python:

>>> from experiments.measuring import finished
>>> from lightning_modules.probes.gates import Gates
>>> for one in finished("runs/quick", ["arm=lstm,lag=25"]):
...     rows = Gates(one.task, one.trial.seed).measure(one.network, one.batch)
...     print(one.trial.group, {row.key: row.value for row in rows})
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments import opening, selection
from experiments.durable import read_regular, replacing
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.probing import EXAMPLES, named
from experiments.study import Study, Trial
from experiments.trial import prepare
from lightning_modules.network import Network
from lightning_modules.probes.base import Probe, first
from lightning_modules.tasks.base import Batch, Task


@dataclass
class Finished:
    """A trial that is done: its network as it started and as it ended, and a batch to measure on.

    `steps` is how many steps lie between the two.
    """

    trial: Trial
    folder: Path
    start: Network
    network: Network
    task: Task
    batch: Batch
    steps: int
    weights_sha256: str


def finished(
    reference: str, only: list[str] | None = None, out: Path | None = None
) -> Iterator[Finished]:
    """Bring back the finished trials of a study, or some of them (as `--only` names them).

    Raises
    ------
    RefusedError
        When nothing has been run, `only` names nothing, or a trial's weights cannot be used.
    """
    study, folder = opening.recorded(reference, out)
    for trial in done(study, folder, only):
        yield bring_back(trial, folder)


def done(study: Study, folder: StudyFolder, only: list[str] | None = None) -> list[Trial]:
    """List the trials that are done and have weights."""
    chosen = selection.select(study, only or [])
    results = {trial.id: folder.result(trial.id) or {} for trial in chosen}
    return [trial for trial in chosen if results[trial.id].get("weights_sha256")]


def bring_back(trial: Trial, folder: StudyFolder) -> Finished:
    """Make the network of a finished trial at its start, and with the weights that it ended with.

    Raises
    ------
    StudyError
        When the weights are not those that were committed, or fit the architecture no more.
    """
    result = folder.result(trial.id) or {}
    path = folder.trial(trial.id) / "weights.pt"
    try:
        data = read_regular(path) or b""
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != result.get("weights_sha256"):
        raise StudyError(f"{path}: not the weights that were committed (another SHA-256)")
    start, drawn = prepare(trial)
    network, _ = prepare(trial)
    try:
        network.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise StudyError(f"{path}: does not fit {trial.arm.label} as it is now: {line}") from None
    return Finished(
        trial,
        folder.trial(trial.id),
        start,
        network,
        drawn.task,
        first(drawn.evaluation("validation"), EXAMPLES),
        int(result.get("steps", 0)),
        digest,
    )


def measure(one: Finished, name: str, probe: type[Probe]) -> tuple[Path | None, str]:
    """Measure a finished trial at its start and its end, and keep it in `probes/<name>.parquet`.

    What the file says of the two replaces what it said before. Gives the file, or None and why the
    probe does not apply.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    from analysis import probe_frames

    made = probe(one.task, one.trial.seed)
    if why := made.why_not(one.network):
        return None, why
    at = {0: one.start, one.steps: one.network}
    rows = [
        {"step": step, **named(name, made.measure(network, one.batch))}
        for step, network in at.items()
    ]
    frame: pd.DataFrame = probe_frames.of_rows(rows).drop(columns="probe")
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(
        {"trial": one.trial.id, "weights_sha256": one.weights_sha256}
    )
    path = one.folder / probe_frames.PLACE / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as file:
        parquet.write_table(table, file, compression="zstd")
    return path, ""
