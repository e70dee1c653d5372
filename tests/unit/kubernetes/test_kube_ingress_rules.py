"""haproxy.cfg that follows from Ingress objects: what comes first, what stands behind it, and what is left out."""

import base64
import os
import signal
import time

import pytest
from kube_haproxy import addresses, render, tls_secrets
from kube_ingress import Controller

BACKEND = {"name": "web", "port": {"number": 80}}
SERVICES = [
    {
        "metadata": {"namespace": "ns", "name": "web"},
        "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "admin"}]},
    },
    {"metadata": {"namespace": "other", "name": "web"}, "spec": {"ports": [{"port": 80}]}},
]


def endpoints(*listed):
    return [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in listed]


SLICES = [
    {
        "metadata": {"namespace": "ns", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9090}],
        "endpoints": endpoints(("198.18.130.2", True), ("198.18.129.2", True), ("198.18.131.2", False)),
    },
    {
        "metadata": {"namespace": "other", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"port": 7}],
        "endpoints": endpoints(("198.18.129.9", True)),
    },
    {"metadata": {"namespace": "ns"}, "ports": None, "endpoints": None},
]


def ingress(*rules, **spec):
    """Each rule: host, path, type of the path."""
    listed = [
        {**({"host": host} if host else {}), "http": {"paths": [{"path": path, "pathType": kind, "backend": {"service": BACKEND}}]}}
        for host, path, kind in rules
    ]
    return {"metadata": {"namespace": "ns", "name": "i"}, "spec": {"rules": listed, **spec}}


def routes(*rules):
    text = render("198.18.0.1", "", [ingress(*rules)], SERVICES, SLICES)
    prefix = "    use_backend ns:web:80 if "
    return [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]


def test_only_ready_endpoints_of_the_right_port_and_namespace():
    assert addresses("ns", BACKEND, SERVICES, SLICES) == ["198.18.129.2:8080", "198.18.130.2:8080"]
    admin = {"name": "web", "port": {"name": "admin"}}
    assert addresses("ns", admin, SERVICES, SLICES) == ["198.18.129.2:9090", "198.18.130.2:9090"]
    assert addresses("other", BACKEND, SERVICES, SLICES) == ["198.18.129.9:7"]
    assert addresses("ns", {"name": "web", "port": {"number": 82}}, SERVICES, SLICES) == []
    assert addresses("ns", {"name": "gone", "port": {"number": 80}}, SERVICES, SLICES) == []


def test_a_backend_is_written_once_with_its_servers():
    text = render("198.18.0.1", "", [ingress(("a.test", "/", "Prefix"), ("b.test", "/", "Prefix"))], SERVICES, SLICES)
    assert text.count("backend ns:web:80\n") == 1
    assert "    server 198.18.129.2:8080 198.18.129.2:8080\n" in text
    assert "bind 198.18.0.1:80\n" in text
    assert ":443" not in text


def test_a_host_comes_before_a_wildcard_and_both_before_none():
    found = routes(("", "/very/long/path", "Exact"), ("*.s3.test", "/", "Prefix"), ("s3.test", "/", "Prefix"))
    hosts = [line.split("lower -m ")[-1].split(" }")[0] for line in found]
    assert hosts == ["str s3.test", "end .s3.test", "{ path /very/long/path"]


def test_longer_paths_come_first_and_exact_before_prefix():
    found = routes(("h", "/", "Prefix"), ("h", "/foo", "Prefix"), ("h", "/foo", "Exact"), ("h", "/foo/bar", "Prefix"))
    paths = [line.split("str h } ")[1] for line in found]
    assert set(paths[:2]) == {"{ path /foo/bar }", "{ path_beg /foo/bar/ }"}
    assert paths[2] == "{ path /foo }"
    assert set(paths[3:5]) == {"{ path /foo }", "{ path_beg /foo/ }"}
    assert paths[5:] == ["{ path_beg / }"]


def test_a_prefix_matches_whole_elements():
    assert routes(("h", "/foo/", "Prefix")) == routes(("h", "/foo", "Prefix"))
    assert not any("path_beg /foo }" in line for line in routes(("h", "/foo", "Prefix")))


