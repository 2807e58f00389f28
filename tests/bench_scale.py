"""How a study behaves when it is large: python tests/bench_scale.py [SEEDS ...]

Plants trials of zero length, each with all the files that a real one leaves, and measures what
depends on their number. A seed is 200 trials; 50 are the most that a study may have, and beyond
that its limit is lifted, to see what would come next.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from planting import Fate, plant_trial
from small import study_text

from experiments import code, locking
from experiments.durable import read_json
from experiments.folder import StudyFolder
from experiments.study import MAX_TRIALS, Arm, Budget, Study, TaskAxis, Trial

ARMS = ("rnn", "lstm", "gru", "highway", "residual")
LIFT = "import experiments.study as study; study.MAX_TRIALS = 10**6"
LONGDEP = f"{LIFT}; from experiments.cli import main; main()"
LONGDEP_HERE = str(Path(sys.executable).parent / "longdep")
CLAIMERS = 4
LINKS = {
    "latest-run": "",
    "debug.log": "logs/debug.log",
    "debug-internal.log": "logs/debug-internal.log",
}
"""What W&B leaves beside a run's folder, and where it leads within it."""
CLAIM = """
import sys
from pathlib import Path
from experiments import locking
for folder in Path(sys.argv[1]).iterdir():
    if folder.is_dir():
        with locking.claimed(folder):
            pass
"""


def declared(seeds: int) -> Study:
    """Give a study of 200 trials a seed."""
    return Study(
        name="large",
        question="What depends on the number of trials?",
        arms=[Arm(architecture=name) for name in ARMS],
        tasks=[
            TaskAxis(task="adding/arjovsky", lags=range(4, 24)),
            TaskAxis(task="copy_memory/arjovsky", lags=range(1, 21)),
        ],
        seeds=seeds,
        budget=Budget(parameters=1500),
        reference="rnn",
    )


def template(folder: Path) -> Path:
    """Train trials of a few steps: what of its files says nothing of a trial is planted as is."""
    (folder / "small.py").write_text(study_text(seeds=1, recipe="steps=25"))
    # Not in this process: what it starts is counted with the memory that it has itself.
    subprocess.run([LONGDEP_HERE, "run", "small.py"], cwd=folder, check=True, capture_output=True)
    folder = next(path for path in folder.glob("runs/small/*") if path.is_dir())
    for name in ("result.json", "trial.json", "lock"):
        (folder / name).unlink()
    # Only the first trial of a worker has it.
    shutil.rmtree(folder / "wandb" / "cache", ignore_errors=True)
    for path in (folder / "wandb").iterdir():
        if path.is_symlink():
            path.unlink()
    run = next(folder.glob("wandb/offline-run-*"))
    next(run.glob("*.wandb")).unlink()
    shutil.copytree(run, folder / "wandb" / "run", symlinks=True)
    shutil.rmtree(run)
    return folder


def plant(place: Path, study: Study, common: Path) -> None:
    """Write a study's folder with all its trials done."""
    folder = StudyFolder(place)
    folder.reconcile(study)
    recorded: dict[str, Any] = read_json(folder.file) or {}
    for each in study.trials():
        where = (each.arm.label, f"{each.task}/{each.dialect}", each.lag, each.seed)
        plant_trial(
            place, each.id, where, _fate(each), recorded,
            each.recipe.model_dump(), has_logs=True, code=code.of(each),
        )  # fmt: skip
        own = next((place / each.id / "wandb").iterdir())
        for path in common.rglob("*"):
            target = place / each.id / path.relative_to(common)
            target = own / path.relative_to(common / "wandb/run") if "run" in path.parts else target
            if path.is_symlink():
                os.symlink(os.readlink(path), target)
            elif path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(path.read_bytes())
        for link, target in LINKS.items():
            os.symlink(f"{own.name}/{target}", own.parent / link)


