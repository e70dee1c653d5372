"""How much a bucket holds: each process counts what it changes, and writes its sums for each bucket now and then.

A row is the sum of everything that one process ever did, and only that process writes it: writing it again is the same, nothing is
counted twice. What a killed process had not written down is missing, at most ``FLUSH_SECONDS`` of its work.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.decide import Change
from dolmen.gateway.metadata.records import Usage
from dolmen.gateway.metadata.usage import usage_delta

FLUSH_SECONDS = 5.0  # between writes of the sums
BUCKETS_MAX = 10_000  # counted by one process, ~300 bytes each; the one not changed for longest is written down and goes
AT_ONCE = 16  # statements of a flush

_WRITE = Statement(
    "INSERT INTO usage_by_worker (bucket_id, worker, objects, bytes) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_MINE = Statement("SELECT objects, bytes FROM usage_by_worker WHERE bucket_id = ? AND worker = ?", Kind.READ)
_ALL = Statement("SELECT objects, bytes FROM usage_by_worker WHERE bucket_id = ?", Kind.READ)


@dataclass(slots=True)
class _Sum:
    objects: int = 0
    size_bytes: int = 0
    is_based: bool = False  # what this process had written before is in it


class UsageSums:
    """The sums of one process."""

    def __init__(self, cql: Cql, worker: int, stamps: Stamps) -> None:
        self._cql = cql
        self._worker = worker
        self._stamps = stamps
        self._sums: OrderedDict[bytes, _Sum] = OrderedDict()
        self._changed: set[bytes] = set()
        self._flushing = asyncio.Lock()
        self._log = get_logger("metadata")

    def note(self, bucket_id: bytes, change: Change) -> None:
        """A change was made. Costs no statement."""
        objects, size_bytes = usage_delta(change)
        if not objects and not size_bytes:
            return
        mine = self._sums.setdefault(bucket_id, _Sum())
        self._sums.move_to_end(bucket_id)
        mine.objects += objects
        mine.size_bytes += size_bytes
        self._changed.add(bucket_id)

    async def of(self, bucket_id: bytes) -> Usage:
        """What all processes have written down, this one now. Two statements."""
        if bucket_id in self._changed:
            await self.flush()
        rows = await self._cql.run(_ALL, bucket_id)
        return Usage(objects=max(0, sum(row[0] for row in rows)), size_bytes=max(0, sum(row[1] for row in rows)))

    async def flush(self) -> None:
        """Write down what changed. Errors are logged: the next flush says the same."""
        async with self._flushing:
            todo, self._changed = list(self._changed), set()
            for at in range(0, len(todo), AT_ONCE):
                some = todo[at : at + AT_ONCE]
                ends = await asyncio.gather(*(self._write(bucket_id) for bucket_id in some), return_exceptions=True)
                for bucket_id, end in zip(some, ends, strict=True):
                    if isinstance(end, DolmenError):
                        self._changed.add(bucket_id)
                        self._log.debug("the usage of a bucket could not be written", error=str(end))
                    elif end is not None:
                        raise end
            for bucket_id in list(self._sums):
                if len(self._sums) <= BUCKETS_MAX:
                    break
                if bucket_id not in self._changed:
                    del self._sums[bucket_id]

    async def _write(self, bucket_id: bytes) -> None:
        mine = self._sums[bucket_id]
        if not mine.is_based:
            for objects, size_bytes in await self._cql.run(_MINE, bucket_id, self._worker):
                mine.objects += objects
                mine.size_bytes += size_bytes
            mine.is_based = True
        await self._cql.run(_WRITE, bucket_id, self._worker, mine.objects, mine.size_bytes, self._stamps.next())
