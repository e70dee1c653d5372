"""What is being changed just now: rows that a writer leaves beside the lists before it changes the truth.

A writer first writes its intent into every place that the range map names, and *then* reads the marks of those places; who splits a
range or deletes a bucket first sets the mark, and *then* reads the intents. So one of the two always sees the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from dolmen.core.clock import Clock
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, NotSent, Statement
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.cassandra.together import together
from dolmen.gateway.metadata.store import MetadataUnavailable

INTENT_SECONDS = 86_400  # an intent that nobody ever cleared goes by itself; a change must never take so long
REFRESH_SECONDS = 3_600.0  # an older intent is written anew before the change: far within its life
ROUNDS_MAX = 8  # of finding the right places while ranges are split under the writer
REGISTERED_MAX = 16_384  # places known to be in the register; one that was forgotten is written once more
ALIVE_SECONDS = 10.0  # between signs of life
DEAD_SECONDS = 30.0  # without one a process is taken for dead; if it is not, its changes are refused and tried anew

_WRITE = Statement(
    "INSERT INTO listing_intents (bucket_id, shard_id, sub, key, worker, op, begun_us) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "USING TTL ? AND TIMESTAMP ?",
    Kind.WRITE,
)
_DELETE = Statement(
    "DELETE FROM listing_intents USING TIMESTAMP ? WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? AND worker = ?",
    Kind.WRITE,
)
# Our own row is read, so that the marks of the partition come with it at the price of one row.
_MARKS = Statement(
    "SELECT fence, moved, closed, WRITETIME(fence), key FROM listing_intents "
    "WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? AND worker = ?",
    Kind.READ,
)
_REGISTER = Statement(
    "INSERT INTO worker_shards (worker, bucket_id, shard_id, sub) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_ALIVE = Statement("INSERT INTO workers (worker, alive_us) VALUES (?, ?)", Kind.WRITE)


class BucketClosed(Exception):
    """The bucket is being deleted, or was."""


@dataclass(slots=True, eq=False)
class Announced:
    """A change on its way, known in ``places``."""

    bucket_id: bytes
    key: bytes
    op: bytes
    begun_us: int
    places: tuple[Place, ...] = ()  # where lists must show the change
    written: tuple[Place, ...] = ()  # where the intent stands: these, and places that were superseded meanwhile
    leaving: tuple[Place, ...] = ()  # where it is being taken away
    written_seconds: float = 0.0
    used: bool = False  # a change was tried with it: it goes with that change's follow-up, not before


class Marks(NamedTuple):
    """Of a partition. ``fence_us``: the lease under which ``fence`` was set, or taken away."""

    fence: bool
    moved: bool
    closed: bool
    fence_us: int

    @property
    def marked(self) -> bool:
        return self.fence or self.moved


class Intents:
    """The intents of one process."""

    def __init__(self, cql: Cql, shard_map: ShardMap, worker: int, clock: Clock, stamps: Stamps) -> None:
        """``worker``: names the process, never used by another."""
        self._cql = cql
        self._map = shard_map
        self._worker = worker
        self._clock = clock
        self._stamps = stamps
        self._live: Counter[tuple[bytes, Place, bytes]] = Counter()  # announcements of one row: the last one takes it away
        self._alive_seconds: float | None = None  # when the last sign of life was left
        self._registered: OrderedDict[tuple[bytes, Place], None] = OrderedDict()
        self.left: Callable[[Announced], None] = self.forget  # told of what stands here and there, and announces nothing

    @property
    def worker(self) -> int:
        return self._worker

    async def announce(self, bucket_id: bytes, key: bytes, op: bytes) -> Announced:
        """Write the intent wherever the key's list rows belong. Raises ``BucketClosed``."""
        announced = Announced(bucket_id, key, op, self._clock.now_us())
        try:
            await self._find_places(announced)
        except BaseException:
            if announced.written:
                self.left(announced)
            raise
        return announced

    async def check_again(self, announced: Announced, *, anew: bool = False) -> None:
        """Before a change that comes late; ``anew``: before one whose head was read after the announcement.

        Whoever closes a bucket, splits a range or takes this process for dead burns the keys of the intents that it finds. A head
        that was read after that burn is no protection: only an intent written later, and marks read later, are. Raises
        ``BucketClosed``.
        """
        if anew:
            for place in announced.written:
                self._registered.pop((announced.bucket_id, place), None)
        if anew or self._clock.monotonic_seconds() - announced.written_seconds > REFRESH_SECONDS:
            await asyncio.gather(*(self._write(announced, place) for place in announced.written))
        await self._find_places(announced)

    async def _find_places(self, announced: Announced) -> None:
        """The intent stands in every place that a map names which was read after it stood, unless no place is marked.

        A mark says that the map in use may be old: the range is being split, was split, or a split of it was given up. Whoever
        splits it from then on sets its mark, and reads the intents after that. A mark of the split that the map tells of says
        nothing new.
        """
        marked = False
        shard = await self._map.shard_at(announced.bucket_id, announced.key)
        for _ in range(ROUNDS_MAX):
            places = shard.places(announced.key)
            new = [place for place in places if place not in announced.written]
            announced.places = places
            if marked and not new:
                return
            announced.written_seconds = self._clock.monotonic_seconds()
            await together(self._write_first(announced, place) for place in new)
            own, *children = await asyncio.gather(*(self._marks(announced, place) for place in places))
            if own.closed or any(child.closed for child in children):
                self._map.forget(announced.bucket_id)  # a range that was split meanwhile may stay closed for ever
                raise BucketClosed
            is_known = not own.moved and own.fence_us <= shard.known_fence_us
            if (is_known or not own.marked) and not any(child.marked for child in children):
                return
            shard = await self._map.reread(announced.bucket_id, announced.key)
            marked = True
        raise MetadataUnavailable("the key's range is being split again and again")

    async def _write_first(self, announced: Announced, place: Place) -> None:
        """While the cluster is away very many are refused: what was not sent is not to be taken away later."""
        await self._register(announced.bucket_id, place)
        self._live[announced.bucket_id, place, announced.key] += 1
        announced.written += (place,)
        try:
            await self._write(announced, place)
        except NotSent:
            self._forget_row(announced, place)
            announced.written = tuple(each for each in announced.written if each != place)
            raise

    async def _write(self, announced: Announced, place: Place) -> None:
        await self._register(announced.bucket_id, place)
        await self._cql.run(
            _WRITE,
            *(announced.bucket_id, place.shard_id, place.sub, announced.key, self._worker),
            *(announced.op, announced.begun_us, INTENT_SECONDS, self._stamps.next()),
        )

    async def _marks(self, announced: Announced, place: Place) -> Marks:
        where = announced.bucket_id, place.shard_id, place.sub, announced.key, self._worker
        rows = await self._cql.run(_MARKS, *where)
        if not rows:  # expired, or taken away by a sweeper that thought us dead
            self._registered.pop((announced.bucket_id, place), None)
            await self._write(announced, place)
            rows = await self._cql.run(_MARKS, *where)
        if not rows:
            raise MetadataUnavailable("the intent of the change does not stay")
        fence, moved, closed, fence_us, _ = rows[0]
        return Marks(bool(fence), bool(moved), bool(closed), fence_us or 0)

    async def _register(self, bucket_id: bytes, place: Place) -> None:
        """So that a sweeper finds what this process leaves behind."""
        known = bucket_id, place
        if known in self._registered:
            self._registered.move_to_end(known)
            return
        if self._alive_seconds is None:
            await self.show_life()  # a process that nobody knows of is not swept up after
        await self._cql.run(_REGISTER, self._worker, bucket_id, place.shard_id, place.sub, self._stamps.next())
        self._registered[known] = None
        if len(self._registered) > REGISTERED_MAX:
            self._registered.popitem(last=False)

    def forget(self, announced: Announced) -> None:
        """Count the announcement away. Its rows stand until they expire, unless they are withdrawn."""
        for place in announced.written:
            self._forget_row(announced, place)
        announced.leaving += announced.written
        announced.written = ()

    def _forget_row(self, announced: Announced, place: Place) -> None:
        row = announced.bucket_id, place, announced.key
        self._live[row] -= 1
        if self._live[row] <= 0:
            del self._live[row]

    async def withdraw(self, announced: Announced) -> None:
        """The lists show the change, or there is none. Not while its outcome is unknown. When it fails: again.

        Rows that are not taken away only cost verifications.
        """
        self.forget(announced)
        stamp_us = self._stamps.next()  # whoever announces from now on has a later one
        bucket_id, key = announced.bucket_id, announced.key
        # A row that another change of this process needs is taken away with that one.
        alone = [place for place in dict.fromkeys(announced.leaving) if not self._live[bucket_id, place, key]]
        await asyncio.gather(
            *(self._cql.run(_DELETE, stamp_us, bucket_id, place.shard_id, place.sub, key, self._worker) for place in alone)
        )
        announced.leaving = ()

    async def remove(self, bucket_id: bytes, place: Place, rows: Iterable[tuple[bytes, int, int]]) -> None:
        """Take away what others left: (key, worker, when it was written). What they have written anew since then stays."""
        statements = [
            (_DELETE, stamp_us, bucket_id, place.shard_id, place.sub, key, worker) for key, worker, stamp_us in rows
        ]
        await asyncio.gather(*(self._cql.run(*statement) for statement in statements))

    async def show_life(self) -> None:
        """Once in ``ALIVE_SECONDS``."""
        now_seconds = self._clock.monotonic_seconds()
        if self._alive_seconds is not None and now_seconds - self._alive_seconds > DEAD_SECONDS / 2:
            self._registered.clear()  # a sweeper may have taken us for dead, and our places out of the register
        await self._cql.run(_ALIVE, self._worker, self._clock.now_us())
        self._alive_seconds = now_seconds

