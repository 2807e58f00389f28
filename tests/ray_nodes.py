"""A Ray cluster of three nodes on one machine: says its address, loses a node at each line.

It ends with its input. Everything of it lies in the folder that RAY_TMPDIR names.
"""

import sys

from ray.cluster_utils import Cluster

NODES = 3
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
"""It takes Ray some 20 seconds to notice that a machine is gone; here it need not."""


def main() -> None:
    """Start the nodes, and go on until nobody asks for more."""
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
