"""Certificates and kubeconfigs of one cluster, made with the command line of OpenSSL 3 (``req -x509 -CA``).

Kubernetes takes the common name of a client's certificate as the user and its organisations as groups
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kube_addresses import FIRST_SERVICE, HUB
from kube_process import run

DAYS = 365  # a directory whose cluster is started again after a year gets errors of TLS; remove it
CONTEXT = "dolmen-test"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(DAYS))
_SERVICE = "kubernetes.default.svc.cluster.local"
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", _SERVICE)
_SERVER_ADDRESSES = ("127.0.0.1", HUB, FIRST_SERVICE)


@dataclass(frozen=True)
class Identity:
    """Whom a certificate is for: ``name`` of its files, ``user`` and ``group`` of the API, ``names`` of a server."""

    name: str
    user: str
    group: str = ""
    names: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """As ``openssl req -subj`` takes it."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"

    @property
    def alternative_names(self) -> str:
        return "subjectAltName=" + ",".join(self.names)


_ALTERNATIVES = (*(f"DNS:{name}" for name in _SERVER_NAMES), *(f"IP:{address}" for address in _SERVER_ADDRESSES))
API_SERVER = Identity("apiserver", "kube-apiserver", names=_ALTERNATIVES)
ADMIN = Identity("admin", "admin", "system:masters")  # may do everything, whatever RBAC says
HELPER = Identity("helper", "helper", "system:masters")  # the name service and the ingress controller
CONTROLLER_MANAGER = Identity("kube-controller-manager", "system:kube-controller-manager")
SCHEDULER = Identity("kube-scheduler", "system:kube-scheduler")
PROXY = Identity("kube-proxy", "system:kube-proxy")


def node_identity(name: str) -> Identity:
    """Of a kubelet: the node authorizer (authorization mode Node) knows it by this user and group."""
    return Identity(name, f"system:node:{name}", "system:nodes")


def kubeconfig(name: str, server: str, authority: Path, certificate: Path, key: Path) -> str:
    """A kubeconfig, as JSON (which is YAML), that uses the files of ``name``."""
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": name}}],
    }
    return json.dumps(config, indent=1)


def sign_command(identity: Identity, pki: Pki) -> list[str | Path]:
    """The command that makes a key and a certificate, signed by the cluster's authority, for clients and servers alike."""
    alternative = ["-addext", identity.alternative_names] if identity.names else []
    extensions = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth,serverAuth"]
    authority: list[str | Path] = ["-CA", pki.authority, "-CAkey", pki.key("ca")]
    files: list[str | Path] = ["-keyout", pki.key(identity.name), "-out", pki.certificate(identity.name)]
    return ["openssl", "req", "-x509", *authority, *_KEY, "-subj", identity.subject, *alternative, *extensions, *files]


class Pki:
    """The files of a cluster's authority, below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = self.certificate("ca")
        self.service_account_public = directory / "sa.pub"

    def certificate(self, name: str) -> Path:
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def prepare(self) -> None:
        """Make the authority and the key pair that signs tokens of service accounts, unless they are there."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.service_account_public.exists():  # made last: what is before it is whole
            run("openssl", "req", "-x509", *_KEY, "-subj", f"/CN={CONTEXT}", "-keyout", self.key("ca"), "-out", self.authority)
            run("openssl", "genrsa", "-out", self.key("sa"), "2048")
            run("openssl", "rsa", "-in", self.key("sa"), "-pubout", "-out", self.service_account_public)

    def issue(self, identity: Identity) -> None:
        """Make a key and a certificate unless they are there."""
        if not self.certificate(identity.name).exists():
            run(*sign_command(identity, self))

    def write_kubeconfig(self, path: Path, identity: Identity, server: str) -> Path:
        """Issue what is needed, and write a kubeconfig that only its owner may read."""
        self.issue(identity)
        text = kubeconfig(identity.name, server, self.authority, self.certificate(identity.name), self.key(identity.name))
        path.touch(mode=0o600)
        path.write_text(text)
        return path
