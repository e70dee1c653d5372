"""What a split does to the intents partitions: it marks the sources, and carries intents over to the children.

A copied intent stands under the *negative* id of its worker. So it never meets an intent that the worker itself writes in the
child, nobody but splits takes it away, and it can be told which ones are copies. Its writer knows nothing of it: it goes once the
source has no intent of that worker and key any more, after the list rows were made anew from the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.cassandra.split_map import Reshape
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.store import MetadataUnavailable

# An intent lives for a day at most, and then its copies are looked at again until they are gone: three days leave room for
# maintenance that stood still.
COPIED_SECONDS = 3 * 86_400
INTENTS_MAX = 50_000  # of one shard at a time, up to 1 KiB each; a shard that takes 2,000 writes a second has some hundred
AT_ONCE = 8  # keys made anew at a time

_MARK_FENCE = Statement(
    "UPDATE listing_intents USING TIMESTAMP ? SET fence = ? WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.WRITE
)
_MARK_MOVED = Statement(
    "UPDATE listing_intents USING TIMESTAMP ? SET moved = ? WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.WRITE
)
_MARKS = Statement("SELECT fence, moved FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT 1", Kind.READ)
_ALL = Statement(
    "SELECT key, worker, op, begun_us, WRITETIME(op) FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT ?",
    Kind.READ,
)
_OF_KEY = Statement(
    "SELECT worker FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? LIMIT 1", Kind.READ
)
_COPY = Statement(
    "INSERT INTO listing_intents (bucket_id, shard_id, sub, key, worker, op, begun_us) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "USING TTL ? AND TIMESTAMP ?",
    Kind.WRITE,
)
_DELETE = Statement(
    "DELETE FROM listing_intents USING TIMESTAMP ? WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? AND worker = ?",
    Kind.WRITE,
)


class FoundIntent(NamedTuple):
    """A row of ``listing_intents``."""

    place: Place
    key: bytes
    worker: int  # negative: a copy
    op: bytes
    begun_us: int
    stamp_us: int

    @property
    def owner(self) -> tuple[bytes, int]:
        """(key, worker) whose change it announces, copied or not."""
        return self.key, abs(self.worker)


class SplitIntents:
    """Marks and intents, for one splitter."""

    def __init__(self, cql: Cql, shard_map: ShardMap, listing: Listing, stamps: Stamps) -> None:
        self._cql = cql
        self._map = shard_map
        self._listing = listing
        self._stamps = stamps

    async def fence(self, bucket_id: bytes, reshape: Reshape) -> None:
        """From here on every writer of the sources finds out that it must write to the children too."""
        await self._mark(_MARK_FENCE, 1, bucket_id, reshape)

    async def mark_moved(self, bucket_id: bytes, reshape: Reshape) -> None:
        """From here on nobody relies on the sources without asking the map again."""
        await self._mark(_MARK_MOVED, 1, bucket_id, reshape)

    async def clear_marks(self, bucket_id: bytes, reshape: Reshape) -> None:
        """The split is given up. Under a lease taken just now: its stamp is later than every mark that was ever set."""
        await self._mark(_MARK_MOVED, 0, bucket_id, reshape)
        await self._mark(_MARK_FENCE, 0, bucket_id, reshape)

    async def _mark(self, statement: Statement, value: int, bucket_id: bytes, reshape: Reshape) -> None:
        await asyncio.gather(
            *(
                self._cql.run(statement, reshape.lease_us, value, bucket_id, place.shard_id, place.sub)
                for place in reshape.old_places()
            )
        )

    async def is_moved(self, bucket_id: bytes, place: Place) -> bool:
        """Whether the shard of the place was superseded."""
        rows = await self._cql.run(_MARKS, bucket_id, *place)
        return bool(rows and rows[0][1])

    async def found(self, bucket_id: bytes, places: Sequence[Place]) -> list[FoundIntent]:
        """Every intent in the places. Raises ``MetadataUnavailable`` when there are too many."""
        found: list[FoundIntent] = []
        for place in places:
            rows = await self._cql.run(_ALL, bucket_id, *place, INTENTS_MAX)
            if len(rows) >= INTENTS_MAX:
                raise MetadataUnavailable("a range has more changes in flight than a split can carry over")
            found += [FoundIntent(place, *row) for row in rows if row[0] is not None]  # marks alone come as one row
        return found

    async def any_of_key(self, bucket_id: bytes, places: Iterable[Place], key: bytes) -> bool:
        """Whether a change of the key is in flight in one of the places."""
        for place in places:
            rows = await self._cql.run(_OF_KEY, bucket_id, *place, key)
            if rows and rows[0][0] is not None:
                return True
        return False

    async def carry(self, bucket_id: bytes, reshape: Reshape, intents: Sequence[FoundIntent]) -> None:
        """Copy intents of the sources into the children. Again is the same."""
        by_place: dict[Place, list[Bound]] = {}
        for intent in intents:
            place = reshape.child_place(intent.key)
            # The lease's stamp: a copy by a splitter that lost its lease cannot come back after it was cleared away.
            values = (bucket_id, *place, intent.key, -abs(intent.worker), intent.op, intent.begun_us)
            by_place.setdefault(place, []).append(Bound(_COPY, (*values, COPIED_SECONDS, reshape.lease_us)))
        for bound in by_place.values():
            for at in range(0, len(bound), _BATCH_INTENTS):
                await self._cql.batch(bound[at : at + _BATCH_INTENTS])

    async def reindex(self, bucket_id: bytes, keys: Iterable[bytes]) -> None:
        """Make the list rows of the keys anew from the truth, wherever the map of this moment puts them."""
        self._map.forget(bucket_id)
        todo = sorted(set(keys))
        for at in range(0, len(todo), AT_ONCE):
            await asyncio.gather(*(self._listing.reindex(bucket_id, key) for key in todo[at : at + AT_ONCE]))

    async def settle(self, bucket_id: bytes, old: Sequence[Place], new: Sequence[Place]) -> int:
        """Take away the copies in ``new`` whose changes are over; how many are left.

        Only after the map names the children. A worker's intent stays in the source until the lists show its change, and each of
        these copies was made of one: when the source has none, the truth has the outcome.
        """
        copies = [intent for intent in await self.found(bucket_id, new) if intent.worker < 0]
        if not copies:
            return 0
        busy = {intent.owner for intent in await self.found(bucket_id, old)}
        over = [copy for copy in copies if copy.owner not in busy]
        await self.reindex(bucket_id, (copy.key for copy in over))
        now_us = self._stamps.next()
        for at in range(0, len(over), AT_ONCE):
            await asyncio.gather(
                *(
                    self._cql.run(_DELETE, max(now_us, copy.stamp_us + 1), bucket_id, *copy.place, copy.key, copy.worker)
                    for copy in over[at : at + AT_ONCE]
                )
            )
        return len(copies) - len(over)


_BATCH_INTENTS = min(BATCH_STATEMENTS_MAX, 24)  # a key of 1 KiB each: half of what Cassandra takes as one batch
