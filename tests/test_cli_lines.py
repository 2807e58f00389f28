"""The manners of the command: one line for a mistake, examples in the help, names for the shell."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import cli_names, loading
from experiments.cli import app
from lightning_modules import registry

COMMANDS = (
    *("plan", "run", "status", "report", "retry", "clean", "doctor"),
    *("list", "show", "new", "check"),
)
LONGDEP = str(Path(sys.executable).parent / "longdep")


def longdep(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments), prog_name="longdep")
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["plann", "quick"],
            "no command 'plann'; commands: plan, run, status, report, ",
        ),
        (["plann", "quick"], "did you mean 'plan'?"),
        (["xyzzy"], "no command 'xyzzy'; commands: "),
        (["plan", "quick", "--oot", "x"], "plan has no option '--oot'; it has --workers, --out,"),
        (["plan", "quick", "--oot", "x"], "did you mean '--out'?"),
        (["run", "-x", "quick"], "run has no option '-x'; it has --only"),
        (["--versio"], "longdep has no option '--versio'; it has --version"),
        (["plan"], "plan: missing argument 'STUDY'; longdep plan --help"),
        (["run", "quick", "--workers", "0"], "run: invalid value for '--workers'"),
        (["run", "quick", "--workers", "two"], "run: invalid value for '--workers'"),
        (["run", "quick", "--engine", "locl"], "did you mean 'local'?"),
        (["run", "quick", "adding"], "run: got unexpected extra argument"),
        (["plan", "quick", "--out"], "'--out' requires an argument"),
        (["status", "quick", "--watch", "0"], "status: invalid value for '--watch'"),
        (["list"], "list: missing argument"),
        (["check"], "name what to check, or say --all"),
        (["check", "lstm", "--all"], "name what to check, or say --all"),
        (["check", "lstn"], "no 'lstn' and no file lstn.py; known: "),
        (["check", "nowhere.py"], "no file nowhere.py"),
        (["check", "nowhere.py:Mine"], "no such file"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = longdep(*arguments)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("longdep: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_nothing_at_all_is_answered_with_what_there_is() -> None:
    status, out, _ = longdep()
    assert status == 0
    assert all(command in out for command in COMMANDS)
    assert longdep("--version")[1].startswith("longdep ")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example_that_names_it(command: str) -> None:
    status, out, _ = longdep(command, "--help")
    assert status == 0
    examples = [line.strip() for line in out.splitlines() if line.lstrip().startswith("longdep ")]
    assert examples
    assert all(shlex.split(example)[1] == command for example in examples)


def completed(words: str, tmp_path: Path) -> list[str]:
    """Ask as bash does, which sends the line and the number of the word at the cursor."""
    environment = {
        **os.environ,
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_LONGDEP_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [LONGDEP], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_shell_completes_names_of_studies_tasks_and_architectures(tmp_path: Path) -> None:
    assert completed("longdep run q", tmp_path) == ["quick"]
    assert completed("longdep show adding/a", tmp_path) == ["adding/arjovsky"]
    assert completed("longdep run quick --add ls", tmp_path) == ["lstm"]
    assert "copy_memory" in completed("longdep check co", tmp_path)


def test_the_names_to_complete_are_those_of_the_registries() -> None:
    assert cli_names.studies() == loading.names()
    assert [name for name, _ in cli_names.architectures()] == list(registry.names("architecture"))
    names = [name for name, _ in cli_names.tasks()]
    assert {name.partition("/")[0] for name in names} == set(registry.names("task"))


WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "pytorch_lightning", "lightning_fabric"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from experiments.cli import app
app(sys.argv[1:], prog_name="longdep")
"""


def without_torch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_torch_a_study_is_begun_and_planned_and_a_check_says_what_it_needs(
    tmp_path: Path,
) -> None:
    assert without_torch(tmp_path, "new", "study", "mine").returncode == 0
    planned = without_torch(tmp_path, "plan", "mine.py")
    assert planned.returncode == 0, planned.stderr
    assert "sizes are counted where torch is installed" in planned.stdout
    assert "the time is estimated where torch is installed" in planned.stdout
    checked = without_torch(tmp_path, "check", "lstm")
    assert checked.returncode == 2
    assert checked.stderr == "longdep: this command needs torch, which is not installed here\n"


def on_a_terminal(*arguments: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [LONGDEP, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    # Linux reports the end of a terminal as an error.
    while process.poll() is None or said[-1:] != b"\n":
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    process.wait()
    return said.decode()


@pytest.mark.slow
def test_colours_are_for_a_terminal_that_wants_them() -> None:
    assert "\x1b[1;33m" in on_a_terminal("--help")
    assert "\x1b[1;33m" not in on_a_terminal("--help", NO_COLOR="1")
    assert "\x1b[" in on_a_terminal("list", "tasks")
    assert "\x1b" not in longdep("list", "tasks")[1]
