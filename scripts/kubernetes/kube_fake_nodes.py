"""Nodes that only pretend: kwok plays their kubelets, so that scheduling, eviction and drains are real and containers are not.

https://kwok.sigs.k8s.io/docs/user/stages-configuration/
"""

from __future__ import annotations

from typing import Any

from kube_binaries import KWOK_STAGES
from kube_cluster import Cluster
from kube_errors import WrongUse
from kube_flags import kwok_command
from kube_node_plan import ZONE_LABEL
from kube_plan import ClusterPlan

ZONE_ANNOTATION = "kwok.x-k8s.io/node"
STORAGE_CLASS = "kwok-volume"
READY_SECONDS = 120
RESOURCES = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}  # as a small machine of a cloud
# A kubelet that comes back says again that its running pods are ready; kwok's own stages do not.
READY_AGAIN = """apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready-again}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Running]}
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: In, values: ["False"]}
  next:
    statusTemplate: |
      conditions:
      - {type: Ready, status: "True", lastTransitionTime: {{ Now | Quote }}}
"""


def fake_node_name(index: int) -> str:
    return f"fake-{index + 1}"


def fake_nodes(plan: ClusterPlan) -> list[dict[str, Any]]:
    """The Node objects, dealt to the zones in turn."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": fake_node_name(index),
                "annotations": {ZONE_ANNOTATION: plan.zone_of(index)},
                "labels": {
                    "kubernetes.io/hostname": fake_node_name(index),
                    "kubernetes.io/os": "linux",
                    ZONE_LABEL: plan.zone_of(index),
                },
            },
            "status": {"allocatable": RESOURCES, "capacity": RESOURCES},
        }
        for index in range(plan.fake_nodes)
    ]


def fake_storage_class() -> dict[str, Any]:
    """A class whose volumes only pretend too, and may grow."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": "kwok.x-k8s.io/volume",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }


def _process_name(zone: str) -> str:
    return f"zone-{zone}"


def boot_zone(cluster: Cluster, zone: str) -> None:
    """Play the nodes of one zone, by a process of its own, so that one zone can fail alone. WrongUse for an unknown zone."""
    _require_zone(cluster, zone)
    if cluster.processes.pid(_process_name(zone)):
        return
    own = cluster.root / "stages.yaml"
    own.write_text(READY_AGAIN)
    stages = [cluster.binaries["kwok"].parent / KWOK_STAGES, own]
    command = kwok_command(cluster.binaries, cluster.kubeconfig, stages, zone, ZONE_ANNOTATION)
    cluster.processes.start(_process_name(zone), command)


def cut_zone(cluster: Cluster, zone: str) -> None:
    """The zone is gone: no heartbeats, and nobody finishes the deletion of its pods."""
    _require_zone(cluster, zone)
    cluster.processes.stop([_process_name(zone)], grace_seconds=0)


def _require_zone(cluster: Cluster, zone: str) -> None:
    if not cluster.plan.fake_nodes:
        raise WrongUse(f"the cluster in {cluster.root} has no fake nodes")
    if zone not in cluster.plan.zones:
        raise WrongUse(f"there is no zone {zone}: {', '.join(cluster.plan.zones)}")


def start_fake_nodes(cluster: Cluster) -> None:
    """Register the nodes of the plan and wait until all are ready."""
    cluster.apply([fake_storage_class()])
    for zone in cluster.plan.zones:
        boot_zone(cluster, zone)
    items = fake_nodes(cluster.plan)
    cluster.apply(items)
    names = [f"node/{item['metadata']['name']}" for item in items]
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={READY_SECONDS}s", *names)
