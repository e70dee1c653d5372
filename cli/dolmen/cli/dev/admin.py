"""The admin address of ``dolmen dev``: health, readiness, metrics and status of the whole cluster."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from dolmen.cli.dev.health import Health

CONNECTIONS_MAX = 256  # people and scrapers; beyond that uvicorn answers 503
JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the supervisor."""
        yield


class AdminEndpoint:
    """Serves ``Health`` over HTTP inside the running loop."""

    def __init__(self, health: Health, listener: socket.socket) -> None:
        self._health = health
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        config = uvicorn.Config(
            self._application,
            interface="asgi3",  # a bound method is taken for an older interface otherwise
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="admin")

    async def stop(self) -> None:
        """Close the port and wait for the open answers."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def _application(self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        assert scope["type"] == "http"
        if scope["method"] not in ("GET", "HEAD"):
            status, kind, body = 405, TEXT, b"only GET\n"
        else:
            status, kind, body = await self._answer(scope["path"])
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, path: str) -> tuple[int, bytes, bytes]:
        if path == "/healthz":
            return 200, TEXT, b"ok\n"
        if path == "/readyz":
            ready, reason = await self._health.ready()
            return (200 if ready else 503), TEXT, f"{reason}\n".encode()
        if path == "/metrics":
            return 200, METRICS, await self._health.metrics()
        if path == "/v1/status":
            status, document = await self._health.status()
            return status, JSON, document
        return 404, TEXT, b"there is /healthz, /readyz, /metrics and /v1/status\n"
