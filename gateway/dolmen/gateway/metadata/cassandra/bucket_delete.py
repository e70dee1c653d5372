"""The deletion of a bucket: close its ranges, see that nothing is in them nor on its way into them, then let it go.

Writers leave an intent and then look for ``closed``; we set ``closed`` and then look for intents. So each writer either is seen,
and its key burned (a change that was decided before cannot land any more), or finds the range closed and goes away. Marks carry
the time of the state that they belong to: an older one never wins.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from dolmen.core.clock import Clock
from dolmen.core.errors import DolmenError
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.bucket_lists import BucketLists
from dolmen.gateway.metadata.cassandra.bucket_rows import ACTIVE, DELETING, BucketRow, BucketRows
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.shards import ACTIVE as RANGE_ACTIVE
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.store import BucketNotEmpty, MetadataUnavailable, NoSuchBucket

DELETING_SECONDS_MAX = 60.0  # a deletion that nobody renewed for so long is dead, and reverted by whoever meets it
RENEW_SECONDS = 15.0  # how often a long one is renewed
END_SECONDS = 5.0  # so long others wait for the end of a deletion, which takes a few statements
INTENTS_MAX = 5000  # changes on their way in one range: a bucket so busy is not empty
ROUNDS_MAX = 4  # of beginning, when others are faster
AT_ONCE = 16  # ranges or keys under work

_CLOSE = Statement(
    "INSERT INTO listing_intents (bucket_id, shard_id, sub, closed) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_INTENTS = Statement("SELECT key FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT ?", Kind.READ)


class Contents(NamedTuple):
    """What is asked about a bucket's contents, and done to them."""

    occupied: Callable[[bytes], Awaitable[bool]]  # a list of versions has anything in it: as strong as a read of each key
    burned: Callable[[bytes, bytes], Awaitable[bool]]  # no change of the key decided before can land; whether it has versions
    end_uploads: Callable[[bytes], Awaitable[None]]  # every upload in progress ends, its parts become garbage
    drop_space: Callable[[str], Awaitable[None]]  # of documents