def _fate(each: Trial) -> Fate:
    is_carried = each.lag < 6 + 3 * ARMS.index(each.arm.architecture) + each.seed % 3
    return Fate("solved" if is_carried else "unsolved")


def said(name: str, value: str) -> None:
    """Print a figure."""
    print(f"  {name:<28} {value}", flush=True)


def measured(name: str, *words: str, folder: Path) -> None:
    """Time a process, and say what it took at most of the memory; its words where it fails."""
    with tempfile.TemporaryFile("w+") as told:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-P", *words], cwd=folder, stdout=told, stderr=told
        )
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        why = f"; exit status {process.returncode}: {told.read()[-300:]}" * bool(status)
    cores = used.ru_utime + used.ru_stime
    said(name, f"{took:.1f} s ({cores:.1f} of a core), {used.ru_maxrss / 1e6:.2f} GB{why}")


def claims(place: Path, count: int) -> None:
    """Claim each trial and let it go, as workers do: one process, and several at once."""
    began = time.monotonic()
    for folder in place.iterdir():
        if folder.is_dir():
            with locking.claimed(folder) as is_ours:
                assert is_ours
    said("claims a second", f"{count / (time.monotonic() - began):,.0f}")
    began = time.monotonic()
    claiming = [
        subprocess.Popen([sys.executable, "-c", CLAIM, str(place)]) for _ in range(CLAIMERS)
    ]
    assert all(process.wait() == 0 for process in claiming)
    took = time.monotonic() - began
    said(f"by {CLAIMERS} processes at once", f"{CLAIMERS * count / took:,.0f}")


def sizes(place: Path, count: int) -> None:
    """Say what lies on the disk."""
    files, folders = [], 0
    for at, inner, names in os.walk(place):
        folders += len(inner)
        files += [path for name in names if not (path := Path(at, name)).is_symlink()]
    blocks = sum(path.stat().st_blocks for path in files) * 512
    logs = sum(path.stat().st_size for path in files if path.suffix == ".wandb")
    said("entries of the folder", f"{len(os.listdir(place)):,}")
    said("files, folders of a trial", f"{len(files) / count:.1f}, {folders / count:.1f}")
    said("on the disk", f"{blocks / 1e6:,.0f} MB")
    said("of these, logs", f"{logs / 1e6:,.0f} MB")
    said("study.json", f"{(place / 'study.json').stat().st_size / 1e6:.1f} MB")


def measure(scratch: Path, seeds: int, common: Path) -> None:
    """Plant a study of so many seeds, and say what it takes to look at it."""
    study = declared(seeds)
    count, place = study.size, scratch / "large"
    print(f"{count:,} trials", flush=True)
    began = time.monotonic()
    plant(place, study, common)
    said("planted in", f"{time.monotonic() - began:.0f} s")
    sizes(place, count)
    claims(place, count)
    for name, words in {
        "status": ("status", "large"),
        "run, nothing to do": ("run", "large"),
        "report": ("report", "large", "--out", "report"),
    }.items():
        words = tuple(str(place) if word == "large" else word for word in words)
        measured(name, "-c", LONGDEP, *words, folder=scratch)
    made = scratch / "report"
    assert f"{count:,} planned, {count:,} done, 0 failed" in (made / "report.md").read_text()
    pages = [path for path in made.rglob("*") if path.is_file()]
    said("report's files", f"{sum(path.stat().st_size for path in pages) / 1e6:.1f} MB")
    said("of these, the page", f"{(made / 'index.html').stat().st_size / 1e6:.1f} MB")


def main(counts: list[int]) -> None:
    """Measure studies of so many seeds, one after another."""
    import experiments.study

    experiments.study.MAX_TRIALS = 10**6
    for seeds in counts:
        with tempfile.TemporaryDirectory() as name:
            with tempfile.TemporaryDirectory() as other:
                measure(Path(name), seeds, template(Path(other)))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [MAX_TRIALS // 200])
