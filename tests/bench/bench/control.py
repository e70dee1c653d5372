"""Single requests for control and verification: creates buckets, looks at answers. Nothing here is measured."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from bench.signing import Signer

TIMEOUT_SECONDS = 120.0  # of one request: a full listing at 10^6 keys or 100 MiB are far quicker


class ControlFailed(Exception):
    """The server answered otherwise than it must; one line."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is and whose keys are used."""

    host: str
    port: int
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"

    def signer(self) -> Signer:
        """A fresh one for each row: what it signs is valid for 15 minutes."""
        return Signer(f"{self.host}:{self.port}", self.access_key_id, self.secret_access_key, self.region)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on its own connection -> (status, headers with lower-case names, body)."""
        head = self.signer().head(method, path, query, headers, len(body) if method in {"PUT", "POST"} else None)
        with socket.create_connection((self.host, self.port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(head + body)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def expect(self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """As ``call``; raises ``ControlFailed`` unless the answer is a success."""
        status, _, answer = self.call(method, path, query, body)
        if status // 100 != 2:
            raise ControlFailed(f"{method} {path} answers {status}: {answer[:300].decode('utf-8', 'replace')}")
        return answer

    def ensure_bucket(self, name: str) -> None:
        """Raises ``ControlFailed``."""
        status, _, answer = self.call("PUT", f"/{name}")
        if status // 100 != 2 and b"BucketAlreadyOwnedByYou" not in answer:
            raise ControlFailed(f"CreateBucket {name} answers {status}: {answer[:300].decode('utf-8', 'replace')}")
