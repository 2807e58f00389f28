"""Compares our reader with W&B's own, on logs that other versions of wandb write here.

    python tests/wandb_versions.py                  # the last of each minor version from 0.16 on
    python tests/wandb_versions.py 0.17.3 0.21.0    # these
    python tests/wandb_versions.py --keep DIR       # and keep the logs, compressed

Each version gets a virtual environment of its own, which is thrown away; that takes the network and
about half a minute each. Ends with a status other than 0 if a log is read differently, or if no
version could be installed; those that could not are named. Not a test of `make test`.
"""

import argparse
import lzma
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from test_wandb_log import leet, spoken

from analysis import wandb_log

VERSIONS = (
    *("0.16.6", "0.17.3", "0.17.9", "0.18.7", "0.19.11", "0.20.1", "0.21.4", "0.22.3", "0.23.1"),
    *("0.24.2", "0.25.1", "0.26.1", "0.27.2", "0.28.2", "0.29.0", "0.30.0", "0.31.0"),
)

WRITER = """
import math
import wandb

config = {"model": {"name": "gru", "sizes": [8, 16]}, "seed": 3, "learning rate": 1e-3, "ü": None}
run = wandb.init(
    mode="offline", project="versions", id="one", name="a name", group="g", job_type="train",
    tags=["one", "two"], notes="a note", config=config,
)
run.define_metric("val_loss", summary="min")
for step in range(20):
    row = {"step": step, "train/loss": 1 / (1 + step), "flag": step % 2 == 0}
    row["text"] = "日本 " + str(step)
    if step % 4 == 0:
        row["nested"] = {"deep": {"x": step, "list": [1, 2.5, None]}, "with.dot": math.nan}
    if step == 7:
        row |= {"nan": math.nan, "up": math.inf, "down": -math.inf}
        row |= {"big": 2**53 + 1, "tiny": 5e-324}
    run.log(row)
    run.log({"step": step, "val_loss": abs(step - 11) / 7}) if step % 5 == 0 else None
run.summary["best"] = {"at": 11}
run.finish()
"""

SETTLED = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_CONSOLE": "off",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB__DISABLE_STATS": "true",
    "WANDB__DISABLE_META": "true",
    "WANDB_HOST": "a-machine",
    "WANDB_USERNAME": "somebody",
}
"""What a writer is told, so that its log holds nothing of this machine."""


class NotHereError(RuntimeError):
    """A version cannot be installed, or does not run here; the message is one line."""


def written(version: str, folder: Path) -> Path:
    """Install a version into an environment of its own, and have it write a log.

    Raises
    ------
    NotHereError
        It cannot be installed, or does not run.
    """
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv/bin/python"
    # Before 0.17 wandb asks setuptools for its own version.
    wanted = [f"wandb=={version}", "setuptools<80"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    _run([*pip, "--no-compile", "--disable-pip-version-check", *wanted], folder, {})
    places = {
        f"WANDB_{name}_DIR": str(folder / name.lower()) for name in ("DATA", "CACHE", "CONFIG")
    }
    _run([python, "-c", WRITER], folder, {**SETTLED, **places, "HOME": str(folder)})
    return next(folder.glob("wandb/offline-run-*/run-one.wandb"))


def _run(command: list[object], folder: Path, more: dict[str, str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=kept | more, capture_output=True, text=True
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NotHereError(lines[-1] if lines else f"status {done.returncode}")


def differences(path: Path, version: str) -> list[str]:
    """Say in what our reader differs from W&B's on a log, or from what was written."""
    ours, theirs = wandb_log.read(path), leet(path)
    found = []
    if spoken(ours.history) != theirs:
        pairs = zip(spoken(ours.history), theirs, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), "the number of rows")
        found.append(f"{len(ours.history)} rows here, {len(theirs)} there; first: {first}")
    if not ours.complete:
        found.append(f"not complete: {ours.gaps}, exit {ours.exit_code}")
    run = ours.run
    if run is None or (run.id, run.group, run.tags) != ("one", "g", ("one", "two")):
        found.append(f"who it is: {run}")
    elif run.wandb != version:
        found.append(f"written by {run.wandb}, it says")
    if ours.config.get("model") != {"name": "gru", "sizes": [8, 16]} or "_wandb" in ours.config:
        found.append(f"config: {ours.config}")
    if ours.summary.get("best") != {"at": 11} or ours.summary.get("val_loss") != {"min": 1 / 7}:
        found.append(f"summary: {ours.summary}")
    return found


def main() -> int:
    """Compare, and print a line for each version."""
    parser = argparse.ArgumentParser()
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    given = parser.parse_args()
    different, ran = 0, 0
    for version in given.versions:
        with tempfile.TemporaryDirectory(prefix="wandb-version-") as place:
            try:
                path = written(version, Path(place))
            except NotHereError as error:
                print(f"{version}: not here: {error}", flush=True)
                continue
            ran += 1
            found = differences(path, version)
            different += bool(found)
            told = "; ".join(found) or f"the same {len(wandb_log.read(path).history)} rows"
            print(f"{version}: {told}", flush=True)
            if given.keep is not None:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{version}.wandb.xz").write_bytes(lzma.compress(path.read_bytes()))
    print(f"{ran} of {len(given.versions)} versions ran, {different} read differently")
    return int(different > 0 or not ran)


if __name__ == "__main__":
    sys.exit(main())
