"""What a trial costs on a Ray cluster: python tests/bench_ray.py [WORKERS]

Runs a study of twenty trials of one step and one of two hundred, each on a cluster of this machine
alone, and by the local engine for comparison: what the further trials take, one after another.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from small import study_text

LONGDEP = str(Path(sys.executable).parent / "longdep")


def took(folder: Path, name: str, seeds: int, engine: str, workers: str) -> float:
    """Run a study of so many seeds to its end, in seconds."""
    place = folder / f"{engine}{seeds}"
    place.mkdir()
    text = study_text(lags="[4]", seeds=seeds, recipe="steps=1, validation_every=1")
    (place / f"{name}.py").write_text(text)
    began = time.monotonic()
    subprocess.run(
        [LONGDEP, "run", f"{name}.py", "--engine", engine, "--workers", workers],
        cwd=place,
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def main(workers: str) -> None:
    """Measure each engine."""
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as scratch:
        for engine in ("local", "ray"):
            # Two arms: ten seeds are twenty trials.
            few, many = (took(Path(scratch), "small", n, engine, workers) for n in (10, 100))
            print(
                f"{engine}: 20 trials in {few:.1f} s, 200 in {many:.1f} s; "
                f"{(many - few) / 180:.3f} s a trial beyond the first twenty",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "2")
