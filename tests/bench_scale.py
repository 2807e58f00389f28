"""How a study behaves when it is large: python -P tests/bench_scale.py [TRIALS ...]

Plants trials of zero length, each with the files that a finished trial has, and measures what
depends on their number.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planting

from experiments import locking

LONGDEP = str(Path(sys.executable).parent / "longdep")
ARMS = ("rnn", "lstm", "gru", "highway", "residual")
LAGS = 20


def seconds(work: Callable[[], Any]) -> float:
    """Time a call."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def command(*words: str, folder: Path) -> str:
    """Time a command of ours; say why where it does not end well."""
    began = time.monotonic()
    done = subprocess.run(
        [LONGDEP, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    took = f"{time.monotonic() - began:.1f} s"
    return took if done.returncode == 0 else f"{took}: {(done.stderr or done.stdout)[-200:]}"


def claim_all(folders: list[Path]) -> None:
    """Claim each trial and let it go, as workers do."""
    for folder in folders:
        with locking.claimed(folder) as is_ours:
            assert is_ours


def main(counts: list[int]) -> None:
    """Measure studies of so many trials, one after another."""
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            measure(Path(place), count)


def measure(place: Path, count: int) -> None:
    """Plant so many trials, and say what they take."""
    each = count // (len(ARMS) * LAGS)
    study = place / "planted"
    tasks = {"adding/arjovsky": range(5, 5 + LAGS)}
    print(f"{count:,} trials")
    took = seconds(lambda: planting.plant(study, arms=ARMS, tasks=tasks, seeds=each))
    print(f"  planted in                 {took:.1f} s")
    folders = [path for path in study.iterdir() if path.is_dir()]
    files = [path for path in study.rglob("*") if path.is_file()]
    blocks = sum(path.stat().st_blocks for path in files) * 512
    logs = sum(path.stat().st_size for path in files if path.suffix == ".wandb")
    print(f"  files a trial              {len(files) / len(folders):.1f}")
    print(f"  on the disk                {blocks / 1e6:,.0f} MB")
    print(f"  logs                       {logs / 1e6:,.0f} MB")
    print(f"  study.json                 {(study / 'study.json').stat().st_size / 1e6:.1f} MB")
    took = seconds(lambda: claim_all(folders))
    print(f"  claims a second            {len(folders) / took:,.0f}", flush=True)
    # What is read from a folder is the same for both; `status` knows studies that it could run.
    print(f"  logs of the folder         {command('logs', str(study), folder=place)}", flush=True)
    report = command("report", str(study), "--out", str(place / "report"), folder=place)
    print(f"  report, logs cached        {report}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"  memory, at most            {most:.1f} GB", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 10_000])
