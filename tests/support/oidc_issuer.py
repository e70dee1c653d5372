"""An OpenID Connect issuer on this machine: a real HTTP server in a thread, keys and tokens made by joserfc."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from typing import Self

from joserfc import jwk, jws, jwt


@functools.cache
def _first_key() -> object:
    """Made once for all issuers of a process: it takes longer than a test."""
    return jwk.generate_key("RSA", 2048, {"kid": "first", "use": "sig"})


class Issuer:
    """``with Issuer() as issuer``: serves its discovery document and its keys."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.keys: list[object] = []
        self.gone = False  # answers 503
        self.discovery: dict[str, object] = {}  # replaces fields of the document
        self.key_fetches = 0
        self.keys.append(_first_key())
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}{path}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if self.gone:
            request.send_error(503)
            return
        if request.path == f"{self.path}/.well-known/openid-configuration":
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}
        elif request.path == f"{self.path}/keys":
            self.key_fetches += 1
            document = {"keys": [key.as_dict(private=False) for key in self.keys]}
        else:
            request.send_error(404)
            return
        body = json.dumps(document).encode()
        request.send_response(200)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def add_key(self, kind: str, size_or_curve: int | str, kid: str) -> object:
        """The newest key signs."""
        key = jwk.generate_key(kind, size_or_curve, {"kid": kid, "use": "sig"})
        self.keys.append(key)
        return key

    def claims(self, now: float, **more: object) -> dict[str, object]:
        """What a usual ID token says; None takes a claim away."""
        found = {"iss": self.url, "sub": "user-1", "aud": "app", "iat": int(now), "exp": int(now) + 600, **more}
        return {name: value for name, value in found.items() if value is not None}

    def token(self, claims: dict[str, object], algorithm: str = "RS256", key: object = None, **header: object) -> str:
        """A signed token."""
        signer = self.keys[-1] if key is None else key
        kid = {} if key is not None else {"kid": signer.kid}
        return jwt.encode(
            {"alg": algorithm, **kid, **header}, claims, signer, registry=jws.JWSRegistry(algorithms=[algorithm])
        )
