"""Level a: etcd, API server, controller manager and scheduler as plain processes. No node: pods stay Pending."""

from __future__ import annotations

from kube_cluster import Cluster
from kube_flags import Ports, apiserver_command, controller_manager_command, etcd_command, hub_ports, scheduler_command
from kube_pki import ADMIN, API_SERVER, CONTROLLER_MANAGER, SCHEDULER
from kube_process import free_ports

READY_SECONDS = 120.0  # 11 s alone, 31 s with 30 times as many processes as cores


def choose_ports(cluster: Cluster) -> Ports:
    """Free loopback ports; in a network namespace the well-known ones, and one loopback port for clients outside of it."""
    if cluster.hub:
        return hub_ports(*free_ports(1))
    etcd, peer, api = free_ports(3)
    return Ports(etcd, peer, api, outside=api)


def start_control_plane(cluster: Cluster, ports: Ports) -> None:
    """Start it and wait until it serves and its controllers work. KubeToolError with the last words of what did not."""
    binaries, pki, processes = cluster.binaries, cluster.pki, cluster.processes
    pki.prepare()
    pki.issue(API_SERVER)
    pki.write_kubeconfig(cluster.kubeconfig, ADMIN, f"https://127.0.0.1:{ports.outside}")
    inside = f"https://127.0.0.1:{ports.api}"
    configs = {
        identity.name: pki.write_kubeconfig(cluster.root / f"{identity.name}.kubeconfig", identity, inside)
        for identity in (CONTROLLER_MANAGER, SCHEDULER)
    }
    processes.start("etcd", etcd_command(binaries, cluster.root / "etcd", ports), netns=cluster.hub)
    api_server = apiserver_command(binaries, pki, ports, hub=cluster.hub is not None)
    processes.start("kube-apiserver", api_server, netns=cluster.hub)
    cluster.wait_for("the API server", "get", "--raw", "/readyz", expect="ok", seconds=READY_SECONDS)
    controllers = controller_manager_command(binaries, pki, configs[CONTROLLER_MANAGER.name])
    processes.start("kube-controller-manager", controllers, netns=cluster.hub)
    processes.start("kube-scheduler", scheduler_command(binaries, configs[SCHEDULER.name]), netns=cluster.hub)
    # Made by a controller, in a namespace made by the API server: both work when it is there.
    cluster.wait_for("the controllers", "get", "serviceaccount", "default", "--output=name", seconds=READY_SECONDS)
