"""A stand-in for the transit engine of Vault and OpenBao over real HTTP, after their API documentation.

Derived keys need their context, ciphertexts are ``vault:vN:...``, unknown keys, wrong tokens and old versions are refused with the
texts of the real ones. https://openbao.org/api-docs/secret/transit/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN = "s.token-of-the-tests"


class Refusal(Exception):
    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status


@dataclass
class TransitKey:
    derived: bool
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    oldest: int = 1  # min_decryption_version

    def cipher(self, number: int, context: str) -> AESGCM:
        key = self.versions[number - 1]
        if self.derived:
            if not context:
                raise Refusal(400, "missing 'context' for key derivation; the key was created using a derived key")
            key = HKDF(SHA256(), 32, salt=None, info=base64.b64decode(context)).derive(key)
        return AESGCM(key)

    def encrypt(self, plaintext: bytes, context: str) -> dict[str, object]:
        nonce = os.urandom(12)
        raw = nonce + self.cipher(len(self.versions), context).encrypt(nonce, plaintext, None)
        text = f"vault:v{len(self.versions)}:{base64.b64encode(raw).decode()}"
        return {"ciphertext": text, "key_version": len(self.versions)}

    def decrypt(self, ciphertext: str, context: str) -> bytes:
        prefix, version, text = ciphertext.split(":")
        if prefix != "vault":
            raise Refusal(400, "invalid ciphertext: no prefix")
        number, raw = int(version[1:]), base64.b64decode(text)
        if not 1 <= number <= len(self.versions):
            raise Refusal(400, "invalid ciphertext: version is too new")
        if number < self.oldest:
            raise Refusal(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            return self.cipher(number, context).decrypt(raw[:12], raw[12:], None)
        except InvalidTag:
            raise Refusal(400, "cipher: message authentication failed") from None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class TransitServer:
    """Start it with ``with``; its keys and what it was asked are open to the test."""

    def __init__(self, port: int = 0) -> None:
        self.keys: dict[str, TransitKey] = {}
        self.requests: list[tuple[str, str]] = []
        self.status = 0  # answered to everything, unless 0
        self.namespaces: set[str] = set()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server._connections.append(self.request)
                super().setup()

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with server._lock:
                    server.requests.append((self.command, self.path))
                    server.namespaces.add(self.headers.get("X-Vault-Namespace", ""))
                    try:
                        if self.headers.get("X-Vault-Token") != TOKEN:
                            raise Refusal(403, "permission denied")
                        if server.status:
                            raise Refusal(server.status, "in this state by the test")
                        data = server.handle(self.command, self.path, json.loads(raw) if raw else {})
                        status, told = (204, None) if data is None else (200, {"data": data})
                    except Refusal as refusal:
                        status, told = refusal.status, {"errors": [str(refusal)] if str(refusal) else []}
                body = b"" if told is None else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_LIST = answer  # noqa: N815 - names of the base class

            def log_message(self, *_: object) -> None:
                pass

        self._http = _Http(("127.0.0.1", port), Handler)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in self._connections:  # kept ones would be served on
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def count(self, action: str) -> int:
        """How many requests had this word in their path."""
        return sum(action in path for _, path in self.requests)

    def _key(self, name: str) -> TransitKey:
        if name not in self.keys:
            raise Refusal(400, "encryption key not found")
        return self.keys[name]

    def handle(self, method: str, path: str, given: dict[str, object]) -> dict[str, object] | None:
        if not path.startswith("/v1/transit/"):
            raise Refusal(404, "no handler for route")
        action, _, name = path.removeprefix("/v1/transit/").partition("/")
        context = str(given.get("context", ""))
        if action == "keys":
            return self._keys(method, name, given)
        if action == "encrypt" and name not in self.keys:
            self.keys[name] = TransitKey(derived=bool(context))  # as the real one does, where the policy lets it
        key = self._key(name.removeprefix("plaintext/"))
        if action == "datakey":
            plaintext = os.urandom(int(str(given.get("bits", 256))) // 8)
            return {"plaintext": base64.b64encode(plaintext).decode(), **key.encrypt(plaintext, context)}
        if action == "encrypt":
            return key.encrypt(base64.b64decode(str(given["plaintext"])), context)
        plaintext = key.decrypt(str(given["ciphertext"]), context)
        if action == "rewrap":
            return key.encrypt(plaintext, context)
        assert action == "decrypt", path
        return {"plaintext": base64.b64encode(plaintext).decode()}

    def _keys(self, method: str, name: str, given: dict[str, object]) -> dict[str, object] | None:
        if method == "LIST":
            if not self.keys:
                raise Refusal(404)
            return {"keys": sorted(self.keys)}
        if name.endswith("/rotate"):
            self._key(name.removesuffix("/rotate")).versions.append(os.urandom(32))
            return None
        if method == "POST":
            self.keys.setdefault(name, TransitKey(derived=bool(given.get("derived"))))
            return None
        if name not in self.keys:
            raise Refusal(404)
        made: object = 1767323045 if self.keys[name].derived else {"creation_time": "2026-01-02T03:04:05.678Z"}
        keys = {str(number): made for number in range(1, len(self.keys[name].versions) + 1)}
        return {"name": name, "latest_version": len(keys), "keys": keys, "derived": self.keys[name].derived}
