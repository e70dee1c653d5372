"""A self-check of the clusters that tests of the operator use: what must be real there is real, and zones and nodes can fail.

Custom resources have rules in CEL, service accounts have rights, controllers make, count and collect, the scheduler spreads; at
level c pods run, find each other, and keep their data when a node fails.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request

import pytest
from kube_addresses import HUB
from kube_base_image import make_base
from kube_binaries import cache_root
from kube_cluster import Cluster
from kube_errors import CommandFailed
from kube_fake_nodes import boot_zone, cut_zone
from kube_images import ImageSettings, Layer, build_image
from kube_node_plan import ZONE_LABEL
from kube_nodes import boot, cut, find_node, freeze, load_image, nodes_of, plug, thaw, tunnel, unplug
from kube_plan import ClusterPlan
from kube_process import free_ports
from kube_shared import own_cluster, wait_until

GROUP = "selfcheck.dolmen.dev"
SECONDS = 90.0  # an overloaded machine
READY = '{.status.conditions[?(@.type=="Ready")].status}'


def stateful(name, namespace, replicas, storage_class):
    spread = {
        "maxSkew": 1,
        "topologyKey": ZONE_LABEL,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": {"requests": {"storage": "1Gi"}}}
    container = {"name": "server", "image": "localhost/none:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 2, "containers": [container]},
            },
        },
    }


def budget(name, namespace, available):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": name}}},
    }


def pods_and_nodes(cluster, namespace):
    """Name of a pod to the name of its node."""
    listed = json.loads(cluster.kubectl(f"--namespace={namespace}", "get", "pods", "--output=json"))
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in listed["items"]}


def zones_of(cluster, nodes):
    listed = json.loads(cluster.kubectl("get", "nodes", "--output=json"))
    by_name = {node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE_LABEL) for node in listed["items"]}
    return [by_name[node] for node in nodes]


@pytest.fixture(scope="module")
def custom_resource(kube_cluster):
    """A resource with a rule for values and one for transitions."""
    spec = {
        "type": "object",
        "properties": {"replicas": {"type": "integer"}, "device": {"type": "string", "maxLength": 63}},
        "x-kubernetes-validations": [
            {"rule": "self.replicas <= 5", "message": "at most five"},
            {"rule": "!has(oldSelf.device) || self.device == oldSelf.device", "message": "device is immutable"},
        ],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema}
    name = f"stones.{GROUP}"
    kube_cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {"plural": "stones", "singular": "stone", "kind": "Stone"},
                "versions": [version],
            },
        }
    )
    kube_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{name}")
    yield lambda namespace, **spec: {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Stone",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": spec,
    }
    kube_cluster.kubectl("delete", "crd", name, "--ignore-not-found", "--wait=false")


@pytest.mark.kubernetes
def test_values_and_transitions_are_refused_by_rules(kube_cluster, kube_namespace, custom_resource):
    kube_cluster.apply(custom_resource(kube_namespace, replicas=1, device="x"))
    with pytest.raises(CommandFailed) as refused:
        kube_cluster.apply(custom_resource(kube_namespace, replicas=9, device="x"))
    assert "at most five" in refused.value.stderr
    with pytest.raises(CommandFailed) as refused:
        kube_cluster.apply(custom_resource(kube_namespace, replicas=1, device="y"))
    assert "device is immutable" in refused.value.stderr
    assert kube_cluster.field("stone/one", "{.spec.device}", kube_namespace) == "x"


@pytest.mark.kubernetes
def test_a_stateful_set_is_spread_over_zones_and_counted(kube_cluster, kube_namespace):
    if kube_cluster.root is None:
        pytest.skip("the class of pretended volumes is of our own cluster")
    kube_cluster.apply(budget("web", kube_namespace, 2), stateful("web", kube_namespace, 3, "kwok-volume"))
    wait_until("3 ready", lambda: kube_cluster.field("statefulset/web", "{.status.readyReplicas}", kube_namespace) == "3", SECONDS)
    wait_until("3 counted", lambda: kube_cluster.field("pdb/web", "{.status.currentHealthy}", kube_namespace) == "3", SECONDS)
    assert kube_cluster.field("pdb/web", "{.status.disruptionsAllowed}", kube_namespace) == "1"
    assert sorted(zones_of(kube_cluster, pods_and_nodes(kube_cluster, kube_namespace).values())) == ["a", "b", "c"]


@pytest.mark.kubernetes
def test_owned_objects_are_collected(kube_cluster, kube_namespace):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": kube_namespace}}
    kube_cluster.apply(owner)
    uid = kube_cluster.field("configmap/owner", "{.metadata.uid}", kube_namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    kube_cluster.apply({**owner, "metadata": {"name": "owned", "namespace": kube_namespace, "ownerReferences": [reference]}})
    kube_cluster.kubectl(f"--namespace={kube_namespace}", "delete", "configmap", "owner")
    name = "{.metadata.name}"
    wait_until("collected", lambda: not kube_cluster.field("configmap/owned", name, kube_namespace), SECONDS)


@pytest.mark.kubernetes
def test_a_service_account_may_do_what_its_role_says_and_no_more(kube_cluster, kube_namespace):
    meta = {"name": "reader", "namespace": kube_namespace}
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    subject = {"kind": "ServiceAccount", **meta}
    kube_cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
            "subjects": [subject],
        },
    )
    token = kube_cluster.kubectl(f"--namespace={kube_namespace}", "create", "token", "reader").strip()
    configured = json.loads(kube_cluster.kubectl("config", "view", "--minify", "--raw", "--output=json"))["clusters"][0]["cluster"]
    authority = configured.get("certificate-authority")
    if authority is None:
        pytest.skip("the authority of this cluster is inside of the kubeconfig")
    # No kubeconfig: the certificate in ours would be the user, whatever the token says.
    where = [f"--server={configured['server']}", f"--certificate-authority={authority}"]
    command = [kube_cluster.kubectl_program, "--kubeconfig=/dev/null", *where, f"--token={token}", f"--namespace={kube_namespace}"]

    def ask(*words):
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    wait_until("pods may be listed", lambda: ask("get", "pods").returncode == 0, SECONDS)  # the authorizer watches roles
    refused = ask("get", "secrets")
    assert refused.returncode != 0
    assert "forbidden" in refused.stderr


@pytest.mark.kubernetes
def test_a_namespace_goes_with_all_that_is_in_it(kube_cluster):
    with kube_cluster.namespace() as name:
        kube_cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": name}})
    wait_until("gone", lambda: not kube_cluster.field(f"namespace/{name}", "{.metadata.name}"), 2 * SECONDS)


@pytest.fixture(scope="module")
def breakable(tmp_path_factory):
    """A cluster of three fake nodes in three zones, to be broken by whoever asks for it."""
    plan = ClusterPlan(fake_nodes=3)
    with own_cluster(tmp_path_factory.mktemp("kubernetes"), plan) as cluster:
        yield cluster


def field(cluster: Cluster, kind, path):
    return cluster.kubectl("get", kind, f"--output=jsonpath={path}", check=False).strip()


@pytest.mark.kubernetes
def test_a_budget_holds_a_drain(breakable):
    cluster = breakable
    cluster.apply([budget("held", "default", 3), stateful("held", "default", 3, "kwok-volume")])
    wait_until("ready", lambda: field(cluster, "statefulset/held", "{.status.readyReplicas}") == "3", SECONDS)
    wait_until("counted", lambda: field(cluster, "pdb/held", "{.status.currentHealthy}") == "3", SECONDS)
    node = field(cluster, "pod/held-0", "{.spec.nodeName}")
    with pytest.raises(CommandFailed) as held:
        cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=4s")
    assert "disruption budget" in held.value.stderr
    assert not field(cluster, "pod/held-0", "{.metadata.deletionTimestamp}")
    cluster.kubectl("uncordon", node)


@pytest.mark.kubernetes
def test_a_zone_that_is_cut_is_lost_alone_and_comes_back(breakable):
    cluster = breakable
    states = {zone: f"node/fake-{number}" for number, zone in enumerate(cluster.plan.zones, 1)}
    cut_zone(cluster, "b")
    wait_until("zone b is lost", lambda: field(cluster, states["b"], READY) == "Unknown", SECONDS)
    assert [field(cluster, states[zone], READY) for zone in ("a", "c")] == ["True", "True"]
    boot_zone(cluster, "b")
    wait_until("zone b is back", lambda: field(cluster, states["b"], READY) == "True", SECONDS)


@pytest.mark.kubernetes
def test_a_cluster_that_is_started_again_has_its_objects(tmp_path):
    plan = ClusterPlan()
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "default"}}
    with own_cluster(tmp_path, plan) as cluster:
        cluster.apply([one])
        started = {name: cluster.processes.pid(name) for name in cluster.processes.names()}
    assert set(started) == {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert [name for name in started if cluster.processes.pid(name)] == []
    began = time.monotonic()
    with own_cluster(tmp_path, plan) as cluster:
        assert field(cluster, "configmap/kept", "{.metadata.name}") == "kept"
    assert time.monotonic() - began < SECONDS


# What follows is of nodes that run pods (level c); everything above is of a control plane and nodes that pretend.

IMAGE = "localhost/dolmen-selfcheck:1"
SERVER = """
import http.server, os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/write?'):
            with open('/data/kept', 'w') as f:
                f.write(self.path[7:]); f.flush(); os.fsync(f.fileno())
        kept = open('/data/kept').read() if os.path.exists('/data/kept') else ''
        body = f"{socket.gethostname()} {kept}".encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, form, *args):
        print(form % args, flush=True)
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """An image that has Python; its base is kept in the cache."""
    base = cache_root().parent / "images" / "selfcheck-base.tar"
    if not base.exists():
        make_base(base, ["python3-minimal", "libpython3-stdlib"])
    output = tmp_path_factory.mktemp("image") / "selfcheck.tar"
    build_image(output, IMAGE, [Layer(base)], ImageSettings(("python3",)))
    return output


