"""The workers: one that hangs, runs out of memory, is killed or is asked to stop."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from disturbed import (
    assert_same,
    processes_of,
    result,
    state_of,
    tiny_trial,
    undisturbed,  # noqa: F401
    wait_until,
)
from small import small_study

from experiments import ending, safety
from experiments import trial as trials
from experiments.engines import worker as workers
from experiments.engines.base import Event
from experiments.engines.local import Local
from experiments.engines.process import NoProgress, Process
from experiments.folder import StudyFolder
from experiments.locking import is_claimed
from experiments.study import Arm, Study, Trial
from lightning_modules.refusal import RefusedError

CELL = '''
"""A cell in which something happens."""

import os
import signal
import time
from pathlib import Path

import torch

from lightning_modules.architectures.base import Recurrent

HERE = Path(__file__).parent


class Cell(Recurrent):
    """h_t = tanh(W p_t + U h_{t-1})"""

    paper = "nobody"
    steps = 0

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = torch.nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, state=None):
        # Once a training step: its batches are of 4.
        if x.shape[0] == 4 and not x.is_meta:
            Cell.steps += 1
            if Cell.steps WHEN:
                HAPPENS
        return super().forward(x, state)

    def step(self, p_t, state):
        (h,) = state
        h = torch.tanh(self.inner(torch.cat([p_t, h], dim=1)))
        return h, (h,)
'''


def study_with(
    folder: Path, happens: str, when: str = "== 15"
) -> tuple[Study, StudyFolder, list[Trial]]:
    """Give a study of one trial that does what is said in its 15th step."""
    (folder / "cell.py").write_text(CELL.replace("HAPPENS", happens).replace("WHEN", when))
    tiny = tiny_trial()
    arm = Arm(architecture=f"{folder / 'cell.py'}:Cell")
    study = small_study(
        arms=[arm], reference=arm.label, recipe=tiny.recipe, budget=tiny.budget, seeds=1
    )
    place = StudyFolder(folder / "runs")
    place.path.mkdir()
    return study, place, study.trials()[:1]


def run(trials: list[Trial], place: StudyFolder, **options: float) -> list[Event]:
    with Local(1, is_online=False, **options) as engine:  # type: ignore[arg-type]
        return [event for event in engine.run(trials, place) if event.kind == "ended"]


@pytest.mark.slow
def test_a_trial_that_hangs_is_ended_and_failed_and_another_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place, declared = study_with(tmp_path, "time.sleep(10_000)")
    first, second = (tiny_trial().model_copy(update={"seed": seed}) for seed in (0, 1))
    # A worker that has still to import, gets longer.
    patience = iter([120.0, 10.0, 120.0])
    messages = Process.messages
    monkeypatch.setattr(
        Process, "messages", lambda self, order, seconds: messages(self, order, next(patience))
    )
    before, hung, done = run([first, *declared, second], place)
    assert (before.outcome, before.trial) == ("unsolved", first)
    assert hung.outcome == "failed" and "no progress for 10 s" in str(hung.error)
    assert (place.trial(declared[0].id) / ending.FAILURE).exists()
    assert done.outcome == "unsolved" and done.trial == second


@pytest.mark.slow
def test_a_worker_that_hangs_ends_when_nobody_is_left_to_end_it(tmp_path: Path) -> None:
    _, place, (trial,) = study_with(tmp_path, "(HERE / 'hangs').touch(); time.sleep(10_000)")
    folder = place.trial(trial.id)
    worker = Process(workers.environment(False))
    order = {
        "trials": [trial.model_dump(mode="json")],
        "folders": [str(folder)],
        **{"is_online": False, "is_alone": False, "has_been_killed": False, "patience": 1.0},
        "on": "cpu",
    }
    with pytest.raises(NoProgress):
        list(worker.messages(order, 0.1))
    wait_until((tmp_path / "hangs").exists)
    assert is_claimed(folder)
    assert worker._popen.stdin is not None
    worker._popen.stdin.close()  # as when the launcher is killed
    worker.wait(30)
    assert worker._popen.poll() == 1 and not is_claimed(folder)
    worker.kill()


@pytest.mark.slow
def test_out_of_memory_counts_when_it_comes_again_alone(tmp_path: Path) -> None:
    _, place, (trial,) = study_with(tmp_path, "torch.empty(2**55)")
    (ended,) = run([trial], place)
    assert ended.outcome == "out_of_memory"
    done = result(place.trial(trial.id))
    assert done["outcome"] == "out_of_memory" and done["attempts"] == 3
    assert done["weights_sha256"] == "" and (place.trial(trial.id) / done["log"]).exists()


@pytest.mark.slow
def test_out_of_memory_once_only_is_no_result(tmp_path: Path) -> None:
    once = "if not (HERE / 'was').exists(): (HERE / 'was').touch(); torch.empty(2**55)"
    _, place, (trial,) = study_with(tmp_path, once)
    (ended,) = run([trial], place)
    assert (
        ended.outcome in {"solved", "unsolved"} and result(place.trial(trial.id))["attempts"] == 2
    )


@pytest.mark.slow
@pytest.mark.parametrize("is_for_memory", [True, False])
def test_what_the_kernel_kills_counts_only_for_want_of_memory(
    is_for_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place, (trial,) = study_with(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    counted = iter(range(1000))
    if is_for_memory:
        monkeypatch.setattr(ending, "out_of_memory_kills", lambda: next(counted))
    (ended,) = run([trial], place)
    assert ended.outcome == ("out_of_memory" if is_for_memory else "interrupted")
    assert (place.trial(trial.id) / "result.json").exists() == is_for_memory


def disturbing(
    place: StudyFolder, trial: Trial, disturb: Callable[[Local], None], engine: Local
) -> list[Event]:
    """Run a trial, and disturb it when it has rows."""

    def wait_and_disturb() -> None:
        wait_until(lambda: (place.trial(trial.id) / "history.jsonl").exists())
        wait_until(lambda: (place.trial(trial.id) / "history.jsonl").stat().st_size > 0)
        disturb(engine)

    thread = threading.Thread(target=wait_and_disturb)
    thread.start()
    events = [event for event in engine.run([trial], place) if event.kind == "ended"]
    thread.join()
    return events


@pytest.mark.slow
@pytest.mark.parametrize("how", ["the engine is left", "the worker gets SIGTERM", "we are gone"])
def test_a_worker_that_is_to_stop_saves_and_leaves_no_process(
    how: str, undisturbed: Path, tmp_path: Path
) -> None:
    _, place, (trial,) = study_with(tmp_path, "time.sleep(0.01)", when="> 0")
    trial = trial.model_copy(update={"recipe": trial.recipe.but(steps=100_000)})

    def disturb(engine: Local) -> None:
        process = engine._workers[0]._process
        if how == "the engine is left":
            engine._workers[0].ask_to_stop()
        elif how == "the worker gets SIGTERM":
            process._popen.terminate()
        else:
            assert process._popen.stdin is not None
            process._popen.stdin.close()

    with Local(1, is_online=False) as engine:
        pid = engine._workers[0]._process._popen.pid
        (ended,) = disturbing(place, trial, disturb, engine)
    assert ended.outcome == "interrupted"
    folder = place.trial(trial.id)
    assert list((folder / "checkpoints").glob("step-*.pt"))
    assert not (folder / "result.json").exists() and not (folder / ending.FAILURE).exists()
    wait_until(lambda: state_of(pid) == "" and not processes_of(pid))


@pytest.mark.slow
def test_a_worker_sees_no_keys_and_no_file_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("html.py", "types.py", "torch.py"):
        (tmp_path / name).write_text("raise SystemExit('planted')")
    monkeypatch.setenv("MY_SECRET_KEY", "hunter2")
    seen = "(HERE / 'seen').write_text(repr(dict(os.environ)))"
    _, place, (trial,) = study_with(tmp_path, seen)
    (ended,) = run([trial], place)
    assert ended.outcome in {"solved", "unsolved"}, ended
    assert "OMP_NUM_THREADS" in (tmp_path / "seen").read_text()
    assert "hunter2" not in (tmp_path / "seen").read_text()


def test_keys_are_left_out_unless_wandb_needs_them() -> None:
    given = {"WANDB_API_KEY": "1", "AWS_SECRET_ACCESS_KEY": "2", "GH_TOKEN": "3", "PATH": "4"}
    assert safety.without_secrets(given, is_online=False) == {"PATH": "4"}
    assert safety.without_secrets(given, is_online=True) == {"WANDB_API_KEY": "1", "PATH": "4"}


def test_nothing_runs_where_torch_would_run_what_a_checkpoint_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(safety.UNSAFE, "1")
    with pytest.raises(RefusedError, match=f"unset {safety.UNSAFE}"):
        trials.run(tiny_trial(), tmp_path / "t")
    with pytest.raises(RefusedError, match=f"unset {safety.UNSAFE}"):
        Local(1, is_online=False)
    assert not (tmp_path / "t").exists()


def test_a_resume_under_other_settings_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(step: int) -> bool:
        return step == 15

    report = trials.run(tiny_trial(), tmp_path / "t", after_step=stop)
    assert report["outcome"] == "interrupted"
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert trials.run(tiny_trial(), tmp_path / "t", is_debugged=True)["bit_exact"] is False


def test_a_trial_begun_anew_under_other_settings_is_bit_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials.run(tiny_trial(), tmp_path / "t", after_step=lambda step: step == 15)
    for path in (tmp_path / "t" / "checkpoints").glob("step-*.pt"):
        path.write_bytes(b"")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    done = trials.run(tiny_trial(), tmp_path / "t", is_debugged=True)
    assert done["bit_exact"] is True and "began anew" in " ".join(done["notes"])


def test_no_order_of_events_depends_on_a_clock_that_jumps(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "t"
    trials.run(tiny_trial(), folder, after_step=lambda step: step == 25, checkpoint_seconds=0.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    older = min((folder / "checkpoints").glob("step-*.pt"))
    os.utime(older, (2e9, 2e9))
    assert trials.run(tiny_trial(), folder, is_debugged=True)["notes"] == []
    assert_same(folder, undisturbed)
