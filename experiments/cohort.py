"""Trials that differ in the seed alone, trained together; each begins and ends as a single one."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from experiments import accelerator, ending
from experiments.attempt import CHECKPOINT_SECONDS, Attempt, Report, committed
from experiments.fitting import fit
from experiments.locking import claimed
from experiments.preparing import prepare
from experiments.safety import refuse_unsafe_loading
from experiments.study import Study, Trial
from lightning_modules.cohort import Cohort, draws
from lightning_modules.network import path_of
from lightning_modules.training import Row

DRAWS = "it draws random numbers in training"


def run(
    trials: Sequence[Trial],
    folders: Sequence[Path],
    *,
    on_end: Callable[[int, Report], None],
    on_row: Callable[[int, Row], None] = lambda number, row: None,
    after_step: Callable[[int], bool] = lambda step: False,
    is_online: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    is_debugged: bool = False,
    on: str = "cpu",
) -> None:
    """Run trials in their folders, or go on with them; `on_end` is told how each one ended.

    Callbacks name a trial by its number. Otherwise as `experiments.trial.run`: what goes wrong with
    one trial fails that one, what goes wrong in a step all that are left. Out of memory is no
    result here: each is to be tried alone.
    """
    refuse_unsafe_loading()
    with accelerator.used(on) as device:
        _Together(
            trials,
            folders,
            on_end,
            on_row,
            after_step,
            is_online,
            checkpoint_seconds,
            is_debugged,
            on,
            device,
        ).run()


def told(study: Study) -> str:
    """Say in a line what of a study trains together, and what is left alone and why."""
    line = f"up to {study.cohort} trials of a group train together"
    alone = left_alone(study)
    return line + (f"; one by one: {', '.join(alone)} ({DRAWS})" if alone else "")


def left_alone(study: Study) -> list[str]:
    """Name the arms whose trials are trained one by one, whatever their study declares."""
    names = []
    for label, trial in {trial.arm.label: trial for trial in study.trials()}.items():
        network, data = prepare(trial)
        if draws(network, next(iter(data.train_dataloader()))):
            names.append(label)
    return names


class _Together:
    def __init__(
        self,
        trials: Sequence[Trial],
        folders: Sequence[Path],
        on_end: Callable[[int, Report], None],
        on_row: Callable[[int, Row], None],
        after_step: Callable[[int], bool],
        is_online: bool,
        checkpoint_seconds: float,
        is_debugged: bool,
        on: str,
        device: torch.device,
    ) -> None:
        self.trials, self.folders = trials, folders
        self.on_end, self.on_row, self.after_step = on_end, on_row, after_step
        self.is_online, self.is_debugged = is_online, is_debugged
        self.checkpoint_seconds = checkpoint_seconds
        self.on, self.device = on, device
        self.attempts: dict[int, Attempt] = {}
        self.claims: dict[int, contextlib.ExitStack] = {}

    def run(self) -> None:
        """Begin all, train those that stand at one step together, end each when it is over."""
        try:
            for number in range(len(self.trials)):
                self._open(number)
            standing: dict[int, list[int]] = {}
            for number, attempt in self.attempts.items():
                if attempt.is_to_train:
                    standing.setdefault(attempt.training.step, []).append(number)
            for number in [n for n in self.attempts if not self.attempts[n].is_to_train]:
                self._alone(number)
            for numbers in standing.values():
                self._train(numbers)
        finally:
            for claim in self.claims.values():
                claim.close()

    def _open(self, number: int) -> None:
        trial, folder = self.trials[number], self.folders[number]
        claim = self.claims[number] = contextlib.ExitStack()
        try:
            if not claim.enter_context(claimed(folder)):
                self._end(number, {"outcome": "running elsewhere"})
                return
            if (done := committed(folder)) is not None:
                self._end(number, done)
                return
            self.attempts[number] = attempt = Attempt(
                trial,
                folder,
                lambda row: self.on_row(number, row),
                self.after_step,
                self.is_online,
                # All are saved at one step, so that they can go on together.
                math.inf,
                self.on,
                self.device,
            )
            attempt.open()
        except Exception as error:
            self._fail(number, error)

    def _train(self, numbers: list[int]) -> None:
        attempts = [self.attempts[number] for number in numbers]
        try:
            first = attempts[0].training
            if draws(first.network, next(iter(first.data.train_dataloader()))):
                for number, attempt in zip(numbers, attempts, strict=True):
                    attempt.why_alone = f": {DRAWS}"
                    attempt.checkpoint_seconds = self.checkpoint_seconds
                    self._alone(number)
                return
            number_of = {a.training: n for n, a in zip(numbers, attempts, strict=True)}
            cohort = Cohort(
                [attempt.training for attempt in attempts],
                on_over=lambda training: self._over(number_of[training], attempts),
                on_rows=lambda: self._save(attempts),
                after_step=self.after_step,
            )
            seeds = tuple(attempt.trial.seed for attempt in attempts)
            path = "stacked" if cohort.is_stacked else path_of(first.network)
            for attempt in attempts:
                attempt.together, attempt.path = seeds, f"cohort, {path}"
                attempt.begin()
            self._saved = time.monotonic()
            fit(cohort, None, self.folders[numbers[0]] / "lightning", self.on)
            cohort.release()
        except Exception as error:
            for number in numbers:
                if number in self.attempts:
                    self._fail(number, error)
            return
        for number in numbers:
            if number in self.attempts:
                self._close(number)

    def _over(self, number: int, attempts: list[Attempt]) -> None:
        self._close(number)
        left = tuple(a.trial.seed for a in attempts if not a.training.is_over)
        for attempt in attempts:
            if not attempt.training.is_over:
                attempt.together = left

    def _save(self, attempts: list[Attempt]) -> None:
        if time.monotonic() - self._saved >= self.checkpoint_seconds:
            for attempt in attempts:
                if not attempt.training.is_over:
                    attempt.save()
            self._saved = time.monotonic()

    def _alone(self, number: int) -> None:
        attempt = self.attempts[number]
        try:
            attempt.begin()
            attempt.train()
        except Exception as error:
            self._fail(number, error)
            return
        self._close(number)

    def _close(self, number: int) -> None:
        attempt = self.attempts[number]
        attempt.step = attempt.training.step
        try:
            try:
                attempt.end()
            finally:
                attempt.let_go()
            report = attempt.close()
        except Exception as error:
            self._fail(number, error)
            return
        self._end(number, report)

    def _fail(self, number: int, error: Exception) -> None:
        line = ending.line_of(error, self.folders[number])
        report: Report = {"outcome": "failed", "error": line}
        attempt = self.attempts.get(number)
        if attempt is not None:
            attempt.let_go()
            if ending.is_out_of_memory(error):
                attempt.refuse_memory(error, is_alone=False)
                report = attempt.report
            else:
                attempt.keep_failure(line, error)
        self._end(number, report)
        if self.is_debugged:
            raise error

    def _end(self, number: int, report: Report) -> None:
        self.attempts.pop(number, None)
        self.claims[number].close()
        self.on_end(number, report)
