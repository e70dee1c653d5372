"""A load of many clients under one event loop, on a store behind a small protocol; everything that they did is in a ``History``.

The load is drawn from a seed: which client does what to which key. When it happens, and so what is seen, is the machine's.
Adapters: ``history_stores`` (the metadata port, S3 over HTTP).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from history import History, ListPage, Operation

BODY_SIZES = (40, 40, 40, 3000)  # the number of the write, and padding
BACK_OFF_SECONDS = 0.1  # after a request that got no answer, as clients do
REMEMBERED_MAX = 10_000  # ETags that a client keeps for If-Match: bounds memory, not the history


class Told(NamedTuple):
    """A store's answer, in the words of ``history.Operation``. ``value``: what was read."""

    outcome: str
    value: str | None = None


class Listed(NamedTuple):
    """A page: ``rows`` (key, ETag) in order; ``end``: keys below it are covered (None: there are no more)."""

    rows: tuple[tuple[bytes, str], ...]
    end: bytes | None


class Store(Protocol):
    """What a load drives. An answer that is no answer is an outcome ("unknown", "failed"), not an exception."""

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told: ...

    async def delete(self, key: bytes, if_match: str | None) -> Told: ...

    async def get(self, key: bytes) -> Told: ...

    async def head(self, key: bytes) -> Told: ...

    async def list(self, prefix: bytes, after: bytes, limit: int) -> Listed | None:
        """Keys with the prefix that are > ``after``. None: an error, which tells nothing."""
        ...


@dataclass(frozen=True)
class Load:
    """What is done. ``mix``: weights by kind. The load ends after ``operations`` or ``seconds``, whichever comes first."""

    seed: int
    clients: int = 16
    keys: int = 400
    prefixes: int = 8
    hot_keys: int = 4
    hot_share: float = 0.2  # of the operations, on the hot keys
    operations: int = 1 << 62
    seconds: float = float("inf")
    think_seconds: float = 0.0  # on average, between two operations of a client
    list_limit: int = 50
    conditional_delete_share: float = 0.0  # stores that do not know If-Match on DELETE keep it at 0
    sizes: Sequence[int] = BODY_SIZES
    mix: dict[str, int] = field(
        default_factory=lambda: {"put": 25, "create": 8, "match": 8, "delete": 14, "get": 25, "head": 10, "list": 10}
    )

    def key(self, number: int) -> bytes:
        return b"%02d/k%06d" % (number % self.prefixes, number)

    def prefix(self, number: int) -> bytes:
        return b"%02d/" % number


class Clients:
    """Runs a load. ``stopping`` may be set from outside: clients end after the operation that they are at."""

    def __init__(self, store: Store, load: Load, history: History | None = None) -> None:
        self.store = store
        self.load = load
        self.history = History([], []) if history is None else history
        self.stopping = asyncio.Event()
        self._left = load.operations
        self._writes = 0

    async def run(self) -> History:
        """Until the load is done. What goes wrong in an adapter ends it."""
        deadline = time.monotonic() + self.load.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self.load.clients):
                group.create_task(self._client(number, deadline))
        return self.history

    async def _client(self, number: int, deadline: float) -> None:
        draw = random.Random(f"{self.load.seed}/{number}")
        client = _Client(self, number, draw)
        kinds, weights = list(self.load.mix), list(self.load.mix.values())
        while self._left > 0 and time.monotonic() < deadline and not self.stopping.is_set():
            self._left -= 1
            await client.do(draw.choices(kinds, weights)[0])
            if client.refused:
                await asyncio.sleep(BACK_OFF_SECONDS * draw.uniform(0.5, 1.5))
            elif self.load.think_seconds:
                await asyncio.sleep(draw.expovariate(1 / self.load.think_seconds))
            else:
                await asyncio.sleep(0)  # a store that answers without waiting must not keep the others out

    def next_body(self, size: int) -> bytes:
        """Bytes that no other write of this load has."""
        self._writes += 1
        return (b"%d/%d " % (self.load.seed, self._writes)).ljust(size, b".")


class _Client:
    def __init__(self, clients: Clients, number: int, draw: random.Random) -> None:
        self.clients = clients
        self.load = clients.load
        self.number = number
        self.draw = draw
        self.seen: dict[bytes, str] = {}
        self.refused = False  # the last operation got no answer

    async def do(self, kind: str) -> None:
        self.refused = False
        if kind == "list":
            await self._list()
        elif kind in ("get", "head"):
            await self._read(kind, self._key())
        elif kind == "delete":
            await self._delete(self._key())
        else:
            await self._put(kind, self._key())

    def _key(self) -> bytes:
        hot = self.draw.random() < self.load.hot_share
        return self.load.key(self.draw.randrange(self.load.hot_keys if hot else self.load.keys))

    def _record(self, operation: Operation) -> None:
        self.clients.history.operations.append(operation)
        self.refused = operation.outcome in ("unknown", "failed")
        if operation.outcome != "ok":
            self.seen.pop(operation.key, None)
        elif operation.value is not None:
            if len(self.seen) >= REMEMBERED_MAX:
                self.seen.clear()
            self.seen[operation.key] = operation.value

    async def _put(self, kind: str, key: bytes) -> None:
        body = self.clients.next_body(self.draw.choice(self.load.sizes))
        etag = hashlib.md5(body).hexdigest()
        if_match = self.seen.get(key) if kind == "match" else None
        if_absent = kind == "create"
        begun = time.monotonic_ns()
        told = await self.clients.store.put(key, body, etag, if_match, if_absent)
        ended = time.monotonic_ns()
        self._record(Operation(self.number, "put", key, begun, ended, told.outcome, etag, if_match, if_absent))

    async def _delete(self, key: bytes) -> None:
        if_match = self.seen.get(key) if self.draw.random() < self.load.conditional_delete_share else None
        begun = time.monotonic_ns()
        told = await self.clients.store.delete(key, if_match)
        self._record(Operation(self.number, "delete", key, begun, time.monotonic_ns(), told.outcome, None, if_match))

    async def _read(self, kind: str, key: bytes) -> None:
        store = self.clients.store
        begun = time.monotonic_ns()
        told = await (store.get(key) if kind == "get" else store.head(key))
        self._record(Operation(self.number, kind, key, begun, time.monotonic_ns(), told.outcome, told.value))

    async def _list(self) -> None:
        """A page from the beginning of a prefix, or from a key of it on."""
        prefix = self.load.prefix(self.draw.randrange(self.load.prefixes))
        after = self.draw.choice([b"", self.load.key(self.draw.randrange(self.load.keys))])
        if not after.startswith(prefix):
            after = b""
        begun = time.monotonic_ns()
        listed = await self.clients.store.list(prefix, after, self.load.list_limit)
        ended = time.monotonic_ns()
        self.refused = listed is None
        if listed is not None:
            start = after + b"\0" if after else prefix
            self.clients.history.pages.append(ListPage(self.number, begun, ended, start, listed.end, listed.rows))
