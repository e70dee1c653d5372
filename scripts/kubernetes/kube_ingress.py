"""A small ingress controller around Debian's HAProxy: kube_ingress.py KUBECONFIG DIRECTORY ADDRESS.

It reads Ingress, Service, EndpointSlice and Secret objects, writes haproxy.cfg when they change, reloads HAProxy, and writes its
address into each Ingress's status. It stands for the ingress that a user brings: a test tool, no part of the product.
"""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kube_api import Api, Objects
from kube_haproxy import render, tls_secrets

POLL_SECONDS = 0.5
_INGRESSES = "/apis/networking.k8s.io/v1"


class Controller:
    """``directory`` holds haproxy.cfg and certs/NAMESPACE.SECRET.pem."""

    def __init__(self, api: Api, directory: Path, address: str) -> None:
        self._api = api
        self._certificates, self._config = directory / "certs", directory / "haproxy.cfg"
        self._certificates.mkdir(parents=True, exist_ok=True)
        self._address = address
        self._haproxy: subprocess.Popen[bytes] | None = None
        self._before = ""

    def look(self) -> None:
        """Bring HAProxy and the statuses to what the API says now. OSError when it cannot be asked."""
        ingresses = self._api.items(f"{_INGRESSES}/ingresses")
        services, slices = self._api.items("/api/v1/services"), self._api.items("/apis/discovery.k8s.io/v1/endpointslices")
        changed = self._update_certificates(ingresses)
        shown = str(self._certificates) if any(self._certificates.iterdir()) else ""
        text = render(self._address, shown, ingresses, services, slices)
        if changed or text != self._before:
            self._config.write_text(text)
            self._reload()
            self._before = text
        self._update_statuses(ingresses)

    def _update_certificates(self, ingresses: Objects) -> bool:
        """Whether a file was written or removed."""
        wanted = tls_secrets(ingresses)
        secrets = self._api.items("/api/v1/secrets?fieldSelector=type=kubernetes.io/tls") if wanted else []
        pems: dict[str, bytes] = {}
        for secret in secrets:
            key = (secret["metadata"]["namespace"], secret["metadata"]["name"])
            if key in wanted:
                pems[".".join((*key, "pem"))] = b"".join(base64.b64decode(secret["data"][part]) for part in ("tls.crt", "tls.key"))
        changed = False
        for path in self._certificates.iterdir():
            if path.name not in pems:
                path.unlink()
                changed = True
        for name, pem in pems.items():
            path = self._certificates / name
            if not (path.exists() and path.read_bytes() == pem):
                path.touch(mode=0o600)
                path.write_bytes(pem)
                changed = True
        return changed

    def _reload(self) -> None:
        """The master starts new workers, and the old ones finish what they have. Started anew should it have ended."""
        if self._haproxy is None or self._haproxy.poll() is not None:
            # Without the controller it must not go on, however that ends.
            self._haproxy = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "haproxy", "-W", "-db", "-f", self._config])
        else:
            self._haproxy.send_signal(signal.SIGUSR2)

    def _update_statuses(self, ingresses: Objects) -> None:
        status: dict[str, Any] = {"loadBalancer": {"ingress": [{"ip": self._address}]}}
        for ingress in ingresses:
            if ingress.get("status") != status:
                meta = ingress["metadata"]
                self._api.set_status(f"{_INGRESSES}/namespaces/{meta['namespace']}/ingresses/{meta['name']}", status)


def main(kubeconfig: Path, directory: Path, address: str) -> None:
    controller = Controller(Api(kubeconfig), directory, address)
    while True:
        try:
            controller.look()
        except OSError as error:
            print(f"trying again: {error}", flush=True)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