@pytest.fixture(scope="module")
def real(tmp_path_factory, image):
    """A cluster of three real nodes, to be broken, with a StatefulSet ``web`` of three whose data is on local volumes."""
    with own_cluster(tmp_path_factory.mktemp("kubernetes-nodes"), ClusterPlan(level="c")) as cluster:
        for node in nodes_of(cluster):
            load_image(cluster, node, image)
        web = stateful("web", "default", 3, "local")
        container = web["spec"]["template"]["spec"]["containers"][0]
        probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
        container |= {"image": IMAGE, "imagePullPolicy": "Never", "readinessProbe": probe}
        container["command"] = ["python3", "-u", "-c", SERVER]
        ports = [{"port": 80, "targetPort": 8080}]
        headless = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}}
        headless["spec"] = {"clusterIP": "None", "selector": {"app": "web"}, "ports": ports}
        plain = {**headless, "metadata": {"name": "web-all", "namespace": "default"}}
        plain["spec"] = {"selector": {"app": "web"}, "ports": ports}
        cluster.apply([headless, plain, budget("web", "default", 2), web])
        wait_until("3 ready", lambda: field(cluster, "statefulset/web", "{.status.readyReplicas}") == "3", 2 * SECONDS)
        yield cluster


def ask(cluster, pod, url):
    """What a pod reads from a URL; empty when it cannot."""
    code = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=3).read().decode())"
    return cluster.kubectl("exec", pod, "--", "python3", "-c", code, check=False).strip()


