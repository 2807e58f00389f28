"""Plants the folder of a study that nobody ran: study.json, result.json, and W&B logs.

`plant` makes any grid, with any fate for each of its trials; `planted_quick` is like the real quick
study. The logs are written byte by byte in `log_writer`.
"""

import hashlib
import json
import math
import random
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from log_writer import log


@dataclass(frozen=True)
class Fate:
    """What becomes of a trial: an outcome; `failed`, `interrupted`, `missing`, `damaged` are none.

    What is left open is drawn from the trial's own counter.
    """

    outcome: str
    solved_step: int | None = None
    test_score: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] | None = None


Fates = Callable[[str, str, int, int], Fate | str]

RECIPE = {
    "optimizer": "adam",
    "learning_rate": 0.01,
    "clip": 1.0,
    "batch": 32,
    "steps": 1000,
    "validation_every": 25,
    "validation_size": 256,
    "test_size": 1024,
    "solved_for": 2,
    "stop": "solved",
}

CHANCE = {"temporal_order": 0.25, "adding": 0.05, "sequential_digits": 0.1, "copy_memory": 0.25}

ENVIRONMENT = {
    "python": "3.11.7",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "pytorch_lightning": "2.6.6",
    "wandb": "0.31.0",
    "platform": "Linux",
    "machine": "x86_64",
    "cpu": "A processor",
    "cpu_capability": "AVX512",
    "threads": 1,
    "device": "cpu",
    "compiler": "none",
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
}


def identity(arm: str, task: str, lag: int, seed: int) -> str:
    """Give a trial's id."""
    return hashlib.sha256(repr((arm, task, lag, seed)).encode()).hexdigest()[:16]


def plant(
    folder: Path,
    fates: Fates = lambda arm, task, lag, seed: "solved",
    *,
    name: str = "planted",
    question: str = "Which arm carries a signal further?",
    arms: Iterable[str] = ("plain", "gated"),
    tasks: Mapping[str, Iterable[int]] | None = None,
    seeds: int = 5,
    reference: str | None = None,
    claims: Iterable[tuple[str, str, str | None, int | None]] = (),
    recipes: Mapping[str, Mapping[str, Any]] | None = None,
    has_logs: bool = True,
    **more: Any,
) -> Path:
    """Plant a study and all its trials, each as its fate says."""
    arms, tasks = list(arms), {t: list(lags) for t, lags in (tasks or {"adding/x": [5]}).items()}
    recipe = {arm: {**RECIPE, **(recipes or {}).get(arm, {})} for arm in arms}
    trials = {
        identity(arm, task, lag, seed): (arm, task, lag, seed)
        for seed in range(seeds)
        for task, lags in tasks.items()
        for lag in lags
        for arm in arms
    }
    study = {
        "schema": 1,
        "name": name,
        "question": question,
        "reference": reference or (arms[0] if arms else ""),
        "arms": [
            {
                "label": arm,
                "architecture": arm,
                "options": {"start": "orthogonal"},
                "paper": f"Author of {arm} 1997",
                "summary": f"The state of {arm} is carried on.",
                "recipe": recipe[arm],
            }
            for arm in arms
        ],
        "tasks": [
            {"task": task, "lags": lags, "solved_at": None, "lag_means": "steps before the answer"}
            for task, lags in tasks.items()
        ],
        "claims": [
            {
                "arm": arm,
                "than": than,
                "on": "solve_rate",
                "task": task,
                "lag": lag,
                "text": f"{arm} solves more often than {than} "
                f"({task or 'all tasks'}, {'all lags' if lag is None else f'lag {lag}'})",
            }
            for arm, than, task, lag in claims
        ],
        "budget": {"parameters": 5000},
        "trials": {
            trial: {"arm": arm, "task": task, "lag": lag, "seed": seed}
            for trial, (arm, task, lag, seed) in trials.items()
        },
        "declaration": {},
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study))
    for trial, where in trials.items():
        fate = fates(*where)
        fate = Fate(fate) if isinstance(fate, str) else fate
        if fate.outcome != "missing":
            plant_trial(folder, trial, where, fate, study, recipe[where[0]], has_logs)
    return folder


