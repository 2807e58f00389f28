"""Checkpoints of a trial: written at once, checked by their hash, the last two kept."""

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from experiments.durable import replacing, write_json

KEEP = 2


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the checkpoint of a step and record its hash beside it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    digest = write_tensors(path, state)
    listed = [entry for entry in _listed(folder) if entry["file"] != path.name]
    kept = [*listed, {"file": path.name, "sha256": digest}][-KEEP:]
    write_json(folder / "checkpoints.json", {"checkpoints": kept})
    for old in listed[: -KEEP + 1]:
        (folder / old["file"]).unlink(missing_ok=True)


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Load the newest checkpoint whose hash holds, and say which ones were passed over, and why."""
    passed_over: list[str] = []
    for entry in reversed(_listed(folder)):
        path = folder / Path(entry["file"]).name
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() == entry["sha256"]:
            # torch checks neither hashes nor, without weights_only, what it runs.
            state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True)
            return state, passed_over
        passed_over.append(f"{path.name}: {'damaged' if data else 'missing'}")
    return None, passed_over


def write_tensors(path: Path, state: dict[str, Any]) -> str:
    """Write tensors and plain numbers at once, and give the sha256 of the file."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with replacing(path) as file:
        file.write(buffer.getbuffer())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(folder: Path) -> None:
    """Remove the checkpoints of a trial that needs them no more."""
    shutil.rmtree(folder, ignore_errors=True)


def _listed(folder: Path) -> list[dict[str, str]]:
    path = folder / "checkpoints.json"
    if not path.is_file():
        return []
    try:
        listed: list[dict[str, str]] = json.loads(path.read_text())["checkpoints"]
    except (ValueError, KeyError, TypeError):
        return []
    return listed
