"""One go at a trial: where it goes on, what it keeps on the way, how it is committed."""

import contextlib
import gc
import math
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from experiments import checkpoint, ending, log_config, resuming, tracking
from experiments.durable import read_json, write_json
from experiments.fitting import fit
from experiments.locking import is_claimed
from experiments.preparing import prepare
from experiments.probing import Probing
from experiments.record import SCHEMA
from experiments.study import Trial
from lightning_modules.network import path_of
from lightning_modules.training import Row, Training

CHECKPOINT_SECONDS = 30.0

Report = dict[str, Any]
"""How a trial ended: `outcome`, and `error` where it came to no result."""


def committed(folder: Path) -> Report | None:
    """Read the result of a trial, and remove what it needs no more; None where it is not done."""
    try:
        done = read_json(folder / "result.json")
    except ValueError:
        return None  # Damaged: the trial is run again, and the attempt writes it anew.
    if done is not None:
        # A kill may have come between the result and this.
        tidy(folder)
    return done


def tidy(folder: Path) -> None:
    """Remove what a committed trial needs no more."""
    # What is committed is done, whatever cannot be removed.
    with contextlib.suppress(OSError):
        (folder / ending.FAILURE).unlink(missing_ok=True)
    checkpoint.remove(folder / resuming.CHECKPOINTS)


