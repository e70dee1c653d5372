"""Level c: real nodes. Each is a kubelet, containerd and kube-proxy in namespaces of its own on this machine.

A node has a network, mount, process and host-name namespace over the same root file system; a veth pair joins it to the bridge
of the hub, where the control plane is. No namespace has a way out: nothing inside can send a packet to another machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kube_addresses import API_PORT, HUB
from kube_cgroups import make_groups, remove_groups, require_version_1, set_frozen
from kube_cluster import Cluster
from kube_control import choose_ports, start_control_plane
from kube_errors import KubeToolError, WrongUse
from kube_images import pause_image
from kube_mounts import file_system_of
from kube_node_plan import (
    BRIDGE,
    CONTAINERD_SOCKET,
    NodePlan,
    api_server_url,
    configuration_files,
    hub_wiring,
    init_environment,
    node_plans,
    node_wiring,
    storage_objects,
)
from kube_pki import HELPER, PROXY, node_identity
from kube_process import run

HERE = Path(__file__).resolve().parent
INOTIFY_INSTANCES = 4096  # kubelet, containerd and each shim hold some; the kernel's default is 128 for a user
INOTIFY_FILE = Path("/proc/sys/fs/inotify/max_user_instances")
SOCKET_SECONDS = 30.0
SOCKET_POLL_SECONDS = 0.1
NODE_READY_SECONDS = 60
PROGRAMS = (
    *("ip", "nsenter", "unshare", "setpriv", "mount", "sysctl"),
    *("containerd", "ctr", "runc", "iptables", "conntrack", "haproxy"),
)
CNI_PLUGINS = Path("/usr/lib/cni")
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid")


def nodes_of(cluster: Cluster) -> list[NodePlan]:
    """WrongUse at level a."""
    return node_plans(cluster.plan, cluster.root, cluster.require_hub())


def find_node(cluster: Cluster, name: str) -> NodePlan:
    """WrongUse when there is no such node."""
    nodes = nodes_of(cluster)
    for node in nodes:
        if node.name == name:
            return node
    raise WrongUse(f"there is no node {name}: {', '.join(node.name for node in nodes)}")


def prepare_node(cluster: Cluster, node: NodePlan) -> None:
    """Its disks, configuration and certificates."""
    for path in (node.directory, *(node.disk(index) for index in range(cluster.plan.disks))):
        path.mkdir(parents=True, exist_ok=True)
    for name, content in configuration_files(node, cluster.pki.authority).items():
        (node.directory / name).parent.mkdir(parents=True, exist_ok=True)
        (node.directory / name).write_text(content)
    cluster.pki.write_kubeconfig(node.directory / "kubelet.kubeconfig", node_identity(node.name), api_server_url())
    cluster.pki.write_kubeconfig(node.directory / "proxy.kubeconfig", PROXY, api_server_url())


def boot(cluster: Cluster, node: NodePlan) -> None:
    """Wire the node and start it; what was in its memory is gone, what was on its disks is there. WrongUse when it runs."""
    if cluster.processes.pid(node.name):
        raise WrongUse(f"{node.name} is running")
    hub = cluster.require_hub()
    run("ip", "-n", hub, "link", "del", node.link, check=False)  # with its namespace the kernel takes it away later, or too late
    run("ip", "netns", "del", node.netns, check=False)
    run("ip", "netns", "add", node.netns)
    run("ip", "-n", hub, "link", "add", node.link, "type", "veth", "peer", "name", "eth0", "netns", node.netns)
    run("ip", "-n", hub, "link", "set", node.link, "master", BRIDGE, "up")
    run("ip", "-n", node.netns, "-batch", "-", stdin=node_wiring(node, nodes_of(cluster)))
    forwarding = ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1")
    run("nsenter", f"--net=/run/netns/{node.netns}", "sysctl", "-qw", *forwarding)
    make_groups(node.cgroup)
    command: list[str | Path] = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", HERE / "node_init.sh"]
    environment = init_environment(node, cluster.binaries["kubelet"], cluster.binaries["kube-proxy"])
    cluster.processes.start(node.name, command, netns=node.netns, environment=environment)


def cut(cluster: Cluster, node: NodePlan) -> None:
    """The power fails: every process of the node is gone at once, with no word to anyone. WrongUse when it does not run."""
    _require_running(cluster, node)
    cluster.processes.signal(node.name, signal.SIGKILL)
    set_frozen(node.cgroup, "THAWED")  # what is frozen dies only when it is thawed, and then before it runs
    cluster.processes.stop([node.name], grace_seconds=0)


def freeze(cluster: Cluster, node: NodePlan) -> None:
    """The node stands still with its connections open: a machine that stalls."""
    _require_running(cluster, node)
    set_frozen(node.cgroup, "FROZEN")


def thaw(cluster: Cluster, node: NodePlan) -> None:
    """A frozen node goes on."""
    _require_running(cluster, node)
    set_frozen(node.cgroup, "THAWED")


def unplug(cluster: Cluster, node: NodePlan) -> None:
    """The network cable is pulled; everything goes on inside."""
    run("ip", "-n", cluster.require_hub(), "link", "set", node.link, "down")


def plug(cluster: Cluster, node: NodePlan) -> None:
    run("ip", "-n", cluster.require_hub(), "link", "set", node.link, "up")


def _require_running(cluster: Cluster, node: NodePlan) -> None:
    if cluster.processes.pid(node.name) is None:
        raise WrongUse(f"{node.name} is not running")


def init_pid(cluster: Cluster, node: NodePlan) -> int:
    """The pid of the node's process 1, seen from outside. KubeToolError when it does not run."""
    parent = cluster.processes.pid(node.name)
    try:
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
    except (OSError, IndexError) as error:
        raise KubeToolError(f"{node.name} is not running") from error


