"""What statements to Cassandra cost a gateway process: rates, latencies, and processor time of client and nodes."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.metadata import counts_now
from bench.row import Row

from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

IN_FLIGHT = (1, 16, 64)
KEYS = 480  # read in turn
FILLING, FILL_TRIES = 8, 20  # changes in flight, and tries of each, while the keys are made
LISTED = 1001  # rows of a page of a list
SUMMARY_BYTES, REST_BYTES = 150, 350  # of a small object

_READ = Statement("SELECT slot, move, summary, rest, seq FROM objects WHERE bucket_id = ? AND key = ? LIMIT 2", Kind.READ)
_PAGE = Statement("SELECT key, summary FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT ?", Kind.READ)
PUT_LIST_ROW = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_HEAD = Statement(
    "UPDATE objects SET head_seq = ?, head_op = ?, prev_op = ?, current_slot = ? WHERE bucket_id = ? AND key = ? IF head_seq = ?",
    Kind.CAS,
)
_VERSION = Statement(
    "INSERT INTO objects (bucket_id, key, slot, seq, op, summary, rest) VALUES (?, ?, ?, ?, ?, ?, ?)", Kind.CAS
)


@dataclass
class Load:
    """A session, and a bucket of this run's own."""

    session: CassandraSession
    node_pids: Sequence[int]  # none: a cluster of somebody else

    def __post_init__(self) -> None:
        self._bucket = secrets.token_bytes(16)
        self._op = secrets.token_bytes(8)
        self._summary = secrets.token_bytes(SUMMARY_BYTES)
        self._rest = secrets.token_bytes(REST_BYTES)
        self._numbers = itertools.count(1)

    async def fill(self) -> None:
        """What the reads read."""
        for first in range(0, LISTED, 77):
            rows = range(first, min(first + 77, LISTED))
            await self.session.batch([Bound(PUT_LIST_ROW, self._listed(b"p", number)) for number in rows])
        for first in range(0, KEYS, FILLING):
            await asyncio.gather(*(self._make(b"r%d" % number) for number in range(first, first + FILLING)))

    def kinds(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """By the name of their rows."""
        return {
            "point read": self.read,
            "write": self.write,
            "conditional batch of 2": self.change,
            "page of 1,001 rows": self.page,
        }

    async def read(self) -> None:
        rows = await self.session.run(_READ, self._bucket, b"r%d" % (next(self._numbers) % KEYS))
        assert len(rows) == 1

    async def write(self) -> None:
        await self.session.run(PUT_LIST_ROW, *self._listed(b"w", next(self._numbers)))

    async def change(self) -> None:
        await self._change(b"c%d" % next(self._numbers))

    async def page(self) -> None:
        rows = await self.session.run(_PAGE, self._bucket, b"p", 0, LISTED)
        assert len(rows) == LISTED

    def _listed(self, shard: bytes, number: int) -> tuple[object, ...]:
        return self._bucket, shard, 0, b"key-%08d" % (number % 5000), self._summary, number + 1

    async def _change(self, key: bytes) -> None:
        assert (await self.session.cas(self._changes(key))).applied

    def _changes(self, key: bytes) -> list[Bound]:
        head = Bound(_HEAD, (1, self._op, None, 1, self._bucket, key, None))
        version = Bound(_VERSION, (self._bucket, key, 1, 1, self._op, self._summary, self._rest))
        return [head, version]

    async def _make(self, key: bytes) -> None:
        """Until it is there: nodes that have only just started let some time out."""
        for _ in range(FILL_TRIES):
            try:
                await self.session.cas(self._changes(key))
                return
            except MetadataUnknown:
                continue
        raise MetadataUnavailable("the cluster is too slow to be measured")

    async def row(self, name: str, one: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> Row:
        """Callers that send one after the other, as many as shall be in flight."""
        took: list[float] = []
        errors: dict[str, int] = {}
        end = time.perf_counter() + seconds

        async def caller() -> None:
            while (begin := time.perf_counter()) < end:
                try:
                    await one()
                    took.append(time.perf_counter() - begin)
                except DolmenError as error:
                    errors[type(error).__name__] = errors.get(type(error).__name__, 0) + 1

        before = counts_now(None, self.node_pids)
        begin, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(in_flight)))
        elapsed, cpu = time.perf_counter() - begin, time.process_time() - cpu
        nodes = counts_now(None, self.node_pids).since(before)
        took.sort()
        count = max(len(took), 1)

        def at(share: float) -> float:
            return took[min(int(len(took) * share), len(took) - 1)] * 1000 if took else 0.0

        return Row(
            name=f"{name} @{in_flight}",
            requests=len(took),
            rate=len(took) / elapsed,
            p50_ms=at(0.5),
            p90_ms=at(0.9),
            p99_ms=at(0.99),
            max_ms=at(1.0),
            nodes_cpu_ms=nodes.each(len(took))[1],
            generator_cpu_ms=cpu / count * 1000,
            generator_share=cpu / elapsed,
            errors=errors,
        )
