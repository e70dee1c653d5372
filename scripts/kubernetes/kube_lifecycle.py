"""A whole cluster: started, ended, looked at. The command line and the tests use it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kube_cluster import Cluster
from kube_control import choose_ports, start_control_plane
from kube_errors import KubeToolError
from kube_fake_nodes import start_fake_nodes
from kube_nodes import PROGRAMS, end_nodes, remove_networks_and_groups, require_machine, start_with_nodes
from kube_plan import ClusterPlan

INSTALLER = "scripts/install_kubernetes_tools.sh"
_PROGRAMS_OF_LEVEL = {"a": ("openssl", "setpriv"), "c": ("openssl", *PROGRAMS)}


def missing_programs(level: str) -> list[str]:
    """What a level needs of the machine and is not on PATH."""
    return [name for name in _PROGRAMS_OF_LEVEL[level] if shutil.which(name) is None]


def up(root: Path, plan: ClusterPlan, *, die_with_parent: bool = False) -> Cluster:
    """Start a cluster in ``root`` and wait until it is ready; one that is there is ended first, its data kept.

    A cluster that does not get ready is ended; its logs stay. KubeToolError says what is missing or what failed.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        if ClusterPlan.load(root) is not None:
            end(Cluster.load(root))
        cluster = Cluster(root, plan, die_with_parent=die_with_parent)
        _require(cluster)
        plan.save(cluster.root)
        try:
            if cluster.hub:
                start_with_nodes(cluster)
            else:
                start_control_plane(cluster, choose_ports(cluster))
            if plan.fake_nodes:
                start_fake_nodes(cluster)
        except BaseException:
            end(cluster)
            raise
    return cluster


def _require(cluster: Cluster) -> None:
    """KubeToolError when the programs or this machine are not what the plan needs; nothing was started then."""
    if missing := missing_programs(cluster.plan.level):
        raise KubeToolError(f"not installed: {', '.join(missing)}; {INSTALLER} {cluster.plan.level}")
    if cluster.hub:
        require_machine(cluster)
    assert cluster.binaries  # found, or told what compiles them


def down(root: Path) -> None:
    """End the cluster in ``root``; what it wrote there stays. WrongUse when there is none."""
    cluster = Cluster.load(root)
    with _alone(root):
        end(cluster)


def end(cluster: Cluster) -> None:
    """End every process of a cluster, and remove its namespaces and control groups. Also of one that was half started."""
    if cluster.hub:
        end_nodes(cluster)
    cluster.processes.stop(cluster.processes.names())
    if cluster.hub:
        remove_networks_and_groups(cluster)
    (cluster.root / "cluster.json").unlink(missing_ok=True)


def status_lines(cluster: Cluster) -> list[str]:
    """The plan, the kubeconfig, and each process with its pid."""
    plan = cluster.plan
    nodes = [f"{plan.nodes} nodes"] if cluster.hub else []
    nodes += [f"{plan.fake_nodes} fake nodes"] if plan.fake_nodes else []
    zones = f" in zones {','.join(plan.zones)}" if nodes else ""
    lines = [f"level {plan.level}: {' and '.join(nodes) or 'no nodes'}{zones}", f"kubeconfig: {cluster.kubeconfig}"]
    return lines + [f"{name}: {cluster.processes.pid(name) or 'not running'}" for name in cluster.processes.names()]


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Of several processes one starts or ends the cluster; the kernel frees the lock with the process."""
    with (root / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
