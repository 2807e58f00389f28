"""Writes that survive: torn, flipped and refused writes lose nothing that was whole."""

import errno
import json
import math
import os
import random
from pathlib import Path

import pytest

from experiments.durable import History, read_rows, replacing, write_json

ROWS = [{"step": 25 * n, "train/loss": n / 7, "validation/score": 0.5} for n in range(1, 4)]


def written(path: Path) -> bytes:
    history = History(path, 0)
    for row in ROWS:
        history.append(row)
    history.close()
    return path.read_bytes()


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    data = written(tmp_path / "history.jsonl")
    assert read_rows(tmp_path / "history.jsonl") == (ROWS, len(data))
    assert [json.loads(line)["step"] for line in data.splitlines()] == [25, 50, 75]


def test_not_a_number_and_infinity_come_back(tmp_path: Path) -> None:
    history = History(tmp_path / "h", 0)
    history.append({"step": 1, "train/loss": math.nan, "train/gradient_norm": math.inf})
    (row,), _ = read_rows(tmp_path / "h")
    assert math.isnan(row["train/loss"]) and row["train/gradient_norm"] == math.inf


def test_a_file_cut_at_any_byte_gives_a_prefix_of_the_rows(tmp_path: Path) -> None:
    data = written(tmp_path / "whole")
    ends = [len(line) for line in data.splitlines(keepends=True)]
    for size in range(len(data) + 1):
        (tmp_path / "cut").write_bytes(data[:size])
        whole = sum(sum(ends[: n + 1]) <= size for n in range(len(ends)))
        assert read_rows(tmp_path / "cut") == (ROWS[:whole], sum(ends[:whole]))


def test_a_flipped_bit_ends_the_reading_before_its_row(tmp_path: Path) -> None:
    data = written(tmp_path / "whole")
    randomly = random.Random(0)
    for _ in range(200):
        place = randomly.randrange(len(data))
        flipped = bytearray(data)
        flipped[place] ^= 1 << randomly.randrange(8)
        (tmp_path / "flipped").write_bytes(flipped)
        rows, end = read_rows(tmp_path / "flipped")
        assert rows == ROWS[: len(rows)] and end <= place


def test_rows_behind_the_checkpoint_are_cut_off_on_resume(tmp_path: Path) -> None:
    written(tmp_path / "h")
    history = History(tmp_path / "h", 2)
    history.append({"step": 999})
    assert read_rows(tmp_path / "h")[0] == [*ROWS[:2], {"step": 999}]


def test_whole_rows_behind_the_checkpoint_are_no_damage_and_torn_ones_are_kept_aside(
    tmp_path: Path,
) -> None:
    data = written(tmp_path / "h.jsonl")
    assert History(tmp_path / "h.jsonl", 2).torn is None
    for number in (1, 2):
        (tmp_path / "h.jsonl").write_bytes(data[:-3])
        history = History(tmp_path / "h.jsonl", None)
        assert history.rows == ROWS[:2] and f"h.torn-{number}.jsonl" in str(history.torn)
        assert (tmp_path / f"h.torn-{number}.jsonl").read_bytes() == data.splitlines(True)[2][:-3]


def test_a_history_with_fewer_rows_than_the_checkpoint_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path / "h")
    (tmp_path / "h").write_bytes(data[:-3])
    with pytest.raises(ValueError, match="2 whole rows, 3 expected"):
        History(tmp_path / "h", 3)


def test_a_failed_replacement_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["result.json"]


def test_the_temporary_file_lies_beside_the_one_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Elsewhere, it would be copied over, and a kill would leave half of it.
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    with replacing(tmp_path / "result.json"):
        (name,) = os.listdir(tmp_path)
        assert name.startswith(".result.json.") and name.endswith(".tmp")
    assert os.listdir(tmp_path) == ["result.json"]


def test_an_error_of_the_system_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, replacing(tmp_path / "result.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "result.json")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    if kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"history\.jsonl"):
        History(path, 0)


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": math.nan})
    assert os.listdir(tmp_path) == []
