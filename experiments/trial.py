"""One trial from declaration to outcome: train, render, verify, commit."""

import contextlib
import json
import logging
import math
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from experiments import checkpoint, code, environment, tracking
from experiments.durable import History, write_json
from experiments.folder import SCHEMA, claimed
from experiments.sizes import matched, task_of
from experiments.study import Trial
from lightning_modules import registry
from lightning_modules.assembly import assemble
from lightning_modules.data import Data
from lightning_modules.network import (
    Network,
    count_flops_per_step,
    count_parameters,
    count_state,
    path_of,
)
from lightning_modules.training import Row, Training

CHECKPOINT_SECONDS = 30.0

Report = dict[str, Any]
"""How a trial ended: `outcome`, and `error` where it failed."""


def run(
    trial: Trial,
    folder: Path,
    *,
    on_row: Callable[[Row], None] = lambda row: None,
    is_online: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    is_debugged: bool = False,
) -> Report:
    """Run a trial in its folder, or go on with it; it is done when `result.json` is there.

    An error is kept in `failure.json` with its traceback, and raised only when `is_debugged`.
    """
    with claimed(folder) as is_ours:
        if not is_ours:
            return {"outcome": "running elsewhere"}
        if (folder / "result.json").is_file():
            done: Report = json.loads((folder / "result.json").read_text())
            return done
        attempt = _Attempt(trial, folder, on_row, is_online, checkpoint_seconds)
        try:
            return attempt.run()
        except Exception as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            with contextlib.suppress(OSError):
                write_json(
                    folder / "failure.json",
                    {
                        "schema": SCHEMA,
                        "trial": trial.id,
                        "outcome": "failed",
                        "attempts": attempt.number,
                        "step": attempt.step,
                        "error": line,
                        "traceback": traceback.format_exc(),
                    },
                )
            if is_debugged:
                raise
            return {"outcome": "failed", "error": line}


def prepare(trial: Trial, start: int = 0) -> tuple[Network, Data]:
    """Make the network of a trial at its start, and its data from training batch `start` on."""
    task = task_of(trial)
    architecture = registry.load("architecture", trial.arm.architecture)
    size = matched(trial).hidden_size
    network = assemble(architecture, trial.arm.options, task, size, seed=trial.seed)
    data = Data(
        task,
        trial.lag,
        seed=trial.seed,
        batch=trial.recipe.batch,
        validation_size=trial.recipe.validation_size,
        test_size=trial.recipe.test_size,
        start=start,
    )
    return network, data


