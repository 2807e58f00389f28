"""The training of one network on one task: loss, score, optimizer, guards, stopping.

Names no task and no architecture.
"""

import math
import time
from collections.abc import Callable
from statistics import fmean
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from lightning_modules.data import Data
from lightning_modules.network import Network
from lightning_modules.randomness import reseed
from lightning_modules.recipe import Recipe
from lightning_modules.samples import samples
from lightning_modules.tasks.base import Batch

Row = dict[str, Any]
Outcome = Literal["solved", "unsolved", "diverged", "measured"]
"""What became of a trial; `measured`: no score counts as solved, or nothing was to be trained."""

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    # Fused: one kernel for all weights, where torch has one; a fifth of the time when they are few.
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr, fused=True),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr=lr, fused=True),
    # The literature's decay; torch's own default is .99.
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr, alpha=0.9),
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr, fused=True),
}


class Training(pl.LightningModule):
    """Train a network for a number of steps, evaluate it at intervals, end it when it is decided.

    Loss and optimizer are stepped by hand: the guards stand between `backward` and `step`, and
    Lightning's wrappers, which cost a tenth of a small step, have nothing to do. So the Trainer's
    `global_step` stays 0: `step` counts here. `on_row` is called with one row per evaluation,
    `after_step` with the number of each step; what it answers with True stops the training there.
    Where `is_measured` tells it of a step that is not evaluated, `on_row` gets a row of its number.
    """

    def __init__(
        self,
        network: Network,
        data: Data,
        recipe: Recipe,
        *,
        solved_at: float | None,
        on_row: Callable[[Row], None] = lambda row: None,
        after_step: Callable[[int], bool] = lambda step: False,
        is_measured: Callable[[int], bool] = lambda step: False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.data = data
        self.task = data.task
        self.recipe = recipe
        self.solved_at = solved_at
        self.on_row, self.after_step, self.is_measured = on_row, after_step, is_measured
        self._weights = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = OPTIMIZERS[recipe.optimizer](self._weights, lr=recipe.learning_rate)
        self.step = 0
        # The steps of the evaluations in a row that held; the first is when the task was solved.
        self.streak: list[int] = []
        self.solved_step: int | None = None
        self.diverged = False
        self.seconds = 0.0
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._validation = data.evaluation("validation")

    def forward(self, batch: Batch) -> Tensor:
        """Answer a batch as it is scored."""
        return self.network.predict(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Give the optimizer, made at construction so that a checkpoint can fill it."""
        return self.optimizer

    def on_train_start(self) -> None:
        """Start the clock."""
        self._clock = time.perf_counter()

    def training_step(self, batch: Batch, index: int) -> None:
        """Do one step; a loss or gradient that is not finite ends the trial before the update."""
        reseed(self.data.seed, "training step", self.step)
        self.optimizer.zero_grad()
        loss = self.task.loss(self.network(batch.inputs), batch)
        loss.backward()
        norm = get_total_norm([p.grad for p in self._weights if p.grad is not None])
        length = norm.item()
        if not self.note(loss.item(), length):
            return
        if self.recipe.clip is not None and length > self.recipe.clip:
            clip_grads_with_norm_(self._weights, self.recipe.clip, norm)
        self.optimizer.step()

    def note(self, loss: float, norm: float) -> bool:
        """Count a step by its loss and gradient norm; False, and diverged, where one is not finite.

        One inf in a gradient turns all weights into NaN when it is clipped (1/inf * inf), so this
        guard stands before the clip.
        """
        self.step += 1
        self._losses.append(loss)
        self._norms.append(norm)
        # A sum of the two is finite only if both are.
        self.diverged = not math.isfinite(loss + norm)
        return not self.diverged

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Evaluate where one is due, write the row, and stop when the outcome is known."""
        is_asked_to_stop = self.after_step(self.step)
        is_due = self.is_row_due
        if is_due or is_asked_to_stop:
            self.seconds += time.perf_counter() - self._clock
            if is_due:
                self.on_row(self.row())
            self._clock = time.perf_counter()
        if self.is_over or is_asked_to_stop:
            self.trainer.should_stop = True

    def evaluate(self, batch: Batch) -> tuple[float, float]:
        """Score a batch: (loss, score), in evaluation mode, from a generator of its own."""
        outputs = self._answers(batch)
        return float(self.task.loss(outputs, batch)), self.task.score(outputs, batch)

    def test(self, lag: int | None = None) -> dict[str, float]:
        """Score the test split on the weights as they are, at another lag where given.

        Gives `loss`, `score` and what else the task measures, by name.
        """
        batch = self.data.evaluation("test", lag)
        outputs = self._answers(batch)
        return {
            "loss": float(self.task.loss(outputs, batch)),
            "score": self.task.score(outputs, batch),
            **self.task.measures(outputs, batch),
        }

    def samples(self, lag: int | None = None) -> list[dict[str, Any]]:
        """Give some replies to the test split as words; of a task without a `reply` none."""
        if self.task.reply is None:
            return []
        self.network.eval()
        found = samples(self.network, self.task.reply, self.data.evaluation("test", lag))
        self.network.train()
        return found

    def _answers(self, batch: Batch) -> Tensor:
        reseed(self.data.seed, "evaluation", self.step)
        self.network.eval()
        with torch.no_grad():
            outputs = self.network.predict(batch.to(self.network.device))
        self.network.train()
        # Tasks score where they made the batch, by whatever means they like.
        return outputs.cpu()

    @property
    def is_row_due(self) -> bool:
        """Whether a row stands at the step that was just done."""
        return self._is_evaluated or self.is_measured(self.step)

    @property
    def is_over(self) -> bool:
        """Whether no step is left to do."""
        return self._is_last or (self.recipe.stop == "solved" and self.solved_step is not None)

    @property
    def _is_evaluated(self) -> bool:
        return self.step % self.recipe.validation_every == 0 or self._is_last

    @property
    def _is_last(self) -> bool:
        return self.diverged or self.step >= self.recipe.steps

    @property
    def outcome(self) -> Outcome:
        """What has become of the trial so far."""
        if self.diverged:
            return "diverged"
        if self.solved_at is None or self.recipe.steps == 0:
            return "measured"
        return "unsolved" if self.solved_step is None else "solved"

    def state(self) -> dict[str, Any]:
        """Give all that a later process needs to go on from here, as tensors and plain numbers."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "streak": self.streak,
            "solved_step": self.solved_step,
            "diverged": self.diverged,
            "seconds": self.seconds,
            # Of the steps since the last row: the next one holds their means.
            "losses": self._losses,
            "norms": self._norms,
            **({"schedule": self.data.schedule.state()} if self.data.schedule.curriculum else {}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; the data must start at its step."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.streak = state["step"], list(state["streak"])
        self.solved_step, self.diverged = state["solved_step"], state["diverged"]
        self.seconds = state["seconds"]
        self._losses, self._norms = list(state["losses"]), list(state["norms"])
        if "schedule" in state:
            self.data.schedule.restore(state["schedule"])

    def row(self) -> Row:
        """Evaluate where it is due, and give the row of the steps since the last one."""
        if not self._is_evaluated:
            return {"step": self.step}
        loss, score = self.evaluate(self._validation)
        if self.solved_step is None:
            is_held = self.solved_at is not None and score >= self.solved_at
            self.streak = [*self.streak, self.step] if is_held else []
            if len(self.streak) == self.recipe.solved_for:
                self.solved_step = self.streak[0]
        row: Row = {
            "step": self.step,
            "train/loss": fmean(self._losses),
            "train/gradient_norm": fmean(self._norms),
            "validation/loss": loss,
            "validation/score": score,
            "seconds": self.seconds,
        }
        if self.data.schedule.curriculum is not None:
            row |= self._of_curriculum()
        self._losses, self._norms = [], []
        return row

    def _of_curriculum(self) -> Row:
        """Tell the mean lag since the last row; score the lag that has to be solved next."""
        schedule, since = self.data.schedule, self.step - len(self._losses)
        row: Row = {"train/lag": fmean(map(schedule.lag_at, range(since, self.step)))}
        if (lag := schedule.next_lag) is not None:
            _, score = self.evaluate(self.data.evaluation("validation", lag))
            row |= {"curriculum/lag": lag, "curriculum/score": score}
            schedule.grow(self.step, score, self.solved_at)
        return row
