"""Checkpoints: the newest whole one is loaded, and what was passed over is named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import checkpoint
from experiments.durable import write_json

LIST = checkpoint.LIST


def state(step: int) -> dict[str, object]:
    return {"training": {"weights": torch.full((3,), float(step)), "step": step}, "rows": step}


def found(folder: Path) -> list[int | str]:
    """Give, newest first, the step of each checkpoint that loads, or what is wrong with it."""
    return [s if isinstance(s, str) else s["rows"] for _, s in checkpoint.newest_first(folder)]


def saved(folder: Path, *steps: int) -> list[Path]:
    for step in steps:
        checkpoint.save(folder, step, state(step))
    return sorted(folder.glob("step-*.pt"))


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    assert len(saved(tmp_path, 25, 50, 75)) == 2
    assert found(tmp_path) == [75, 50]


def test_the_list_records_size_and_hash(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, 25)
    (entry,) = json.loads((tmp_path / LIST).read_text())["checkpoints"]
    assert entry["bytes"] == path.stat().st_size
    assert entry["sha256"] == checkpoint.sha256_of(path)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing", "link", "folder"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_loaded(
    tmp_path: Path, damage: str
) -> None:
    _, newest = saved(tmp_path, 25, 50)
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.unlink()
    if damage == "link":
        newest.symlink_to("/dev/zero")
    elif damage == "folder":
        newest.mkdir()
    elif damage != "missing":
        newest.write_bytes({"flip": data, "cut": data[:-1], "empty": b""}[damage])
    (name, line), (_, before) = checkpoint.newest_first(tmp_path)
    assert name == newest.name and isinstance(line, str)
    assert isinstance(before, dict) and before["rows"] == 25


def test_a_trial_that_went_back_drops_the_checkpoints_of_later_steps(tmp_path: Path) -> None:
    saved(tmp_path, 50, 75)
    assert len(saved(tmp_path, 25)) == 1
    assert found(tmp_path) == [25]


def test_what_a_killed_write_left_behind_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".step-000000025.pt.4711.tmp").write_bytes(b"half")
    (tmp_path / "step-000000020-00000000.pt").write_bytes(b"never listed")
    (path,) = saved(tmp_path, 25)
    assert sorted(os.listdir(tmp_path)) == sorted([LIST, path.name])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"checkpoints": 3}', '{"checkpoints": [3]}'])
def test_a_damaged_list_is_named_and_the_next_save_makes_a_new_one(
    tmp_path: Path, text: str
) -> None:
    assert found(tmp_path) == []
    saved(tmp_path, 25)
    (tmp_path / LIST).write_text(text)
    ((name, line),) = checkpoint.newest_first(tmp_path)
    assert name == LIST and "damaged" in str(line)
    saved(tmp_path, 50)
    assert found(tmp_path) == [50]


def test_a_listed_path_cannot_leave_the_folder(tmp_path: Path) -> None:
    (path,) = saved(tmp_path / "a", 25)
    listed = json.loads((tmp_path / "a" / LIST).read_text())
    (tmp_path / "outside.pt").write_bytes(path.read_bytes())
    listed["checkpoints"][0]["file"] = "../outside.pt"
    (tmp_path / "a" / LIST).write_text(json.dumps(listed))
    assert found(tmp_path / "a") == ["missing"]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused_and_passed_over(tmp_path: Path) -> None:
    saved(tmp_path / "a", 25)
    bomb = tmp_path / "a" / "step-000000050-00000000.pt"
    torch.save({"x": Bomb(tmp_path / "ran")}, bomb)
    listed = json.loads((tmp_path / "a" / LIST).read_text())
    size, digest = bomb.stat().st_size, checkpoint.sha256_of(bomb)
    entry = {"file": bomb.name, "step": 50, "bytes": size, "sha256": digest}
    write_json(tmp_path / "a" / LIST, {"checkpoints": [*listed["checkpoints"], entry]})
    assert found(tmp_path / "a") == ["refused: to load it would run code", 25]
    assert not (tmp_path / "ran").exists()
    torch.load(bomb, weights_only=False)
    assert (tmp_path / "ran").exists(), "the bomb is none, and the test shows nothing"
