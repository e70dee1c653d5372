"""The range map of a bucket: which partitions of the listing tables a key belongs to, cached by ranges.

A cached map may be old. Whoever uses it finds that out from the marks in the intents partition (``fence``, ``moved``), and then
calls ``forget``. What never changes while a shard is the map's own: its id, its ``lo``, its ``hi`` and its fanout.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from dolmen.core.checksums import crc32c
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Row, Statement
from dolmen.gateway.metadata.store import MetadataUnavailable

ACTIVE = 0
SPLITTING = 1  # at ``split_key``; or with another fanout (``split_key`` is None, ``child_a`` only)
MERGING = 2  # with its neighbour: ``child_a`` is the common child of both rows

AHEAD = 64  # ranges read with the one that is asked for: a list goes on there
RANGES_MAX = 20_000  # cached in all, and so also the most buckets: about 10 MB
_PAGE_ROWS = 1000  # of a whole map
_WHOLE_READS_MAX = 8  # of a whole map that changes while it is read
_COVER_READS_MAX = 8  # of one range whose row goes away (a merge) between two statements

_COLUMNS = "lo, shard_id, fanout, state, split_key, child_a, child_b, child_fanout, rev, lease_us"
_COVER = Statement("SELECT lo FROM bucket_shards WHERE bucket_id = ? AND lo <= ? ORDER BY lo DESC LIMIT 1", Kind.READ)
_FROM = Statement(f"SELECT {_COLUMNS} FROM bucket_shards WHERE bucket_id = ? AND lo >= ? LIMIT ?", Kind.READ)  # noqa: S608


class Place(NamedTuple):
    """A partition of ``listing``, ``listing_versions`` and ``listing_intents``."""

    shard_id: bytes
    sub: int


class Shard(msgspec.Struct, frozen=True):
    """One range of a bucket's keys: ``lo`` <= key < ``hi`` (None: no end)."""

    lo: bytes
    hi: bytes | None
    shard_id: bytes
    fanout: int = 1
    state: int = ACTIVE
    split_key: bytes | None = None
    child_a: bytes | None = None
    child_b: bytes | None = None
    child_fanout: int = 1
    rev: int = 0
    lease_us: int = 0  # of who reshapes it; see ``split_map``

    @property
    def known_fence_us(self) -> int:
        """A fence that is no later than this belongs to the reshaping that this row tells of, or to one before it.

        Leases only grow, and each fence carries the lease under which it was set.
        """
        return 0 if self.state == ACTIVE else self.lease_us

    def covers(self, key: bytes) -> bool:
        return self.lo <= key and (self.hi is None or key < self.hi)

    def own(self) -> tuple[Place, ...]:
        """All partitions of the shard itself."""
        return tuple(Place(self.shard_id, sub) for sub in range(max(self.fanout, 1)))

    def places(self, key: bytes) -> tuple[Place, ...]:
        """Where ``key`` is written: the own place first, then the child's while the range is being reshaped."""
        own = Place(self.shard_id, sub_of(key, self.fanout))
        child = self._child(key)
        return (own,) if child is None else (own, Place(child, sub_of(key, self.child_fanout)))

    def _child(self, key: bytes) -> bytes | None:
        if self.state == ACTIVE:
            return None
        if self.state == MERGING or self.split_key is None or key < self.split_key:
            return self.child_a
        return self.child_b


def sub_of(key: bytes, fanout: int) -> int:
    """Which partition of a shard with ``fanout`` partitions the key is in."""
    return 0 if fanout <= 1 else crc32c(key) % fanout


def first_shard(bucket_id: bytes) -> Shard:
    """What a bucket without any row in the map has: one shard from the first key on, named as the bucket is."""
    return Shard(lo=b"", hi=None, shard_id=bucket_id)


