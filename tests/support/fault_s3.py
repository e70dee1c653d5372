"""A store of three gateway processes over a metadata cluster, as the fault runs break it and as clients of S3 see it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections import Counter

from dev_server import ROOT, DevServer
from fault_gateways import Trouble
from history_stores import HttpStore
from process_tree import command_of, descendants

MODULE = "dolmen.gateway"
RESTART_SECONDS = 60.0
_CODE = re.compile(rb"<Code>(\w+)</Code>")


def workers_of(server: DevServer) -> list[int]:
    """Processes of the gateway, in a stable order."""
    return sorted(pid for pid in descendants(server.pid) if f" {MODULE}" in command_of(pid))


class S3Worker:
    """One of the processes, as ``Disturbances`` know them: the supervisor starts another one in the place of one that died."""

    def __init__(self, server: DevServer, count: int, number: int) -> None:
        self._server = server
        self._count = count
        self._number = number

    def _pid(self) -> int:
        found = workers_of(self._server)
        return found[self._number % len(found)]

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP, then SIGCONT: which of them it was is remembered."""
        if number == signal.SIGSTOP:
            self._stopped = self._pid()
        os.kill(self._stopped, number)

    async def kill(self) -> None:
        os.kill(self._pid(), signal.SIGKILL)

    async def start(self) -> None:
        """Wait until there are as many as before."""
        deadline = time.monotonic() + RESTART_SECONDS
        while len(workers_of(self._server)) < self._count or self._server.get("/readyz")[0] != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


class S3Workers:
    """All of them."""

    def __init__(self, server: DevServer, count: int) -> None:
        self.all = [S3Worker(server, count, number) for number in range(count)]


class NotedS3(HttpStore):
    """Notes every request that was not answered, or with 5xx: status and code, "0" for a connection that broke."""

    def __init__(self, server: DevServer, bucket: str, request_seconds: float) -> None:
        super().__init__([server.port], ROOT, bucket, request_seconds)
        self.troubles: list[Trouble] = []
        self.slowest_seconds: Counter[str] = Counter()

    async def _send(
        self, method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, str, bytes]:
        begun = time.monotonic()
        status, etag, answer = await super()._send(method, path, query, headers, body)
        ended = time.monotonic()
        self.slowest_seconds[method] = max(self.slowest_seconds[method], ended - begun)
        if status <= 0 or status >= 500:
            code = _CODE.search(answer)
            self.troubles.append(Trouble(method, begun, ended, str(status), code[1].decode() if code else ""))
        return status, etag, answer