class BucketDeletion:
    """Deletes buckets, and brings to an end what a dead process left half deleted."""

    def __init__(
        self, cql: Cql, shard_map: ShardMap, rows: BucketRows, lists: BucketLists, clock: Clock
    ) -> None:
        self.contents: Contents | None = None  # set before the first deletion: what it asks is made of parts that come later
        self._cql = cql
        self._map = shard_map
        self._rows = rows
        self._lists = lists
        self._clock = clock
        self._log = get_logger("metadata")

    async def delete(self, name: str, bucket_id: bytes) -> None:
        """Raises ``NoSuchBucket``, ``BucketNotEmpty``, ``MetadataUnavailable``: also while a range is split, or others do it."""
        row = await self._emptied(await self._begun(name, bucket_id))
        if not await self._rows.remove(row):
            await self._revert(row)
            raise MetadataUnavailable("the deletion took too long and was reverted")
        self._map.forget(bucket_id)

    async def _begun(self, name: str, bucket_id: bytes) -> BucketRow:
        """The row as we have marked it; others who do the same are waited for."""
        assert self.contents is not None
        for _ in range(ROUNDS_MAX):
            row = await self._active(name, bucket_id)
            if await self.contents.occupied(bucket_id):  # no need to disturb its writers
                raise BucketNotEmpty(name)
            turned = await self._turned(row, DELETING)
            if turned is not None:
                return turned
        raise MetadataUnavailable("the bucket is changed by others again and again")

    async def wait_for_end(self, name: str, bucket_id: bytes) -> None:
        """A writer met ``closed``: returns once the bucket is open (again). Raises ``NoSuchBucket``, ``MetadataUnavailable``."""
        row = await self._active(name, bucket_id)
        await self._lists.ensure(row.record)
        await self._open(row)  # whoever reverted the deletion may not have come so far

    async def _active(self, name: str, bucket_id: bytes) -> BucketRow:
        """The row once nobody deletes the bucket; a deletion that died is reverted. Raises as ``wait_for_end``."""
        loop = asyncio.get_running_loop()
        until_seconds = loop.time() + END_SECONDS
        for pause_seconds in pauses():
            row = await self._rows.read_everywhere(name)
            if row is None or row.bucket_id != bucket_id:
                raise NoSuchBucket(name)
            if row.state == ACTIVE:
                return row
            if self._is_dead(row):
                await self._revert(row)
            if loop.time() > until_seconds:
                break
            await asyncio.sleep(pause_seconds)
        raise MetadataUnavailable("the bucket is being deleted")

    def _is_dead(self, row: BucketRow) -> bool:
        return self._clock.now_us() - row.state_us > DELETING_SECONDS_MAX * 1_000_000

    async def _turned(self, row: BucketRow, state: int) -> BucketRow | None:
        """Into a later state; None when somebody else was faster."""
        # With a bit of chance, so that no two processes ever name the same instant: it tells whose state it is.
        state_us = max(self._clock.now_us() + secrets.randbelow(1000), row.state_us + 1 + secrets.randbelow(1000))
        if not await self._rows.turn(row, state, state_us):
            return None
        return row._replace(state=state, state_us=state_us)

    async def _emptied(self, row: BucketRow) -> BucketRow:
        """Nothing is in the closed bucket, nor will be; its uploads and documents are gone. Else this raises, and it is open."""
        assert self.contents is not None
        state = _Renewed(row)
        try:
            await self._while_renewed(state, self._require_empty(row))
            await self._while_renewed(state, self.contents.end_uploads(row.bucket_id))
            await self.contents.drop_space(f"bucket/{row.bucket_id.hex()}")
            await self._lists.remove(row.record)  # before it is gone: whoever makes its namesake comes later
        except BaseException:
            await self._revert_if_possible(state.row)
            raise
        return state.row

    async def _while_renewed(self, state: _Renewed, work: Awaitable[None]) -> None:
        """Do ``work``; nobody takes the deletion for dead meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=RENEW_SECONDS))[0]:
                renewed = await self._turned(state.row, DELETING)
                if renewed is None:
                    raise MetadataUnavailable("the deletion was taken for dead, and reverted")
                state.row = renewed
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _require_empty(self, row: BucketRow) -> None:
        assert self.contents is not None
        bucket_id = row.bucket_id
        shards = await self._map.shards(bucket_id)
        if any(shard.state != RANGE_ACTIVE for shard in shards):  # a splitter asks for the bucket after it has said so in the map
            raise MetadataUnavailable("a range of the bucket is being split")
        places = [place for shard in shards for place in shard.own()]
        await _each(self._mark(bucket_id, place, row.state_us, row.state_us) for place in places)
        keys = {key for found in await _each(self._keys_on_their_way(bucket_id, place) for place in places) for key in found}
        held = await _each(self.contents.burned(bucket_id, key) for key in keys)
        if any(held) or await self.contents.occupied(bucket_id):
            raise BucketNotEmpty(row.name)

    async def _keys_on_their_way(self, bucket_id: bytes, place: Place) -> list[bytes]:
        rows = await self._cql.run(_INTENTS, bucket_id, place.shard_id, place.sub, INTENTS_MAX + 1)
        if len(rows) > INTENTS_MAX:
            raise MetadataUnavailable("too much is being written to the bucket")
        return [key for (key,) in rows if key is not None]

    # ---- back ------------------------------------------------------------------------------------------------------

    async def _revert_if_possible(self, row: BucketRow) -> None:
        try:
            await self._revert(row)
        except DolmenError as error:  # whoever meets it will do it
            self._log.warning("a deletion could not be reverted", bucket=row.name, error=str(error))

    async def _revert(self, row: BucketRow) -> None:
        """The bucket stays; also when somebody else has said so before: it may be us who took its name out of the lists."""
        state_us = max(self._clock.now_us(), row.state_us + 1)
        if await self._rows.turn(row, ACTIVE, state_us):
            now: BucketRow | None = row._replace(state=ACTIVE, state_us=state_us)
        else:
            now = await self._rows.read_everywhere(row.name)
        if now is not None and now.bucket_id == row.bucket_id and now.state == ACTIVE:
            await self._lists.ensure(now.record)
            await self._open(now)

    async def _open(self, row: BucketRow) -> None:
        places = [place for shard in await self._map.shards(row.bucket_id) for place in shard.own()]
        await _each(self._mark(row.bucket_id, place, 0, row.state_us) for place in places)

    async def _mark(self, bucket_id: bytes, place: Place, closed: int, state_us: int) -> None:
        await self._cql.run(_CLOSE, bucket_id, place.shard_id, place.sub, closed, state_us)


class _Renewed:
    """The row of a deletion under way, as it was renewed last."""

    def __init__(self, row: BucketRow) -> None:
        self.row = row


async def _each(works: Iterable[Awaitable[Any]]) -> list[Any]:
    """All of them, some at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[Any]) -> Any:  # noqa: ANN401
        async with room:
            return await work

    return await asyncio.gather(*map(one, works))
