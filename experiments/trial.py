"""One trial from declaration to outcome: train, render, verify, commit."""

import contextlib
import gc
import math
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import checkpoint, ending, log_config, resuming, tracking
from experiments.durable import read_json, write_json
from experiments.fitting import fit
from experiments.folder import SCHEMA
from experiments.locking import claimed, is_claimed
from experiments.probing import Probing
from experiments.safety import refuse_unsafe_loading
from experiments.sizes import matched, task_of
from experiments.study import Trial
from lightning_modules import registry
from lightning_modules.assembly import assemble
from lightning_modules.data import Data
from lightning_modules.network import Network, path_of
from lightning_modules.training import Row, Training

CHECKPOINT_SECONDS = 30.0

Report = dict[str, Any]
"""How a trial ended: `outcome`, and `error` where it came to no result."""


def run(
    trial: Trial,
    folder: Path,
    *,
    on_row: Callable[[Row], None] = lambda row: None,
    after_step: Callable[[int], bool] = lambda step: False,
    is_online: bool = False,
    is_alone: bool = False,
    has_been_killed: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    is_debugged: bool = False,
) -> Report:
    """Run a trial in its folder, or go on with it; it is done when `result.json` is there.

    Once `after_step` answers True, the trial is saved and ends as `interrupted`. An error is kept
    in `failure.json` and raised only when `is_debugged`. Out of memory is a result only when the
    trial `is_alone` on the machine; `has_been_killed` tells that the kernel ended it there.

    Raises
    ------
    RefusedError
        When torch has been told to run what a checkpoint tells it to.
    """
    refuse_unsafe_loading()
    attempt = None
    try:
        with claimed(folder) as is_ours:
            if not is_ours:
                return {"outcome": "running elsewhere"}
            if (done := _done(folder)) is not None:
                # A kill may have come between the result and this.
                _tidy(folder)
                return done
            attempt = _Attempt(trial, folder, on_row, after_step, is_online, checkpoint_seconds)
            if has_been_killed:
                return attempt.give_up()
            try:
                return attempt.run()
            except Exception as error:
                if not ending.is_out_of_memory(error):
                    raise
                attempt.refuse_memory(error, is_alone)
            return attempt.give_up() if is_alone else attempt.report
    except Exception as error:
        line = ending.line_of(error, folder)
        if attempt is not None:
            attempt.keep_failure(line, error)
        if is_debugged:
            raise
        return {"outcome": "failed", "error": line}


def prepare(trial: Trial, start: int = 0) -> tuple[Network, Data]:
    """Make the network of a trial at its start, and its data from training batch `start` on."""
    task = task_of(trial)
    architecture = registry.load("architecture", trial.arm.architecture)
    size = matched(trial).hidden_size
    network = assemble(
        architecture, trial.arm.options, task, size, shape=trial.arm, seed=trial.seed
    )
    data = Data(
        task,
        trial.lag,
        seed=trial.seed,
        batch=trial.recipe.batch,
        validation_size=trial.recipe.validation_size,
        test_size=trial.recipe.test_size,
        start=start,
        curriculum=trial.curriculum,
    )
    return network, data


def _tidy(folder: Path) -> None:
    # What is committed is done, whatever cannot be removed.
    with contextlib.suppress(OSError):
        (folder / ending.FAILURE).unlink(missing_ok=True)
    checkpoint.remove(folder / resuming.CHECKPOINTS)


def _done(folder: Path) -> Report | None:
    try:
        return read_json(folder / "result.json")
    except ValueError:
        return None  # Damaged: the trial is run again, and the attempt writes it anew.


