"""One HTTP GET, over TCP or a unix socket: what the command needs to ask processes how they are.

Blocking, from the standard library alone, so that short commands start fast; event loops call it in a thread.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from typing import NamedTuple

from dolmen.core.errors import Unavailable

BODY_BYTES_MAX = 16 * 1024 * 1024  # metrics of one process are far below; a wrong address may send without end


class Unreachable(Unavailable):
    """Nobody answered, or what answered does not speak HTTP."""


class Answer(NamedTuple):
    """Status and body of a response."""

    status: int
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get_tcp(host: str, port: int, path: str, *, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> Answer:
    """GET over TCP. Raises ``Unreachable``."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    return _get(connection, f"{host}:{port}", path, headers or {})


def get_unix(socket_path: str, path: str, *, timeout_seconds: float) -> Answer:
    """GET over the unix socket at ``socket_path``. Raises ``Unreachable``."""
    return _get(_UnixConnection(socket_path, timeout_seconds), socket_path, path, {})


def _get(connection: http.client.HTTPConnection, where: str, path: str, headers: Mapping[str, str]) -> Answer:
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        body = response.read(BODY_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{where} does not answer ({_reason(error)})") from error
    finally:
        connection.close()
    if len(body) > BODY_BYTES_MAX:
        raise Unreachable(f"{where} sent more than {BODY_BYTES_MAX} bytes")
    return Answer(response.status, body)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