def load_image(cluster: Cluster, node: NodePlan, tarball: Path) -> None:
    """Import an image into a node; it stays there over a power cut."""
    inside = ("nsenter", f"--target={init_pid(cluster, node)}", *NAMESPACES, "--net", "--")
    run(*inside, "ctr", "--namespace=k8s.io", "images", "import", tarball.resolve())


def tunnel(cluster: Cluster, port: int, target: str) -> None:
    """Make HOST:PORT of the cluster's network reachable at 127.0.0.1:port."""
    cluster.processes.start(f"tunnel-{port}", [sys.executable, HERE / "kube_tunnel.py", str(port), cluster.require_hub(), target])


def require_machine(cluster: Cluster) -> None:
    """KubeToolError, in one line, when this machine cannot have real nodes."""
    if os.geteuid() != 0:
        raise KubeToolError("real nodes need root: namespaces, mounts and control groups")
    require_version_1()
    if not (CNI_PLUGINS / "ptp").exists():
        raise KubeToolError(f"there is no {CNI_PLUGINS}/ptp (containernetworking-plugins): scripts/install_kubernetes_tools.sh c")
    if file_system_of(cluster.root) == "overlay":
        raise KubeToolError(f"{cluster.root} is on an overlay file system, and containerd stacks none on it: choose another --dir")


def start_with_nodes(cluster: Cluster) -> None:
    """Start a control plane in the hub, the nodes, the name service and the ingress controller, and wait until all are ready."""
    nodes, hub = nodes_of(cluster), cluster.require_hub()
    pause = pause_image(cluster.binaries["pause"], cluster.root / "pause.tar")
    run("ip", "netns", "add", hub)
    run("ip", "-n", hub, "-batch", "-", stdin=hub_wiring(nodes))
    run("nsenter", f"--net=/run/netns/{hub}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    if int(INOTIFY_FILE.read_text()) < INOTIFY_INSTANCES:
        INOTIFY_FILE.write_text(str(INOTIFY_INSTANCES))
    ports = choose_ports(cluster)
    tunnel(cluster, ports.outside, f"127.0.0.1:{API_PORT}")
    cluster.pki.prepare()
    for node in nodes:
        prepare_node(cluster, node)
    start_control_plane(cluster, ports)
    for node in nodes:
        boot(cluster, node)
    _start_helpers(cluster)
    cluster.apply(storage_objects(nodes, cluster.plan.disks))
    for node in nodes:
        _wait_for_containerd(cluster, node)
        load_image(cluster, node, pause)
    cluster.kubectl("wait", "--for=create", f"--timeout={NODE_READY_SECONDS}s", *(f"node/{node.name}" for node in nodes))
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={NODE_READY_SECONDS}s", *(f"node/{node.name}" for node in nodes))


def _wait_for_containerd(cluster: Cluster, node: NodePlan) -> None:
    deadline = time.monotonic() + SOCKET_SECONDS
    while time.monotonic() < deadline:
        cluster.processes.require(node.name)
        with contextlib.suppress(OSError, KubeToolError):  # unshare has not forked yet
            if Path(f"/proc/{init_pid(cluster, node)}/root{CONTAINERD_SOCKET}").is_socket():
                return
        time.sleep(SOCKET_POLL_SECONDS)
    log = node.directory / "containerd.log"
    raise KubeToolError(f"containerd of {node.name} did not start within {SOCKET_SECONDS:.0f} s; see {log}")


def _start_helpers(cluster: Cluster) -> None:
    """The name service and the ingress controller, at the hub's address. They see the whole API: they stand for the cluster."""
    config = cluster.pki.write_kubeconfig(cluster.root / "helper.kubeconfig", HELPER, f"https://127.0.0.1:{API_PORT}")
    names: list[str | Path] = [sys.executable, HERE / "kube_dns.py", config, HUB]
    ingress: list[str | Path] = [sys.executable, HERE / "kube_ingress.py", config, cluster.root / "ingress", HUB]
    cluster.processes.start("dns", names, netns=cluster.hub)
    cluster.processes.start("ingress", ingress, netns=cluster.hub)


def end_nodes(cluster: Cluster) -> None:
    """End the nodes' processes, unasked."""
    nodes = nodes_of(cluster)
    for node in nodes:
        cluster.processes.signal(node.name, signal.SIGKILL)
        set_frozen(node.cgroup, "THAWED")
    cluster.processes.stop([node.name for node in nodes], grace_seconds=0)


def remove_networks_and_groups(cluster: Cluster) -> None:
    """What is left of ended nodes outside of the cluster's directory."""
    names: Sequence[str] = [*(node.netns for node in nodes_of(cluster)), cluster.require_hub()]
    for netns in names:
        run("ip", "netns", "del", netns, check=False)
    remove_groups(cluster.require_hub())
