"""The Cassandra store with all that is in it open to be moved, and its lists open to be judged.

See ``Transferable``, ``ChangingSource`` and ``ListedStore``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from dolmen.core.clock import Clock
from dolmen.core.errors import ConfigError, Unavailable
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.cassandra.address import CassandraAddress
from dolmen.gateway.metadata.cassandra.cql import Cql, Kind, Statement
from dolmen.gateway.metadata.cassandra.listcheck import ListCheck
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.cassandra.pauses import pauses
from dolmen.gateway.metadata.cassandra.transfer_buckets import BucketItems
from dolmen.gateway.metadata.cassandra.transfer_keys import Key, VersionItems
from dolmen.gateway.metadata.cassandra.transfer_queues import (
    QueueItems,
    RepairItems,
    entry_id_of,
    event_item,
    garbage_item,
    same_id,
)
from dolmen.gateway.metadata.cassandra.transfer_records import DocumentItems, MapItems, SpaceItems
from dolmen.gateway.metadata.cassandra.transfer_uploads import PartItems, UploadItems
from dolmen.gateway.metadata.listcheck import ListPage
from dolmen.gateway.metadata.records import BucketRecord, Usage
from dolmen.gateway.metadata.transfer import BucketItem, Item, ItemKind, Page, Place, Position, kind_of, walk

UNUSED_SECONDS = 120.0  # a process that gave a sign of life since is taken to be running
PATIENCE_SECONDS = (0.2, 5.0)  # between tries of what was not answered: first, longest
GRACE_SECONDS = 900.0  # of garbage notes: only those of completions that others left are made here

_WORKERS = Statement("SELECT worker, alive_us FROM workers", Kind.READ)

T = TypeVar("T")


class KindItems(Protocol):
    """As ``Transferable``, for one kind."""

    async def dump(self, after: bytes, limit: int) -> Page: ...

    async def fetch(self, places: Sequence[Place]) -> list[Item]: ...

    async def load(self, items: Sequence[Item]) -> None: ...

    async def forget(self, places: Sequence[Place]) -> None: ...


class CassandraTransfer:
    """On a session that is connected."""

    def __init__(self, cql: Cql, address: CassandraAddress, clock: Clock, *, patience_seconds: float = 0) -> None:
        """``patience_seconds``: how long a call is tried again before it is given up; all of them may be repeated."""
        self._cql = cql
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._log = get_logger("metadata")
        parts = Parts(cql, address, clock, secrets.randbits(63), int(GRACE_SECONDS * 1_000_000))
        self._parts = parts
        buckets = BucketItems(cql, clock)
        self._buckets = buckets
        self._versions = VersionItems(cql, parts, buckets.ids)
        self._kinds: dict[ItemKind, KindItems] = {
            ItemKind.GARBAGE: QueueItems(cql, "garbage", parts.garbage, parts.stamps, garbage_item, entry_id_of),
            ItemKind.EVENT: QueueItems(cql, "events", parts.events, parts.stamps, event_item, same_id),
            ItemKind.REPAIR: RepairItems(cql, parts.repairs),
            ItemKind.MAP: MapItems(cql, parts.cluster),
            ItemKind.SPACE: SpaceItems(cql),
            ItemKind.DOCUMENT: DocumentItems(cql),
            ItemKind.BUCKET: buckets,
            ItemKind.VERSION: self._versions,
            ItemKind.UPLOAD: UploadItems(cql, parts.uploads, clock),
            ItemKind.PART: PartItems(cql),
        }
        self._lists = ListCheck(cql, parts.shard_map, parts.truth, parts.listing, parts.burned)

    async def close(self) -> None:
        """Finish what was begun; the session stays."""
        await self._parts.close()

    # ---- moving --------------------------------------------------------------------------------------------------

    async def dump(self, kind: ItemKind, after: bytes, limit: int) -> Page:
        """Mostly in the order of tokens."""
        return await self._patiently(lambda: self._kinds[kind].dump(after, limit))

    async def fetch(self, kind: ItemKind, places: Sequence[Place]) -> list[Item]:
        return await self._patiently(lambda: self._kinds[kind].fetch(places))

    async def slots(self, bucket_id: bytes, key: bytes) -> list[int]:
        return await self._patiently(lambda: self._versions.slots(bucket_id, key))

    async def load(self, items: Sequence[Item]) -> None:
        if items:
            await self._patiently(lambda: self._kinds[kind_of(items[0])].load(items))

    async def forget(self, kind: ItemKind, places: Sequence[Place]) -> None:
        if places:
            await self._patiently(lambda: self._kinds[kind].forget(places))

    async def count(self, kind: ItemKind) -> int:
        """Reads all of them."""
        total = 0
        async for _, items, _ in walk(self, Position(kind), (kind,)):
            total += len(items)
        return total

    async def usage(self, bucket_id: bytes) -> Usage:
        """As in the port."""
        return await self._patiently(lambda: self._parts.usage.of(bucket_id))

    async def changed_keys(self, since_us: int) -> AsyncIterator[Sequence[Key]]:
        """See ``ChangingSource``."""
        after: bytes | None = b""
        while after is not None:
            page = await self._patiently(partial(self._versions.changed_keys, since_us, after))
            after = page.after
            if page.keys:
                yield page.keys

    async def changed_since(self, since_us: int) -> bool:
        """Whether the head of any key was moved since."""
        async for _ in self.changed_keys(since_us):
            return True
        return False

    async def require_unused(self) -> None:
        """Raises ``ConfigError`` when a process of the store runs: what is loaded would meet its changes."""
        before_us = self._clock.now_us() - int(UNUSED_SECONDS * 1_000_000)
        rows = await self._patiently(lambda: self._cql.run(_WORKERS))
        if any((alive_us or 0) > before_us for _, alive_us in rows):
            raise ConfigError(f"processes use that store, or did so within the last {UNUSED_SECONDS:.0f} s: stop them first")

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        deadline = self._clock.monotonic_seconds() + self._patience_seconds
        for pause_seconds in pauses(*PATIENCE_SECONDS):
            try:
                return await work()
            except Unavailable as error:
                if self._clock.monotonic_seconds() + pause_seconds > deadline:
                    raise
                self._log.warning("not answered, trying again", error=str(error))
            await asyncio.sleep(pause_seconds)
        raise AssertionError("pauses have no end")

    # ---- lists ---------------------------------------------------------------------------------------------------

    async def get_bucket(self, name: str) -> BucketRecord | None:
        found = await self.fetch(ItemKind.BUCKET, [(name,)])
        return next((item.bucket for item in found if isinstance(item, BucketItem)), None)

    async def all_buckets(self, after: str, limit: int) -> list[BucketRecord]:
        return await self._patiently(lambda: self._parts.buckets.all(after, limit))

    async def judge_lists(self, buckets: Sequence[bytes], after: bytes, limit: int) -> ListPage:
        return await self._patiently(lambda: self._lists.judge(buckets, after, limit))

    async def heal_lists(self, bucket_id: bytes, keys: Sequence[bytes]) -> int:
        return await self._patiently(lambda: self._lists.heal(bucket_id, keys))
