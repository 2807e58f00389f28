"""A report on this machine's own address while its trials finish: rebuilt when results change."""

import contextlib
import mimetypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ADDRESS = "127.0.0.1"

SECONDS = 5
"""How often the page is loaded again, and results are looked for."""

Build = Callable[[], tuple[Path, bool]]
"""Makes the report, and gives the path of its page and whether all trials have a result."""


class PortError(ValueError):
    """The port cannot be had; the message is one line."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    folder = Path()
    is_over = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that closes a connection is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        port = self.server.server_address[1]
        # A name elsewhere that leads here would let a stranger's page read the report.
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        data = self._file(unquote(urlsplit(self.path).path).lstrip("/") or "index.html")
        if data is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content, kind = data
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _file(self, name: str) -> tuple[bytes, str] | None:
        folder = self.server.folder.resolve()
        try:
            path = (folder / name).resolve(strict=True)
            if not path.is_relative_to(folder) or not path.is_file():
                return None
            content = path.read_bytes()
        except (OSError, ValueError):
            return None
        if path.name == "index.html" and not self.server.is_over:
            content = with_refresh(content)
        kind = mimetypes.guess_type(path.name)[0] or "text/plain"
        return content, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of every request."""


def with_refresh(page: bytes) -> bytes:
    """Give a page that loads itself again; the file on the disk does not."""
    tag = f'<meta http-equiv="refresh" content="{SECONDS}">'.encode()
    return page.replace(b'<meta charset="utf-8">', b'<meta charset="utf-8">\n' + tag, 1)


@contextlib.contextmanager
def served(port: int) -> Iterator[_Server]:
    """Have a server on a port of this machine's own address, or on a free one for 0.

    Raises
    ------
    PortError
        The port is taken, or not ours to have.
    """
    try:
        server = _Server((ADDRESS, port), _Handler)
    except OSError as error:
        raise PortError(f"port {port}: {error.strerror or error}; --port takes another") from None
    try:
        yield server
    finally:
        server.server_close()


def serve(
    study_dir: str | os.PathLike[str], build: Build, port: int, say: Callable[[str], None]
) -> None:
    """Show a report until Ctrl-C, built anew whenever a result has come or gone.

    Raises
    ------
    PortError
        As `served`, before anything is built.
    """
    with served(port) as server:
        state = seen(study_dir)
        page, server.is_over = build()
        server.folder = page.parent
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say(f"the report: http://{ADDRESS}:{server.server_address[1]}/ (Ctrl-C ends it)")
        try:
            while True:
                time.sleep(SECONDS)
                if (now := seen(study_dir)) != state:
                    state = now
                    _, server.is_over = build()
        finally:
            server.shutdown()


def seen(study_dir: str | os.PathLike[str]) -> dict[str, int]:
    """Give when each result and each failure was written, by path: what a report changes with."""
    found = {}
    for name in ("*/result.json", "*/failure.json", "study.json"):
        for path in Path(study_dir).glob(name):
            with contextlib.suppress(OSError):
                found[str(path)] = path.stat().st_mtime_ns
    return found
