"""Runs of a project on a W&B server, through wandb's own client: every row, and only what is new.

As wandb 0.31 was found to behave:

- Of runs that are listed and not `lazy`, the version of wandb is lost, and of what in the config
  has a key `value` all the rest; of a run that is loaded by itself, nothing is.
- `Run.history` gives a sample, and `scan_history` with keys only the rows that have all of them;
  without keys it gives every row, asking for one range of steps after the other.
- The key is checked when `Api` is made. Where no server answers, that is told as a wrong key.
- wandb-core asks again after 429, 5xx and a connection that failed, as its settings say.
- A `Run` makes a folder of its own, and what is downloaded is kept: both go to a folder that is
  removed.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from analysis import log_cache, server_log
from analysis.escaping import plain
from analysis.folder_source import Progress, SourceError
from analysis.segments import Segment
from analysis.server_log import About
from analysis.wandb_log import Run

CONNECTIONS = 4
"""So many runs are asked for at once."""

PAGE = 1000
"""Rows in an answer, where the steps follow each other."""

WIDEST = 2**30
"""No answer spans more steps: the protocol's numbers have 32 bits."""

Tree = Mapping[str, Any]
NOTHING: Tree = {}

Value = TypeVar("Value")


def read(place: str, cache: Path | None = None, progress: Progress | None = None) -> list[Segment]:
    """Read the runs of a project, ENTITY/PROJECT; what is in `cache` is not asked for again.

    Raises
    ------
    SourceError
        The project cannot be read; what had been read by then is in the cache.
    """
    entity, is_there, project = place.partition("/")
    if not (entity and is_there and project) or "/" in project:
        raise SourceError(f"--wandb {plain(place)}: ENTITY/PROJECT is needed, as in my-team/speech")
    with _elsewhere():
        api = _signed_in()
        host = str(api.settings["base_url"])

        def ask(call: Callable[[], Value]) -> Value:
            try:
                return call()
            # The client raises what any of its parts does: its own errors, ValueError, TypeError.
            except Exception as error:
                raise SourceError(_line(error, host, place)) from error

        found = ask(lambda: list(api.runs(place, order="+created_at", lazy=True)))
        segments = []
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            waiting = [pool.submit(ask, lambda r=run: _run(r, host, cache)) for run in found]
            try:
                for each in waiting:
                    segments.append(each.result())
                    if progress is not None:
                        progress("runs read", len(segments), len(found))
            finally:
                pool.shutdown(cancel_futures=True)
    return segments


def _run(run: Any, host: str, cache: Path | None) -> Segment:
    key = f"{host}/{run.entity}/{run.project}/{run.id}"
    stamp = ["server", log_cache.reader()]
    kept = log_cache.load(cache, key, stamp) if cache else None
    if kept is not None and server_log.stands(kept, _about(run)):
        return kept
    run.load_full_data()
    about = _about(run, run.config, run.summary_metrics, run.rawconfig.get("_wandb"))
    begin = server_log.first_step(kept, about)
    segment = None
    if kept is not None and begin != 0:
        segment = server_log.go_on(kept, about, [] if begin is None else _rows(run, about, begin))
    if segment is None:
        segment = server_log.begin(about, _rows(run, about))
    if cache:
        log_cache.store(cache, key, stamp, segment)
    return segment


def _rows(run: Any, about: About, begin: int = 0) -> list[dict[str, Any]]:
    """Ask for the rows up to the last one that the list of runs counts."""
    if not about.lines:
        return []
    # Steps far apart, as of tokens seen, would be asked for in millions of answers without a row.
    apart = max(about.last_step + 1, 0) // about.lines if about.lines > 0 else 0
    page = min(PAGE * max(apart, 1), WIDEST)
    end = about.last_step + 1 if about.last_step >= 0 else None
    return list(run.scan_history(page_size=page, min_step=begin, max_step=end))


def _about(run: Any, config: Tree = NOTHING, summary: Tree = NOTHING, own: Any = None) -> About:
    """Put together what the server says of a run; of one that is only listed, that is less."""
    keys = getattr(run, "historyKeys", None) or {}
    lines = getattr(run, "historyLineCount", None)
    return About(
        url=str(run.url),
        run=Run(
            id=run.id,
            project=run.project,
            group=run.group or "",
            job_type=run.job_type or "",
            name=run.name or "",
            tags=tuple(run.tags or ()),
            notes=run.notes or "",
            entity=run.entity,
            started=_seconds(run.created_at),
            wandb=str((own or {}).get("cli_version") or ""),
        ),
        config={key: value for key, value in config.items() if key != "_wandb"},
        summary={key: value for key, value in summary.items() if key != "_wandb"},
        state=str(run.state),
        seen=_seconds(run.heartbeat_at) or _seconds(run.created_at) or 0.0,
        lines=-1 if lines is None else int(lines),
        last_step=int(keys.get("lastStep", -1)),
    )


def _seconds(told: str | None) -> float | None:
    """Read a time; one without a zone is in UTC."""
    if not told:
        return None
    when = datetime.fromisoformat(told)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Let wandb write into a folder that is removed, and report to nobody."""
    with tempfile.TemporaryDirectory(prefix="longdep-wandb-") as folder:
        changes = {"WANDB_DIR": folder, "WANDB_CACHE_DIR": folder, "WANDB_ERROR_REPORTING": "false"}
        before = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _signed_in() -> Any:
    """Give wandb's client.

    Raises
    ------
    SourceError
        There is no key, it is not taken, or nobody answers.
    """
    import wandb

    # Silent, it does not ask for a key either. A first try that soon gives up tells whether anybody
    # is there; the rest may take its time.
    first: dict[str, Any] = {"x_graphql_retry_max": 1}
    patient: dict[str, Any] = {
        "x_graphql_retry_max": 7,
        "x_graphql_retry_wait_min_seconds": 1,
        "x_graphql_retry_wait_max_seconds": 30,
        "x_graphql_timeout_seconds": 60,
    }
    host = ""
    try:
        host = wandb.setup(settings=wandb.Settings(silent=True, **first)).settings.base_url
        try:
            wandb.Api(timeout=20)
        except wandb.Error as error:
            if not _is_passing(str(error)):
                raise
        wandb.setup(settings=wandb.Settings(**patient))
        return wandb.Api(timeout=300)
    except (wandb.Error, ValueError) as error:
        raise SourceError(_line(error, os.environ.get("WANDB_BASE_URL", host), "")) from error


def _is_passing(told: str) -> bool:
    return re.search(r"HTTP (429|5\d\d)", told) is not None


def _line(error: Exception, host: str, place: str) -> str:
    """Say in one line what is wrong."""
    told = " ".join(str(error).split())
    where = plain(host, 200)
    if "No API key" in told:
        return f"no API key for {where}: wandb login, or the variable WANDB_API_KEY"
    if "Could not find project" in told or "project not found" in told.lower():
        return f"{plain(place)}: no such project on {where}, or it is not open to this key"
    why = plain(told.rpartition("while retrying: ")[2].rpartition('": ')[2], 300)
    if _is_passing(told):
        return f"{where} was asked again and again, and went on to answer: {why}"
    if "giving up after" in told or "did not respond" in told:
        return f"{where} does not answer: {why}"
    if re.search(r"API key|credentials", told):
        why = plain(told.rpartition(": ")[2], 300)
        return f"the API key for {where} is not taken: {why}"
    return f"{plain(place)} on {where}: {why or type(error).__name__}"
