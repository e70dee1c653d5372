"""Small buckets, versions and writes for tests of metadata backends."""

import os

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout, Run, Segment
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, MutablePart, NewVersion, Versioning


class SettableClock(SystemClock):
    """The time, and what was added to it."""

    added_seconds = 0

    def now_us(self):
        return super().now_us() + self.added_seconds * 1_000_000

    def monotonic_seconds(self):
        return super().monotonic_seconds() + self.added_seconds


def layout_of(number=1):
    run = Run(number, os.urandom(16), 0, 1)
    return ObjectLayout((Segment(10, 4, 2, 1 << 20, 1 << 17, (run,), bytes(4)),))


def version_of(etag="a" * 32, layout=None, mutable=None):
    return NewVersion(
        size=10,
        etag=etag,
        owner="1" * 12,
        attributes=Attributes(),
        layout=layout or layout_of(),
        mutable=mutable or MutablePart(),
    )


async def bucket_of(store, name="bucket", versioning=Versioning.OFF):
    bucket = BucketRecord(
        name=name, bucket_id=os.urandom(16), owner="1" * 12, region="us-east-1", created_us=1, versioning=versioning
    )
    await store.create_bucket(bucket)
    return bucket


async def put(store, bucket, key, condition=NO_CONDITION, repairs=(), event=b"", **version):
    return await store.commit(await store.begin(bucket, key), version_of(**version), condition, repairs, event)


async def garbage_of(store):
    return [note.layout for note in await store.due_garbage(1 << 62, 1000)]


async def keys_of(store, bucket):
    return [row.key for row in await store.scan(bucket.bucket_id, b"", None, 1000)]
