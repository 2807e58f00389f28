"""Checkpoints: the newest whole one is loaded, and what was passed over is named."""

import json
from pathlib import Path

import pytest
import torch

from experiments import checkpoint


def state(step: int) -> dict[str, object]:
    return {"training": {"weights": torch.full((3,), float(step)), "step": step}, "rows": step}


def step_of(folder: Path) -> tuple[int | None, list[str]]:
    found, passed_over = checkpoint.newest(folder)
    return (found["rows"] if found else None), passed_over


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    for step in (25, 50, 75):
        checkpoint.save(tmp_path, step, state(step))
    assert step_of(tmp_path) == (75, [])
    assert len(list(tmp_path.glob("*.pt"))) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_loaded(
    tmp_path: Path, damage: str
) -> None:
    for step in (25, 50):
        checkpoint.save(tmp_path, step, state(step))
    newest = tmp_path / "step-000000050.pt"
    data = bytearray(newest.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    newest.write_bytes({"flip": data, "cut": data[:-1], "empty": b""}.get(damage, b""))
    if damage == "missing":
        newest.unlink()
    found, (line,) = step_of(tmp_path)
    assert found == 25 and "step-000000050.pt" in line


def test_without_a_whole_checkpoint_the_trial_begins_anew(tmp_path: Path) -> None:
    assert step_of(tmp_path) == (None, [])
    checkpoint.save(tmp_path, 25, state(25))
    (tmp_path / "checkpoints.json").write_text("{")
    assert step_of(tmp_path) == (None, [])


def test_a_listed_path_cannot_leave_the_folder(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a", 25, state(25))
    listed = json.loads((tmp_path / "a" / "checkpoints.json").read_text())
    outside = tmp_path / "outside.pt"
    outside.write_bytes((tmp_path / "a" / "step-000000025.pt").read_bytes())
    listed["checkpoints"][0]["file"] = "../outside.pt"
    (tmp_path / "a" / "checkpoints.json").write_text(json.dumps(listed))
    assert step_of(tmp_path / "a")[0] is None


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)  # type: ignore[return-value]

    torch.save({"x": Bomb()}, tmp_path / "step-000000001.pt")
    digest = checkpoint.sha256_of(tmp_path / "step-000000001.pt")
    listed = {"checkpoints": [{"file": "step-000000001.pt", "sha256": digest}]}
    (tmp_path / "checkpoints.json").write_text(json.dumps(listed))
    with pytest.raises(Exception, match="weights_only"):
        checkpoint.newest(tmp_path)
    assert not (tmp_path / "ran").exists()