class Attempt:
    """One process's go at a trial: `open`, `begin`, train, `end`, `let_go`, `close`."""

    def __init__(
        self,
        trial: Trial,
        folder: Path,
        on_row: Callable[[Row], None],
        after_step: Callable[[int], bool],
        is_online: bool,
        checkpoint_seconds: float,
        on: str,
        device: torch.device,
    ) -> None:
        self.trial, self.folder = trial, folder
        self.on, self.device = on, device
        self.on_row, self.after_step, self.is_online = on_row, after_step, is_online
        self.checkpoint_seconds = checkpoint_seconds
        self.begun: resuming.Begun
        self.training: Training
        self.number, self.step = 1, 0
        # The seeds that train together, this one's among them; none where it trains alone.
        self.together: tuple[int, ...] = ()
        self.why_alone = ""
        self._is_open = False
        self._mirror: tracking.Mirror | None = None

    def run(self) -> Report:
        """Go on from the newest checkpoint to the result, or to where it was asked to stop."""
        try:
            self.open()
            self.begin()
            self.train()
            self.end()
        finally:
            self.let_go()
        return self.close()

    def open(self) -> None:
        """Load what an earlier attempt left, and make the training that goes on from there."""
        self.begun = resuming.begin(self.trial, self.folder, on=self.on)
        self._is_open = True
        state = self.state = self.begun.state
        self.step, self.number = self.begun.step, self.begun.number
        network, data = prepare(self.trial, self.step)
        # Before anything holds its weights: the optimizer does.
        network.to(self.device)
        remarks = [remark for remark in data.task.remarks if remark not in self.begun.notes]
        self.begun.notes += remarks
        self.probing = Probing(self.trial, data.task, data.evaluation("validation"))
        self.path: str = path_of(network)
        self.summary: dict[str, Any] | None = state["summary"] if state else None
        self._counted = log_config.counted(self.trial, network, data)
        self.training = Training(
            network,
            data,
            self.trial.recipe,
            solved_at=self._counted["solved_at"],
            on_row=self._keep,
            after_step=self._after_step,
            is_measured=self.probing.is_due,
        )
        if state is not None:
            self.training.restore(state["training"])

    @property
    def is_to_train(self) -> bool:
        """Whether a step is left to do."""
        # A kill may have come between the last row's checkpoint and the next one.
        return self.summary is None and not self.training.is_over

    def begin(self) -> None:
        """Settle on the path that the training takes from here on, and show it on a server."""
        if (state := self.state) is not None:
            path, together = state["path"], tuple(state.get("together", ()))
            if self.is_to_train:
                is_same = (path, together) == (self.path, self.together)
                self.begun.bit_exact = self.begun.bit_exact and is_same
            else:
                self.path, self.together = path, together
        if self.trial.cohort > 1 and not self.together:
            self.begun.notes.append(f"trained alone{self.why_alone}")
        self.config = {**self._declared(), **self._counted, "path": self.path}
        if self.together:
            self.config["together"] = list(self.together)
        if self.is_online:
            self._mirror = tracking.Mirror(self.folder, self.trial, self.config)
        self._saved = time.monotonic()
        is_new = self.summary is None and self.training.step == 0 and not self.begun.history.rows
        if is_new and self.probing.is_due(0):
            self._keep({"step": 0})

    def train(self) -> None:
        """Train alone, where a step is left to do."""
        if self.is_to_train:
            # A place that is never made: what is named hpc_ckpt_* would be loaded from it.
            fit(self.training, self.training.data, self.folder / "lightning", self.on)

    def end(self) -> None:
        """Test what is over, and save."""
        if self.summary is None:
            self.summary = self._summarise() if self.training.is_over else None
            # The last checkpoint carries the test score: a log that cannot be written now is
            # rendered by the next attempt, without training and without a second test.
            self.save()

    def save(self) -> None:
        """Write a checkpoint of where the training stands."""
        self.begun.history.sync()
        state = {
            "trial": self.trial.id,
            "training": self.training.state(),
            "rows": len(self.begun.history.rows),
            "summary": self.summary,
            "environment": self.begun.environment,
            "path": self.path,
            "together": list(self.together),
            "bit_exact": self.begun.bit_exact,
        }
        checkpoint.save(self.folder / resuming.CHECKPOINTS, self.training.step, state)
        self._saved = time.monotonic()

    def let_go(self) -> None:
        """Close what is open, once."""
        if not self._is_open:
            return
        self._is_open = False
        self.begun.history.close()
        if self._mirror is not None:
            self._mirror.close()
            self.begun.notes += [self._mirror.problem] if self._mirror.problem else []

    def close(self) -> Report:
        """Commit what is over, or say where it was asked to stop."""
        if self.summary is None:
            return {"outcome": "interrupted", "error": f"asked to stop; saved at step {self.step}"}
        tensors = self.training.network.state_dict()
        weights = checkpoint.write_tensors(self.folder / "weights.pt", tensors)
        return self._commit(self.config, self.summary, weights)

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
        torch.cuda.empty_cache()

    def give_up(self) -> Report:
        """Commit, without training, that the trial does not fit into this machine's memory."""
        self.begun = resuming.begin(self.trial, self.folder, is_loaded=False, on=self.on)
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

    def _declared(self) -> dict[str, Any]:
        return log_config.declared(self.trial, self.begun.environment, self.begun.bit_exact)

    def _after_step(self, step: int) -> bool:
        self.step = step
        return self.after_step(step)

    def _keep(self, row: Row) -> None:
        training = self.training
        is_validated = "validation/score" in row
        row |= self.probing.values(
            training.network, row["step"], is_validated=is_validated, is_over=training.is_over
        )
        self.begun.history.append(row)
        if is_validated:
            self.on_row(row)
        if self._mirror is not None:
            self._mirror.put(row)
        if time.monotonic() - self._saved >= self.checkpoint_seconds:
            self.save()

    def _summarise(self) -> dict[str, Any]:
        training = self.training
        tested = {"test": training.test()}
        tested |= {f"test/{lag}": training.test(lag) for lag in self.trial.test_lags}
        self._keep_samples(training)
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

    def _keep_samples(self, training: Training) -> None:
        """Write what the network says to some test examples beside the log, where it says words."""
        lags = (self.trial.lag, *self.trial.test_lags)
        found = [{"lag": lag, **one} for lag in lags for one in training.samples(lag)]
        if found:
            kept = {"schema": SCHEMA, "trial": self.trial.id, "samples": found}
            write_json(self.folder / "samples.json", kept)

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
            "earlier": begun.earlier,
            "bit_exact": begun.bit_exact,
            "notes": begun.notes,
            "code": config["code"],
            "log": str(log.relative_to(folder)),
            "log_sha256": checkpoint.sha256_of(log),
            "weights_sha256": weights,
        }
        write_json(folder / "result.json", result)
        tidy(folder)
        return result
