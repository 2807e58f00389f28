"""Pages in a headless Chromium: launched once, each page opened from disk.

A machine without Chromium or axe-core leaves these tests out and says so; where `LONGDEP_CI` is
set, that is a failure.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import planted_pages
import pytest
from playwright.sync_api import sync_playwright
from visiting import Visit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: they are run by name."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


def _is_missing(what: str) -> NoReturn:
    if os.environ.get("LONGDEP_CI"):
        pytest.fail(f"{what}; LONGDEP_CI is set, so no browser test may be left out")
    pytest.skip(what)


@pytest.fixture(scope="session")
def axe() -> str:
    """Give the source of axe-core."""
    path = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
    if not path.is_file():
        _is_missing("axe-core is not installed: npm ci --prefix tests/browser --ignore-scripts")
    return path.read_text()


@pytest.fixture(scope="session")
def visit() -> Iterator[Callable[..., Visit]]:
    """Open pages from disk, each in a window of its own."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        _is_missing("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, which containers often are, Chromium starts only without its sandbox.
        is_root = os.geteuid() == 0
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=not is_root)
        yield lambda path, **options: Visit(browser.new_context(**options), path)
        browser.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give every page that is looked at."""
    return planted_pages.written(
        tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("reports")
    )
