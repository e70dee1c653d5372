"""Buckets to list are filled through the metadata port."""

from bench.fill import fill
from bench.keys import key_of

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import BucketRecord


async def test_a_bucket_is_filled_through_the_metadata_port_and_filled_again_in_vain(tmp_path):
    path = str(tmp_path / "metadata.sqlite")
    store = EmbeddedStore(path, SystemClock(), garbage_grace_seconds=60.0)
    await store.open()
    try:
        bucket = BucketRecord(name="b", bucket_id=bytes(16), owner="123456789012", region="us-east-1", created_us=1)
        await store.create_bucket(bucket)
        await fill(path, "b", 1000)
        first = await store.scan(bucket.bucket_id, b"", None, 2000)
        await fill(path, "b", 1000)
        assert await store.scan(bucket.bucket_id, b"", None, 2000) == first
    finally:
        await store.close()
    assert [row.key.decode() for row in first] == [key_of(index, 1000) for index in range(1000)]
