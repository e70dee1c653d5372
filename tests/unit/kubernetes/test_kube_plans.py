"""Plans of clusters and nodes: what cannot be is refused before anything starts, and no two nodes share a name or an address."""

import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_addresses import FAKE_PODS, FIRST_SERVICE, HUB, HUB_PREFIX, NODES_MAX, PODS, SERVICES
from kube_binaries import LEVELS
from kube_cluster import Cluster, hub_name
from kube_errors import WrongUse
from kube_fake_nodes import ZONE_ANNOTATION, boot_zone, fake_nodes
from kube_flags import NODE_LOSS_SECONDS
from kube_node_plan import (
    ZONE_LABEL,
    configuration_files,
    hub_wiring,
    init_environment,
    kubelet_configuration,
    node_plans,
    node_wiring,
    storage_objects,
)
from kube_plan import FAKE_NODES_MAX, ClusterPlan

ROOT = Path("/data/cluster")
HUB_NAME = "dolmen123456"


def plans(nodes, zones=("a", "b", "c")):
    return node_plans(ClusterPlan(level="c", nodes=nodes, zones=zones), ROOT, HUB_NAME)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"level": "b"}, "level is one of a, c"),
        ({"nodes": 0}, f"nodes is 1 to {NODES_MAX}, not 0"),
        ({"nodes": NODES_MAX + 1}, "nodes is 1"),
        ({"disks": -1}, "disks is 0"),
        ({"fake_nodes": FAKE_NODES_MAX + 1}, "fake nodes is 0"),
        ({"zones": ()}, "zones is 1"),
        ({"zones": ("a", "a")}, "zones are different names"),
        ({"zones": ("../up",)}, "zones are different names"),
        ({"zones": ("",)}, "zones are different names"),
        ({"zones": ("A",)}, "zones are different names"),
    ],
)
def test_what_cannot_be_is_refused(fields, told):
    with pytest.raises(WrongUse, match=told):
        ClusterPlan(**fields)


def test_a_plan_is_read_as_it_was_written(tmp_path):
    plan = ClusterPlan(level="c", nodes=4, zones=("x", "y-1"), disks=1, fake_nodes=2)
    assert ClusterPlan.load(tmp_path) is None
    plan.save(tmp_path)
    assert ClusterPlan.load(tmp_path) == plan


@given(st.integers(1, 60), st.integers(1, 6))
def test_zones_differ_by_one_node_at_most(nodes, zones):
    names = tuple(f"z{number}" for number in range(zones))
    counts = [[node.zone for node in plans(nodes, names)].count(name) for name in names]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == nodes


def test_the_largest_cluster_has_addresses_of_its_own():
    nodes = plans(NODES_MAX)
    network = ipaddress.ip_network(f"{HUB}/{HUB_PREFIX}", strict=False)
    own = [ipaddress.ip_address(node.address) for node in nodes]
    assert all(address in network for address in own)
    assert ipaddress.ip_address(HUB) not in own
    assert len(set(own)) == len({node.name for node in nodes}) == len({node.netns for node in nodes}) == NODES_MAX
    blocks = [network, ipaddress.ip_network(FAKE_PODS), ipaddress.ip_network(SERVICES)]
    blocks += [ipaddress.ip_network(node.pods) for node in nodes]
    assert not any(one.overlaps(other) for number, one in enumerate(blocks) for other in blocks[:number])
    assert all(ipaddress.ip_network(node.pods).subnet_of(ipaddress.ip_network(PODS)) for node in nodes)
    assert ipaddress.ip_address(FIRST_SERVICE) == next(ipaddress.ip_network(SERVICES).hosts())


def test_no_address_can_leave_the_machine():
    """All are of the block for benchmarks (RFC 2544), which no network carries."""
    reserved = ipaddress.ip_network("198.18.0.0/15")
    for block in (f"{HUB}/32", SERVICES, PODS, FAKE_PODS):
        assert ipaddress.ip_network(block).subnet_of(reserved)


def test_every_node_has_a_route_to_every_other():
    nodes = plans(3)
    assert [line for line in hub_wiring(nodes).splitlines() if line.startswith("route")] == [
        *("route add 198.18.129.0/24 via 198.18.0.11", "route add 198.18.130.0/24 via 198.18.0.12"),
        "route add 198.18.131.0/24 via 198.18.0.13",
    ]
    assert node_wiring(nodes[1], nodes).splitlines() == [
        *("link set lo up", "link set eth0 up", "addr add 198.18.0.12/24 dev eth0", "route add default via 198.18.0.1"),
        *("route replace 198.18.129.0/24 via 198.18.0.11", "route replace 198.18.131.0/24 via 198.18.0.13"),
    ]