class ShardMap:
    """Shards by key: no statement when the range is cached, two when it is not (one for a bucket of a single shard)."""

    def __init__(self, cql: Cql) -> None:
        self._cql = cql
        self._ranges: OrderedDict[tuple[bytes, bytes], Shard] = OrderedDict()  # by (bucket_id, lo); least recently used first
        self._los: dict[bytes, list[bytes]] = {}  # by bucket_id: ``lo`` of its cached ranges, ascending
        self._forgotten = 0  # how often: what was read before is not cached after
        self._loads: dict[tuple[bytes, bytes], asyncio.Task[list[Shard]]] = {}  # under way, by (bucket_id, ``lo`` before the gap)

    async def places(self, bucket_id: bytes, key: bytes) -> tuple[Place, ...]:
        """Where ``key`` is written. The own place comes first; a child's follows while its range is being reshaped."""
        return (await self.shard_at(bucket_id, key)).places(key)

    async def shard_at(self, bucket_id: bytes, key: bytes) -> Shard:
        """The shard whose range ``key`` is in. Raises ``MetadataUnavailable``."""
        cached = self._cached(bucket_id, key)
        if cached is not None:
            return cached
        for _ in range(_COVER_READS_MAX):
            found = _covering(await self._loaded(bucket_id, key), key)
            if found is not None:
                return found
            cached = self._cached(bucket_id, key)
            if cached is not None:
                return cached
        raise MetadataUnavailable("the bucket's ranges change again and again")

    async def reread(self, bucket_id: bytes, key: bytes) -> Shard:
        """As ``shard_at``, but read after this call: one statement when the range that is cached still begins where it did.

        The cache of the other ranges stays: a range is marked for as long as its split takes, and every writer asks meanwhile.
        """
        cached, forgotten = self._cached(bucket_id, key), self._forgotten
        shards: list[Shard] = []
        if cached is not None:
            rows = await self._cql.run(_FROM, bucket_id, cached.lo, 2)
            if rows and rows[0][0] == cached.lo:
                shards = _shards_of(rows, 1)
        for _ in range(_COVER_READS_MAX):
            found = _covering(shards, key)
            if found is not None:
                if forgotten == self._forgotten:
                    self._keep(bucket_id, shards)
                return found
            shards = await self._read(bucket_id, key)
        raise MetadataUnavailable("the bucket's ranges change again and again")

    async def shards(self, bucket_id: bytes) -> list[Shard]:
        """The whole map as it is now, not from the cache: for splits and maintenance. Raises ``MetadataUnavailable``."""
        for _ in range(_WHOLE_READS_MAX):
            whole = await self._whole(bucket_id)
            if whole is not None:
                return whole
        raise MetadataUnavailable("the bucket's ranges change again and again")

    def forget(self, bucket_id: bytes) -> None:
        """The cached map of the bucket was found to be old: whoever asks after this gets one that is read after this."""
        self._forgotten += 1
        for lo in self._los.pop(bucket_id, ()):
            del self._ranges[bucket_id, lo]
        for gap in [gap for gap in self._loads if gap[0] == bucket_id]:
            del self._loads[gap]  # goes on for those who wait already, and is not cached

    # ---- cache -----------------------------------------------------------------------------------------------------

    def _cached(self, bucket_id: bytes, key: bytes) -> Shard | None:
        los = self._los.get(bucket_id)
        if not los:
            return None
        at = bisect_right(los, key)
        if at == 0:
            return None
        shard = self._ranges[bucket_id, los[at - 1]]
        if not shard.covers(key):
            return None
        self._ranges.move_to_end((bucket_id, shard.lo))
        return shard

    def _keep(self, bucket_id: bytes, shards: list[Shard]) -> None:
        """Put ranges that follow each other in the place of all that they overlap."""
        los = self._los.setdefault(bucket_id, [])
        lo, hi = shards[0].lo, shards[-1].hi
        first = bisect_left(los, lo)
        if first > 0 and self._ranges[bucket_id, los[first - 1]].covers(lo):
            first -= 1
        last = len(los) if hi is None else bisect_left(los, hi)
        for gone in los[first:last]:
            del self._ranges[bucket_id, gone]
        los[first:last] = [shard.lo for shard in shards]
        for shard in reversed(shards):  # what was asked for is the last one to go
            self._ranges[bucket_id, shard.lo] = shard
        while len(self._ranges) > RANGES_MAX:
            (owner, oldest), _ = self._ranges.popitem(last=False)
            rest = self._los[owner]
            del rest[bisect_left(rest, oldest)]
            if not rest:
                del self._los[owner]

    # ---- reads -----------------------------------------------------------------------------------------------------

    async def _loaded(self, bucket_id: bytes, key: bytes) -> list[Shard]:
        """Ranges from the one of ``key`` on; all who miss the same gap of the cache wait for one read."""
        los = self._los.get(bucket_id, [])
        at = bisect_right(los, key)
        gap = bucket_id, los[at - 1] if at else b""
        load = self._loads.get(gap)
        if load is None:
            load = asyncio.get_running_loop().create_task(self._load(gap, key))
            self._loads[gap] = load
            load.add_done_callback(_retrieved)
        return await asyncio.shield(load)

    async def _load(self, gap: tuple[bytes, bytes], key: bytes) -> list[Shard]:
        bucket_id = gap[0]
        mine = asyncio.current_task()
        try:
            shards = await self._read(bucket_id, key)
            if self._loads.get(gap) is mine:  # not forgotten meanwhile
                self._keep(bucket_id, shards)
            return shards
        finally:
            if self._loads.get(gap) is mine:
                del self._loads[gap]

    async def _read(self, bucket_id: bytes, key: bytes) -> list[Shard]:
        """The range of ``key`` and those behind it, with their ends: all from one statement, so that they fit together."""
        for _ in range(_COVER_READS_MAX):
            cover = await self._cql.run(_COVER, bucket_id, key)
            if not cover:
                return [first_shard(bucket_id)]
            lo: bytes = cover[0][0]
            rows = await self._cql.run(_FROM, bucket_id, lo, AHEAD + 1)
            if rows and rows[0][0] == lo:
                return _shards_of(rows, AHEAD)
        raise MetadataUnavailable("the bucket's ranges change again and again")

    async def _whole(self, bucket_id: bytes) -> list[Shard] | None:
        """None: a range at the end of a page was merged away before the next one was read."""
        whole: list[Shard] = []
        lo = b""
        while True:
            rows = await self._cql.run(_FROM, bucket_id, lo, _PAGE_ROWS + 1)
            if not rows:
                return None if whole else [first_shard(bucket_id)]
            if rows[0][0] != lo:
                return None
            whole += _shards_of(rows, _PAGE_ROWS)
            if len(rows) <= _PAGE_ROWS:
                return whole
            lo = rows[_PAGE_ROWS][0]


def _covering(shards: list[Shard], key: bytes) -> Shard | None:
    """A read that was begun for another key of the gap may not reach as far as ``key``."""
    return next((shard for shard in shards if shard.covers(key)), None)


def _shards_of(rows: list[Row], wanted: int) -> list[Shard]:
    """At most ``wanted`` shards of the rows; one row more tells where the last one ends."""
    ends = [row[0] for row in rows[1:]]
    if len(rows) <= wanted:
        ends.append(None)
    return [
        Shard(
            lo=row[0],
            hi=hi,
            shard_id=row[1],
            fanout=row[2] or 1,
            state=row[3] or ACTIVE,
            split_key=row[4],
            child_a=row[5],
            child_b=row[6],
            child_fanout=row[7] or 1,
            rev=row[8] or 0,
            lease_us=row[9] or 0,
        )
        for row, hi in zip(rows, ends, strict=False)
    ]


def _retrieved(task: asyncio.Task[list[Shard]]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
