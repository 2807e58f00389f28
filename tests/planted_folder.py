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


def plant(path: Path, study: Study, fate: Fate = lambda trial: "solved") -> StudyFolder:
    """Write `study.json` and each trial's files: an outcome, `failed`, `interrupted`, `missing`."""
    folder = StudyFolder(path)
    folder.reconcile(study)
    for trial in study.trials():
        if (outcome := fate(trial)) != "missing":
            _plant_trial(folder.trial(trial.id), trial, outcome)
    return folder


def write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record))


def _plant_trial(folder: Path, trial: Trial, outcome: str) -> None:
    folder.mkdir()
    (folder / "lock").touch()
    write(folder / "trial.json", {"schema": 1, "trial": trial.id, "attempts": 1})
    if outcome == "interrupted":
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "step-000000010.pt").write_bytes(bytes(1000))
        return
    known = {"schema": 1, "trial": trial.id, "outcome": outcome, "attempts": 1}
    if outcome == "failed":
        more = {"step": 3, "error": "RuntimeError: planted", "traceback": ""}
        write(folder / "failure.json", known | more)
        return
    run = folder / "wandb" / f"offline-run-1-{trial.id}"
    (run / "logs").mkdir(parents=True)
    log, weights = run / f"run-{trial.id}.wandb", folder / "weights.pt"
    log.write_bytes(b"the log of " + trial.id.encode())
    weights.write_bytes(b"the weights of " + trial.id.encode())
    (run / "logs" / "debug.log").write_bytes(bytes(500))
    result = known | {
        "rows": 0, "steps": 50, "solved_step": None, "bit_exact": True, "notes": [],
        "code": code.of(trial), "log": str(log.relative_to(folder)),
        "log_sha256": hashlib.sha256(log.read_bytes()).hexdigest(),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }  # fmt: skip
    write(folder / "result.json", result)
