"""A study's folder with results that nobody trained: what the commands that keep it look at."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import code
from experiments.folder import StudyFolder
from experiments.study import Study, Trial

Fate = Callable[[Trial], str]


def plant(
    path: Path, study: Study, fate: Fate = lambda trial: "solved", *, is_bare: bool = False
) -> StudyFolder:
    """Write `study.json` and each trial's files: an outcome, `failed`, `interrupted`, `missing`.

    A bare folder has the results alone: no logs, no weights.
    """
    folder = StudyFolder(path)
    folder.reconcile(study)
    for trial in study.trials():
        if (outcome := fate(trial)) != "missing":
            identity = trial.id
            _plant_trial(folder.trial(identity), identity, trial, outcome, is_bare)
    return folder


def write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record))


def _plant_trial(folder: Path, identity: str, trial: Trial, outcome: str, is_bare: bool) -> None:
    folder.mkdir()
    known = {"schema": 1, "trial": identity, "outcome": outcome, "attempts": 1}
    if is_bare:
        write(folder / "result.json", known | _result(trial, "wandb/none.wandb", b"", b""))
        return
    (folder / "lock").touch()
    write(folder / "trial.json", {"schema": 1, "trial": identity, "attempts": 1})
    if outcome == "interrupted":
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "step-000000010.pt").write_bytes(bytes(1000))
        return
    if outcome == "failed":
        more = {"step": 3, "error": "RuntimeError: planted", "traceback": ""}
        write(folder / "failure.json", known | more)
        return
    run = folder / "wandb" / f"offline-run-1-{identity}"
    (run / "logs").mkdir(parents=True)
    log, weights = b"the log of " + identity.encode(), b"the weights of " + identity.encode()
    (run / f"run-{identity}.wandb").write_bytes(log)
    (folder / "weights.pt").write_bytes(weights)
    (run / "logs" / "debug.log").write_bytes(bytes(500))
    name = str((run / f"run-{identity}.wandb").relative_to(folder))
    write(folder / "result.json", known | _result(trial, name, log, weights))


def _result(trial: Trial, name: str, log: bytes, weights: bytes) -> dict[str, Any]:
    return {
        "rows": 0, "steps": 50, "solved_step": None, "bit_exact": True, "notes": [],
        "code": code.of(trial), "log": name,
        "log_sha256": hashlib.sha256(log).hexdigest(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }  # fmt: skip