class _Attempt:
    """One process's go at a trial."""

    def __init__(
        self,
        trial: Trial,
        folder: Path,
        on_row: Callable[[Row], None],
        after_step: Callable[[int], bool],
        is_online: bool,
        checkpoint_seconds: float,
    ) -> None:
        self.trial, self.folder = trial, folder
        self.on_row, self.after_step, self.is_online = on_row, after_step, is_online
        self.checkpoint_seconds = checkpoint_seconds
        self.begun: resuming.Begun
        self.number, self.step = 1, 0

    def run(self) -> Report:
        """Go on from the newest checkpoint to the result, or to where it was asked to stop."""
        self.begun = begun = resuming.begin(self.trial, self.folder)
        state, self.step, self.number = begun.state, begun.step, begun.number
        network, data = prepare(self.trial, state["training"]["step"] if state else 0)
        begun.notes += [remark for remark in data.task.remarks if remark not in begun.notes]
        self.path = path_of(network.layer)
        if state is not None and state["summary"] is None and state["path"] != self.path:
            begun.bit_exact = False
        self.probing = Probing(self.trial, data.task, data.evaluation("validation"))
        config = self._config(network, data)
        mirror = tracking.Mirror(self.folder, self.trial, config) if self.is_online else None
        training = Training(
            network,
            data,
            self.trial.recipe,
            solved_at=config["solved_at"],
            on_row=lambda row: self._keep(row, training, mirror),
            after_step=self._after_step,
            is_measured=self.probing.is_due,
        )
        if state is not None:
            training.restore(state["training"])
        try:
            summary = state["summary"] if state else None
            if summary is None:
                # A kill may have come between the last row's checkpoint and the next one.
                self._saved = time.monotonic()
                if training.step == 0 and not begun.history.rows and self.probing.is_due(0):
                    self._keep({"step": 0}, training, mirror)
                if not training.is_over:
                    # A place that is never made: what is named hpc_ckpt_* would be loaded from it.
                    fit(training, data, self.folder / "lightning")
                summary = self._summarise(training) if training.is_over else None
                # The last checkpoint carries the test score: a log that cannot be written now is
                # rendered by the next attempt, without training and without a second test.
                self._save(training, summary)
        finally:
            begun.history.close()
            if mirror is not None:
                mirror.close()
                begun.notes += [mirror.problem] if mirror.problem else []
        if summary is None:
            return {"outcome": "interrupted", "error": f"asked to stop; saved at step {self.step}"}
        weights = checkpoint.write_tensors(self.folder / "weights.pt", network.state_dict())
        return self._commit(config, summary, weights)

    def keep_failure(self, line: str, error: Exception) -> None:
        """Write `failure.json`, as well as that can be done."""
        ending.keep(self.folder, self.trial.id, line, error, attempts=self.number, step=self.step)

    def refuse_memory(self, error: Exception, is_alone: bool) -> None:
        """Take note that there was no memory, and let go of what holds it."""
        line = f"out of memory at step {self.step}"
        if not is_alone:
            line += "; it is tried once more, alone"
            self.keep_failure(line, error)
        self.report = {"outcome": "out_of_memory", "error": line}
        # The frames of the error hold the tensors.
        traceback.clear_frames(error.__traceback__)
        gc.collect()

    def give_up(self) -> Report:
        """Commit, without training, that the trial does not fit into this machine's memory."""
        self.begun = resuming.begin(self.trial, self.folder, is_loaded=False)
        self.begun.history.close()
        rows = self.begun.history.rows
        summary = {
            "outcome": "out_of_memory",
            "solved_step": None,
            "steps": rows[-1]["step"] if rows else 0,
            "test/loss": None,
            "test/score": None,
            "rows": len(rows),
        }
        return self._commit(self._declared(), summary, "")

    def _config(self, network: Network, data: Data) -> dict[str, Any]:
        return {**self._declared(), **log_config.counted(self.trial, network, data)}

    def _declared(self) -> dict[str, Any]:
        return log_config.declared(self.trial, self.begun.environment, self.begun.bit_exact)

    def _after_step(self, step: int) -> bool:
        self.step = step
        return self.after_step(step)

    def _keep(self, row: Row, training: Training, mirror: tracking.Mirror | None) -> None:
        is_validated = "validation/score" in row
        row |= self.probing.values(
            training.network, row["step"], is_validated=is_validated, is_over=training.is_over
        )
        self.begun.history.append(row)
        if is_validated:
            self.on_row(row)
        if mirror is not None:
            mirror.put(row)
        if time.monotonic() - self._saved >= self.checkpoint_seconds:
            self._save(training, None)
            self._saved = time.monotonic()

    def _save(self, training: Training, summary: dict[str, Any] | None) -> None:
        self.begun.history.sync()
        state = {
            "trial": self.trial.id,
            "training": training.state(),
            "rows": len(self.begun.history.rows),
            "summary": summary,
            "environment": self.begun.environment,
            "path": self.path,
            "bit_exact": self.begun.bit_exact,
        }
        checkpoint.save(self.folder / resuming.CHECKPOINTS, training.step, state)

    def _summarise(self, training: Training) -> dict[str, Any]:
        tested = {"test": training.test()}
        tested |= {f"test/{lag}": training.test(lag) for lag in self.trial.test_lags}
        return {
            # W&B turns a NaN of a summary into null, so null is what we write.
            "outcome": training.outcome,
            "solved_step": training.solved_step,
            "steps": training.step,
            **{
                f"{at}/{name}": x if math.isfinite(x) else None
                for at, found in tested.items()
                for name, x in found.items()
            },
            "rows": len(self.begun.history.rows),
        }

    def _commit(self, config: dict[str, Any], summary: dict[str, Any], weights: str) -> Report:
        folder, begun = self.folder, self.begun
        try:
            log = tracking.render(folder, self.trial, config, begun.history.rows, summary)
        finally:
            # W&B makes a folder anew that was moved away; our lock lies in the one that was ours.
            if not is_claimed(folder):
                tracking.unmake(folder)
        result = {
            "schema": SCHEMA,
            "trial": self.trial.id,
            "outcome": summary["outcome"],
            "solved_step": summary["solved_step"],
            "steps": summary["steps"],
            "rows": summary["rows"],
            "attempts": begun.number,
            "bit_exact": begun.bit_exact,
            "notes": begun.notes,
            "code": config["code"],
            "log": str(log.relative_to(folder)),
            "log_sha256": checkpoint.sha256_of(log),
            "weights_sha256": weights,
        }
        write_json(folder / "result.json", result)
        _tidy(folder)
        return result
