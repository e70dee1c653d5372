"""Names of buckets by owner and over all: supersets, written before a bucket is made and checked against it when they are read.

Rows are taken away with the time of their own write, so that one that was put anew meanwhile stays.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dolmen.core.checksums import crc32c
from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.gateway.metadata.cassandra.bucket_rows import BucketRow, BucketRows
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import MetadataUnavailable

SPREAD = 16  # partitions of ``bucket_names``. Stored: never change it
PAGE_ROWS = 1000  # names of one read
CHECKS_MAX = 32  # buckets looked up at a time
LEFTOVER_US = 3_600_000_000  # a name without its bucket, so old, belongs to nobody who is still making it
REMOVED_MAX = 100  # leftovers of one page: lists are for their callers
AHEAD_US = (0, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)  # how much a clock may have been behind another one

_PUT_OWNER = Statement("INSERT INTO buckets_by_owner (owner, name, bucket_id) VALUES (?, ?, ?) USING TIMESTAMP ?", Kind.WRITE)
_PUT_NAME = Statement("INSERT INTO bucket_names (h, name, bucket_id) VALUES (?, ?, ?) USING TIMESTAMP ?", Kind.WRITE)
_OF_OWNER = Statement("SELECT name, WRITETIME(bucket_id) FROM buckets_by_owner WHERE owner = ? AND name >= ? LIMIT ?", Kind.READ)
_OF_H = Statement("SELECT name, WRITETIME(bucket_id) FROM bucket_names WHERE h = ? AND name >= ? LIMIT ?", Kind.READ)
_ONE_OF_OWNER = Statement("SELECT WRITETIME(bucket_id) FROM buckets_by_owner WHERE owner = ? AND name = ?", Kind.READ)
_ONE_OF_H = Statement("SELECT WRITETIME(bucket_id) FROM bucket_names WHERE h = ? AND name = ?", Kind.READ)
_DROP_OWNER = Statement("DELETE FROM buckets_by_owner USING TIMESTAMP ? WHERE owner = ? AND name = ?", Kind.WRITE)
_DROP_NAME = Statement("DELETE FROM bucket_names USING TIMESTAMP ? WHERE h = ? AND name = ?", Kind.WRITE)

Records = list[BucketRecord]


class _Listed(NamedTuple):
    """When the rows of a bucket were written; None: there is none."""

    owner_us: int | None
    name_us: int | None


class BucketLists:
    """The two lists of names."""

    def __init__(self, cql: Cql, rows: BucketRows, clock: Clock) -> None:
        self._cql = cql
        self._rows = rows
        self._clock = clock
        self._stamps = Stamps(clock)

    async def put(self, record: BucketRecord) -> None:
        """Before the bucket is made, or given to another owner."""
        await self._put(record, self._stamps.next())

    async def _put(self, record: BucketRecord, stamp_us: int) -> None:
        await asyncio.gather(
            self._cql.run(_PUT_OWNER, record.owner, record.name, record.bucket_id, stamp_us),
            self._cql.run(_PUT_NAME, _h(record.name), record.name, record.bucket_id, stamp_us),
        )

    async def ensure(self, record: BucketRecord) -> None:
        """After it was made: a name whose last bucket was deleted by a clock before ours would not be seen otherwise."""
        for ahead_us in AHEAD_US:
            if None not in await self._listed(record):
                return
            await self._put(record, self._stamps.next() + ahead_us)
        if None in await self._listed(record):
            raise MetadataUnavailable("the bucket does not come into the lists: a clock is wrong")

    async def _listed(self, record: BucketRecord) -> _Listed:
        owner, name = await asyncio.gather(
            self._cql.run(_ONE_OF_OWNER, record.owner, record.name), self._cql.run(_ONE_OF_H, _h(record.name), record.name)
        )
        return _Listed(owner[0][0] if owner else None, name[0][0] if name else None)

    async def remove(self, record: BucketRecord) -> None:
        """Of a bucket that is about to go: while nobody else can make one of that name."""
        listed = await self._listed(record)
        await asyncio.gather(
            *([self._cql.run(_DROP_OWNER, listed.owner_us, record.owner, record.name)] if listed.owner_us is not None else []),
            *([self._cql.run(_DROP_NAME, listed.name_us, _h(record.name), record.name)] if listed.name_us is not None else []),
        )

    async def of_owner(self, owner: str, prefix: str, after: str, limit: int) -> Records:
        """As ``list_buckets`` of the port."""
        found: Records = []
        start = max(prefix, after + "\0", key=str.encode)
        while len(found) < limit:
            rows = await self._cql.run(_OF_OWNER, owner, start, min(limit, PAGE_ROWS))
            names = [(name, written_us) for name, written_us in rows if name.startswith(prefix)]
            buckets = await self._checked(name for name, _ in names)
            left = []
            for (name, written_us), bucket in zip(names, buckets, strict=True):
                if bucket is not None and bucket.record.owner == owner:
                    found.append(bucket.record)
                else:
                    left.append((_DROP_OWNER, written_us, owner, name))
            await self._remove_leftovers(left)
            if len(names) < min(limit, PAGE_ROWS):
                break
            start = rows[-1][0] + "\0"
        return found[:limit]

    async def of_all(self, after: str, limit: int) -> Records:
        """As ``all_buckets`` of the port."""
        found: Records = []
        start = after + "\0"
        while len(found) < limit:
            page = min(limit, PAGE_ROWS)
            reads = await asyncio.gather(*(self._cql.run(_OF_H, h, start, page) for h in range(SPREAD)))
            # The smallest names of all are among the smallest of each partition.
            rows = sorted((row for part in reads for row in part), key=lambda row: row[0].encode())[:page]
            buckets = await self._checked(name for name, _ in rows)
            left = []
            for (name, written_us), bucket in zip(rows, buckets, strict=True):
                if bucket is not None:
                    found.append(bucket.record)
                else:
                    left.append((_DROP_NAME, written_us, _h(name), name))
            await self._remove_leftovers(left)
            if len(rows) < page:
                break
            start = rows[-1][0] + "\0"
        return found[:limit]

    async def _checked(self, names: Iterable[str]) -> list[BucketRow | None]:
        room = asyncio.Semaphore(CHECKS_MAX)

        async def one(name: str) -> BucketRow | None:
            async with room:
                return await self._rows.read(name)

        return await asyncio.gather(*map(one, names))

    async def _remove_leftovers(self, left: Sequence[tuple[Statement, int, object, str]]) -> None:
        """Of lost races, of creations that died, of former owners."""
        old_us = self._clock.now_us() - LEFTOVER_US
        with contextlib.suppress(DolmenError):  # the next list finds them again
            await asyncio.gather(*(self._cql.run(*each) for each in left[:REMOVED_MAX] if each[1] < old_us))


def _h(name: str) -> int:
    return crc32c(name.encode()) % SPREAD
