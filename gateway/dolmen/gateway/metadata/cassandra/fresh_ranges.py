"""Ranges of buckets that are loaded in the order of their keys: made on the way, so that nothing has to be split afterwards.

A range is begun at a key beyond which its bucket lists nothing yet. That is only so while nobody else writes the bucket, as it is
when a store is loaded: then no mark and no copy is needed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from dolmen.gateway.metadata.cassandra.cql import Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.load import BYTES_MAX, ROWS_MAX
from dolmen.gateway.metadata.cassandra.settle import settle
from dolmen.gateway.metadata.cassandra.shards import ACTIVE, Shard, ShardMap
from dolmen.gateway.metadata.cassandra.stamps import Stamps

ROWS = ROWS_MAX // 2  # of a new range: room to grow before it is split
SIZE_BYTES = BYTES_MAX // 2
ROW_BYTES = 190  # of a list row beside the key, in a table of names: an estimate, as all loads are
BUCKETS_MAX = 10_000  # counted at a time; items come bucket by bucket

_ADD = Statement(
    "INSERT INTO bucket_shards (bucket_id, lo, shard_id, fanout, state, lease_owner, lease_us, rev) "
    "VALUES (?, ?, ?, 1, 0, '', 0, 1) IF NOT EXISTS",
    Kind.CAS,
)
_PARTITION = "WHERE bucket_id = ? AND shard_id = ? AND sub = ?"
_LISTED = [
    Statement(f"SELECT key FROM {table} {_PARTITION} AND key >= ? LIMIT 1", Kind.READ)  # noqa: S608 - constant
    for table in ("listing", "listing_versions", "listing_intents")
]
_LOAD = Statement(
    "INSERT INTO shard_load (bucket_id, shard_id, worker, rows, bytes) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)


@dataclass(slots=True)
class _Filling:
    """The last range of a bucket, as far as this process has filled it."""

    shard_id: bytes
    rows: int = 0
    size_bytes: int = 0


class FreshRanges:
    """Begins ranges, and writes down how full they are. ``worker``: names this process."""

    def __init__(self, cql: Cql, shard_map: ShardMap, stamps: Stamps, worker: int) -> None:
        self._cql = cql
        self._map = shard_map
        self._stamps = stamps
        self._worker = worker
        self._filling: dict[bytes, _Filling] = {}

    async def begin(self, bucket_id: bytes, first_key: bytes) -> None:
        """Keys from ``first_key`` on are about to be loaded: begin a range there if the one before is full."""
        shard = await self._map.shard_at(bucket_id, first_key)
        filling = self._filling.get(bucket_id)
        if filling is None or filling.shard_id != shard.shard_id:
            if len(self._filling) >= BUCKETS_MAX:
                self._filling.clear()
            self._filling[bucket_id] = _Filling(shard.shard_id)
            return
        if filling.rows < ROWS and filling.size_bytes < SIZE_BYTES:
            return
        is_last = shard.hi is None and shard.state == ACTIVE and first_key > shard.lo
        if is_last and await self._is_empty(bucket_id, shard, first_key):
            await settle(self._cql, [Bound(_ADD, (bucket_id, b"", bucket_id))])  # only if the bucket has no map yet
            await settle(self._cql, [Bound(_ADD, (bucket_id, first_key, self._new_id()))])
            self._map.forget(bucket_id)
            begun = await self._map.shard_at(bucket_id, first_key)
            self._filling[bucket_id] = _Filling(begun.shard_id)

    def _new_id(self) -> bytes:
        """Ids of ranges begin with the time at which they were made."""
        return self._stamps.next().to_bytes(8, "big") + secrets.token_bytes(8)

    async def _is_empty(self, bucket_id: bytes, shard: Shard, first_key: bytes) -> bool:
        for place in shard.own():
            for statement in _LISTED:
                rows = await self._cql.run(statement, bucket_id, *place, first_key)
                if any(row[0] is not None for row in rows):
                    return False
        return True

    async def note(self, bucket_id: bytes, rows: int, key_bytes: int) -> None:
        """So many list rows were written to the range that ``begin`` saw last, with keys of this length on average."""
        filling = self._filling[bucket_id]
        filling.rows += rows
        filling.size_bytes += rows * (ROW_BYTES + 2 * key_bytes)
        await self._cql.run(
            _LOAD, bucket_id, filling.shard_id, self._worker, filling.rows, filling.size_bytes, self._stamps.next()
        )