@pytest.mark.kubernetes_nodes
def test_pods_find_each_other_by_name_and_are_found_from_outside(real):
    by_name = {node.name: node for node in nodes_of(real)}
    places = [field(real, f"pod/web-{number}", "{.spec.nodeName}") for number in range(3)]
    assert {by_name[place].zone for place in places} == {"a", "b", "c"}
    wait_until("by name", lambda: "web-1" in ask(real, "web-0", "http://web-1.web:8080/"), SECONDS)
    wait_until("by Service", lambda: ask(real, "web-0", "http://web-all/").startswith("web-"), SECONDS)
    assert "GET /" in real.kubectl("logs", "web-1")
    service = {"name": "web-all", "port": {"number": 80}}
    rule = {"host": "*.selfcheck.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]}}
    meta = {"name": "web", "namespace": "default"}
    real.apply([{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": {"rules": [rule]}}])
    (port,) = free_ports(1)
    tunnel(real, port, f"{HUB}:80")

    def fetch():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "a.selfcheck.test"})
        try:
            with urllib.request.urlopen(request, timeout=3) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    wait_until("from outside", lambda: fetch().startswith("web-"), SECONDS)
    assert wait_until("its address", lambda: field(real, "ingress/web", "{.status.loadBalancer.ingress[0].ip}"), SECONDS) == HUB


@pytest.mark.kubernetes_nodes
@pytest.mark.parametrize(("cause", "cure"), [(cut, boot), (freeze, thaw), (unplug, plug)], ids=["cut", "freeze", "unplug"])
def test_a_node_that_fails_is_lost_and_comes_back_with_its_data(real, cause, cure):
    lost = find_node(real, field(real, "pod/web-1", "{.spec.nodeName}"))
    ask(real, "web-1", "http://127.0.0.1:8080/write?kept")
    cause(real, lost)
    wait_until("lost", lambda: field(real, f"node/{lost.name}", READY) == "Unknown", SECONDS)
    wait_until("its pod goes", lambda: field(real, "pod/web-1", "{.metadata.deletionTimestamp}"), SECONDS)
    cure(real, lost)
    wait_until("back", lambda: field(real, f"node/{lost.name}", READY) == "True", SECONDS)
    wait_until("3 ready", lambda: field(real, "statefulset/web", "{.status.readyReplicas}") == "3", 2 * SECONDS)
    wait_until("with its data", lambda: "kept" in ask(real, "web-0", "http://web-1.web:8080/"), SECONDS)
