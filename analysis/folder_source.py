"""A folder of logs, found recursively: each file read once, in parallel, and kept as Parquet.

What is read in parallel is read by processes of their own, which fill the cache: nothing of the
process that asks is copied or started anew, so that it works from a script and a notebook alike.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from analysis import csv_source, log_cache
from analysis.segments import Segment, read_wandb

Progress = Callable[[str, int, int], None]
"""Told (what is done, how many so far, of how many)."""

MANY = 40
"""With fewer logs that have not been read yet, processes take longer to start than to read."""

LARGE = 30 * 2**20
"""As `MANY`, in bytes of logs."""

MOST_FILES = 200_000
"""So many logs are looked for in a folder, and no more."""


class SourceError(ValueError):
    """Logs cannot be had; the message is one line."""


def find(folder: str | os.PathLike[str]) -> list[Path]:
    """Find the logs below a folder, in the order of their paths; links to folders are not followed.

    Raises
    ------
    SourceError
        There is no such folder.
    """
    top = Path(folder)
    if top.is_file():
        return [top] if _is_log(top.name) else []
    if not top.is_dir():
        raise SourceError(f"{top}: no such folder")
    found: list[Path] = []
    for place, folders, files in os.walk(top):
        folders.sort()
        found += [Path(place) / name for name in sorted(files) if _is_log(name)]
        if len(found) > MOST_FILES:
            raise SourceError(f"{top}: more than {MOST_FILES:,} logs; name a folder in it")
    return found


def read(
    folder: str | os.PathLike[str],
    cache: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Iterator[Segment | tuple[Path, str]]:
    """Yield each log below a folder, or its path and why it cannot be read.

    Without a `cache`, what processes read for one another goes through a folder that is removed.

    Raises
    ------
    SourceError
        There is no such folder.
    """
    paths = find(folder)
    with tempfile.TemporaryDirectory(prefix="longdep-logs-") as temporary:
        kept = cache or Path(temporary)
        loaded = {path: _kept(kept, path) for path in paths} if cache else {}
        unread = [path for path in paths if loaded.get(path) is None]
        is_much = len(unread) >= MANY or sum(map(_size, unread)) >= LARGE
        processes = min(workers or _cores(), len(unread))
        if processes > 1 and is_much:
            _fill(kept, unread, processes, progress)
        for number, path in enumerate(paths, start=1):
            yield loaded.get(path) or _read(path, kept if cache or is_much else None)
            if progress is not None:
                progress("logs read", number, len(paths))


def _kept(kept: Path, path: Path) -> Segment | None:
    try:
        stamp = log_cache.stamp_of(path)
    except OSError:
        return None
    return log_cache.load(kept, stamp[0], stamp)


def _read(path: Path, kept: Path | None) -> Segment | tuple[Path, str]:
    if kept is not None and (segment := _kept(kept, path)):
        return segment
    try:
        stamp = log_cache.stamp_of(path)
        segment = csv_source.read_csv(path) if path.name == csv_source.NAME else read_wandb(path)
    except OSError as error:
        return path, error.strerror or str(error)
    if kept is not None:
        log_cache.store(kept, stamp[0], stamp, segment)
    return segment


def _fill(kept: Path, paths: list[Path], workers: int, progress: Progress | None) -> None:
    """Have processes read these logs into the cache; what they do not manage is read here."""
    paths = sorted(paths, key=_size, reverse=True)
    here = Path(__file__).resolve().parent.parent
    code = f"import sys; sys.path.insert(0, {str(here)!r}); from analysis import folder_source as f"
    command = [sys.executable, "-I", "-c", f"{code}; f.work()"]
    processes = []
    for number in range(workers):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdin is not None
        share = [os.path.abspath(path) for path in paths[number::workers]]
        processes.append(process)
        process.stdin.write(json.dumps([str(kept), share]).encode())
        process.stdin.close()
    try:
        done = 0
        for process in processes:
            assert process.stdout is not None
            for _ in process.stdout:
                done += 1
                if progress is not None:
                    progress("logs read", done, len(paths))
            process.wait()
            process.stdout.close()
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def work() -> None:
    """Read logs into the cache, as a line on the standard input says, and tell of each."""
    kept, paths = json.loads(sys.stdin.read())
    for path in paths:
        _read(Path(path), Path(kept))
        print(flush=True)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on macOS.
        return os.cpu_count() or 1


def _is_log(name: str) -> bool:
    return name.endswith(".wandb") or name == csv_source.NAME


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