@pytest.mark.parametrize("path", ["/a b", "/a\nbind :1", "/a }", '/"', "/#", "relative"])
def test_paths_that_would_be_read_as_configuration_are_left_out(path):
    assert routes(("h", path, "Prefix")) == []


def test_rules_without_paths_and_services_are_no_error():
    rules = [{"host": "h"}, {"http": {"paths": [{"backend": {"resource": {}}}]}}]
    odd = {"metadata": {"namespace": "ns"}, "spec": {"rules": rules}}
    assert "use_backend" not in render("198.18.0.1", "", [odd, {**odd, "spec": {}}], [], [])


def test_tls_is_served_where_there_are_certificates():
    shown = ingress(("h", "/", "Prefix"), tls=[{"hosts": ["h"], "secretName": "t"}, {"hosts": ["i"]}])
    assert tls_secrets([shown]) == {("ns", "t")}
    assert "bind 198.18.0.1:443 ssl crt /certs/ alpn h2,http/1.1\n" in render("198.18.0.1", "/certs", [shown], SERVICES, SLICES)


class PretendedApi:
    """Lists as given, and the statuses that were set."""

    def __init__(self, ingresses):
        self.ingresses = ingresses
        pem = {"tls.crt": base64.b64encode(b"CERT\n").decode(), "tls.key": base64.b64encode(b"KEY\n").decode()}
        self.secrets = [{"metadata": {"namespace": space, "name": "t"}, "data": pem} for space in ("ns", "other")]
        self.statuses = []

    def items(self, path):
        kind = path.split("?")[0].rsplit("/", 1)[-1]
        return {"ingresses": self.ingresses, "services": SERVICES, "endpointslices": SLICES, "secrets": self.secrets}[kind]

    def set_status(self, path, status):
        self.statuses.append(path)
        self.ingresses[0]["status"] = status


@pytest.fixture
def haproxy(tmp_path, monkeypatch):
    """A stand-in on PATH that notes how often it was started, and each reload. Ended at the end."""
    program, notes = tmp_path / "bin" / "haproxy", tmp_path / "notes"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntrap 'echo reload >> {notes}' USR2\necho $$ >> {notes}\nwhile :; do sleep 0.02; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    yield lambda: notes.read_text().split() if notes.exists() else []
    for word in notes.read_text().split():
        if word.isdigit():
            try:
                os.kill(int(word), signal.SIGKILL)
            except ProcessLookupError:
                pass


def wait_for(look, expected):
    deadline = time.monotonic() + 30
    while (found := look()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def test_haproxy_is_reloaded_when_something_changed_and_only_then(tmp_path, haproxy):
    shown = ingress(("h", "/", "Prefix"), tls=[{"hosts": ["h"], "secretName": "t"}])
    api = PretendedApi([shown])
    controller = Controller(api, tmp_path / "ingress", "198.18.0.1")
    controller.look()
    wait_for(lambda: len(haproxy()), 1)
    pem = tmp_path / "ingress" / "certs" / "ns.t.pem"
    assert [path.name for path in pem.parent.iterdir()] == ["ns.t.pem"]  # not that of another namespace
    assert (pem.read_bytes(), pem.stat().st_mode & 0o777) == (b"CERT\nKEY\n", 0o600)
    assert api.statuses == ["/apis/networking.k8s.io/v1/namespaces/ns/ingresses/i"]
    controller.look()
    del shown["spec"]["tls"]
    controller.look()
    wait_for(lambda: haproxy()[1:], ["reload"])
    assert list(pem.parent.iterdir()) == []
    assert ":443" not in (tmp_path / "ingress" / "haproxy.cfg").read_text()
    assert len(api.statuses) == 1
    process = controller._haproxy
    process.kill()
    process.wait()
    shown["spec"]["rules"] = []
    controller.look()
    wait_for(lambda: len(haproxy()), 3)  # started anew
    controller._haproxy.kill()
    controller._haproxy.wait()
