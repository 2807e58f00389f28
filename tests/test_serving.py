"""The report while trials finish: on this machine alone, rebuilt, and ended without a word."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from planting import identity, plant

from analysis import serving

LONGDEP = [sys.executable, "-c", "from experiments.cli import main; main()"]


def get(port: int, path: str = "/", host: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(serving.ADDRESS, port, timeout=20)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.fixture
def shown(tmp_path: Path) -> int:
    """Serve a folder with a page, beside a file that is nobody's business; give the port."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "index.html").write_text('<head>\n<meta charset="utf-8">\n</head>')
    (folder / "data.csv").write_text("a,b")
    (folder / "link").symlink_to(tmp_path / "secret")
    ports: list[int] = []

    def say(line: str) -> None:
        ports.append(int(re.findall(r":(\d+)/", line)[0]))

    def build() -> tuple[Path, bool]:
        return folder / "index.html", False

    arguments = (tmp_path, build, 0, say)
    threading.Thread(target=serving.serve, args=arguments, daemon=True).start()
    while not ports:
        time.sleep(0.01)
    return ports[0]


def test_the_report_is_served_and_nothing_beside_it(shown: int) -> None:
    assert b'http-equiv="refresh"' in get(shown)[1]
    assert get(shown, "/data.csv") == (200, b"a,b")
    for path in ("/../secret", "/%2e%2e/secret", "//etc/passwd", "/link", "/none", "/%00"):
        assert get(shown, path)[0] == 404, path


def test_a_stranger_s_name_for_this_machine_is_refused(shown: int) -> None:
    assert get(shown, host="evil.example")[0] == 403
    assert get(shown, host=f"evil.example:{shown}")[0] == 403
    assert get(shown, host=f"localhost:{shown}")[0] == 200


def test_only_this_machine_is_listened_to() -> None:
    with serving.served(0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_one_line_before_anything_is_built(tmp_path: Path) -> None:
    def build() -> tuple[Path, bool]:
        raise AssertionError("was built")

    with socket.create_server((serving.ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(serving.PortError, match=f"port {port}: .*in use.*--port"):
            serving.serve(tmp_path, build, port, print)


def test_results_that_come_and_go_are_seen(tmp_path: Path) -> None:
    plant(tmp_path, lambda a, t, lag, seed: "missing" if seed else "solved", seeds=2)
    before = serving.seen(tmp_path)
    assert serving.seen(tmp_path) == before
    (tmp_path / identity("plain", "adding/x", 5, 0) / "result.json").unlink()
    assert serving.seen(tmp_path) != before


def test_a_page_whose_trials_are_all_done_does_not_load_itself_again() -> None:
    page = b'<meta charset="utf-8">\n<p><meta charset="utf-8">'
    assert serving.with_refresh(page).count(b"http-equiv") == 1


@pytest.mark.slow
def test_the_command_serves_rebuilds_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    from small import small_study

    from experiments.folder import StudyFolder

    study = small_study()
    StudyFolder(tmp_path / "runs/small").reconcile(study)
    with subprocess.Popen(
        [*LONGDEP, "report", "runs/small", "--serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as served:
        try:
            assert served.stdout is not None and served.stderr is not None
            (port,) = map(int, re.findall(r"http://127\.0\.0\.1:(\d+)/", served.stdout.readline()))
            status, page = get(port)
            assert status == 200
            assert b"No trial has a result yet" in page
            assert b'http-equiv="refresh"' in page
            # A failed trial is a change that needs no training.
            trial = study.trials()[0].id
            failure = {"schema": 1, "trial": trial, "attempts": 1, "step": 3, "error": "Planted."}
            (tmp_path / "runs/small" / trial).mkdir()
            (tmp_path / "runs/small" / trial / "failure.json").write_text(json.dumps(failure))
            until = time.monotonic() + 60
            while b"Planted." not in get(port)[1]:
                assert time.monotonic() < until
                time.sleep(0.5)
            served.send_signal(signal.SIGINT)
            assert served.wait(20) == 0
            assert served.stdout.read() == ""
            assert served.stderr.read() == ""
        finally:
            if served.poll() is None:
                served.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
