"""One flipped byte or a cut, anywhere in a checkpoint or the history: found, named, recovered."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from disturbed import Server, assert_same, resumed, rows, server, strace, tiny_trial, undisturbed  # noqa: F401

from experiments import resuming
from experiments.durable import History

pytestmark = pytest.mark.slow

PLACES = 200


@pytest.fixture(scope="module")
def killed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial that ended behind its third row: two checkpoints, of row 1 and row 2, three rows."""
    folder = tmp_path_factory.mktemp("killed") / "trial"
    server.fork(folder, end_at="row 3")
    assert server.end()[0] == 0
    assert len(rows(folder)) == 3 and len(checkpoints(folder)) == 2
    return folder


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("step-*.pt"))


def damaged(data: bytes, how: str, randomly: random.Random) -> tuple[bytes, int]:
    place = randomly.randrange(len(data))
    if how == "cut":
        return data[:place], place
    flipped = bytearray(data)
    flipped[place] ^= randomly.randrange(1, 256)
    return bytes(flipped), place


def chosen(folder: Path) -> tuple[int, list[str]]:
    """Give how many rows the next attempt goes on from, and what it says."""
    state, notes = resuming.choose(folder, tiny_trial().id)
    return (state["rows"] if state else 0), notes


@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("which", ["newest", "older", "both", "list"])
def test_damage_to_a_checkpoint_is_found_and_named_wherever_it_is(
    which: str, how: str, killed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    older, newest = checkpoints(folder)
    listed = folder / "checkpoints" / "checkpoints.json"
    hit = {"newest": [newest], "older": [older], "both": [older, newest], "list": [listed]}[which]
    whole = {path: path.read_bytes() for path in hit}
    left, randomly = {"newest": 1, "older": 2, "both": 0}.get(which), random.Random(4)
    assert chosen(folder) == (2, [])
    for _ in range(PLACES):
        for path, data in whole.items():
            path.write_bytes(damaged(data, how, randomly)[0])
        rows_kept, notes = chosen(folder)
        assert rows_kept == left or which == "list"
        if which in ("newest", "both"):
            assert newest.name in notes[0] and "damaged" in notes[0]
        # A list that reads otherwise either says so, or names the same two files.
        assert notes or rows_kept == 2
    resumed_notes = resumed(folder)["notes"]
    assert resumed_notes == notes


@pytest.mark.parametrize("how", ["flip", "cut"])
def test_damage_to_the_history_is_found_and_named_wherever_it_is(
    how: str, killed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    history = folder / "history.jsonl"
    data, randomly = history.read_bytes(), random.Random(4)
    ends = [0]
    for line in data.splitlines(keepends=True):
        ends.append(ends[-1] + len(line))
    for number in range(PLACES):
        hurt, place = damaged(data, how, randomly)
        history.write_bytes(hurt)
        whole = sum(end <= place for end in ends) - 1
        kept, notes = chosen(folder)
        # Checkpoints are of row 1 and row 2: the newest that the whole rows reach to.
        assert kept == min(whole, 2)
        assert bool(notes) == (whole < 2)
        assert all("history.jsonl holds" in note for note in notes[:-1])
        aside = tmp_path / f"opened-{number}" / "history.jsonl"
        aside.parent.mkdir()
        aside.write_bytes(hurt)
        opened = History(aside, kept)
        opened.close()
        is_torn = how == "flip" or place not in ends
        assert (opened.torn is not None) == is_torn
        if opened.torn is not None:
            assert f"byte {ends[whole]} of {len(hurt)}" in opened.torn
            assert aside.with_name("history.torn-1.jsonl").read_bytes() == hurt[ends[kept] :]
        assert aside.read_bytes() == data[: ends[kept]]


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_a_trial_whose_history_is_damaged_ends_as_if_it_was_not(
    how: str, row: int, killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    history = folder / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    place = sum(len(line) for line in lines[:row]) + 7
    data = history.read_bytes()
    flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    history.write_bytes(flipped if how == "flip" else data[:place])
    notes = " ".join(resumed(folder)["notes"])
    assert "kept in history.torn-1.jsonl" in notes
    assert ("began anew" in notes) == (row == 0)
    assert ("went on from step-000000010" in notes) == (row == 1)
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("which", ["newest", "both"])
def test_a_trial_whose_checkpoints_are_damaged_ends_as_if_they_were_not(
    which: str, killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    older, newest = checkpoints(folder)
    for path in [newest] if which == "newest" else [older, newest]:
        path.write_bytes(path.read_bytes()[:-1])
    notes = " ".join(resumed(folder)["notes"])
    assert newest.name in notes and ("began anew" in notes) == (which == "both")
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("name", ["trial.json", "result.json", "failure.json"])
def test_a_damaged_record_does_not_stop_a_trial(
    name: str, killed: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    (folder / name).write_bytes(b'{"attempts": \xff')
    done = resumed(folder)
    assert (name == "trial.json") == any("trial.json: damaged" in note for note in done["notes"])
    assert_same(folder, undisturbed)


def test_what_was_found_is_still_said_after_another_kill(killed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "t"))
    checkpoints(folder)[1].unlink()

    class Killed(BaseException):
        pass

    def on_row(row: dict[str, Any]) -> None:
        if row["step"] == 30:
            raise Killed

    with pytest.raises(Killed):
        resumed(folder, on_row=on_row)
    assert "missing" in resumed(folder)["notes"][0]
