"""Writing rebuilt rows, in batches, and never over a row that is there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from dolmen.core.cluster_map import ClusterMap
from dolmen.gateway.maintenance.rebuild.resolve import PlannedUpload
from dolmen.gateway.maintenance.rebuild.writes import Write
from dolmen.gateway.metadata.records import BucketRecord, PartRecord, RepairRow, VersionRecord
from dolmen.gateway.metadata.transfer import (
    BucketItem,
    Item,
    ItemKind,
    PartItem,
    Transferable,
    UploadItem,
    VersionItem,
    place_of,
)

BATCH_ITEMS = 256  # rows of one transaction, or statements in flight


class RowStore(Transferable, Protocol):
    """What rows are written to."""

    async def add_repairs(self, rows: Sequence[RepairRow]) -> None: ...


class Loader:
    """Collects rows and writes them a batch at a time; ``flush`` at the end."""

    def __init__(self, store: RowStore, cluster_map: ClusterMap, unheard: Collection[str]) -> None:
        """``unheard``: disks of which it is not known what they have: nothing of theirs is noted for repair."""
        self._store = store
        self._slots = {group.pg: group.slots for group in cluster_map.groups}
        self._unheard = unheard
        self._waiting: dict[ItemKind, list[Item]] = {
            ItemKind.VERSION: [],
            ItemKind.UPLOAD: [],
            ItemKind.PART: [],
        }
        self._repairs: list[RepairRow] = []

    async def bucket(self, bucket: BucketRecord) -> None:
        """At once: everything else refers to it."""
        await self._load(ItemKind.BUCKET, [BucketItem(bucket)])

    async def version(self, bucket_id: bytes, record: VersionRecord, bodies: Sequence[Write]) -> None:
        """A version, and what its stripes lack."""
        self._note_lacking(bodies)
        await self._add(ItemKind.VERSION, VersionItem(bucket_id, record))

    async def upload(self, planned: PlannedUpload, parts: Sequence[PartRecord]) -> None:
        """An upload in progress with its parts, and what their stripes lack."""
        self._note_lacking(planned.parts)
        await self._add(ItemKind.UPLOAD, UploadItem(planned.upload))
        for part in parts:
            await self._add(ItemKind.PART, PartItem(planned.upload.upload_id, part))

    async def flush(self) -> None:
        """Write what waits. Raises what ``Transferable.load`` raises."""
        for kind in self._waiting:
            await self._flush(kind)
        if self._repairs:
            await self._store.add_repairs(self._repairs)
            self._repairs = []

    async def _add(self, kind: ItemKind, item: Item) -> None:
        self._waiting[kind].append(item)
        if len(self._waiting[kind]) >= BATCH_ITEMS:
            await self._flush(kind)

    async def _flush(self, kind: ItemKind) -> None:
        items, self._waiting[kind] = self._waiting[kind], []
        await self._load(kind, items)

    async def _load(self, kind: ItemKind, items: Sequence[Item]) -> None:
        if not items:
            return
        there = {place_of(item) for item in await self._store.fetch(kind, [place_of(item) for item in items])}
        await self._store.load([item for item in items if place_of(item) not in there])

    def _note_lacking(self, bodies: Sequence[Write]) -> None:
        for row in (row for body in bodies for row in body.lacking):
            disks = self._slots.get(row.pg, ())
            slots = tuple(slot for slot in row.slots if slot < len(disks) and disks[slot] not in self._unheard)
            if slots:
                self._repairs.append(RepairRow(row.pg, row.stripe_id, slots))
