"""A Ray cluster of three nodes on one machine, in a process that loses a node when told."""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.engines import ray_keeper

NODES = 3
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
"""It takes Ray some 20 seconds to notice that a machine is gone; here it need not."""


@dataclass(frozen=True)
class Nodes:
    """The cluster: its address, and the variables that whoever joins it needs."""

    address: str
    variables: dict[str, str]
    process: "subprocess.Popen[str]"

    def lose_one(self) -> None:
        """Kill a node, whatever it does."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("one\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "lost\n"


@contextlib.contextmanager
def cluster() -> Iterator[Nodes]:
    """Run it; everything of it lies in a folder that is gone in the end."""
    keeper = ray_keeper.Keeper()
    variables = {
        ray_keeper.MARK: keeper.folder,
        "RAY_TMPDIR": keeper.folder,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_memory_monitor_refresh_ms": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-P", __file__],
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield Nodes(process.stdout.readline().strip(), variables, process)
        finally:
            # Asked to end, nodes would drain for half a minute.
            process.kill()
            keeper.close()


def main() -> None:
    """Start the nodes, and lose one at each line; end with the input."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    # The head says that it has a GPU, whether there is one or not.
    head = {**options, "num_gpus": 1, "_system_config": QUICK}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    others = [cluster.add_node(**options) for _ in range(NODES - 1)]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
        print("lost", flush=True)


if __name__ == "__main__":
    main()
