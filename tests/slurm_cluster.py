"""A real Slurm of one node in a temporary folder: no root, nothing installed, nothing left behind.

Debian's own packages, 3.5 MB, are kept in the user's cache and unpacked, not installed.
Four daemons run: `munged` (who is who), `slurmctld` (the queue), `slurmd` (the node), and one
`slurmstepd` a job.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "munge",
    "libmunge2",
    "libhwloc15",
    "liblua5.1-0",
)
SECONDS_TO_WAIT = 30.0

CONF = """
ClusterName=longdep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is queued again waits for its credential to run out: two minutes, unless it is short.
AuthInfo=socket={root}/munge.socket,cred_expire=5
CredType=cred/munge
PluginDir={unpacked}/usr/lib/x86_64-linux-gnu/slurm-wlm
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=60
MinJobAge=2
InactiveLimit=0
ReturnToService=2
# More cores than the machine has, where a test wants more jobs beside each other.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=plain Nodes={host} Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=urgent Nodes={host} MaxTime=60 PriorityTier=10 State=UP
"""


class NoPackages(Exception):
    """Slurm's packages cannot be had here."""


@contextlib.contextmanager
def cluster(cpus: int = 2) -> Iterator[dict[str, str]]:
    """Run a Slurm of one node and give the variables that its commands need.

    Raises
    ------
    NoPackages
        When the packages are neither in the cache nor to be had.
    """
    packages = fetched()
    with tempfile.TemporaryDirectory(prefix="longdep-slurm-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o711)  # munged will have its socket reached by all.
        environment = _unpacked(packages, root)
        daemons: list[subprocess.Popen[bytes]] = []
        try:
            _start(root, environment, cpus, daemons)
            yield environment
        finally:
            _stop(root, environment, daemons)


def fetched() -> Path:
    """Give the folder of the packages, from the archive where the cache has them not.

    Raises
    ------
    NoPackages
        When they cannot be had.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "longdep" / "slurm"
    missing = [name for name in PACKAGES if not list(place.glob(f"{name}_*.deb"))]
    if not missing:
        return place
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NoPackages("Slurm comes from Debian's packages, and there is no apt-get here")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetching-") as name:
        done = subprocess.run(
            ["apt-get", "download", *missing], cwd=name, capture_output=True, text=True
        )
        if done.returncode:
            line = (done.stderr.strip().splitlines() or ["apt-get download failed"])[-1]
            raise NoPackages(f"Slurm's packages cannot be had: {line}")
        for package in Path(name).glob("*.deb"):
            package.replace(place / package.name)
    return place


def _unpacked(packages: Path, root: Path) -> dict[str, str]:
    """Unpack the packages below `root`, and give the environment of what is in them."""
    unpacked = root / "unpacked"
    for name in PACKAGES:
        newest = max(packages.glob(f"{name}_*.deb"))
        subprocess.run(["dpkg", "-x", str(newest), str(unpacked)], check=True)
    libraries = unpacked / "usr" / "lib" / "x86_64-linux-gnu"
    commands = [str(unpacked / "usr" / name) for name in ("bin", "sbin")]
    return {
        **os.environ,
        "PATH": ":".join([*commands, os.environ["PATH"]]),
        "LD_LIBRARY_PATH": f"{libraries}:{libraries / 'slurm-wlm'}",
        "SLURM_CONF": str(root / "slurm.conf"),
    }


def _start(
    root: Path, environment: dict[str, str], cpus: int, daemons: list[subprocess.Popen[bytes]]
) -> None:
    controller, node = _free_ports(2)
    host = socket.gethostname().partition(".")[0]
    (root / "slurm.conf").write_text(
        CONF.format(
            host=host,
            controller=controller,
            node=node,
            user=getpass.getuser(),
            root=root,
            unpacked=root / "unpacked",
            cpus=cpus,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10,
        )
    )
    for folder in ("state", "spool"):
        (root / folder).mkdir()
    key = root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    munged = ["munged", "--foreground", f"--socket={root}/munge.socket", f"--key-file={key}"]
    munged += [f"--{name}-file={root}/munged.{name}" for name in ("log", "pid", "seed")]
    stepd = root / "unpacked" / "usr" / "sbin" / "slurmstepd-wlm"
    for command in (
        munged,
        ["slurmctld-wlm", "-D"],
        ["slurmd-wlm", "-D", "-N", host, "-d", str(stepd)],
    ):
        with (root / f"{command[0]}.out").open("wb") as out:
            # Should we be killed, they are told to end too.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
            daemons.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
        if command[3] == "munged":
            _wait(lambda: (root / "munge.socket").exists(), root)
    _wait(lambda: "idle" in asked(environment, "sinfo", "-h", "-o", "%t"), root)


def asked(environment: dict[str, str], *command: str) -> str:
    """Give what one of Slurm's commands answers; nothing where it fails."""
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def _wait(is_true: Callable[[], bool], root: Path) -> None:
    until = time.monotonic() + SECONDS_TO_WAIT
    while not is_true():
        if time.monotonic() > until:
            logs = [*root.glob("*.log"), *root.glob("*.out")]
            told = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in logs)
            raise TimeoutError(f"Slurm does not start:\n{told}")
        time.sleep(0.1)


def _stop(root: Path, environment: dict[str, str], daemons: list[subprocess.Popen[bytes]]) -> None:
    asked(environment, "scancel", "--user", getpass.getuser())
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in reversed(daemons):
        try:
            daemon.wait(SECONDS_TO_WAIT)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for process in left(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def left(root: Path) -> list[int]:
    """List the processes whose environment names a folder: the daemons and all their jobs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"={root}/".encode() in path.read_bytes() and int(path.parts[2]) != os.getpid():
                found.append(int(path.parts[2]))
    return found


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
