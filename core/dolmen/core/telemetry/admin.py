"""Health, readiness and metrics of a process, over HTTP on TCP or a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dolmen.core.address import UnixAddress, parse_address
from dolmen.core.errors import ConfigError

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_BACKLOG = 64
_START_SECONDS = 5.0
_POLL_SECONDS = 0.01


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process that embeds this server."""
        yield


class AdminServer:
    """``/healthz``, ``/readyz`` (200 or 503 with the reason), ``/metrics`` and the JSON routes given."""

    def __init__(
        self,
        address: str,
        ready: Callable[[], tuple[bool, str]],
        routes: Mapping[str, Callable[[], Awaitable[bytes]]] | None = None,
    ) -> None:
        self._address = parse_address(address)
        self._text = address
        self._ready = ready
        self._routes = dict(routes or {})
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ``ConfigError`` when the address cannot be listened on."""
        config = uvicorn.Config(
            self._serve, interface="asgi3", http="httptools", loop="none", lifespan="off", log_config=None, access_log=False
        )
        self._server = _Server(config)
        listener = self._listener()
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listener]))
        async with asyncio.timeout(_START_SECONDS):
            while not self._server.started and not self._task.done():
                await asyncio.sleep(_POLL_SECONDS)

    def _listener(self) -> socket.socket:
        try:
            if isinstance(self._address, UnixAddress):
                Path(self._address.path).unlink(missing_ok=True)
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(self._address.path)
            else:
                family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
                listener = socket.socket(family)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((self._address.host, self._address.port))
        except OSError as error:
            raise ConfigError(f"cannot listen on {self._text}: {error.strerror}") from error
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        return listener

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def _serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope["path"])
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, path: str) -> tuple[int, str, bytes]:
        if path == "/healthz":
            return 200, TEXT, b"ok\n"
        if path == "/readyz":
            ready, reason = self._ready()
            return (200 if ready else 503), TEXT, reason.encode() + b"\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest()
        if path in self._routes:
            return 200, JSON, await self._routes[path]()
        return 404, TEXT, b"not found\n"
