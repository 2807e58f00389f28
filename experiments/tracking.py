"""The W&B run of a trial: written in one go when it ends, offline, then read back and compared.

Training never waits for W&B. `Mirror` shows a trial on a server while it trains, as best it can.
"""

import contextlib
import math
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis import wandb_log
from experiments import ending, wandb_process
from experiments.ending import GO_ON
from experiments.study import Trial
from lightning_modules.task_names import without_folder

SECONDS_TO_APPEAR = 5.0
"""`finish` returns some milliseconds before the file is whole."""

SECONDS_TO_ANSWER = 4.0
"""W&B's process answers in milliseconds; one that is silent for so long is taken to hang."""

SECONDS_TO_START = 30.0
"""The first answer of a new process takes longer, by far on a slow disk."""


class LogError(RuntimeError):
    """The W&B log does not hold what was written."""


def render(
    folder: Path,
    trial: Trial,
    config: dict[str, Any],
    rows: list[dict[str, Any]],
    summary: dict[str, Any],
) -> Path:
    """Write the whole W&B run of a trial into its folder, read it back, and give the log's path.

    Raises
    ------
    LogError
        When W&B cannot be imported, does not answer, or what is read back is not what was written.
    """
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise LogError(
            f"wandb cannot be imported ({error}); `pip install wandb`, then run the study again: "
            "the trial is trained, only its log is missing"
        ) from None
    try:
        return _render(folder, trial, config, rows, summary)
    except Exception as problem:
        # Its process may have died or hung meanwhile, also while other trials were running.
        wandb_process.give_up()
        if isinstance(problem, LogError):
            raise
    try:
        return _render(folder, trial, config, rows, summary)
    except Exception as problem:
        wandb_process.give_up()
        is_ours = isinstance(problem, OSError) and not isinstance(problem, ConnectionError)
        if is_ours or isinstance(problem, LogError):
            raise
        raise LogError(f"{folder}: W&B: {problem!r}; {GO_ON}") from problem


def unmake(folder: Path) -> None:
    """Remove what W&B made of a trial's folder that is no longer there, and nothing else."""
    shutil.rmtree(folder / "wandb", ignore_errors=True)
    for made in (folder, folder.parent):
        with contextlib.suppress(OSError):
            made.rmdir()


def _render(
    folder: Path,
    trial: Trial,
    config: dict[str, Any],
    rows: list[dict[str, Any]],
    summary: dict[str, Any],
) -> Path:
    # A log from an earlier attempt would be joined to this one by whoever reads the run's id.
    shutil.rmtree(folder / "wandb", ignore_errors=True)

    def write(is_going: Callable[[], None]) -> None:
        run = _init(folder, trial, config, mode="offline")
        is_going()
        try:
            if not Path(run.dir).resolve().is_relative_to(folder.resolve()):
                raise LogError(
                    f"W&B could not write to {folder} and went to {run.dir}{_full(folder)}"
                )
            for row in rows:
                run.log(row)
                is_going()
            run.summary.update(summary)
        finally:
            run.finish(exit_code=0)

    wandb_process.answered(write, SECONDS_TO_ANSWER, SECONDS_TO_START)
    (path,) = folder.glob(f"wandb/offline-run-*-{trial.id}/run-{trial.id}.wandb")
    _verify(path, trial, rows, summary)
    return path


def _full(folder: Path) -> str:
    left = ending.free_megabytes(folder)
    return f": {left:.1f} MB are free there; free some space, {GO_ON}" if left < 1 else ""


def _verify(path: Path, trial: Trial, rows: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    deadline = time.monotonic() + SECONDS_TO_APPEAR
    log = wandb_log.read(path)
    while not log.complete and time.monotonic() < deadline:
        time.sleep(0.005)
        log = wandb_log.read(path)
    if not log.complete:
        problem = f"{path}: no end after {SECONDS_TO_APPEAR:.0f} s: {log.gaps}"
        raise LogError(problem + _full(path.parent))
    if log.run is None or log.run.id != trial.id:
        raise LogError(f"{path.name}: not the log of trial {trial.id}")
    own = [{k: v for k, v in row.items() if not k.startswith("_")} for row in log.history]
    if len(own) != len(rows):
        raise LogError(f"{path.name}: {len(own)} rows read back, {len(rows)} written")
    for number, (read, written) in enumerate(zip(own, rows, strict=True)):
        if not _same(read, written):
            raise LogError(f"{path.name}: row {number} reads back as {read}, not {written}")
    if not _same({key: log.summary.get(key) for key in summary}, summary):
        raise LogError(f"{path.name}: the summary reads back as {log.summary}, not {summary}")


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return bool(a == b)


class Mirror:
    """Shows rows on a W&B server while they come; what it cannot send it drops.

    A thread and a bounded queue of its own: neither a slow server nor a missing account is felt in
    the training. The committed log is always the one that `render` writes.
    """

    def __init__(self, folder: Path, trial: Trial, config: dict[str, Any]) -> None:
        self.problem: str | None = None
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(
            target=self._send, args=(folder, trial, config), daemon=True, name="mirror"
        )
        self._thread.start()

    def put(self, row: dict[str, Any]) -> None:
        """Hand over a row, or drop it when the server is far behind."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(row)

    def close(self, seconds: float = 5.0) -> None:
        """Send what is left, for so many seconds at most."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(seconds)

    def _send(self, folder: Path, trial: Trial, config: dict[str, Any]) -> None:
        try:
            (folder / "online").mkdir(exist_ok=True)
            run = _init(folder / "online", trial, config, mode="online")
            while (row := self._queue.get()) is not None:
                run.log(row)
            run.finish()
        except Exception as problem:
            self.problem = f"not mirrored to W&B: {' '.join(str(problem).split())[:200]}"


def _init(folder: Path, trial: Trial, config: dict[str, Any], *, mode: Any) -> Any:
    # wandb-core asks a server for its error reporting even offline, and stages artifacts in $HOME.
    os.environ["WANDB_ERROR_REPORTING"] = "false"
    for kind in ("DATA", "CACHE", "CONFIG"):
        os.environ[f"WANDB_{kind}_DIR"] = str(folder / "wandb" / kind.lower())
    import wandb

    return wandb.init(
        project=trial.study,
        id=trial.id,
        name=f"{trial.arm.label} {trial.place} lag {trial.lag} seed {trial.seed}",
        group=trial.group,
        job_type="train",
        tags=[trial.arm.label[:64], without_folder(trial.task)[:64]],
        config=config,
        dir=str(folder),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(
            # What W&B captures by default: arguments, console, host, git remote, packages.
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            x_transaction_log_flush_interval=1.0,
            host="redacted",
            silent=True,
        ),
    )
