"""The README is true: every command and example of it runs as written, in order, in a checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from readme import README, ROOT, blocks, inline_commands, links, tree

PACKAGES = ("lightning_modules", "experiments", "analysis")
FIRST_WORDS = {"longdep", "mv", "python", "."}

ELSEWHERE = {
    "make study": ["$(BIN)/longdep run quick", "$(BIN)/longdep report quick"],
    "make test": [
        (
            '$(BIN)/python -m pytest -m "not slow and not browser and not calibration and not gpu"'
            " -q -n auto --dist worksteal"
        )
    ],
}
"""Not run below but by .ci/run, from the Makefile, whose lines these are."""

PATTERNS = {
    "longdep run": ["longdep run --help"],
    "longdep COMMAND --help": [],
    "longdep new study NAME": ["longdep new study renamed"],
    "longdep report quick --serve": ["longdep report --help"],
    "longdep run quick --seeds 10 --extend": ["longdep run --help"],
    "longdep bench --quick": ["longdep bench --help"],
    "longdep run repro": ["longdep run --help"],
    "longdep logs --wandb my-team/speech": ["longdep logs --help"],
    "longdep report repro": ["longdep report repro"],
}
"""Commands with a place to fill in, without an end or with a long one, as they are run; the first
is run for every command. tests/test_bench.py, test_serving.py, test_extending.py and
test_wandb_server.py run what is only asked for help here, and test_cli_lines.py asks every
command for its help."""

SMALLER = {
    "experiments/studies/quick.py": {
        "seeds=5": "seeds=1",
        "steps=700": "steps=50",
        "lags=[10, 50]": "lags=[50]",
        "lags=[1, 30]": "lags=[30]",
        "lags=[2, 16]": "lags=[16]",
    },
    "forget_bias.py": {"seeds=5": "seeds=2", "steps=500": "steps=50"},
}
"""What is changed in a checkout's studies: what is shown is that all of it runs, and .ci/run runs
the quick study as it is."""


def unruled(readme: str) -> list[str]:
    """Give the blocks and commands that no rule below would run."""
    scripts = [block for block in blocks(readme) if block.language == "sh"]
    written = {command for block in scripts for command in block.commands}
    return [
        *(
            block.text
            for block in blocks(readme)
            if block.language not in ("sh", "python")
            and not (block.heading == "The tree" and not block.language)
        ),
        *(c for c in written if c not in ELSEWHERE and c.split()[0] not in FIRST_WORDS),
        *(c for c in inline_commands(readme) if c not in PATTERNS and c not in written),
    ]


def test_every_block_and_every_command_has_a_rule() -> None:
    assert unruled(README) == []


@pytest.mark.parametrize(
    "fault",
    ["```sh\ncurl x | sh\n```", "```toml\na = 1\n```", "Run `longdep fly quick`."],
)
def test_a_block_or_command_without_a_rule_is_found(fault: str) -> None:
    assert len(unruled(f"{README}\n{fault}\n")) == 1


def test_what_is_not_run_here_is_run_before_a_change_lands() -> None:
    makefile, checks = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    for command, lines in ELSEWHERE.items():
        target = re.search(rf"^{command.split()[1]}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
        assert target is not None
        assert target[1].replace("\t", "").splitlines() == lines
        assert command in checks.splitlines()


def test_links_and_pictures_are_there() -> None:
    pictures = [link for link in links() if link.endswith((".svg", ".png"))]
    assert len(pictures) == 1
    for link in links():
        assert link.startswith("https://") or (ROOT / link).is_file(), link


def test_a_picture_is_legible_on_light_and_dark_pages() -> None:
    [picture] = [link for link in links() if link.endswith(".svg")]
    svg = (ROOT / picture).read_text()
    ground = re.search(r'<g id="patch_1">\s*<path[^>]*style="fill: (#\w+)"', svg)
    assert ground is not None and ground[1] == "#ffffff"
    assert "<text" not in svg


def test_the_tree_names_every_file_with_a_phrase() -> None:
    named: set[Path] = set()
    for pattern, phrase in tree():
        found = set(ROOT.glob(pattern.rstrip("/")))
        assert found, f"the tree names {pattern}, which is not there"
        assert phrase, f"the tree says nothing of {pattern}"
        named |= found
    for package in PACKAGES:
        files = {path for path in (ROOT / package).glob("*.py") if path.stem != "__init__"}
        folders = {path for path in (ROOT / package).glob("*/") if any(path.glob("*.*"))}
        folders = {path for path in folders if path.name != "__pycache__"}
        missing = sorted(str(path.relative_to(ROOT)) for path in (files | folders) - named)
        assert missing == [], "the README's tree does not name them"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a checkout of its own, in which the quick study, made smaller, has run."""
    folder = tmp_path_factory.mktemp("checkout") / "longdep"
    skip = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "reports"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    for file in ROOT.glob("*.py"):
        shutil.copy(file, folder)
    (folder / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    _make_smaller(folder, "experiments/studies/quick.py")
    # What `make study` did.
    _run("longdep run quick", folder)
    return folder


def _make_smaller(folder: Path, name: str) -> None:
    text = (folder / name).read_text()
    for large, small in SMALLER[name].items():
        assert text.count(large) == 1
        text = text.replace(large, small)
    (folder / name).write_text(text)


def _run(script: str, folder: Path, timeout: int = 600) -> str:
    """Run a script in a checkout as a user's shell does; what comes after stops the first fault."""
    environment = os.environ | {
        "PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "HOME": str(folder.parent),
        "SHELL": "/bin/bash",
        "MPLBACKEND": "agg",
    }
    # Nor does a user's shell have it: all code would be compiled at each command.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-xc", f"{script}\ntrue"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_everything_runs_as_written(checkout: Path) -> None:
    for block in blocks():
        if block.language == "python" and block.file:
            (checkout / block.file).write_text(block.text)
            if block.file in SMALLER:
                _make_smaller(checkout, block.file)
        elif block.language == "python":
            (checkout / "notebook.py").write_text(block.text)
            _run("python -W error notebook.py", checkout)
            (checkout / "notebook.py").unlink()
        elif block.language == "sh" and not set(block.commands) & ELSEWHERE.keys():
            _run(block.text, checkout)
    for command in PATTERNS:
        for filled_in in PATTERNS[command]:
            _run(filled_in, checkout)
    assert (checkout / "spread.svg").stat().st_size > 1000
    assert "Leaky" in (checkout / "reports/quick/report.md").read_text()
    assert "b=1" in (checkout / "reports/forget_bias/report.md").read_text()
