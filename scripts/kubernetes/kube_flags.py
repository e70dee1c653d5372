"""The command lines of the control plane. What departs from the defaults of Kubernetes says why.

https://kubernetes.io/docs/reference/command-line-tools-reference/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kube_addresses import API_PORT, ETCD_PEER_PORT, ETCD_PORT, FAKE_PODS, HUB, SERVICES
from kube_pki import ADMIN, API_SERVER, Pki

NODE_LOSS_SECONDS = 16  # a node silent for so long is lost (Kubernetes: 50) ...
NODE_MONITOR_SECONDS = 2  # ... as seen by a look each so many seconds (Kubernetes: 5) ...
EVICT_AFTER_SECONDS = 10  # ... and its pods are deleted so many seconds later (Kubernetes: 300)
NODE_EVICTION_RATE = 10  # lost nodes per second whose pods are deleted: all together (Kubernetes: one in 10 s)
LEASE_SECONDS = 40  # of fake nodes; kwok renews at a quarter of it


@dataclass(frozen=True)
class Ports:
    """Where the control plane listens. ``outside``: the loopback port at which clients on this machine find the API server."""

    etcd: int
    etcd_peer: int
    api: int
    outside: int


def hub_ports(outside: int) -> Ports:
    """Of a control plane in a network namespace of its own: the well-known ones, carried out to one loopback port."""
    return Ports(ETCD_PORT, ETCD_PEER_PORT, API_PORT, outside)


def etcd_command(binaries: Mapping[str, Path], data: Path, ports: Ports) -> list[str | Path]:
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        binaries["etcd"],
        f"--data-dir={data}",
        "--unsafe-no-fsync",  # a cluster for tests need not outlive the machine
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def apiserver_command(binaries: Mapping[str, Path], pki: Pki, ports: Ports, *, hub: bool) -> list[str | Path]:
    """``hub``: nodes reach it at the hub's address; otherwise it is at loopback, and no Service has endpoints of it."""
    at_hub = (f"--advertise-address={HUB}", "--bind-address=0.0.0.0")
    at_loopback = ("--bind-address=127.0.0.1", "--endpoint-reconciler-type=none")  # a loopback address is no valid endpoint
    return [
        binaries["kube-apiserver"],
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        *(at_hub if hub else at_loopback),
        f"--secure-port={ports.api}",
        f"--tls-cert-file={pki.certificate(API_SERVER.name)}",
        f"--tls-private-key-file={pki.key(API_SERVER.name)}",
        f"--client-ca-file={pki.authority}",
        f"--kubelet-client-certificate={pki.certificate(ADMIN.name)}",
        f"--kubelet-client-key={pki.key(ADMIN.name)}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_public}",
        f"--service-account-signing-key-file={pki.key('sa')}",
        f"--service-cluster-ip-range={SERVICES}",
        "--kubelet-preferred-address-types=InternalIP",  # the control plane resolves no names of nodes
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        "--enable-aggregator-routing",  # webhooks are called at their pod's address: there is no kube-proxy beside the API server
        f"--default-not-ready-toleration-seconds={EVICT_AFTER_SECONDS}",
        f"--default-unreachable-toleration-seconds={EVICT_AFTER_SECONDS}",
        "--profiling=false",
    ]


def controller_manager_command(binaries: Mapping[str, Path], pki: Pki, kubeconfig: Path) -> list[str | Path]:
    return [
        binaries["kube-controller-manager"],
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",  # there is one
        "--use-service-account-credentials",  # each controller has its own rights, as in a user's cluster
        "--profiling=false",
        f"--service-account-private-key-file={pki.key('sa')}",
        f"--root-ca-file={pki.authority}",
        f"--cluster-signing-cert-file={pki.authority}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        f"--node-monitor-grace-period={NODE_LOSS_SECONDS}s",
        f"--node-monitor-period={NODE_MONITOR_SECONDS}s",
        f"--node-eviction-rate={NODE_EVICTION_RATE}",
        f"--secondary-node-eviction-rate={NODE_EVICTION_RATE}",
    ]


def scheduler_command(binaries: Mapping[str, Path], kubeconfig: Path) -> list[str | Path]:
    return [
        binaries["kube-scheduler"],
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--profiling=false",
    ]


def kwok_command(
    binaries: Mapping[str, Path], kubeconfig: Path, stages: Sequence[Path], zone: str, annotation: str
) -> list[str | Path]:
    """The process that plays the nodes whose ``annotation`` is ``zone``."""
    return [
        binaries["kwok"],
        f"--kubeconfig={kubeconfig}",
        *(f"--config={path}" for path in stages),
        f"--manage-nodes-with-annotation-selector={annotation}={zone}",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
        f"--cidr={FAKE_PODS}",
    ]
