"""The addresses of a cluster. All lie in 198.18.0.0/15 (RFC 2544), which no network carries, and stay inside namespaces."""

from __future__ import annotations

HUB = "198.18.0.1"  # the control plane's, on the nodes' network
HUB_PREFIX = 24
API_PORT = 6443  # inside the hub; level a listens on loopback, on a free port
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380  # inside the hub
SERVICES = "198.19.0.0/16"
FIRST_SERVICE = "198.19.0.1"  # of the Service "kubernetes"
PODS = "198.18.128.0/17"
FAKE_PODS = "198.18.64.0/18"  # kwok gives them out; nothing listens there
NODES_MAX = 60  # node N has 198.18.0.(10+N) and pods in 198.18.(128+N).0/24: room for 117, and memory (200 MiB each) ends before
_FIRST_NODE_OCTET, _FIRST_PODS_OCTET = 10, 128


def node_address(number: int) -> str:
    """Of node ``number`` (from 1) on the hub's network."""
    return f"198.18.0.{_FIRST_NODE_OCTET + number}"


def node_pods(number: int) -> str:
    """The pods of node ``number``, as a CIDR block inside of PODS."""
    return f"198.18.{_FIRST_PODS_OCTET + number}.0/24"
