"""Fills a bucket with rows through the metadata port: a million keys over HTTP would take far longer than the listing.

python -m bench.fill METADATA_FILE BUCKET KEYS    (the bucket exists; the server may be running)

The rows are objects of 0 bytes with empty layouts, which a listing shows like any other.
"""

from __future__ import annotations

import asyncio
import sys

from bench.keys import key_of

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, NewVersion

BATCH = 4096  # commits in flight: several transactions of the store, far below its queue
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


async def fill(path: str, bucket_name: str, keys: int) -> None:
    """Commit every key that is missing at the end; an earlier fill that was cut short is continued."""
    store = EmbeddedStore(path, SystemClock(), garbage_grace_seconds=3600.0)
    await store.open()
    try:
        bucket = await store.get_bucket(bucket_name)
        if bucket is None:
            raise SystemExit(f"fill: no bucket {bucket_name} in {path}")
        version = NewVersion(
            size=0,
            etag=EMPTY_MD5,
            owner=bucket.owner,
            attributes=Attributes(content_type="binary/octet-stream"),
            layout=ObjectLayout(),
        )
        for begin in range(0, keys, BATCH):
            end = min(keys, begin + BATCH)
            if await store.get_version(bucket.bucket_id, key_of(end - 1, keys).encode()) is not None:
                continue
            await asyncio.gather(*(_commit(store, bucket, key_of(index, keys), version) for index in range(begin, end)))
    finally:
        await store.close()


async def _commit(store: EmbeddedStore, bucket: BucketRecord, key: str, version: NewVersion) -> None:
    intent = await store.begin(bucket, key.encode())
    await store.commit(intent, version, NO_CONDITION)


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1], sys.argv[2], int(sys.argv[3])))
