"""From shard to shard through a range of keys, until enough rows were found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dolmen.gateway.metadata.cassandra.dirty_keys import DirtyKeys, Opened
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.store import ScanMemo

SHARDS_AT_ONCE = 8  # read side by side, once whole shards turn out to be nearly empty; each holds up to one answer in memory

# (the shard, from this key, to this key, rows wanted): so many rows, or all that the shard has there
ReadShard = Callable[[Opened, bytes, "bytes | None", int], Awaitable[list[ListRow]]]


class ShardWalk:
    """Walks the shards of buckets."""

    def __init__(self, shard_map: ShardMap, dirty_keys: DirtyKeys) -> None:
        self._map = shard_map
        self._dirty_keys = dirty_keys

    async def rows(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo, read: ReadShard
    ) -> list[ListRow]:
        """At most ``limit`` rows of keys with start <= key < end; fewer mean that there are no more."""
        found: list[ListRow] = []
        at: bytes | None = start
        width = 1
        while at is not None and len(found) < limit and (end is None or at < end):
            wanted = limit - len(found)
            positions = await self._positions(bucket_id, at, end, width)
            parts = await asyncio.gather(
                *(self._one(bucket_id, position, end, wanted, memo, read) for position in positions)
            )
            count, whole = len(found), True
            for position, (opened, rows) in zip(positions, parts, strict=True):
                if position != at:
                    break  # the map changed meanwhile: what was read does not follow
                found += rows
                whole = whole and position == opened.shard.lo
                at = opened.shard.hi
                if len(found) >= limit:
                    return found[:limit]
            if whole and (len(found) - count) * 2 < limit - len(found):
                width = min(2 * width, SHARDS_AT_ONCE)
        return found

    async def _positions(self, bucket_id: bytes, at: bytes, end: bytes | None, width: int) -> list[bytes]:
        """Where the next shards begin, as far as the map in use knows."""
        positions = [at]
        while len(positions) < width:
            hi = (await self._map.shard_at(bucket_id, positions[-1])).hi
            if hi is None or (end is not None and hi >= end):
                break
            positions.append(hi)
        return positions

    async def _one(
        self, bucket_id: bytes, position: bytes, end: bytes | None, wanted: int, memo: ScanMemo, read: ReadShard
    ) -> tuple[Opened, list[ListRow]]:
        opened = await self._dirty_keys.open_at(bucket_id, position, memo)
        hi = opened.shard.hi
        stop = hi if end is None or (hi is not None and hi < end) else end
        return opened, await read(opened, position, stop, wanted)
