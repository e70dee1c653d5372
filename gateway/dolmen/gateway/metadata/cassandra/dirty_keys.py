"""Which keys of a range lists must not believe: those that are being changed, read from the range's intents partitions.

**Why a list that uses this is as strong as reads of the truth.** Let t be the time when the intents of a shard were read. Every
change of a key that was committed before t had its intent in the shard, and withdrew it only after its list rows were there; so a
key *without* an intent at t has list rows that show what was true at t, or later. A key with one is read from the truth. In both
cases the answer was true at some time between t and the end of the list.

**A shard that was superseded** (``moved``) is still believed when a map that was read *after* its intents names it: then nobody had
seen a newer map before, so every change committed before t has its rows here too. Otherwise the list starts again at what
the newer map names. So lists do not depend on whether the splitter lives on between its last two steps.

**Why the intents may be remembered for a whole page** (``ScanMemo``). Rows that are read any time after t show what was true at t
or later, whatever happens in between: if the shard is split, its rows are no longer kept up to date, but they still hold what was
true at t, because they are dropped only a day after (``MEMO_SECONDS`` is far below). If the map in use changes in the middle of the
page, the rest of the range is another shard's: its intents are not in the memo and are read then, after its cut-over,
because the map names a child as a shard of its own only from then on. A key belongs to exactly one read of the page. See
``docs/decisions/0025-lists-with-a-memo.md``.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import NamedTuple, cast

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.old_intents import OldIntents
from dolmen.gateway.metadata.cassandra.shards import Place, Shard, ShardMap
from dolmen.gateway.metadata.store import MetadataUnavailable, ScanMemo

INTENTS_MAX = 20_000  # of one partition, 20 MB with the longest keys; more are left when a sweeper has not run for very long
MEMO_SECONDS = 3600.0  # a remembered partition is read again after this: rows of a superseded shard stay for a day
MEMO_KEYS_MAX = 50_000  # remembered by one page, 50 MB with the longest keys
MEMO_SHARDS_MAX = 4096  # remembered by one page; each costs some 200 bytes
_ROUNDS_MAX = 8  # of finding the shard while ranges are split under the list

# The whole partition, so that its marks come even when there is no intent: then with a null key.
_INTENTS = Statement(
    "SELECT moved, key, begun_us FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT ?", Kind.READ
)


class Opened(NamedTuple):
    """A shard that may be listed now."""

    shard: Shard
    dirty: tuple[bytes, ...]  # keys with a change under way, ascending

    def between(self, start: bytes, end: bytes | None) -> tuple[bytes, ...]:
        """Those with start <= key < end."""
        first = bisect_left(self.dirty, start)
        return self.dirty[first:] if end is None else self.dirty[first : bisect_left(self.dirty, end, lo=first)]


class _Seen:
    """What one page has read, by (bucket_id, shard_id)."""

    def __init__(self) -> None:
        self.shards: dict[tuple[bytes, bytes], tuple[float, tuple[bytes, ...]]] = {}  # when, which keys
        self.key_count = 0

    def find(self, bucket_id: bytes, shard: Shard, now_seconds: float) -> tuple[bytes, ...] | None:
        found = self.shards.get((bucket_id, shard.shard_id))
        return found[1] if found is not None and now_seconds - found[0] < MEMO_SECONDS else None

    def keep(self, bucket_id: bytes, shard: Shard, read_seconds: float, dirty: tuple[bytes, ...]) -> None:
        if self.key_count + len(dirty) > MEMO_KEYS_MAX or len(self.shards) >= MEMO_SHARDS_MAX:
            self.shards.clear()  # a page goes forward: what it has passed is of no use any more
            self.key_count = 0
        self.shards[bucket_id, shard.shard_id] = read_seconds, dirty
        self.key_count += len(dirty)


class DirtyKeys:
    """Opens shards for lists."""

    def __init__(self, cql: Cql, shard_map: ShardMap, listing: Listing, clock: Clock) -> None:
        self._cql = cql
        self._map = shard_map
        self._clock = clock
        self._old = OldIntents(listing, clock)

    async def open_at(self, bucket_id: bytes, key: bytes, memo: ScanMemo) -> Opened:
        """The shard that ``key`` is in. One statement for each of its partitions; none when the memo knows it.

        Raises ``MetadataUnavailable``, also when there are more than ``INTENTS_MAX`` intents.
        """
        seen = cast("_Seen", memo.seen.setdefault(_Seen, _Seen()))
        shard = await self._map.shard_at(bucket_id, key)
        for _ in range(_ROUNDS_MAX):
            now_seconds = self._clock.monotonic_seconds()
            known = seen.find(bucket_id, shard, now_seconds)
            if known is not None:
                return Opened(shard, known)
            parts = await asyncio.gather(*(self._read(bucket_id, place) for place in shard.own()))
            if any(moved for moved, _ in parts):
                self._map.forget(bucket_id)
                newer = await self._map.shard_at(bucket_id, key)
                if newer.shard_id != shard.shard_id:
                    shard = newer
                    continue
            begun_us = {key: since_us for _, intents in parts for key, since_us in intents.items()}
            dirty = tuple(sorted(begun_us))
            seen.keep(bucket_id, shard, now_seconds, dirty)
            await self._old.bring_up_to_date(bucket_id, begun_us)
            return Opened(shard, dirty)
        raise MetadataUnavailable("the bucket's ranges are split again and again")

    async def _read(self, bucket_id: bytes, place: Place) -> tuple[bool, dict[bytes, int]]:
        """(superseded, keys with intents and since when, in microseconds)."""
        rows = await self._cql.run(_INTENTS, bucket_id, place.shard_id, place.sub, INTENTS_MAX + 1)
        if len(rows) > INTENTS_MAX:
            raise MetadataUnavailable("too many changes are under way in a range of the bucket")
        return any(moved for moved, _, _ in rows), {key: since_us or 0 for _, key, since_us in rows if key is not None}
