"""The rows of a store, as a rebuild compares them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import msgspec

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.maintenance.rebuild.writes import GarbageRuns
from dolmen.gateway.metadata.records import BucketRecord, PartRecord, UploadRecord, VersionRecord
from dolmen.gateway.metadata.transfer import (
    BucketItem,
    GarbageItem,
    ItemKind,
    PartItem,
    Position,
    Transferable,
    UploadItem,
    VersionItem,
    walk,
)


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One row: of a version, of an upload in progress, or of a part of one (then with its upload)."""

    bucket_id: bytes
    key: bytes
    version: VersionRecord | None = None
    upload: UploadRecord | None = None
    part: PartRecord | None = None

    @property
    def layout(self) -> ObjectLayout:
        if self.version is not None:
            return self.version.layout
        return self.part.layout if self.part is not None else ObjectLayout()


def key_hash(key: bytes) -> bytes:
    """As fragments have it."""
    return hashlib.sha256(key).digest()[:16]


async def buckets_of(store: Transferable) -> dict[bytes, BucketRecord]:
    """Every bucket by its id; a kilobyte each."""
    found = {}
    async for _, items, _ in walk(store, Position(ItemKind.BUCKET), (ItemKind.BUCKET,)):
        found.update({item.bucket.bucket_id: item.bucket for item in items if isinstance(item, BucketItem)})
    return found


async def rows_of(store: Transferable) -> AsyncIterator[Row]:
    """Every version, upload in progress and part. What changes meanwhile may be told either way.

    Uploads in progress are held in memory until their parts are told, a kilobyte each.
    """
    uploads: dict[str, UploadRecord] = {}
    kinds = (ItemKind.VERSION, ItemKind.UPLOAD, ItemKind.PART)
    async for _, items, _ in walk(store, Position(ItemKind.VERSION), kinds):
        for item in items:
            if isinstance(item, VersionItem):
                yield Row(item.bucket_id, item.record.key, version=item.record)
            elif isinstance(item, UploadItem) and item.upload.completed is None:
                uploads[item.upload.upload_id] = item.upload
                yield Row(item.upload.bucket_id, item.upload.key, upload=item.upload)
            elif isinstance(item, PartItem) and (upload := uploads.get(item.upload_id)) is not None:
                yield Row(upload.bucket_id, upload.key, upload=upload, part=item.part)


async def garbage_of(store: Transferable) -> GarbageRuns:
    """What is noted to be deleted, due or not; some 200 bytes in memory for each run of stripes."""
    runs = GarbageRuns()
    async for _, items, _ in walk(store, Position(ItemKind.GARBAGE), (ItemKind.GARBAGE,)):
        for item in items:
            if isinstance(item, GarbageItem):
                runs.add(item.note.layout)
    return runs
