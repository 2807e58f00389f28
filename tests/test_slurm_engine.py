"""What the launcher makes of a queue, which is planted here; the real one is in test_slurm.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import small_study

from experiments import cleaning, doctor
from experiments.engines import slurm, slurm_job, slurm_launch
from experiments.engines.base import Event, Where
from experiments.engines.slurm_queue import Key, Seen
from experiments.folder import StudyFolder
from experiments.locking import claimed
from experiments.study import Trial
from lightning_modules.refusal import RefusedError

STUDY = small_study()
TRIALS = STUDY.trials()


class PlantedQueue:
    """A queue whose jobs do, when it is looked at, what a test has them do."""

    def __init__(self, *looks: Callable[[Key, dict[str, Any]], str]) -> None:
        self._looks = list(looks)
        self.orders: dict[Key, dict[str, Any]] = {}
        self.submitted: list[list[dict[str, Any]]] = []
        self.cancelled: list[str] = []

    def submit(self, place: Path, name: str, orders: list[dict[str, Any]], at_once: int) -> None:
        self.submitted.append(orders)
        self.orders |= {(name, order["number"]): order for order in orders}

    def look(self) -> Seen:
        act = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        states = {key: act(key, order) for key, order in self.orders.items()}
        alive = {key: (state, "Priority") for key, state in states.items() if state.isupper()}
        ended = {key: state.upper() for key, state in states.items() if not state.isupper()}
        return Seen(alive, ended)

    def cancel(self, name: str) -> None:
        self.cancelled.append(name)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEWS", "LOOKS"):
        monkeypatch.setattr(slurm, f"SECONDS_BETWEEN_{name}", 0.001)
    monkeypatch.setattr(slurm, "SECONDS_TO_LEAVE", 0.01)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path / "small")
    made.reconcile(STUDY)
    return made


def told(order: dict[str, Any], *lines: dict[str, Any]) -> Path:
    place = slurm_job.folder_of(Path(order["launch"]), order["number"])
    place.mkdir(exist_ok=True)
    with (place / slurm_job.NEWS).open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return place


def ended(trial: dict[str, Any], outcome: str = "solved") -> dict[str, Any]:
    kept = {"step": 5, "score": 0.5, "error": None}
    return {"kind": "ended", "trial": Trial.model_validate_json(json.dumps(trial)).id,
            "outcome": outcome, **kept}  # fmt: skip


def works(key: Key, order: dict[str, Any]) -> str:
    told(order, {"kind": "begun"}, *map(ended, order["trials"]), {"kind": "over"})
    return "RUNNING"


def fails(key: Key, order: dict[str, Any]) -> str:
    (Path(order["launch"]) / "7_0_0_log.err").write_text("first\nslurmstepd: no such file\n")
    return "failed"


def engine(queue: PlantedQueue, **where: Any) -> slurm.Slurm:
    return slurm.Slurm(Where(engine="slurm", **where), queue, is_online=False)  # type: ignore[arg-type]


def outcomes(events: list[Event]) -> dict[str, str]:
    return {event.trial.id: event.outcome for event in events if event.kind == "ended"}


def test_what_jobs_tell_is_what_happens_and_each_trial_is_submitted_once(
    folder: StudyFolder,
) -> None:
    queue = PlantedQueue(works, lambda key, order: "completed")
    events = list(engine(queue, trials_per_job=3).run(TRIALS, folder))
    assert outcomes(events) == {trial.id: "solved" for trial in TRIALS}
    assert [len(order["trials"]) for order in queue.submitted[0]] == [3, 3, 2]
    assert len(queue.submitted) == 1


def test_a_lost_job_is_no_lost_trial_whatever_it_had_told(folder: StudyFolder) -> None:
    def half(key: Key, order: dict[str, Any]) -> str:
        told(order, {"kind": "begun"}, ended(order["trials"][0]))
        told(order, ended(order["trials"][1], "interrupted"))
        return "failed"

    queue = PlantedQueue(half, works)
    events = list(engine(queue, trials_per_job=8).run(TRIALS, folder))
    assert outcomes(events) == {trial.id: "solved" for trial in TRIALS}
    assert [len(orders[0]["trials"]) for orders in queue.submitted] == [8, 7]


def test_a_job_that_is_gone_but_had_committed_is_not_submitted_again(folder: StudyFolder) -> None:
    def commit(key: Key, order: dict[str, Any]) -> str:
        told(order, {"kind": "begun"})
        for trial in TRIALS:
            folder.trial(trial.id).mkdir(exist_ok=True)
            (folder.trial(trial.id) / "result.json").write_text('{"outcome": "unsolved"}')
        return "node_fail"

    queue = PlantedQueue(commit)
    assert set(outcomes(list(engine(queue).run(TRIALS, folder))).values()) == {"unsolved"}
    assert len(queue.submitted) == 1
    assert not (folder.path / "slurm").exists()


def test_what_is_lost_again_and_again_without_a_step_is_given_up_with_the_last_words(
    folder: StudyFolder,
) -> None:
    queue = PlantedQueue(fails)
    events = list(engine(queue).run(TRIALS[:1], folder))
    assert len(queue.submitted) == slurm.LOSSES
    assert events[-1].outcome == "interrupted"
    assert "slurmstepd: no such file" in str(events[-1].error)


def test_jobs_of_a_launcher_that_is_gone_are_waited_for_and_not_submitted_twice(
    folder: StudyFolder,
) -> None:
    first = PlantedQueue(lambda key, order: "PENDING")
    engine(first)._submit(TRIALS[:4], folder)
    second = PlantedQueue(lambda key, order: "PENDING", works, lambda key, order: "completed")
    second.orders = first.orders
    events = list(engine(second).run(TRIALS, folder))
    assert outcomes(events) == {trial.id: "solved" for trial in TRIALS}
    assert [len(orders[0]["trials"]) for orders in second.submitted] == [4]


def test_a_launch_that_leaves_no_word_is_refused_and_nothing_of_it_is_left(
    folder: StudyFolder,
) -> None:
    queue = PlantedQueue(lambda key, order: "failed")
    with pytest.raises(RefusedError, match="nodes have to see this folder under the same path"):
        list(engine(queue).run(TRIALS, folder))
    assert not (folder.path / "slurm").exists()


def test_a_launch_that_somebody_cancels_before_it_runs_is_not_taken_for_that(
    folder: StudyFolder,
) -> None:
    queue = PlantedQueue(lambda key, order: "cancelled", works)
    events = list(engine(queue).run(TRIALS, folder))
    assert set(outcomes(events).values()) == {"solved"}


def test_a_lock_of_a_node_that_is_not_seen_here_is_refused_and_the_jobs_are_cancelled(
    folder: StudyFolder,
) -> None:
    def begun(key: Key, order: dict[str, Any]) -> str:
        told(order, {"kind": "begun"})
        return "RUNNING"

    queue = PlantedQueue(begun)
    with pytest.raises(RefusedError, match="a lock that a node holds is free on this machine"):
        list(engine(queue).run(TRIALS, folder))
    assert queue.cancelled

    seen = PlantedQueue(*[begun] * 20, works)
    running = engine(seen).run(TRIALS, folder)
    place = folder.path / "slurm"
    seen.submit = lambda launch, name, orders, n: (  # type: ignore[method-assign]
        PlantedQueue.submit(seen, launch, name, orders, n), held(launch)
    )[0]  # fmt: skip
    locks = []

    def held(launch: Path) -> None:
        lock = claimed(launch / "job-0")
        assert lock.__enter__()
        locks.append(lock)

    assert set(outcomes(list(running)).values()) == {"solved"}
    assert place.exists()
    locks[0].__exit__(None, None, None)


def test_a_node_that_can_run_no_trial_is_refused_in_its_own_words(folder: StudyFolder) -> None:
    def refuses(key: Key, order: dict[str, Any]) -> str:
        assert order["on"] == "gpu"
        told(order, {"kind": "begun"}, {"kind": "refused", "error": "n1: --accelerator gpu: no"})
        return "completed"

    queue = PlantedQueue(refuses)
    with pytest.raises(RefusedError, match=r"^node n1: --accelerator gpu: no$"):
        list(engine(queue, accelerator="gpu").run(TRIALS, folder))
    assert queue.cancelled and not list((folder.path / "slurm").glob("*/job-*"))


def test_a_node_that_cannot_where_others_can_is_a_lost_job(folder: StudyFolder) -> None:
    def half(key: Key, order: dict[str, Any]) -> str:
        told(order, {"kind": "begun"})
        if order["number"]:
            told(order, {"kind": "refused", "error": "n1: no GPU"})
            return "completed"
        trial, kept = ended(order["trials"][0])["trial"], {"outcome": "", "error": None}
        told(order, {"kind": "started", "trial": trial, "step": 0, "score": None, **kept})
        return "RUNNING"

    queue = PlantedQueue(half, works)
    events = list(engine(queue, trials_per_job=4, trials_per_gpu=2).run(TRIALS, folder))
    assert outcomes(events) == {trial.id: "solved" for trial in TRIALS}
    assert len(queue.submitted) == 2


def test_a_folder_that_is_gone_is_not_made_anew(folder: StudyFolder, tmp_path: Path) -> None:
    def move(key: Key, order: dict[str, Any]) -> str:
        folder.path.rename(tmp_path / "moved")
        return "failed"

    queue = PlantedQueue(move, lambda key, order: "failed")
    events = list(engine(queue).run(TRIALS, folder))
    assert set(outcomes(events).values()) == {"interrupted"}
    assert not folder.path.exists() and len(queue.submitted) == 1 and queue.cancelled


def test_whoever_stops_waiting_is_told_that_the_jobs_go_on(
    folder: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(key: Key, order: dict[str, Any]) -> str:
        raise KeyboardInterrupt

    queue = PlantedQueue(stop)
    with pytest.raises(KeyboardInterrupt), engine(queue) as started:
        list(started.run(TRIALS, folder))
    name = slurm_launch.name_of(slurm_launch.launches(folder)[0])
    assert "1 jobs go on in the queue" in (said := capsys.readouterr().out)
    assert f"scancel --name {name}" in said and not queue.cancelled


def test_logs_of_jobs_are_no_strangers_and_go_when_their_trials_are_done(
    folder: StudyFolder,
) -> None:
    queue = PlantedQueue(lambda key, order: "RUNNING")
    engine(queue)._submit(TRIALS[:2], folder)
    (launch,) = slurm_launch.launches(folder)
    (launch / "7_0_0_log.err").write_text("words\n")
    assert not [c for c in doctor.examine(folder, "small") if c.problem == "not of this study"]
    assert cleaning.clean_launches(folder, is_dry=False).files == 0
    for trial in TRIALS[:2]:
        folder.trial(trial.id).mkdir()
        (folder.trial(trial.id) / "result.json").write_text('{"outcome": "solved"}')
    with claimed(launch / "job-0"):
        assert cleaning.clean_launches(folder, is_dry=False).files == 0
    assert cleaning.clean_launches(folder, is_dry=True).files == 3
    assert launch.exists()
    assert cleaning.clean_launches(folder, is_dry=False).files == 3
    assert not (folder.path / "slurm").exists()


def test_what_slurm_does_not_take_leaves_nothing(folder: StudyFolder) -> None:
    queue = PlantedQueue(works)

    def refuse(*_: Any) -> None:
        raise RefusedError("Slurm takes no such jobs: too many")

    queue.submit = refuse  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="too many"):
        list(engine(queue).run(TRIALS, folder))
    assert not (folder.path / "slurm").exists()


def test_what_trains_together_is_in_one_job() -> None:
    trials = small_study(seeds=4, cohort=4).trials()
    shares = slurm_launch.split(trials, 3, 1)
    assert [{trial.group for trial in share} for share in shares] == [
        {group} for group in dict.fromkeys(trial.group for trial in trials)
    ]
    many = [trial for _ in range(500) for trial in TRIALS]
    assert len(slurm_launch.split(many, None, 1)) <= slurm_launch.JOBS
