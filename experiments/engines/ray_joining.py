"""A Ray cluster of our own for a while, or one that is there: started or joined, and left."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from experiments.engines import ray_keeper
from lightning_modules.refusal import RefusedError

SECONDS_TO_ANSWER = 20.0
SECONDS_TO_CONNECT = 5.0
OBJECT_STORE_BYTES = 80 * 2**20
"""As little as Ray takes: trials come and go through the study's folder."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


@cache
def _token() -> str:
    # Ray reads it once a process; of its own accord it would leave one in the user's home.
    return secrets.token_hex(32)


def start(cores: int) -> ray_keeper.Keeper:
    """Start a cluster of this machine alone, which ends with us; give what cleans up behind it."""
    keeper = ray_keeper.Keeper()
    variables = {
        **QUIET,
        ray_keeper.MARK: keeper.folder,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
        # The kernel's own judgement of memory counts, as on one machine without Ray.
        "RAY_memory_monitor_refresh_ms": "0",
    }
    try:
        with _prepared(variables, keeper.folder):
            import ray

            ray.init(
                address="local",
                num_cpus=cores,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=keeper.folder,
                _node_ip_address="127.0.0.1",
                **_options(),
            )
    except BaseException:
        leave()
        keeper.close()
        raise
    return keeper


def join(address: str) -> None:
    """Become a driver of a cluster.

    Raises
    ------
    RefusedError
        When there is none at the address, it does not answer, or does not let us in.
    """
    if address != "auto":
        _ask(address)
    try:
        with _prepared(QUIET, "/"):
            import ray

            ray.init(address=address, **_options())
    except KeyboardInterrupt:
        leave()
        raise
    except (Exception, SystemExit) as error:
        leave()
        raise RefusedError(f"--address {address}: {_line(str(error))}") from None


def leave() -> None:
    """Be a driver no more; a cluster of our own ends with it."""
    if (ray := sys.modules.get("ray")) is not None:
        ray.shutdown()


def _options() -> dict[str, Any]:
    return {"log_to_driver": False, "logging_level": "ERROR", "namespace": "longdep"}


def _ask(address: str) -> None:
    """Ask in a process of its own: Ray tries for two minutes, then ends its process."""
    found = re.fullmatch(r"\[?([^\[\]/]+?)\]?:(\d{1,5})", address)
    if found is None or not 0 < int(found[2]) < 2**16:
        raise RefusedError(
            f"--address {address}: HOST:PORT of the cluster's head, as `ray start --head` says it, "
            "or auto for the one that this machine is a node of"
        )
    try:
        socket.create_connection((found[1], int(found[2])), SECONDS_TO_CONNECT).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise RefusedError(f"--address {address}: no Ray cluster answers there: {why}") from None
    command = ["-P", "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(
            [sys.executable, *command],
            env=os.environ | QUIET,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_ANSWER,
        )
    except subprocess.TimeoutExpired:
        line = f"no Ray cluster answers there within {SECONDS_TO_ANSWER:.0f} s"
        raise RefusedError(f"--address {address}: {line}") from None
    if done.returncode:
        raise RefusedError(f"--address {address}: {_line(done.stdout + done.stderr)}")


def _line(text: str) -> str:
    if re.search("authenticat|token", text, re.IGNORECASE):
        return (
            "the cluster asks for its token: copy ~/.ray/auth_token of its head to this machine, "
            "or set RAY_AUTH_TOKEN"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no Ray cluster of this version answers there"


@contextlib.contextmanager
def _prepared(variables: dict[str, str], directory: str) -> Iterator[None]:
    """Import and start Ray with these variables, and undo what it does to this process.

    It puts the working directory on the path of its workers, where a file html.py would stand in
    for the library's, and takes SIGTERM for itself.
    """
    before, here = dict(os.environ), os.getcwd()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    os.environ.update(variables)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(here)
        for name in variables:
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)
        for number, handler in handlers.items():
            signal.signal(number, handler)
