"""Moving a version's bytes to the scheme of another storage class: read, cut anew, written, and only then exchanged.

Sealed bytes move as they are. The caller exchanges the layouts by ``MetadataStore.replace_data``; until then, and when that is
refused, the version keeps its old bytes and the new ones are garbage.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from dolmen.core.errors import DolmenError
from dolmen.core.ids import StripeIds
from dolmen.core.layout import ObjectLayout
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.metadata.records import BucketRecord, VersionRecord
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.description import encode_description, facts_of_version
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter


class Reclassifier:
    """One for each process that moves data."""

    def __init__(
        self,
        store: MetadataStore,
        cluster: ClusterView,
        reader: ObjectReader,
        stripe_writer: StripeWriter,
        ids: StripeIds,
        budget: MemoryBudget,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._reader = reader
        self._stripe_writer = stripe_writer
        self._ids = ids
        self._budget = budget
        self._log = get_logger("reclass")

    async def move(self, bucket: BucketRecord, record: VersionRecord, storage_class: str) -> ObjectLayout:
        """The version's bytes in the scheme of ``storage_class``: the layout that it has, when that is the scheme already.

        What is missing of the new stripes is noted for repair before anything refers to them. Raises ``DataUnavailable``,
        ``NotEnoughDisks``, ``NoMap``; what was stored is then garbage.
        """
        pool = self._cluster.pool(storage_class)
        layout = record.layout
        if all((segment.k, segment.m) == (pool.k, pool.m) for segment in layout.segments):
            return layout
        described = encode_description(bucket, record.key, pool, facts_of_version(record, storage_class))
        target = write_target(bucket.bucket_id, record.key, os.urandom(16), description=described)
        writer = SegmentWriter(self._stripe_writer, self._ids, pool, self._budget, target)
        try:
            written = await writer.write(self._bytes_of(layout), layout.length, _unread)
        except BaseException:
            await self._discard(writer.garbage())
            raise
        if written.repairs:
            await self._store.add_repairs(written.repairs)
        await self._discard(written.garbage)
        return written.layout

    async def _bytes_of(self, layout: ObjectLayout) -> AsyncIterator[memoryview]:
        async with aclosing(self._reader.stream(layout, 0, layout.length)) as stream:
            async for pieces in stream:
                for piece in pieces:
                    yield piece

    async def _discard(self, garbage: ObjectLayout) -> None:
        if garbage.segments:
            try:
                await self._store.add_garbage(garbage)
            except DolmenError as error:  # the inventory audit finds it
                self._log.warning("garbage could not be noted", error=str(error), bytes=garbage.length)


def _unread(_: memoryview) -> None:
    """The bytes keep the digests they have."""