def plant_trial(
    study_folder: Path,
    trial: str,
    where: tuple[str, str, int, int],
    fate: Fate,
    study: dict[str, Any],
    recipe: Mapping[str, Any],
    has_logs: bool,
    code: Mapping[str, str] | None = None,
) -> None:
    """Plant one trial of a study, as its fate says, with the hashes of the code that it has."""
    arm, task, lag, _ = where
    folder = study_folder / trial
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "trial.json").write_text("{}")
    if fate.outcome == "interrupted":
        return
    if fate.outcome == "failed":
        record = {"schema": 1, "trial": trial, "outcome": "failed", "attempts": 2, "step": 70}
        record |= {"error": "RuntimeError: the disk is full", "traceback": "Traceback ..."}
        (folder / "failure.json").write_text(json.dumps(record))
        return
    outcome = "solved" if fate.outcome == "damaged" else fate.outcome
    random_ = random.Random(f"{study['name']} {where}")
    solved_step = fate.solved_step if outcome == "solved" else None
    every = recipe["validation_every"]
    if outcome == "solved" and solved_step is None:
        solved_step = every * random_.randint(4, max(4, recipe["steps"] // every - 4))
    chance = CHANCE.get(task.partition("/")[0], 0.1)
    rows = fate.rows if fate.rows is not None else _rows(
        outcome, solved_step, recipe, chance, random_
    )  # fmt: skip
    score = fate.test_score
    if score is None:
        score = 0.99 - 0.02 * random_.random() if outcome == "solved" else chance
    summary = {
        "outcome": outcome,
        "solved_step": solved_step,
        "steps": rows[-1]["step"] if rows else 0,
        "test/loss": 0.01 if outcome == "solved" else 0.9,
        "test/score": score,
        "rows": len(rows),
        **fate.summary,
    }
    config = _config(study, where, recipe, chance, random_) | dict(fate.config)
    path = folder / f"wandb/offline-run-20260101_000000-{trial}/run-{trial}.wandb"
    data = b""
    if has_logs:
        data = log(
            run={"id": trial, "project": study["name"], "group": f"{arm} | {task} | {lag}"},
            config=config,
            rows=rows,
            summary=summary,
        )
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    result = {
        "schema": 1,
        "trial": trial,
        "outcome": outcome,
        "attempts": 1,
        "rows": len(rows),
        "steps": summary["steps"],
        "solved_step": solved_step,
        "log": str(path.relative_to(folder)),
        "log_sha256": hashlib.sha256(data).hexdigest(),
        "weights_sha256": hashlib.sha256(trial.encode()).hexdigest(),
        "bit_exact": True,
        "notes": [],
        "code": dict(code or {}),
    }
    (folder / "result.json").write_text(json.dumps(result))
    if fate.outcome == "damaged":
        path.write_bytes(data[:-40] + bytes(40))


def _config(
    study: dict[str, Any],
    where: tuple[str, str, int, int],
    recipe: Mapping[str, Any],
    chance: float,
    random_: random.Random,
) -> dict[str, Any]:
    arm, task, lag, seed = where
    name, _, dialect = task.partition("/")
    parameters = 4900 + 10 * (hash_of(arm, task) % 20)
    return {
        "study": study["name"],
        "label": arm,
        "architecture": arm,
        "options": {"start": "orthogonal"},
        "paper": f"Author of {arm} 1997",
        "wiring": "plain",
        "task": name,
        "dialect": dialect,
        "task_version": 1,
        "lag": lag,
        "seed": seed,
        "budget": {"parameters": 5000},
        "recipe": dict(recipe),
        "hidden_size": 20 + hash_of(arm) % 40,
        "parameters": parameters,
        "state_size": 20 + hash_of(arm) % 40,
        "flops_per_step": 2 * parameters,
        "path": "fused" if hash_of(arm) % 2 else "loop",
        "chance": {"score": chance, "loss": 1.0, "derivation": f"one of {1 / chance:.0f}, blindly"},
        "solved_at": 0.95,
        "space": "exhaustive" if name == "copy_memory" else "large",
        "distance": {"least": lag, "mean": lag + 2.5, "most": lag + 5},
        "code": {"lightning_modules/training.py": "00"},
        "environment": ENVIRONMENT,
    }


def hash_of(*what: Any) -> int:
    """Give a number that is the same in every process."""
    return zlib.crc32(repr(what).encode())


def _rows(
    outcome: str,
    solved_step: int | None,
    recipe: Mapping[str, Any],
    chance: float,
    random_: random.Random,
) -> list[dict[str, Any]]:
    every, last = recipe["validation_every"], recipe["steps"]
    if outcome == "solved" and solved_step is not None and recipe["stop"] == "solved":
        last = min(last, solved_step + every * (recipe["solved_for"] - 1))
    if outcome == "diverged":
        last = 3 * every - 2
    bend = solved_step or 10 * last
    rows = []
    for step in [*range(every, last, every), last]:
        rise = 1 / (1 + math.exp(-(step - 0.8 * bend) / (0.08 * bend)))
        score = chance + (0.97 - chance) * rise + random_.gauss(0, 0.015)
        is_end = outcome == "diverged" and step == last
        rows.append(
            {
                "step": step,
                "train/loss": float("nan") if is_end else 1.2 - 1.1 * rise,
                "train/gradient_norm": float("inf") if is_end else 0.5 + random_.random(),
                "validation/loss": 1.2 - 1.1 * rise,
                "validation/score": min(1.0, max(0.0, score)),
                "seconds": step * 0.0008 * (1 + 0.1 * random_.random()),
            }
        )
    return rows
