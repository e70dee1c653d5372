"""Splits of the ranges of a bucket, and their like: another fanout for a range, and the merge of two neighbours.

Nine steps, none of which stops readers or writers. The source stays what lists read until step 8; any step may be repeated, also by
a successor when the first splitter died or only seemed to.

0. A note in the queue "shards": whoever finds it brings the split to its end (``split_duty``).
1. The map's row says that the range is being split: a conditional change, with a lease. From here on writers who read the map write
   intents and list rows to the child too. Then the bucket is looked at: one that is being deleted reverts the split.
2. ``fence`` in the source: writers who had read the map before find out.
3. Intents of the source are read, and 4. copied into the children: their writers know nothing of these.
5. Only then the rows, with their write times: what writers wrote to the children meanwhile wins, and so do their deletes.
6. Both sides are compared, and every difference and every copied intent is resolved by the truth.
7. ``moved`` in the source: who still goes there asks the map again.
8. The map names the children: one conditional batch.
9. Copied intents go once their changes are over; the source's rows go after a day. Its marks stay.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from dolmen.core.clock import Clock
from dolmen.core.errors import Corruption, Unavailable
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.shards import ACTIVE, ShardMap
from dolmen.gateway.metadata.cassandra.split_copy import (
    COMPARE_ROWS_PER_SECOND,
    COPY_ROWS_PER_SECOND,
    PAGE_ROWS,
    Count,
    RowCopier,
)
from dolmen.gateway.metadata.cassandra.split_intents import SplitIntents
from dolmen.gateway.metadata.cassandra.split_map import (
    LEASE_SECONDS,
    LeaseLost,
    RangeRow,
    RangeRows,
    Reshape,
    places_of,
    reshape_of,
)
from dolmen.gateway.metadata.cassandra.stamps import Stamps

LOOK_SECONDS = 60.0  # a new split is looked at after this; one that is done by then only has copies of intents to take away
EXPLAIN_TRIES = 8  # readings of one key whose two sides differ while it is written again and again
COUNTED = 0  # "worker" of the rows of ``shard_load`` that say what a split counted; no process has this number

_BUCKET = Statement("SELECT bucket_id, state FROM buckets WHERE name = ?", Kind.GLOBAL_READ)
_LOAD = Statement("INSERT INTO shard_load (bucket_id, shard_id, worker, rows, bytes) VALUES (?, ?, ?, ?, ?)", Kind.WRITE)
_DROPS = (
    Statement("DELETE FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.WRITE),
    Statement("DELETE FROM listing_versions WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.WRITE),
)
_DROP_LOAD = Statement("DELETE FROM shard_load WHERE bucket_id = ? AND shard_id = ?", Kind.WRITE)


class BucketGoing(Unavailable):
    """The bucket is being deleted, or gone: the split was given up."""


class SplitSettings(NamedTuple):
    """Speeds; tests are faster and smaller."""

    lease_seconds: float = LEASE_SECONDS
    page_rows: int = PAGE_ROWS
    copy_rows_per_second: float = COPY_ROWS_PER_SECOND
    compare_rows_per_second: float = COMPARE_ROWS_PER_SECOND


class SplitNote(msgspec.Struct, frozen=True, array_like=True):
    """What the queue "shards" keeps of a split until its last trace is gone. Its id is the id of the first child."""

    name: str  # of the bucket
    bucket_id: bytes
    sources: tuple[tuple[bytes, bytes, int], ...]  # (lo, shard id, fanout)
    child_a: bytes
    child_fanout: int
    split_key: bytes | None
    child_b: bytes
    stage: int = 0  # see ``split_duty``
    since_us: int = 0  # when that stage was reached

    def reshape(self) -> Reshape:
        """The partitions on both sides."""
        sources = tuple(RangeRow(lo, shard_id, fanout) for lo, shard_id, fanout in self.sources)
        return Reshape(sources, self.child_a, self.child_fanout, self.split_key, self.child_b)


def born_us(child_id: bytes) -> int:
    """When a child was made: its id begins with the time at which its split is looked at first."""
    return int.from_bytes(child_id[:8], "big") - int(LOOK_SECONDS * 1_000_000)


decode_note = msgspec.msgpack.Decoder(SplitNote).decode
encode_note = msgspec.msgpack.Encoder().encode


@dataclass(slots=True, eq=False)
class Split:
    """A split on its way."""

    name: str  # of the bucket
    bucket_id: bytes
    reshape: Reshape
    renewed_seconds: float = 0.0
    carried: set[bytes] = field(default_factory=set)  # keys whose intents were copied
    counts: dict[bytes, Count] = field(default_factory=dict)  # of each child, as compared
    differences: int = 0  # keys that had to be looked at


class Splitter:
    """Splits ranges; several may work in several processes. One object does one split at a time."""

    def __init__(
        self,
        cql: Cql,
        shard_map: ShardMap,
        listing: Listing,
        queue: TimeQueue,
        clock: Clock,
        stamps: Stamps,
        settings: SplitSettings | None = None,
    ) -> None:
        """``queue``: the one named "shards". ``stamps``: of this process."""
        settings = settings or SplitSettings()
        self._cql = cql
        self._map = shard_map
        self._queue = queue
        self._clock = clock
        self._lease_seconds = settings.lease_seconds
        self.rows = RangeRows(cql, clock, secrets.token_hex(8), settings.lease_seconds)
        self._intents = SplitIntents(cql, shard_map, listing, stamps)
        self._copier = RowCopier(
            cql, clock, settings.page_rows, settings.copy_rows_per_second, settings.compare_rows_per_second
        )

    # ---- proposals -------------------------------------------------------------------------------------------------

    async def propose_split(self, name: str, bucket_id: bytes, row: RangeRow) -> Split | None:
        """In the middle of its rows. None: it has one key at most."""
        split_key = await self._copier.middle(bucket_id, row.own())
        if split_key is None:
            return None
        child_a, child_b = self._new_ids()
        return Split(name, bucket_id, Reshape((row,), child_a, row.fanout, split_key, child_b))

    def propose_fanout(self, name: str, bucket_id: bytes, row: RangeRow, fanout: int) -> Split:
        """The same range over another number of partitions."""
        return Split(name, bucket_id, Reshape((row,), self._new_ids()[0], fanout))

    def propose_merge(self, name: str, bucket_id: bytes, left: RangeRow, right: RangeRow) -> Split:
        """Two neighbours become one."""
        return Split(name, bucket_id, Reshape((left, right), self._new_ids()[0], max(left.fanout, right.fanout)))

    def _new_ids(self) -> tuple[bytes, bytes]:
        """Never used before. They begin with the time at which the split's note is first looked at, as ids of a queue do."""
        due = (self._clock.now_us() + int(LOOK_SECONDS * 1_000_000)).to_bytes(8, "big")
        return due + secrets.token_bytes(8), due + secrets.token_bytes(8)

    # ---- the steps -------------------------------------------------------------------------------------------------

    async def begin(self, split: Split) -> None:
        """0 and 1. Raises ``LeaseLost`` (somebody else was faster), ``BucketGoing``."""
        reshape = split.reshape
        sources = tuple((row.lo, row.shard_id, row.fanout) for row in reshape.sources)
        note = SplitNote(
            split.name,
            split.bucket_id,
            sources,
            reshape.child_a,
            reshape.child_fanout,
            reshape.split_key,
            reshape.child_b,
        )
        due_us = int.from_bytes(reshape.child_a[:8], "big")
        await self._queue.add(reshape.child_a, due_us, encode_note(note), born_us(reshape.child_a))
        split.reshape = await self.rows.begin(split.bucket_id, reshape)
        split.renewed_seconds = self._clock.monotonic_seconds()
        self._map.forget(split.bucket_id)
        await self._check_bucket(split)

    async def take_over(self, note: SplitNote) -> Split | None:
        """A split that was begun and that nobody works on: its lease becomes ours. Raises as ``begin``.

        None: it is not under way (any more), or in other hands.
        """
        rows = [await self.rows.read(note.bucket_id, lo) for lo, _, _ in note.sources]
        found = tuple(row for row in rows if row is not None and row.state != ACTIVE and row.child_a == note.child_a)
        if len(found) < len(rows) or not self.rows.is_free(found[0]):
            return None
        split = Split(note.name, note.bucket_id, reshape_of(found))
        await self._renew(split)
        self._map.forget(split.bucket_id)
        await self._check_bucket(split)
        return split

    async def fence(self, split: Split) -> None:
        """2."""
        await self._intents.fence(split.bucket_id, split.reshape)

    async def carry_intents(self, split: Split) -> None:
        """3 and 4."""
        found = await self._intents.found(split.bucket_id, split.reshape.old_places())
        await self._intents.carry(split.bucket_id, split.reshape, found)
        split.carried = {intent.key for intent in found}

    async def copy_rows(self, split: Split) -> None:
        """5. Raises ``LeaseLost``."""
        await self._copier.copy(split.bucket_id, split.reshape, lambda: self._keep_lease(split))

    async def verify(self, split: Split) -> None:
        """6. Raises ``Corruption`` when the sides differ without a reason, ``LeaseLost``."""
        compared = await self._copier.compare(split.bucket_id, split.reshape, lambda: self._keep_lease(split))
        await self._intents.reindex(split.bucket_id, {*compared.differing, *split.carried})
        for key in compared.differing:
            await self._keep_lease(split)
            await self._explain(split, key)
        split.counts, split.differences = compared.counts, len(compared.differing)
        for shard_id, count in compared.counts.items():
            await self._cql.run(_LOAD, split.bucket_id, shard_id, COUNTED, count.rows, count.size_bytes)

    async def mark_moved(self, split: Split) -> None:
        """7. Raises ``LeaseLost``."""
        await self._renew(split)
        await self._intents.mark_moved(split.bucket_id, split.reshape)

    async def cut_over(self, split: Split) -> None:
        """8. Raises ``LeaseLost``."""
        await self.rows.cut_over(split.bucket_id, split.reshape)
        self._map.forget(split.bucket_id)

    async def finish(self, split: Split) -> None:
        """Everything after step 1, up to 8."""
        for step in (self.fence, self.carry_intents, self.copy_rows, self.verify, self.mark_moved, self.cut_over):
            await step(split)

    async def run(self, split: Split) -> None:
        """All of it. Raises ``LeaseLost``, ``BucketGoing``, ``Corruption``, and as every statement does."""
        await self.begin(split)
        await self.finish(split)

    # ---- after it --------------------------------------------------------------------------------------------------

    async def is_cut_over(self, note: SplitNote) -> bool:
        """Whether the map does not name the source any more, which is for good: ids of shards are never used again."""
        lo, shard_id, fanout = note.sources[0]
        row = await self.rows.read(note.bucket_id, lo)
        if row is None:
            return True
        if row.shard_id != shard_id:
            return True
        # A bucket that was deleted has no rows, and looks like a new one with a single shard.
        return not row.rev and await self._intents.is_moved(note.bucket_id, places_of(shard_id, fanout)[0])

    async def is_under_way(self, note: SplitNote) -> bool:
        """Whether the map says that the source is being split into these children."""
        row = await self.rows.read(note.bucket_id, note.sources[0][0])
        return row is not None and row.state != ACTIVE and row.child_a == note.child_a

    async def settle(self, note: SplitNote) -> int:
        """9, first half, after the cut-over: copied intents whose changes are over go. How many are left."""
        reshape = note.reshape()
        return await self._intents.settle(note.bucket_id, reshape.old_places(), reshape.new_places())

    async def drop_source(self, note: SplitNote) -> None:
        """9, second half: rows of shards that the map does not name, a day after the cut-over. The marks of its partitions stay."""
        await self._drop(note.bucket_id, note.reshape().sources)

    async def drop_children(self, note: SplitNote) -> None:
        """What a split that was given up had copied; never after a cut-over."""
        children = [RangeRow(b"", shard_id, note.child_fanout) for shard_id in (note.child_a, note.child_b) if shard_id]
        await self._drop(note.bucket_id, children)

    async def _drop(self, bucket_id: bytes, shards: tuple[RangeRow, ...] | list[RangeRow]) -> None:
        for shard in shards:
            for place in shard.own():
                for statement in _DROPS:
                    await self._cql.run(statement, bucket_id, *place)
            await self._cql.run(_DROP_LOAD, bucket_id, shard.shard_id)

    # ---- parts -----------------------------------------------------------------------------------------------------

    async def _check_bucket(self, split: Split) -> None:
        """Who deletes a bucket first marks it, and then reads the map; we do it the other way round: one sees the other."""
        found = await self._cql.run(_BUCKET, split.name)
        if found and found[0][0] == split.bucket_id and not found[0][1]:
            return
        await self._revert(split)
        raise BucketGoing(f"bucket {split.name} is being deleted: a split was given up")

    async def _revert(self, split: Split) -> None:
        await self._renew(split)
        await self._intents.clear_marks(split.bucket_id, split.reshape)
        await self.rows.revert(split.bucket_id, split.reshape)
        self._map.forget(split.bucket_id)

    async def _keep_lease(self, split: Split) -> None:
        """Between pages: renewed after a third of its time."""
        if self._clock.monotonic_seconds() - split.renewed_seconds > self._lease_seconds / 3:
            await self._renew(split)

    async def _renew(self, split: Split) -> None:
        began_seconds = self._clock.monotonic_seconds()
        split.reshape = await self.rows.renew(split.bucket_id, split.reshape)
        split.renewed_seconds = began_seconds

    async def _explain(self, split: Split, key: bytes) -> None:
        """The two sides of a key that was just made anew are the same, unless it is being written again and again.

        Every change that is on its way has an intent; where the source has it, the child has it, or a copy.
        """
        old, new = split.reshape.old_place(key), split.reshape.child_place(key)
        waits = pauses()
        for _ in range(EXPLAIN_TRIES):
            before, after = await asyncio.gather(
                self._copier.of_key(split.bucket_id, old, key), self._copier.of_key(split.bucket_id, new, key)
            )
            if before == after:
                return
            await asyncio.sleep(next(waits))
            await self._intents.reindex(split.bucket_id, [key])
        if not await self._intents.any_of_key(split.bucket_id, (old, new), key):
            raise Corruption(f"a split found list rows of one key that differ without a change on its way: {key!r}")


__all__ = ["BucketGoing", "LeaseLost", "Split", "SplitNote", "SplitSettings", "Splitter"]
