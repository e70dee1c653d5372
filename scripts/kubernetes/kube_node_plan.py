"""What a real node is made of: names, addresses, the configuration of kubelet, kube-proxy, containerd and the pods' network.

https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_addresses import API_PORT, HUB, HUB_PREFIX, PODS, node_address, node_pods
from kube_plan import ClusterPlan

BRIDGE = "br0"
ZONE_LABEL = "topology.kubernetes.io/zone"
STORAGE_CLASS = "local"
DISK_SIZE = "20Gi"  # as the volumes say; nothing enforces it
PODS_MAX = 60  # of one node: several share a machine
POD_MTU_BYTES = 1400
PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CONTAINERD_TOML = f"""version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
"""  # a machine without CAP_SYS_RESOURCE may not lower oom_score_adj


@dataclass(frozen=True)
class NodePlan:
    """Node ``number`` (from 1) of the cluster in ``root`` whose network namespace is ``hub``."""

    root: Path
    hub: str
    number: int
    zone: str

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def directory(self) -> Path:
        """Its configuration, logs and disks: what a power cut leaves."""
        return self.root / "nodes" / self.name

    @property
    def netns(self) -> str:
        return f"{self.hub}-{self.number}"

    @property
    def cgroup(self) -> str:
        """Below every controller of /sys/fs/cgroup. No part may hold an underscore: kubelet refuses it."""
        return f"{self.hub}/{self.name}"

    @property
    def link(self) -> str:
        """The hub's end of the node's cable."""
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return node_address(self.number)

    @property
    def pods(self) -> str:
        return node_pods(self.number)

    def disk(self, index: int) -> Path:
        return self.directory / f"disk-{index}"


def node_plans(plan: ClusterPlan, root: Path, hub: str) -> list[NodePlan]:
    return [NodePlan(root, hub, index + 1, plan.zone_of(index)) for index in range(plan.nodes)]


def hub_wiring(nodes: Sequence[NodePlan]) -> str:
    """Lines for ``ip -batch`` in the hub: the bridge of the nodes, and routes to their pods."""
    lines = [
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} up",
        "link set lo up",
        f"addr add {HUB}/{HUB_PREFIX} dev {BRIDGE}",
        *(f"route add {node.pods} via {node.address}" for node in nodes),
    ]
    return "\n".join(lines)


def node_wiring(node: NodePlan, nodes: Sequence[NodePlan]) -> str:
    """Lines for ``ip -batch`` in a node's namespace: static routes, as no protocol tells of the others' pods."""
    lines = [
        "link set lo up",
        "link set eth0 up",
        f"addr add {node.address}/{HUB_PREFIX} dev eth0",
        f"route add default via {HUB}",
        *(f"route replace {other.pods} via {other.address}" for other in nodes if other.number != node.number),
    ]
    return "\n".join(lines)


def kubelet_configuration(node: NodePlan, authority: Path) -> dict[str, Any]:
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(authority)}},
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "failCgroupV1": False,  # the default since 1.35 is to refuse version 1 (KEP 5573)
        "cgroupDriver": "cgroupfs",  # no systemd
        "cgroupRoot": f"/{node.cgroup}",
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "clusterDNS": [HUB],
        "clusterDomain": "cluster.local",
        "resolvConf": str(node.directory / "resolv.conf"),  # empty: pods ask the cluster's name service alone
        # All nodes see the disks and the memory of one machine: how full it is must evict nobody.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,  # an image that is collected cannot be pulled again
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 12,  # renewed at a quarter of it, well within NODE_LOSS_SECONDS
        "syncFrequency": "10s",
        "maxPods": PODS_MAX,
        "serializeImagePulls": False,
    }


def proxy_configuration(node: NodePlan) -> dict[str, Any]:
    return {
        "kind": "KubeProxyConfiguration",
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "iptables",
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(node.directory / "proxy.kubeconfig")},
        "hostnameOverride": node.name,
        "conntrack": {"maxPerCore": 0, "min": 0},  # the machine's own setting stays
        "iptables": {"minSyncPeriod": "200ms", "syncPeriod": "30s"},
    }


def network_configuration(node: NodePlan) -> dict[str, Any]:
    """For the CNI plugins ptp, host-local and portmap (https://www.cni.dev/plugins/current/)."""
    addresses = {"type": "host-local", "subnet": node.pods, "routes": [{"dst": "0.0.0.0/0"}]}
    pair = {"type": "ptp", "mtu": POD_MTU_BYTES, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [pair, {"type": "portmap", "capabilities": {"portMappings": True}}]}


def configuration_files(node: NodePlan, authority: Path) -> dict[str, str]:
    """Path below the node's directory to content. Kubeconfigs are not among them: they need certificates."""
    return {
        "kubelet.json": json.dumps(kubelet_configuration(node, authority), indent=1),
        "proxy.json": json.dumps(proxy_configuration(node), indent=1),
        "containerd.toml": CONTAINERD_TOML,
        "etc/cni/net.d/10-pods.conflist": json.dumps(network_configuration(node)),
        "resolv.conf": "",
    }


def init_environment(node: NodePlan, kubelet: Path, proxy: Path) -> dict[str, str]:
    """What node_init.sh reads."""
    return {
        "NODE": node.name,
        "NODE_DIR": str(node.directory),
        "NODE_IP": node.address,
        "CGROUP": node.cgroup,
        "KUBELET": str(kubelet),
        "KUBE_PROXY": str(proxy),
        "LABELS": f"{ZONE_LABEL}={node.zone}",
    }


def api_server_url() -> str:
    """As nodes reach it."""
    return f"https://{HUB}:{API_PORT}"


def storage_objects(nodes: Sequence[NodePlan], disks: int) -> list[dict[str, Any]]:
    """A storage class, and one local volume for each disk: the very path that a cluster with real disks takes.

    https://kubernetes.io/docs/concepts/storage/volumes/#local
    """
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return [storage_class, *(_local_volume(node, index) for node in nodes for index in range(disks))]


def _local_volume(node: NodePlan, index: int) -> dict[str, Any]:
    here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{node.name}-disk-{index}"},
        "spec": {
            "capacity": {"storage": DISK_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": f"/mnt/disks/disk-{index}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        },
    }
