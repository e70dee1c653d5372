"""What the backend itself needs done: the leftovers of dead processes, of deleted keys, of uploads that are over, of split ranges.

Every step may be done by several processes at once, and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.commits import Commits
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.heads import Heads
from dolmen.gateway.metadata.cassandra.intents import DEAD_SECONDS, Intents
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.notes import NoteBook
from dolmen.gateway.metadata.cassandra.queues import Entry, TimeQueue
from dolmen.gateway.metadata.cassandra.shards import Place
from dolmen.gateway.metadata.cassandra.together import together

AT_ONCE = 16  # keys, uploads or ranges under work: upkeep stands behind clients
BATCH = 500  # entries of a queue in one round

_WORKERS = Statement("SELECT worker, alive_us, WRITETIME(alive_us) FROM workers", Kind.READ)
_SHARDS = Statement("SELECT bucket_id, shard_id, sub FROM worker_shards WHERE worker = ?", Kind.READ)
_INTENTS = Statement(
    "SELECT key, worker, WRITETIME(op) FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ
)
_FORGET_SHARDS = Statement("DELETE FROM worker_shards USING TIMESTAMP ? WHERE worker = ?", Kind.WRITE)
_FORGET_WORKER = Statement("DELETE FROM workers USING TIMESTAMP ? WHERE worker = ?", Kind.WRITE)


class Swept(NamedTuple):
    """What one round did."""

    workers: int
    keys: int
    heads: int
    uploads: int


class Sweeper:
    """One for each process; ``run_once`` is called by the one that leads."""

    def __init__(
        self,
        cql: Cql,
        commits: Commits,
        intents: Intents,
        listing: Listing,
        book: NoteBook,
        heads: Heads,
        ended: TimeQueue,
        tidy: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """``tidy``: what is done for an upload of the queue ``ended``."""
        self._cql = cql
        self._commits = commits
        self._intents = intents
        self._listing = listing
        self._book = book
        self._heads = heads
        self._ended = ended
        self._tidy = tidy
        self._clock = clock
        self._log = get_logger("metadata")

    async def run_once(self) -> Swept:
        """Raises ``MetadataUnavailable``, ``MetadataUnknown``: the rest is done the next time."""
        workers = keys = 0
        before_us = self._clock.now_us() - int(DEAD_SECONDS * 1_000_000)
        for worker, alive_us, stamp_us in await self._cql.run(_WORKERS):
            if worker != self._intents.worker and alive_us < before_us:
                keys += await self.sweep_worker(worker, alive_us, stamp_us)
                workers += 1
        heads = await self._each(self._heads.queue, self._heads.forget)
        uploads = await self._each(self._ended, lambda entry: self._tidy(entry.body.decode()))
        return Swept(workers, keys, heads, uploads)

    async def sweep_worker(self, worker: int, alive_us: int, stamp_us: int) -> int:
        """Bring everything to its end that a dead process had begun; how many keys that were.

        ``alive_us``: its last sign of life, which was written at ``stamp_us``. If it only slept, and goes on meanwhile, then
        nothing is taken away that it has written since.
        """
        count = 0
        for bucket_id, shard_id, sub in await self._cql.run(_SHARDS, worker):
            place = Place(shard_id, sub)
            rows = await self._cql.run(_INTENTS, bucket_id, shard_id, sub)
            mine = [row for row in rows if row[0] is not None and row[1] == worker]
            for at in range(0, len(mine), AT_ONCE):
                some = mine[at : at + AT_ONCE]
                await together(self.bring_to_end(bucket_id, row[0]) for row in some)
                await self._intents.remove(bucket_id, place, some)
            count += len(mine)
        # Half-way between its last sign of life, soon after which it stopped, and the earliest moment it was taken for dead.
        await self._cql.run(_FORGET_SHARDS, alive_us + int(DEAD_SECONDS / 2 * 1_000_000), worker)
        await self._cql.run(_FORGET_WORKER, stamp_us, worker)
        self._log.info("a process that died has been swept up after", worker=worker, keys=count)
        return count

    async def bring_to_end(self, bucket_id: bytes, key: bytes) -> None:
        """No change of the key that was decided before can land any more; its notes and list rows are as the truth says."""
        head = await self._commits.burn(bucket_id, key)
        await self._book.copy_found(head.pending)
        await self._listing.reindex(bucket_id, key)
        await self._heads.add_if_empty(bucket_id, key, head)

    async def _each(self, queue: TimeQueue, work: Callable[[Entry], Awaitable[None]]) -> int:
        entries = await queue.due(self._clock.now_us(), BATCH)
        done: list[bytes] = []
        for at in range(0, len(entries), AT_ONCE):
            some = entries[at : at + AT_ONCE]
            ends = await asyncio.gather(*(work(entry) for entry in some), return_exceptions=True)
            done += [entry.id for entry, end in zip(some, ends, strict=True) if end is None]
            _raise_unexpected(ends)
        if done:
            await queue.finish(done)
        return len(done)


def _raise_unexpected(ends: Sequence[BaseException | None]) -> None:
    """What the cluster did not answer is done the next time; anything else is a mistake of ours."""
    for end in ends:
        if end is not None and not isinstance(end, DolmenError):
            raise end
