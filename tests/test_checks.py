"""The checks are the same everywhere: Makefile, CI, the workflow, pre-commit, pyproject."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
CI = (ROOT / ".ci/run").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def yaml_file(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def commands(target: str) -> list[str]:
    """Give the commands of a target of the Makefile."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in found[1].splitlines()]


def test_every_marker_is_left_out_by_make_test_and_run_by_name() -> None:
    declared = PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]
    markers = [marker.partition(":")[0] for marker in declared]
    left_out = " and ".join(f"not {marker}" for marker in markers)
    run = f'.venv/bin/python -m pytest -m "{left_out}" -q -n auto --dist worksteal'
    assert commands("test") == [run]
    by_name = re.findall(r"^\.venv/bin/python -m pytest -q -m (\w+) ", CI, re.MULTILINE)
    assert [*by_name, "calibration", "gpu"] == markers


def test_in_ci_nothing_may_be_left_out() -> None:
    assert "set -euo pipefail" in CI
    assert "export LONGDEP_CI=1" in CI
    for command in ("make test", "make lint", "make study"):
        assert command in map(str.strip, CI.splitlines())


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    [repository] = yaml_file(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == commands("lint")
    assert all(hook["pass_filenames"] is False for hook in repository["hooks"])


def test_the_workflow_runs_what_ci_runs_with_pinned_actions() -> None:
    workflow = yaml_file(".github/workflows/checks.yml")
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    for step in job["steps"]:
        assert "run" in step or re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert workflow["permissions"] == {"contents": "read"}
    pythons = job["strategy"]["matrix"]["python"]
    assert f">={pythons[0]}" == PYPROJECT["project"]["requires-python"]


def test_the_citation_says_what_the_project_says() -> None:
    citation, project = yaml_file("CITATION.cff"), PYPROJECT["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == project["name"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == [{"name": "longdep authors"}]
    assert citation["message"]


def test_every_dependency_is_locked() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    extras = PYPROJECT["project"]["optional-dependencies"]
    for needed in [*PYPROJECT["project"]["dependencies"], *extras["dev"]]:
        name = re.match(r"[\w.-]+", needed)
        assert name is not None and name[0].lower() in {each.lower() for each in locked}, needed


def test_what_comes_from_npm_is_one_version_with_its_hash() -> None:
    declared = json.loads((ROOT / "tests/browser/package.json").read_text())["devDependencies"]
    locked = json.loads((ROOT / "tests/browser/package-lock.json").read_text())["packages"]
    installed = {name.removeprefix("node_modules/"): at for name, at in locked.items() if name}
    assert declared == {name: at["version"] for name, at in installed.items()}
    assert all(at["integrity"].startswith("sha512-") for at in installed.values())


@pytest.mark.parametrize("word", ["## Unreleased", "### Results"])
def test_the_changelog_has_a_place_for_what_moves_results(word: str) -> None:
    assert word in (ROOT / "CHANGELOG.md").read_text()


def test_a_long_file_says_at_its_top_why() -> None:
    sources = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "runs" not in p.parts]
    long = [path for path in sources if path.read_text().count("\n") > 300]
    assert long, "then this test and the sentence that it asks for may go"
    for path in long:
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "Longer than a file should be: " in " ".join(told.split()), path
