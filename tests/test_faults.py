"""Every fault that the project is held against has a test, or a reason why it has none."""

import ast
from functools import cache
from pathlib import Path

import pytest
from faults import FAULTS, REASONS


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((Path(__file__).parent / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_fault_is_left_out() -> None:
    assert list(FAULTS) == [f"F{number}" for number in range(1, 41)]


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_has_a_test_that_exists_or_a_reason(number: str) -> None:
    what, tests = FAULTS[number]
    assert what and bool(tests) != (number in REASONS), what
    for test in tests:
        file, _, name = test.partition("::")
        assert name.startswith("test_") and name in functions(file), test
