"""Buckets: global names with one winner each, records that every request asks for, changes that act everywhere at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.bucket_delete import BucketDeletion, Contents
from dolmen.gateway.metadata.cassandra.bucket_lists import BucketLists, Records
from dolmen.gateway.metadata.cassandra.bucket_rows import BucketRow, BucketRows
from dolmen.gateway.metadata.cassandra.commits import nothing_happened
from dolmen.gateway.metadata.cassandra.cql import Cql
from dolmen.gateway.metadata.cassandra.fresh_cache import FreshCache
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.cassandra.turns import Turns
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import BucketChanged, BucketExists, MetadataUnavailable, MetadataUnknown, NoSuchBucket

CACHED_MAX = 5000  # rows of buckets, of 1 to some 10 KB


class Buckets:
    """The bucket methods of the port."""

    def __init__(self, cql: Cql, shard_map: ShardMap, clock: Clock, cache_seconds: float) -> None:
        """``cache_seconds``: how old a record may be, the same in every process of the store; 0: no older than the request."""
        self._clock = clock
        self._seconds = cache_seconds
        self._rows = BucketRows(cql)
        self._lists = BucketLists(cql, self._rows, clock)
        self._deletion = BucketDeletion(cql, shard_map, self._rows, self._lists, clock)
        self._cache: FreshCache[BucketRow] = FreshCache(self._rows.read, clock, cache_seconds, CACHED_MAX)
        self._turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()

    def knows(self, contents: Contents) -> None:
        """What deletions ask; before the first of them."""
        self._deletion.contents = contents

    async def close(self) -> None:
        """Wait for deletions that were begun; end reads that nobody waits for."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._cache.close()

    async def create(self, bucket: BucketRecord) -> None:
        """As ``create_bucket``."""
        await self._refuse_taken(bucket.name)
        async with self._turns.of(bucket.name) as waited:
            if waited:
                await self._refuse_taken(bucket.name)
            with nothing_happened():
                await self._lists.put(bucket)
            asked = self._clock.monotonic_seconds()
            row = await self._rows.create(bucket, self._clock.now_us())
            self._cache.put(bucket.name, row, asked)
            try:
                await self._lists.ensure(bucket)
            except MetadataUnavailable as error:
                raise MetadataUnknown("the bucket was made, and perhaps does not come into the lists") from error

    async def _refuse_taken(self, name: str) -> None:
        """The many who come too late are told so by a read."""
        taken = await self._rows.read(name)
        if taken is not None:
            raise BucketExists(taken.record.owner)

    async def get(self, name: str) -> BucketRecord | None:
        """As ``get_bucket``; no statement when it is cached."""
        row = await self._cache.get(name)
        return None if row is None else row.record

    async def fresh(self, name: str, bucket_id: bytes) -> BucketRecord:
        """The record, not older than ``cache_seconds``. Raises ``NoSuchBucket`` when the bucket is gone, or another one.

        One that is being deleted is still told: whether a change may go on is for the marks of its ranges to say.
        """
        row = await self._cache.get(name)
        if row is None or row.bucket_id != bucket_id:  # perhaps a namesake that was deleted within the last moment
            row = await self._rows.read_everywhere(name)
        if row is None or row.bucket_id != bucket_id:
            raise NoSuchBucket(name)
        return row.record

    async def wait_for_end_of_deletion(self, name: str, bucket_id: bytes) -> None:
        """A writer found a range closed. Raises ``NoSuchBucket`` when the bucket is gone, ``MetadataUnavailable``.

        Returns when it is open: a deletion that died is reverted on this occasion.
        """
        await self._deletion.wait_for_end(name, bucket_id)

    async def all(self, after: str, limit: int) -> Records:
        """As ``all_buckets``."""
        return await self._lists.of_all(after, limit)

    async def list(self, owner: str, prefix: str, after: str, limit: int) -> Records:
        """As ``list_buckets``."""
        return await self._lists.of_owner(owner, prefix, after, limit)

    async def update(self, bucket: BucketRecord) -> BucketRecord:
        """As ``update_bucket``; returns once every process has noticed."""
        async with self._turns.of(bucket.name):
            asked = self._clock.monotonic_seconds()
            before = await self._rows.read_everywhere(bucket.name)
            if before is None or before.bucket_id != bucket.bucket_id:
                raise NoSuchBucket(bucket.name)
            if before.record.rev != bucket.rev:
                raise BucketChanged(bucket.name)
            if before.record.owner != bucket.owner:
                with nothing_happened():
                    await self._lists.put(bucket)
            try:
                row = await self._rows.update(before, msgspec.structs.replace(bucket, rev=bucket.rev + 1))
            except MetadataUnknown:
                self._cache.forget(bucket.name)
                raise
            self._cache.put(bucket.name, row, asked)
        await asyncio.sleep(self._seconds)
        return row.record

    async def delete(self, name: str, bucket_id: bytes) -> None:
        """As ``delete_bucket``; returns once every process has noticed. Goes on to its end when the caller is cancelled."""
        await self._to_the_end(self._delete(name, bucket_id))

    async def _delete(self, name: str, bucket_id: bytes) -> None:
        async with self._turns.of(name):
            try:
                await self._deletion.delete(name, bucket_id)
            finally:
                self._cache.forget(name)
        await asyncio.sleep(self._seconds)

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone away
