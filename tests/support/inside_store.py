"""The metadata of a store that runs, read beside it: where bytes are, how they are sealed, what is garbage."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dev_server import DevServer

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.choose import open_metadata
from dolmen.gateway.metadata.records import UploadRow, VersionRecord
from dolmen.gateway.metadata.store import MetadataStore

T = TypeVar("T")
ROWS_MAX = 1000  # of one scan; tests have fewer objects in a bucket, or count pages
EVER = 1 << 62  # microseconds


def inside(server: DevServer, look: Callable[[MetadataStore], Awaitable[T]]) -> T:
    """What ``look`` finds in the metadata of ``server``."""

    async def run() -> T:
        store = open_metadata(server.metadata, SystemClock(), 900)
        await store.open()
        try:
            return await look(store)
        finally:
            await store.close()

    return asyncio.run(run())


def records(server: DevServer, bucket: str) -> dict[str, VersionRecord]:
    """The current objects of a bucket by key."""

    async def look(store: MetadataStore) -> dict[str, VersionRecord]:
        found = await store.get_bucket(bucket)
        assert found is not None
        made: dict[str, VersionRecord] = {}
        after = b""
        while True:
            rows = await store.scan(found.bucket_id, after, None, ROWS_MAX)
            for row in rows:
                record = await store.get_version(found.bucket_id, row.key)
                assert record is not None
                made[row.key.decode()] = record
            if len(rows) < ROWS_MAX:
                return made
            after = rows[-1].key + b"\0"

    return inside(server, look)


def garbage(server: DevServer) -> list[ObjectLayout]:
    """What is noted as garbage, due or not."""

    async def look(store: MetadataStore) -> list[ObjectLayout]:
        return [note.layout for note in await store.due_garbage(EVER, ROWS_MAX)]

    return inside(server, look)


def uploads(server: DevServer, bucket: str) -> list[UploadRow]:
    """The multipart uploads of a bucket."""

    async def look(store: MetadataStore) -> list[UploadRow]:
        found = await store.get_bucket(bucket)
        assert found is not None
        return list(await store.list_uploads(found.bucket_id, b"", "", None, ROWS_MAX))

    return inside(server, look)


def digests_of_volumes(server: DevServer) -> dict[str, str]:
    """Every byte that datanodes wrote: {file: SHA-256}."""
    files = [path for path in sorted((server.data / "disks").rglob("volume-*")) if path.is_file()]
    assert files
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
