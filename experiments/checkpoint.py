"""Checkpoints of a trial: written at once, checked by their hash, the last two kept."""

import copy
import hashlib
import io
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.durable import naming, read_json, read_regular, replacing, sweep, write_json

KEEP = 2
LIST = "checkpoints.json"


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the checkpoint of a step, and list it with its size and its hash.

    The name holds a part of the hash: no file that is listed is ever written again, so a kill
    between the two writes leaves the list true. Checkpoints of later steps are dropped from it:
    a trial that had to go back is computing them anew.
    """
    with naming(folder):
        folder.mkdir(exist_ok=True)
    data = _bytes(state)
    digest = hashlib.sha256(data).hexdigest()
    name = f"step-{step:09d}-{digest[:8]}.pt"
    with replacing(folder / name) as file:
        file.write(data)
    entry = {"file": name, "step": step, "bytes": len(data), "sha256": digest}
    try:
        before = [e for e in _listed(folder) if _is_entry(e) and e["step"] <= step]
    except ValueError:
        before = []
    kept = [*(e for e in before if e["file"] != name), entry][-KEEP:]
    write_json(folder / LIST, {"checkpoints": kept})
    for path in folder.glob("step-*.pt"):
        if path.name not in {e["file"] for e in kept}:
            path.unlink(missing_ok=True)
    sweep(folder)


def newest_first(folder: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Load the listed checkpoints one by one: each one's name, and its state or what is wrong."""
    try:
        listed = _listed(folder)
    except ValueError:
        yield LIST, "damaged"
        return
    for entry in reversed(listed):
        if _is_entry(entry):
            # The name alone: a list that was tampered with does not lead out of the folder.
            name = Path(entry["file"]).name
            yield name, _load(folder / name, entry)
        else:
            yield LIST, "an entry is damaged"


def _load(path: Path, entry: dict[str, Any]) -> dict[str, Any] | str:
    try:
        if path.lstat().st_size != entry["bytes"]:
            return f"damaged: {path.lstat().st_size} bytes, not {entry['bytes']}"
        data = read_regular(path) or b""
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        return "damaged: its sha256 is not the recorded one"
    try:
        # torch checks no hashes, and without weights_only it runs what a file tells it to.
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return "refused: to load it would run code"
    return state if isinstance(state, dict) else "no checkpoint"


def write_tensors(path: Path, state: dict[str, Any]) -> str:
    """Write tensors and plain numbers at once, and give the sha256 of the file."""
    data = _bytes(state)
    with replacing(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(folder: Path) -> None:
    """Remove the checkpoints of a trial that needs them no more."""
    shutil.rmtree(folder, ignore_errors=True)


def _bytes(state: dict[str, Any]) -> memoryview:
    buffer = io.BytesIO()
    torch.save(_own(state), buffer)
    return buffer.getbuffer()


def _own(value: Any) -> Any:
    """Copy tensors that are a part of a larger one: torch would write all of it.

    What is on another device is copied to the CPU's memory: it is to be read where there is none.
    """
    if isinstance(value, Tensor):
        value = value if value.device.type == "cpu" else value.detach().cpu()
        return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
    if not isinstance(value, dict):
        return value
    owned = {key: _own(item) for key, item in value.items()}
    if all(owned[key] is item for key, item in value.items()):
        return value
    # A state_dict carries more than its entries.
    copied = copy.copy(value)
    copied.update(owned)
    return copied


def _listed(folder: Path) -> list[Any]:
    record = read_json(folder / LIST)
    if record is None:
        return []
    listed = record.get("checkpoints")
    if not isinstance(listed, list):
        raise ValueError(f"{folder / LIST}: no list of checkpoints")
    return listed


def _is_entry(entry: Any) -> bool:
    kinds = {"file": str, "step": int, "bytes": int, "sha256": str}
    return isinstance(entry, dict) and all(isinstance(entry.get(k), t) for k, t in kinds.items())
