"""Buckets in Cassandra as items that are moved: see ``Transferable``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.bucket_lists import BucketLists
from dolmen.gateway.metadata.cassandra.bucket_rows import DELETING, BucketRow, BucketRows
from dolmen.gateway.metadata.cassandra.cql import Cql
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.cassandra.token_walk import TokenTable
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import BucketChanged, BucketExists, MetadataUnavailable, NoSuchBucket
from dolmen.gateway.metadata.transfer import BucketItem, Item, Page, Place

CHANGE_SECONDS = 30.0  # a change that somebody else is faster than is tried so long

_NAMES = TokenTable("buckets", ("name",), (), "")


class BucketItems:
    """The items of kind BUCKET. One that is being deleted counts as it was."""

    def __init__(self, cql: Cql, clock: Clock) -> None:
        self._cql = cql
        self._clock = clock
        self._rows = BucketRows(cql)
        self._lists = BucketLists(cql, self._rows, clock)

    async def dump(self, after: bytes, limit: int) -> Page:
        page = await _NAMES.page(self._cql, after, limit)
        return Page(await self._held([row[1] for row in page.rows]), page.after)

    async def fetch(self, places: Sequence[Place]) -> list[Item]:
        return await self._held([_text(place[0]) for place in places])

    async def _held(self, names: Sequence[str]) -> list[Item]:
        found = await together(self._rows.read(name) for name in names)
        return [BucketItem(row.record) for row in found if row is not None]

    async def ids(self) -> frozenset[bytes]:
        """Ids of all buckets."""
        found: set[bytes] = set()
        after: bytes | None = b""
        while after is not None:
            page = await self.dump(after, 1000)
            after = page.after
            found.update(item.bucket.bucket_id for item in page.items if isinstance(item, BucketItem))
        return frozenset(found)

    async def load(self, items: Sequence[Item]) -> None:
        await together(self._load(item.bucket) for item in items if isinstance(item, BucketItem))

    async def _load(self, bucket: BucketRecord) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CHANGE_SECONDS
        await self._lists.put(bucket)
        for pause_seconds in pauses():
            held = await self._rows.read_everywhere(bucket.name)
            try:
                if held is None:
                    await self._rows.create(bucket, self._clock.now_us())
                elif held.bucket_id != bucket.bucket_id or held.state == DELETING:
                    await self._remove(held)
                    continue
                elif held.record != bucket:
                    await self._rows.update(held, bucket)
                break
            except (BucketExists, BucketChanged, NoSuchBucket) as error:
                if loop.time() > deadline:
                    raise MetadataUnavailable("a bucket that is being loaded is changed by others again and again") from error
            await asyncio.sleep(pause_seconds)
        if held is not None and held.record.owner != bucket.owner:
            await self._lists.remove(held.record)
            await self._lists.put(bucket)
        await self._lists.ensure(bucket)

    async def forget(self, places: Sequence[Place]) -> None:
        for place in places:
            held = await self._rows.read_everywhere(_text(place[0]))
            if held is not None:
                await self._remove(held)

    async def _remove(self, held: BucketRow) -> None:
        """The record alone: what is in the bucket are items of their own."""
        closed_us = max(self._clock.now_us(), held.state_us + 1)
        if held.state != DELETING:
            if not await self._rows.turn(held, DELETING, closed_us):
                return  # another one was faster: what is there now is for the caller to see
            held = held._replace(state=DELETING, state_us=closed_us)
        await self._lists.remove(held.record)
        await self._rows.remove(held)


def _text(part: bytes | str | int) -> str:
    assert isinstance(part, str)
    return part
