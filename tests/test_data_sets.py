"""Files that a user puts on the machine: read as they are, or refused in one line."""

import gzip
import struct
from pathlib import Path

import local_data
import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from lightning_modules import data_sets
from lightning_modules.data import evaluation_batch, pool
from lightning_modules.refusal import RefusedError
from lightning_modules.tasks.sequential_digits import SequentialDigits


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    local_data.write_mnist(tmp_path)
    monkeypatch.setenv(data_sets.FOLDER, str(tmp_path))
    return tmp_path


def test_packed_and_plain_files_hold_the_same_images(folder: Path) -> None:
    packed = data_sets.fingerprint("mnist")
    for file in list(folder.glob("*.gz")):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    data_sets._mnist.cache_clear()
    assert data_sets.fingerprint("mnist") == packed
    images = data_sets.mnist()
    first, classes = local_data.images(local_data.TRAINED, 1)
    assert np.array_equal(images.pixels[: images.trained], first)
    assert np.array_equal(images.classes[: images.trained], classes)
    assert (images.trained, len(images.classes)) == (180, 220)


def test_mnist_keeps_its_own_test_images_and_the_end_of_the_others_for_validation() -> None:
    task = SequentialDigits("mnist_rows")
    parts = {split: set(pool(task, split).tolist()) for split in ("train", "validation", "test")}
    assert parts == {
        "train": set(range(150)),
        "validation": set(range(150, 180)),
        "test": set(range(180, 220)),
    }
    assert len(evaluation_batch(task, 1, 1000, 0, "test").mask) == 40


def test_a_file_by_another_name_of_the_same_folder_is_read_once(folder: Path) -> None:
    assert data_sets.mnist() is data_sets.mnist()
    # 28 x 28 numbers and the class of a known image, as the task shows them.
    batch = SequentialDigits("mnist_rows").take(np.array([3]), 1, np.random.default_rng(0))
    pixels, classes = local_data.images(local_data.TRAINED, 1)
    shown = batch.inputs[0, :28, :-1].numpy() * 255
    assert np.array_equal(np.rint(shown), pixels[3])
    assert batch.targets.tolist() == [classes[3]]


def test_check_leaves_out_what_has_no_data_here_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(data_sets.FOLDER, str(tmp_path))
    done = CliRunner().invoke(app, ["check", "permuted_digits"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "left out mnist_pixels: no train-images-idx3-ubyte(.gz) in" in said
    assert "left out pixels" not in said


def head(*sizes: int) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


BAD: dict[str, tuple[str, bytes, str]] = {
    "another format": ("train-labels-idx1-ubyte", b"not an idx file", "no idx file of bytes in 1"),
    "floats": ("train-labels-idx1-ubyte", b"\0\0\x0d\1" + bytes(8), "no idx file of bytes in 1"),
    "cut short": ("train-labels-idx1-ubyte", head(180) + bytes(179), "which it does not hold"),
    "too long": ("train-labels-idx1-ubyte", head(180) + bytes(181), "which it does not hold"),
    "a huge head": ("t10k-labels-idx1-ubyte", head(2**32 - 1), "which it does not hold"),
    "a class too many": ("t10k-labels-idx1-ubyte", head(40) + bytes([10] * 40), "10 classes|0-9"),
    "one class missing": ("t10k-labels-idx1-ubyte", head(39) + bytes(39), "40 images .* 39 class"),
    "another size": (
        "t10k-images-idx3-ubyte.gz",
        gzip.compress(head(40, 8, 8) + bytes(2560)),
        "28",
    ),
    "torn": ("t10k-images-idx3-ubyte.gz", gzip.compress(head(40, 28, 28))[:20], "t10k-images"),
    "not packed": ("t10k-images-idx3-ubyte.gz", head(40, 28, 28), "[Nn]ot a gzip"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_file_that_is_not_what_it_should_be_is_refused(folder: Path, fault: str) -> None:
    name, content, message = BAD[fault]
    (folder / name).write_bytes(content)
    with pytest.raises(RefusedError, match=message) as caught:
        data_sets.mnist()
    assert "\n" not in str(caught.value)


def test_a_text_must_be_there_and_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data_sets.TEXT, str(tmp_path / "none.txt"))
    with pytest.raises(data_sets.MissingDataError, match=r"no text file .*none\.txt, which"):
        data_sets.text()
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    monkeypatch.setenv(data_sets.TEXT, str(tmp_path / "latin.txt"))
    with pytest.raises(RefusedError, match=r"latin\.txt: not UTF-8 text at byte 2"):
        data_sets.text()
    monkeypatch.setenv(data_sets.TEXT, str(tmp_path))
    with pytest.raises(RefusedError, match="directory"):
        data_sets.text()


def test_another_text_is_another_set_of_data() -> None:
    assert data_sets.fingerprint("text") != data_sets.fingerprint("english")
    assert data_sets.fingerprint("text") == data_sets.fingerprint("text")
