"""The configuration of HAProxy that follows from Ingress objects. Decided without I/O.

Hosts and paths match as https://kubernetes.io/docs/concepts/services-networking/ingress/ says: a host before a wildcard, the longer
path before the shorter, Exact before Prefix; a prefix matches whole elements of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kube_api import Objects

# Buffers hold the headers of a request: presigned URLs with a session's token are long. Connections wait as those of S3 clients do.
HEAD = """global
    maxconn 4000
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-request 30s
    option forwardfor
    retries 2
    option redispatch
"""
_SAFE_PATH = re.compile(r"/[\w./~%@:+=,;!*-]*")  # nothing that HAProxy's configuration would read as its own


@dataclass(frozen=True, order=True)
class _Route:
    """In the order of precedence: the greatest matches first."""

    host_rank: int
    path_length: int
    exact_path: bool
    line: str


def addresses(namespace: str, backend: dict[str, Any], services: Objects, slices: Objects) -> list[str]:
    """The ready endpoints (address:port) of a Service's port, as a backend of an Ingress names it: by number or by name."""
    wanted = backend.get("port", {})
    ports = [
        port
        for service in services
        if (service["metadata"]["namespace"], service["metadata"]["name"]) == (namespace, backend["name"])
        for port in service["spec"].get("ports", [])
        if port["port"] == wanted.get("number") or (port.get("name") and port.get("name") == wanted.get("name"))
    ]
    if not ports:
        return []
    name = ports[0].get("name") or ""
    return sorted(
        f"{address}:{port['port']}"
        for part in slices
        if part["metadata"]["namespace"] == namespace
        and part["metadata"].get("labels", {}).get("kubernetes.io/service-name") == backend["name"]
        for port in part.get("ports") or []
        if (port.get("name") or "") == name
        for endpoint in part.get("endpoints") or []
        if endpoint.get("conditions", {}).get("ready")
        for address in endpoint["addresses"]
    )


def _host_condition(host: str) -> str:
    """An anonymous ACL, empty for a rule without a host. A wildcard's star stands for at least one label."""
    if not host:
        return ""
    match = f"end {host[1:]}" if host.startswith("*.") else f"str {host}"
    return f"{{ hdr(host),field(1,:),lower -m {match} }} "


def _host_rank(host: str) -> int:
    return 0 if not host else 1 if host.startswith("*.") else 2


def _path_conditions(path: str, kind: str) -> list[str]:
    """One of these must hold."""
    if kind == "Exact":
        return [f"{{ path {path} }}"]
    stem = path.rstrip("/")
    return [f"{{ path {stem} }}", f"{{ path_beg {stem}/ }}"] if stem else ["{ path_beg / }"]


def _paths(ingress: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Host, path, type of the path, and the Service behind it. Paths that cannot be written down safely are left out."""
    for rule in ingress["spec"].get("rules", []):
        for entry in (rule.get("http") or {}).get("paths", []):
            path, service = entry.get("path") or "/", entry["backend"].get("service")
            if service and _SAFE_PATH.fullmatch(path):
                yield rule.get("host", ""), path, entry.get("pathType", "Prefix"), service


def backend_name(namespace: str, service: dict[str, Any]) -> str:
    port = service.get("port", {})
    return f"{namespace}:{service['name']}:{port.get('number') or port.get('name')}"


def render(address: str, certificates: str, ingresses: Objects, services: Objects, slices: Objects) -> str:
    """haproxy.cfg. ``certificates``: the directory of PEM files for port 443; empty when there is none, and then no such port."""
    front = [f"frontend web\n    bind {address}:80"]
    if certificates:
        front.append(f"    bind {address}:443 ssl crt {certificates}/ alpn h2,http/1.1")
        front.append("    http-request set-header X-Forwarded-Proto https if { ssl_fc }")
    routes: list[_Route] = []
    backends: dict[str, str] = {}
    for ingress in ingresses:
        namespace = ingress["metadata"]["namespace"]
        for host, path, kind, service in _paths(ingress):
            name = backend_name(namespace, service)
            for condition in _path_conditions(path, kind):
                line = f"    use_backend {name} if {_host_condition(host)}{condition}"
                routes.append(_Route(_host_rank(host), len(path), kind == "Exact", line))
            servers = [f"    server {one} {one}" for one in addresses(namespace, service, services, slices)]
            backends[name] = "\n".join([f"backend {name}", "    balance leastconn", *servers])
    lines = [route.line for route in sorted(routes, reverse=True)]
    return HEAD + "\n".join([*front, *lines, *(backends[name] for name in sorted(backends)), ""])


def tls_secrets(ingresses: Objects) -> set[tuple[str, str]]:
    """Namespace and name of each Secret that an Ingress shows as its certificate."""
    return {
        (ingress["metadata"]["namespace"], entry["secretName"])
        for ingress in ingresses
        for entry in ingress["spec"].get("tls", [])
        if "secretName" in entry
    }
