"""A client of the Kubernetes API for the cluster's own helpers: lists and status, with a certificate from a kubeconfig in JSON."""

from __future__ import annotations

import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

Objects = list[dict[str, Any]]
TIMEOUT_SECONDS = 10.0


class Api:
    """Errors of the connection and of HTTP are OSError (urllib's)."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._tls.load_cert_chain(user["client-certificate"], user["client-key"])

    def items(self, path: str) -> Objects:
        """All objects of a list."""
        with urllib.request.urlopen(self.server + path, context=self._tls, timeout=TIMEOUT_SECONDS) as answer:
            found: Objects = json.load(answer)["items"]
            return found

    def set_status(self, path: str, status: dict[str, Any]) -> None:
        """Merge into the status of one object."""
        data = json.dumps({"status": status}).encode()
        headers = {"Content-Type": "application/merge-patch+json"}
        request = urllib.request.Request(f"{self.server}{path}/status", data=data, method="PATCH", headers=headers)
        urllib.request.urlopen(request, context=self._tls, timeout=TIMEOUT_SECONDS).close()