def test_kubelet_runs_where_control_groups_are_old_and_disks_are_shared():
    node = plans(1)[0]
    config = kubelet_configuration(node, Path("/pki/ca.crt"))
    assert config["failCgroupV1"] is False
    assert config["cgroupDriver"] == "cgroupfs"
    assert config["cgroupRoot"] == f"/{HUB_NAME}/node-1"
    assert "_" not in config["cgroupRoot"]  # kubelet panics
    assert set(config["evictionHard"].values()) == {"0%"}
    assert config["nodeLeaseDurationSeconds"] < NODE_LOSS_SECONDS
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["authentication"]["x509"] == {"clientCAFile": "/pki/ca.crt"}


def test_files_of_a_node_are_whole_and_its_own():
    first, second = (configuration_files(node, Path("/pki/ca.crt")) for node in plans(2))
    network = json.loads(first["etc/cni/net.d/10-pods.conflist"])
    assert network["plugins"][0]["ipam"]["subnet"] == "198.18.129.0/24"
    assert json.loads(first["proxy.json"])["conntrack"] == {"maxPerCore": 0, "min": 0}
    assert "restrict_oom_score_adj = true" in first["containerd.toml"]
    differing = {name for name, content in first.items() if content != second[name]}
    assert differing == {"kubelet.json", "proxy.json", "etc/cni/net.d/10-pods.conflist"}


def test_the_first_process_of_a_node_is_given_all_that_it_reads():
    script = Path(__file__).resolve().parents[3] / "scripts" / "kubernetes" / "node_init.sh"
    given_names = init_environment(plans(1)[0], Path("/bin/kubelet"), Path("/bin/kube-proxy"))
    text = script.read_text()
    assert [name for name in given_names if f"${name}" not in text] == []
    assert script.stat().st_mode & 0o111
    assert given_names["LABELS"] == "topology.kubernetes.io/zone=a"


def test_each_disk_is_a_volume_of_its_node():
    storage_class, *volumes = storage_objects(plans(2), disks=2)
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
    where = {
        volume["metadata"]["name"]: (
            volume["spec"]["local"]["path"],
            volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"],
        )
        for volume in volumes
    }
    assert where == {
        f"node-{node}-disk-{disk}": (f"/mnt/disks/disk-{disk}", [f"node-{node}"]) for node in (1, 2) for disk in (0, 1)
    }


def test_fake_nodes_carry_their_zone_twice():
    """The scheduler reads the label; the process that plays a zone finds its nodes by the annotation."""
    for index, node in enumerate(fake_nodes(ClusterPlan(fake_nodes=7))):
        zone = "abc"[index % 3]
        assert node["metadata"]["annotations"][ZONE_ANNOTATION] == node["metadata"]["labels"][ZONE_LABEL] == zone
        assert node["metadata"]["name"] == node["metadata"]["labels"]["kubernetes.io/hostname"] == f"fake-{index + 1}"


def test_a_plan_needs_the_programs_of_its_level():
    assert set(ClusterPlan().binaries) == set(LEVELS["a"])
    assert set(ClusterPlan(level="c").binaries) == set(LEVELS["c"])
    assert set(ClusterPlan(fake_nodes=1).binaries) == {*LEVELS["a"], "kwok"}


def test_hubs_of_different_directories_differ():
    names = {hub_name(Path(f"/data/{number}")) for number in range(100)}
    assert len(names) == 100
    assert all(name.isalnum() for name in names)


def test_zones_and_nodes_that_are_not_there_are_refused(tmp_path):
    without = Cluster(tmp_path, ClusterPlan())
    with pytest.raises(WrongUse, match="no fake nodes"):
        boot_zone(without, "a")
    with pytest.raises(WrongUse, match="no zone d: a, b, c"):
        boot_zone(Cluster(tmp_path, ClusterPlan(fake_nodes=3)), "d")
    with pytest.raises(WrongUse, match="no real nodes"):
        without.require_hub()
    with pytest.raises(WrongUse, match="no cluster was started"):
        Cluster.load(tmp_path)
