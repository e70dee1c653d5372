"""Command lines of the control plane, and who is whom to it."""

import json
import subprocess
from pathlib import Path

import pytest
from kube_flags import (
    Ports,
    apiserver_command,
    controller_manager_command,
    etcd_command,
    hub_ports,
    kwok_command,
    scheduler_command,
)
from kube_pki import ADMIN, API_SERVER, CONTROLLER_MANAGER, HELPER, PROXY, SCHEDULER, Pki, kubeconfig, node_identity

PROGRAMS = {name: Path("/bin") / name for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")}
PKI = Pki(Path("/c/pki"))
PORTS = Ports(etcd=1001, etcd_peer=1002, api=1003, outside=1003)


def flags(command):
    """Name to value of each flag, which must be given once."""
    pairs = [str(word).partition("=") for word in command[1:]]
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: value for name, _, value in pairs}


def test_etcd_keeps_its_data_in_the_cluster_and_listens_on_loopback():
    given = flags(etcd_command(PROGRAMS, Path("/c/etcd"), PORTS))
    assert given["--data-dir"] == "/c/etcd"
    assert given["--listen-client-urls"] == given["--advertise-client-urls"] == "http://127.0.0.1:1001"
    assert given["--initial-cluster"] == f"default={given['--initial-advertise-peer-urls']}" == "default=http://127.0.0.1:1002"


@pytest.mark.parametrize("hub", [False, True])
def test_the_api_server_asks_who_it_is_and_what_he_may(hub):
    given = flags(apiserver_command(PROGRAMS, PKI, PORTS, hub=hub))
    assert given["--authorization-mode"] == "Node,RBAC"
    assert given["--client-ca-file"] == "/c/pki/ca.crt"
    assert given["--etcd-servers"] == "http://127.0.0.1:1001"
    assert given["--service-account-key-file"] == "/c/pki/sa.pub"
    assert given["--service-account-signing-key-file"] == "/c/pki/sa.key"
    assert given["--default-unreachable-toleration-seconds"] == given["--default-not-ready-toleration-seconds"] == "10"
    assert "--enable-aggregator-routing" in given
    assert given["--kubelet-preferred-address-types"] == "InternalIP"


def test_without_a_hub_nothing_listens_beside_loopback():
    given = flags(apiserver_command(PROGRAMS, PKI, PORTS, hub=False))
    assert given["--bind-address"] == "127.0.0.1"
    assert given["--endpoint-reconciler-type"] == "none"
    assert "--advertise-address" not in given


def test_in_a_hub_nodes_find_the_api_server():
    given = flags(apiserver_command(PROGRAMS, PKI, hub_ports(4000), hub=True))
    assert (given["--advertise-address"], given["--bind-address"], given["--secure-port"]) == ("198.18.0.1", "0.0.0.0", "6443")
    assert "--endpoint-reconciler-type" not in given


def test_lost_nodes_are_noticed_and_emptied_soon():
    given = flags(controller_manager_command(PROGRAMS, PKI, Path("/c/k")))
    assert (given["--node-monitor-grace-period"], given["--node-monitor-period"]) == ("16s", "2s")
    assert given["--node-eviction-rate"] == given["--secondary-node-eviction-rate"] == "10"
    assert "--use-service-account-credentials" in given
    assert given["--service-account-private-key-file"] == "/c/pki/sa.key"


def test_controllers_open_no_port_that_two_clusters_would_share():
    for command in (controller_manager_command(PROGRAMS, PKI, Path("/c/k")), scheduler_command(PROGRAMS, Path("/c/s"))):
        given = flags(command)
        assert given["--secure-port"] == "0"
        assert given["--leader-elect"] == "false"


def test_kwok_plays_the_nodes_of_one_zone_with_all_stages():
    command = kwok_command(PROGRAMS, Path("/c/k"), [Path("/s1"), Path("/s2")], "b", "kwok.x-k8s.io/node")
    assert [word for word in command if str(word).startswith("--config=")] == ["--config=/s1", "--config=/s2"]
    assert "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=b" in command


def test_identities_are_those_that_kubernetes_has_roles_for():
    assert ADMIN.subject == "/O=system:masters/CN=admin"
    assert HELPER.subject == "/O=system:masters/CN=helper"
    assert CONTROLLER_MANAGER.subject == "/CN=system:kube-controller-manager"
    assert SCHEDULER.subject == "/CN=system:kube-scheduler"
    assert PROXY.subject == "/CN=system:kube-proxy"
    assert node_identity("node-7").subject == "/O=system:nodes/CN=system:node:node-7"


def test_the_api_server_has_the_names_by_which_pods_and_nodes_call_it():
    names = API_SERVER.alternative_names.removeprefix("subjectAltName=").split(",")
    assert {"DNS:kubernetes.default.svc", "DNS:localhost", "IP:127.0.0.1", "IP:198.18.0.1", "IP:198.19.0.1"} <= set(names)


def test_a_kubeconfig_names_its_files_and_its_server():
    config = json.loads(kubeconfig("n", "https://h:1", Path("/ca"), Path("/crt"), Path("/key")))
    assert config["clusters"][0]["cluster"] == {"server": "https://h:1", "certificate-authority": "/ca"}
    assert config["users"] == [{"name": "n", "user": {"client-certificate": "/crt", "client-key": "/key"}}]
    context = config["contexts"][0]
    assert context["name"] == config["current-context"]
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": "n"}


def test_certificates_are_signed_by_the_cluster_and_made_once(tmp_path):
    """With the real openssl: the command line is the contract."""
    pki = Pki(tmp_path / "pki")
    pki.prepare()
    path = pki.write_kubeconfig(tmp_path / "kubeconfig", node_identity("node-1"), "https://h:1")
    assert path.stat().st_mode & 0o777 == 0o600
    certificate = pki.certificate("node-1")
    pki.issue(API_SERVER)
    checked = [certificate, pki.certificate(API_SERVER.name)]
    subprocess.run(["openssl", "verify", "-CAfile", pki.authority, *checked], check=True, capture_output=True)
    command = ["openssl", "x509", "-in", certificate, "-noout", "-subject", "-nameopt", "RFC2253"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "O=system:nodes" in told
    assert "CN=system:node:node-1" in told
    before = certificate.read_bytes(), pki.authority.read_bytes(), pki.key("sa").read_bytes()
    pki.prepare()
    pki.issue(node_identity("node-1"))
    assert (certificate.read_bytes(), pki.authority.read_bytes(), pki.key("sa").read_bytes()) == before
    assert pki.key("ca").stat().st_mode & 0o077 == 0
