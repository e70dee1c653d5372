"""Processes with a metadata store each, as clients see gateways: they may be killed, stopped and started again under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import fault_worker
import msgspec
from fault_worker import Job
from history_load import Listed, Told

REQUEST_SECONDS = 60.0  # longer than anything that a store waits for
START_SECONDS = 60.0
PATIENCE_SECONDS = 60.0  # of a client, while every gateway is being started
NOBODY_SECONDS = 0.05  # between looks for a gateway


class GatewayGone(Exception):
    """The process ended, or did not answer in time."""


class Trouble(NamedTuple):
    """A request that did not get its answer. ``text``: what the store said, or that the process was gone."""

    kind: str
    begun: float
    ended: float
    outcome: str
    text: str

    @property
    def what(self) -> str:
        """Without what differs between two of a kind."""
        return f"{self.kind} {self.outcome}: {self.text[:100]}"


class Gateway:
    """One process."""

    def __init__(self, job: Job, log: Path) -> None:
        self._job = job
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, asyncio.Future[tuple[Any, list[str]]]] = {}
        self._number = 0
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.bucket = ""

    @property
    def runs(self) -> bool:
        """It takes requests; perhaps it is stopped."""
        return self._writer is not None

    async def start(self) -> None:
        """Until it answers."""
        ours, theirs = socket.socketpair()
        words = msgspec.json.encode(msgspec.structs.replace(self._job, fd=theirs.fileno())).decode()
        with self._log.open("ab") as log, theirs:
            self._process = subprocess.Popen(
                [sys.executable, fault_worker.__file__, words],
                pass_fds=[theirs.fileno()],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=fault_worker.FRAME_BYTES_MAX)
        self._reading = asyncio.create_task(self._read(reader, writer))
        await self._call(writer, START_SECONDS, "ready", ())
        if self.bucket:
            await self._call(writer, START_SECONDS, "use_bucket", (self.bucket,))
        self._writer = writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                number, result, errors = msgspec.msgpack.decode(await reader.readexactly(size))
                waiter = self._waiting.pop(abs(number), None)
                if waiter is None or waiter.done():
                    continue
                if number < 0:
                    waiter.set_exception(AssertionError(result))
                else:
                    waiter.set_result((result, errors))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer = None
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            waiting, self._waiting = self._waiting, {}
            for waiter in waiting.values():
                if not waiter.done():
                    waiter.set_exception(GatewayGone("the process is gone"))

    async def ask(self, name: str, *arguments: object, seconds: float = REQUEST_SECONDS) -> tuple[Any, list[str]]:
        """(result, what the store said on the way). Raises ``GatewayGone``, ``AssertionError`` for a surprise over there."""
        if self._writer is None:
            raise GatewayGone("it does not run")
        return await self._call(self._writer, seconds, name, arguments)

    async def call(self, name: str, *arguments: object) -> Any:
        """The result alone."""
        return (await self.ask(name, *arguments))[0]

    async def _call(
        self, writer: asyncio.StreamWriter, seconds: float, name: str, arguments: Iterable[object]
    ) -> tuple[Any, list[str]]:
        self._number += 1
        waiter: asyncio.Future[tuple[Any, list[str]]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiter
        raw = msgspec.msgpack.encode((self._number, name, list(arguments)))
        try:
            writer.write(len(raw).to_bytes(4, "big") + raw)
            async with asyncio.timeout(seconds):
                return await waiter
        except (ConnectionError, TimeoutError) as error:
            raise GatewayGone(f"no answer: {type(error).__name__}") from error

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None
        if self._reading is not None:
            await self._reading
            self._reading = None
        self._writer = None


class Gateways:
    """Some processes, and what clients of all of them see: a ``Store`` of ``history_load``. A context manager."""

    def __init__(self, job: Job, count: int, log: Path, seed: int) -> None:
        self.all = [Gateway(job, log) for _ in range(count)]
        self.troubles: list[Trouble] = []
        self.slowest_seconds: Counter[str] = Counter()
        self._draw = random.Random(seed)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(gateway.start() for gateway in self.all))
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        await asyncio.gather(*(gateway.kill() for gateway in self.all))

    async def use_bucket(self, name: str) -> bytes:
        """All of them, and those that are started later."""
        for gateway in self.all:
            gateway.bucket = name
        found: list[bytes] = [await gateway.call("use_bucket", name) for gateway in self.all]
        return found[0]

    async def one(self) -> Gateway:
        """Any that runs; clients do not know which is stopped."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (running := [gateway for gateway in self.all if gateway.runs]):
            assert time.monotonic() < deadline, "no gateway runs"
            await asyncio.sleep(NOBODY_SECONDS)
        return self._draw.choice(running)

    async def _ask(self, kind: str, *arguments: object) -> Any:
        """None: nobody knows what became of it."""
        gateway = await self.one()
        begun = time.monotonic()
        errors: list[str] = []
        result = None
        try:
            result, errors = await gateway.ask(kind, *arguments)
        except GatewayGone as gone:
            errors = [str(gone)]
        ended = time.monotonic()
        self.slowest_seconds[kind] = max(self.slowest_seconds[kind], ended - begun)
        outcome = "unknown" if result is None else result[0]
        if outcome in ("unknown", "failed"):
            self.troubles.append(Trouble(kind, begun, ended, outcome, "; ".join(errors)))
        return result

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told:
        return Told(*(await self._ask("put", key, body, etag, if_match, if_absent) or ("unknown",)))

    async def delete(self, key: bytes, if_match: str | None) -> Told:
        return Told(*(await self._ask("delete", key, if_match) or ("unknown",)))

    async def get(self, key: bytes) -> Told:
        return Told(*(await self._ask("get", key) or ("unknown",)))

    head = get

    async def list(self, prefix: bytes, after: bytes, limit: int) -> Listed | None:
        found = await self._ask("list", prefix, after, limit)
        return None if found is None else Listed(tuple((key, etag) for key, etag in found[0]), found[1])