class _Attempt:
    """One process's go at a trial."""

    def __init__(
        self,
        trial: Trial,
        folder: Path,
        on_row: Callable[[Row], None],
        is_online: bool,
        checkpoint_seconds: float,
    ) -> None:
        self.trial, self.folder = trial, folder
        self.on_row, self.is_online = on_row, is_online
        self.checkpoint_seconds = checkpoint_seconds
        self.number, self.step = 1, 0

    def run(self) -> Report:
        self._declare()
        state, notes = checkpoint.newest(self.folder / "checkpoints")
        network, data = prepare(self.trial, state["training"]["step"] if state else 0)
        config = self._config(network, data)
        mirror = tracking.Mirror(self.folder, self.trial, config) if self.is_online else None
        training = Training(
            network,
            data,
            self.trial.recipe,
            solved_at=config["solved_at"],
            on_row=lambda row: self._keep(row, training, mirror),
        )
        if state is not None:
            training.restore(state["training"])
        self.step = training.step
        self.history = History(self.folder / "history.jsonl", state["rows"] if state else 0)
        try:
            summary = state.get("summary") if state else None
            if summary is None:
                self._train(training, data)
                summary = self._summarise(training)
                # The last checkpoint carries the test score: a log that cannot be written now is
                # rendered by the next attempt, without training and without a second test.
                self._save(training, summary)
        finally:
            self.history.close()
            if mirror is not None:
                mirror.close()
                notes += [mirror.problem] if mirror.problem else []
        return self._commit(network, config, summary, notes)

    def _declare(self) -> None:
        path = self.folder / "trial.json"
        now = environment.record()
        before = json.loads(path.read_text()) if path.is_file() else {}
        self.number = before.get("attempts", 0) + 1
        self.environment = before.get("environment", now)
        self.bit_exact = before.get("bit_exact", True)
        has_begun = (self.folder / "checkpoints").is_dir()
        if has_begun and not environment.is_bit_exact(self.environment, now):
            self.bit_exact = False
        elif not has_begun:
            self.environment = now
        write_json(
            path,
            {
                "schema": SCHEMA,
                "trial": self.trial.id,
                "attempts": self.number,
                "bit_exact": self.bit_exact,
                "environment": self.environment,
                "code": code.of(self.trial),
                "declaration": self.trial.model_dump(mode="json"),
            },
        )
        (self.folder / "failure.json").unlink(missing_ok=True)

    def _train(self, training: Training, data: Data) -> None:
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        self._saved = time.monotonic()
        with warnings.catch_warnings():
            # A counter-based stream costs microseconds a batch: loader workers would only cost.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # Lightning 2.6 calls a pytree function that torch 2.13 deprecates.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")
            trainer = pl.Trainer(
                accelerator="cpu",
                devices=1,
                max_steps=-1,  # `Training` stops by itself
                max_epochs=-1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                default_root_dir=self.folder,
                # Otherwise Lightning takes over signals and checkpoints wherever it sees Slurm.
                plugins=[LightningEnvironment()],
            )
            trainer.fit(training, datamodule=data)

    def _keep(self, row: Row, training: Training, mirror: tracking.Mirror | None) -> None:
        self.history.append(row)
        self.step = training.step
        self.on_row(row)
        if mirror is not None:
            mirror.put(row)
        if time.monotonic() - self._saved >= self.checkpoint_seconds:
            self._save(training, None)
            self._saved = time.monotonic()

    def _save(self, training: Training, summary: dict[str, Any] | None) -> None:
        self.history.sync()
        state = {"training": training.state(), "rows": len(self.history.rows), "summary": summary}
        checkpoint.save(self.folder / "checkpoints", training.step, state)

    def _summarise(self, training: Training) -> dict[str, Any]:
        loss, score = training.test()
        return {
            # W&B turns a NaN of a summary into null, so null is what we write.
            "outcome": training.outcome,
            "solved_step": training.solved_step,
            "steps": training.step,
            "test/loss": loss if math.isfinite(loss) else None,
            "test/score": score,
            "rows": len(self.history.rows),
        }

    def _config(self, network: Network, data: Data) -> dict[str, Any]:
        trial, task = self.trial, data.task
        chance = task.chance(trial.lag)
        distance = data.evaluation("validation").distance()
        solved_at = task.solved_at if trial.solved_at is None else trial.solved_at
        return {
            **trial.model_dump(mode="json", exclude={"arm", "budget"}),
            "label": trial.arm.label,
            "architecture": trial.arm.identity()["architecture"],
            "options": trial.arm.options,
            "paper": type(network.layer).paper,
            "budget": trial.budget.model_dump(exclude_none=True),
            "hidden_size": network.layer.output_size,
            "parameters": count_parameters(network),
            "state_size": count_state(network.layer),
            "flops_per_step": count_flops_per_step(network),
            "path": path_of(network.layer),
            "chance": None if chance is None else vars(chance),
            "solved_at": solved_at,
            "space": task.space,
            "distance": {
                "least": float(distance.min()),
                "mean": float(distance.mean()),
                "most": float(distance.max()),
            },
            "code": code.of(trial),
            "environment": self.environment,
        }

    def _commit(
        self, network: Network, config: dict[str, Any], summary: dict[str, Any], notes: list[str]
    ) -> Report:
        folder = self.folder
        weights = checkpoint.write_tensors(folder / "weights.pt", network.state_dict())
        log = tracking.render(folder, self.trial, config, self.history.rows, summary)
        result = {
            "schema": SCHEMA,
            "trial": self.trial.id,
            "outcome": summary["outcome"],
            "solved_step": summary["solved_step"],
            "steps": summary["steps"],
            "rows": summary["rows"],
            "attempts": self.number,
            "bit_exact": self.bit_exact,
            "notes": notes,
            "code": config["code"],
            "log": str(log.relative_to(folder)),
            "log_sha256": checkpoint.sha256_of(log),
            "weights_sha256": weights,
        }
        write_json(folder / "result.json", result)
        checkpoint.remove(folder / "checkpoints")
        return result
