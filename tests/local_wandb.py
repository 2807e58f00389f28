"""A W&B server on this machine, as far as wandb's own client asks one to read runs.

It answers the queries of wandb 0.31: who is asking, the runs of a project page by page, the last
step of a run, its rows in a range of steps, and the rows that were exported to Parquet. What it is
asked for is written down, and refusals can be planted.
"""

import base64
import io
import json
import math
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KEY = "0123456789" * 4

LISTED = frozenset({"config", "summaryMetrics", "systemMetrics", "historyKeys"})
"""What the client does not ask for of runs that it lists."""


@dataclass
class Held:
    """A run as the server holds it; of its rows, so many are exported."""

    id: str
    rows: list[dict[str, Any]]
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    state: str = "finished"
    exported: int = 0
    counted: int | None = None
    created: str = "2026-01-02T03:04:05Z"

    @property
    def last_step(self) -> int:
        return int(self.rows[-1]["_step"]) if self.rows else -1

    def node(self, number: int, left_out: frozenset[str] = frozenset()) -> dict[str, Any]:
        config = {key: {"value": value, "desc": None} for key, value in self.config.items()}
        config["_wandb"] = {"value": {"cli_version": "0.31.0"}}
        whole = {
            "id": f"internal-{number}", "projectId": "1", "name": self.id, "tags": ["one", "two"],
            "displayName": f"the {self.id}", "sweepName": None, "state": self.state,
            "config": json.dumps(config), "group": "g", "jobType": "train", "commit": None,
            "readOnly": False, "createdAt": self.created, "heartbeatAt": "2026-01-02T03:05:05Z",
            "description": "", "notes": "n", "systemMetrics": "{}",
            "summaryMetrics": json.dumps({**self.summary, "_wandb": {"runtime": 1}}),
            "historyLineCount": len(self.rows) if self.counted is None else self.counted,
            "user": {"name": "me", "username": "me"},
            "historyKeys": {"lastStep": self.last_step} if self.rows else None,
        }  # fmt: skip
        return {name: value for name, value in whole.items() if name not in left_out}

    def parquet(self) -> bytes:
        """Give the exported rows: names joined by dots, and null for what a row lacks."""
        rows = self.rows[: self.exported]
        names = list(dict.fromkeys(name for row in rows for name in row))
        buffer = io.BytesIO()
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), buffer)
        return buffer.getvalue()


def worded(value: Any) -> Any:
    """Give a value as the server does: what is no number in JSON is a word."""
    if isinstance(value, dict):
        return {key: worded(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


class LocalWandb(ThreadingHTTPServer):
    """Holds the project me/p. `asked` has (operation, variables), `refuse` (operation, status)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: list[Held] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuse: list[tuple[str, int]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if operation == "Viewer":
            who = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}"}
            return {"viewer": {**who, "teams": {"edges": []}}}
        if operation == "GetDefaultEntity":
            return {"viewer": {"id": "u", "entity": "me"}}
        if (given["entity"], given["project"]) != ("me", "p"):
            return {"project": None}
        if operation == "Runs":
            return {"project": self.page(given)}
        wanted = given.get("run") or given.get("runName") or given["name"]
        (run,) = [run for run in self.runs if run.id == wanted]
        if operation == "Run":
            return {"project": {"run": run.node(0)}}
        if operation == "RunHistoryKeys":
            return {"project": {"run": {"historyKeys": {"lastStep": run.last_step}}}}
        if operation == "RunParquetHistory":
            urls = [f"{self.url}/{run.id}.parquet"] if run.exported else []
            live = [{"_step": row["_step"]} for row in run.rows[run.exported :]]
            return {"project": {"run": {"parquetHistory": {"parquetUrls": urls, "liveData": live}}}}
        assert operation == "HistoryPage", operation
        steps = range(int(given["minStep"]), int(given["maxStep"]))
        rows = [json.dumps(worded(row)) for row in run.rows if row["_step"] in steps]
        return {"project": {"run": {"history": rows[: given["pageSize"]]}}}

    def page(self, given: dict[str, Any]) -> dict[str, Any]:
        """Give a page of the runs, and where the next one begins."""
        begin = int(given["cursor"] or 0)
        end = begin + given["perPage"]
        edges = [
            {"node": run.node(number, LISTED), "cursor": str(number)}
            for number, run in enumerate(self.runs[begin:end], start=begin + 1)
        ]
        info = {"endCursor": str(end), "hasNextPage": end < len(self.runs)}
        return {"internalId": "1", "runCount": len(self.runs), "readOnly": False,
                "runs": {"edges": edges, "pageInfo": info}}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LocalWandb

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        (run,) = [run for run in self.server.runs if self.path == f"/{run.id}.parquet"]
        self.server.asked.append(("parquet", {"run": run.id}))
        self._reply(200, run.parquet())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match = re.search(r"query\s+(\w+)", body["query"])
        assert match is not None
        operation, given = match[1], body.get("variables") or {}
        self.server.asked.append((operation, given))
        key = base64.b64encode(f"api:{KEY}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {key}":
            self._refuse(401, "permission denied")
        elif (planted := self._planted(operation)) is not None:
            self._refuse(planted, "planted")
        else:
            data = {"data": self.server.answer(operation, given)}
            self._reply(200, json.dumps(data).encode())

    def _planted(self, operation: str) -> int | None:
        for number, (name, status) in enumerate(self.server.refuse):
            if name == operation:
                del self.server.refuse[number]
                return status
        return None

    def _refuse(self, status: int, why: str) -> None:
        self._reply(status, json.dumps({"errors": [{"message": why}]}).encode())

    def _reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
