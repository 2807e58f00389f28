"""The user's own sentence pairs: every malformation is told by its line, the rest is used."""

from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.study import TaskAxis
from lightning_modules import data_sets, sentence_pairs, task_names
from lightning_modules.data import pool
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.translation import UNKNOWN, Translation

GOOD = [f"wort{n} ist da\tword{n} is there".encode() for n in range(40)]
FAULTS = {
    b"no tab here": "no tab",
    b"\tno source": "an empty source",
    b"kein ziel\t  ": "an empty target",
    b"a\tb\tc": "3 columns, not 2",
    b"\xff\xfe\ttext": "not UTF-8",
    b"w " * 10_000 + b"\tlong": "more than 100 words in the source",
    b"lang\t" + b"w " * 101: "more than 100 words in the target",
    b"": "no tab",
}


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes]) -> Path:
    file = tmp_path / "pairs.tsv"
    file.write_bytes(b"\n".join(lines) + b"\n")
    monkeypatch.setenv(data_sets.PAIRS, str(file))
    return file


def make(**options: object) -> Translation:
    settings = ", ".join(f"{name}={value}" for name, value in options.items())
    found: Task = task_names.make("translation", f"file({settings})" if settings else "file")
    assert isinstance(found, Translation)
    return found


@pytest.mark.parametrize(("line", "fault"), FAULTS.items(), ids=FAULTS.values())
def test_a_line_that_is_no_pair_is_told_and_left_out_or_stops_the_run(
    line: bytes, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, monkeypatch, [*GOOD[:7], line, *GOOD[7:]])
    with pytest.raises(RefusedError) as refused:
        make()
    assert str(refused.value) == f"{file}: line 8: {fault}. With faulty=skip the rest is used"
    found = make(faulty="skip")
    assert found.remarks == (f"pairs.tsv: line 8: {fault}",)
    assert found.count == 40


def test_line_ends_and_a_mark_of_another_system_are_told_and_taken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = [b"\xef\xbb\xbf" + GOOD[0] + b"\r", *(line + b"\r" for line in GOOD[1:])]
    written(tmp_path, monkeypatch, marked)
    with pytest.raises(RefusedError, match="line 1: a byte order mark, taken off"):
        make()
    found = make(faulty="skip")
    many = "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 30 more"
    assert found.remarks == (
        f"pairs.tsv: {many}: CR LF at the end, taken off",
        "pairs.tsv: line 1: a byte order mark, taken off",
    )
    monkeypatch.setenv(data_sets.PAIRS, str(written(tmp_path, monkeypatch, GOOD)))
    clean = make()
    assert clean.reply == found.reply
    assert (clean.sources == found.sources).all() and (clean.targets == found.targets).all()


def test_every_fault_at_once_is_told_by_the_command_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, [*GOOD, *FAULTS])
    done = CliRunner().invoke(app, ["show", "translation", "--lag", "3"])
    assert done.exit_code == 2
    told = " ".join(done.output.split())
    for number, fault in enumerate(FAULTS.values(), 41):
        assert fault in told and str(number) in told
    assert "Traceback" not in told
    done = CliRunner().invoke(app, ["show", "translation/file(faulty=skip)", "--lag", "3"])
    assert done.exit_code == 0
    assert "line 44: 3 columns, not 2" in done.output
    assert "word" in done.output


def test_no_source_stands_in_two_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [" ".join(words) for words in permutations("das ist nicht gut".split())]
    lines = [f"{source}\t{target}".encode() for source in orders for target in ("a", "b", "c")]
    written(tmp_path, monkeypatch, lines)
    found = make()
    assert found.count == 72
    parts = [set(map(tuple, found.sources[pool(found, name)].tolist())) for name in found.parts]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 24


def test_words_are_known_from_training_alone_and_the_rest_is_one_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, GOOD)
    found = make()
    train = found.parts["train"]
    words = {found.reply.source[n] for n in found.sources[train.start : train.stop].ravel()}
    assert set(found.reply.source) == words | {UNKNOWN}
    assert UNKNOWN not in words
    tested = found.sources[found.parts["test"].start :, 0]
    assert {found.reply.source[n] for n in tested} == {UNKNOWN}
    few = make(vocabulary=2)
    assert few.reply.source == ("da", "ist", UNKNOWN)
    assert few.reply.words == ("is", "there", UNKNOWN, "<end>")


def test_a_bucket_holds_its_lengths_and_an_empty_one_is_refused() -> None:
    found = make(bucket=3)
    lengths = {int(n) for n in draw(found, 400, 9).evidence.sum(1)}
    assert lengths == {7, 8, 9}
    with pytest.raises(RefusedError) as refused:
        draw(found, 4, 130)
    line = "lag 130: no source of 128 to 130 words in the train part; it has 1-100"
    assert str(refused.value) == line


def test_too_few_pairs_and_a_file_that_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, GOOD[:9])
    with pytest.raises(RefusedError, match="9 different sources; at least 10"):
        make()
    monkeypatch.setenv(data_sets.PAIRS, str(tmp_path / "none.tsv"))
    with pytest.raises(data_sets.MissingDataError, match=r"none\.tsv, which LONGDEP_PAIRS names"):
        make()
    monkeypatch.delenv(data_sets.PAIRS)
    with pytest.raises(data_sets.MissingDataError, match="LONGDEP_PAIRS=FILE names them"):
        make()


def test_the_pairs_are_part_of_the_declaration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, GOOD)
    named = TaskAxis(task="translation/file", lags=[3]).task
    assert named == f"translation/file(data={data_sets.fingerprint('pairs')})"
    written(tmp_path, monkeypatch, GOOD[1:])
    with pytest.raises(RefusedError, match="'pairs' of this machine is"):
        task_names.make("translation", named.partition("/")[2])


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_bytes(b"a\tb\n")
    assert len(sentence_pairs.read(file, 1, 100).sources) == 1
    file.write_bytes(b"a\tb\nc\td")
    assert len(sentence_pairs.read(file, 2, 100).sources) == 2
