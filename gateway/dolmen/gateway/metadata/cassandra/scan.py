"""Lists of a bucket, exactly as strong as reads of the truth (see ``dirty_keys``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Cql, Row
from dolmen.gateway.metadata.cassandra.dirty_keys import DirtyKeys, Opened
from dolmen.gateway.metadata.cassandra.key_versions import KeyVersions
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.range_rows import CURRENT
from dolmen.gateway.metadata.cassandra.scan_versions import VersionScan
from dolmen.gateway.metadata.cassandra.shard_walk import ShardWalk
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.cassandra.truth import Truth
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import decode_row, list_row
from dolmen.gateway.metadata.store import SCAN_ROWS_MAX, ScanMemo

READS_AT_ONCE = 32  # keys asked of the truth side by side: most shards have fewer changes under way


class Scanner:
    """``scan`` and ``scan_versions`` of the port. A list that cannot be read whole raises ``MetadataUnavailable``."""

    def __init__(self, cql: Cql, shard_map: ShardMap, truth: Truth, listing: Listing, clock: Clock) -> None:
        self._cql = cql
        self._truth = truth
        self._walk = ShardWalk(shard_map, DirtyKeys(cql, shard_map, listing, clock))
        self._key_versions = KeyVersions(cql, truth)
        self._versions = VersionScan(cql, self._key_versions)

    async def scan(
        self, bucket_id: bytes, start: bytes, end: bytes | None, limit: int, memo: ScanMemo | None = None
    ) -> list[ListRow]:
        """Current objects with start <= key < end, at most ``limit``.

        Two statements when the range is one shard's of one partition (one when ``memo`` knows its intents), and one for each key
        that is being changed just now. Raises ``MetadataUnavailable``.
        """
        _check(limit)
        read = partial(self._read, bucket_id)
        return await self._walk.rows(bucket_id, start, end, limit, memo or ScanMemo(), read)

    async def scan_versions(
        self,
        bucket_id: bytes,
        start: bytes,
        start_seq: int | None,
        end: bytes | None,
        limit: int,
        memo: ScanMemo | None = None,
    ) -> list[ListRow]:
        """Versions and markers by (key ascending, seq descending); see the port. One statement more than ``scan``.

        What is left of the key ``start`` after ``start_seq`` is read from the truth, with two statements. Raises
        ``MetadataUnavailable``.
        """
        _check(limit)
        found: list[ListRow] = []
        if start_seq is not None and limit > 0:
            found = await self._key_versions.older(bucket_id, start, start_seq, limit)
            start += b"\0"
        read = partial(self._versions.read, bucket_id)
        left = limit - len(found)
        return found + await self._walk.rows(bucket_id, start, end, left, memo or ScanMemo(), read)

    async def _read(
        self, bucket_id: bytes, opened: Opened, start: bytes, end: bytes | None, wanted: int
    ) -> list[ListRow]:
        """``wanted`` current objects of one shard with start <= key < end, or all that there are."""
        found: list[ListRow] = []
        at: bytes | None = start
        while at is not None and len(found) < wanted:
            left = wanted - len(found)
            some = await CURRENT.read(self._cql, bucket_id, opened.shard, at, end, left)
            dirty = opened.between(at, end if some.behind is None else some.behind)
            found += await self._told(bucket_id, some.rows, dirty, left)
            at = some.behind
        return found

    async def _told(
        self, bucket_id: bytes, rows: list[Row], dirty: Sequence[bytes], wanted: int
    ) -> list[ListRow]:
        """Objects in order, at most ``wanted``; those of ``dirty`` from the truth."""
        if not dirty:
            return [decode_row(summary) for _, summary in rows[:wanted]]
        doubted = set(dirty)
        keys = sorted([*(row for row in rows if row[0] not in doubted), *((key, None) for key in dirty)])
        found: list[ListRow] = []
        at = 0
        while at < len(keys) and len(found) < wanted:
            some = keys[at : at + wanted - len(found)]
            at += len(some)
            true = await self._current(bucket_id, [key for key, summary in some if summary is None])
            for key, summary in some:
                row = true[key] if summary is None else decode_row(summary)
                if row is not None:
                    found.append(row)
        return found

    async def _current(self, bucket_id: bytes, keys: list[bytes]) -> dict[bytes, ListRow | None]:
        """What the truth says is the current object of each key."""
        found: dict[bytes, ListRow | None] = {}
        for at in range(0, len(keys), READS_AT_ONCE):
            some = keys[at : at + READS_AT_ONCE]
            versions = await asyncio.gather(*(self._truth.current(bucket_id, key) for key in some))
            for key, version in zip(some, versions, strict=True):
                found[key] = None if version is None or version.is_delete_marker else list_row(version)
        return found


def _check(limit: int) -> None:
    if limit > SCAN_ROWS_MAX:
        raise ValueError(f"{limit} rows at once, {SCAN_ROWS_MAX} are allowed")
