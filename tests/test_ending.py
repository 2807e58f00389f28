"""What a user reads of an attempt that came to no result."""

import errno
from pathlib import Path

import pytest
import torch

from experiments import ending


@pytest.mark.parametrize("number", ending.REMEDIES)
def test_an_error_of_the_system_is_told_with_its_place_and_what_to_do(
    number: int, tmp_path: Path
) -> None:
    line = ending.line_of(OSError(number, "words of the system", "/a/file"), tmp_path)
    assert line.startswith("/a/file: ") and "words of the system" not in line
    assert "\n" not in line and len(line) < 160
    # Where the system names no file, the trial's folder is the place.
    assert ending.line_of(OSError(number, "words"), tmp_path).startswith(str(tmp_path))


def test_any_other_error_is_told_by_its_name_and_in_one_line(tmp_path: Path) -> None:
    assert ending.line_of(ValueError("two\nlines"), tmp_path) == "ValueError: two lines"


def test_a_folder_that_is_gone_is_told_as_that(tmp_path: Path) -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file", "/a/file")
    assert "gone while the trial ran" in ending.line_of(error, tmp_path / "t")
    assert "FileNotFoundError" in ending.line_of(error, tmp_path)


def test_torchs_own_error_is_one_of_memory_and_others_are_not() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert ending.is_out_of_memory(caught.value)
    for error in (MemoryError(), OSError(errno.ENOMEM, ""), torch.OutOfMemoryError("CUDA")):
        assert ending.is_out_of_memory(error)
    # A GPU's libraries have words of their own, and no class.
    assert ending.is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"))
    assert not ending.is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))
    for other in (RuntimeError("shapes"), OSError(errno.ENOSPC, ""), ValueError("out of memory")):
        assert not ending.is_out_of_memory(other)


def test_the_kernels_count_is_a_number_where_there_is_one() -> None:
    assert ending.out_of_memory_kills() >= 0
