"""Buckets to list are filled through the metadata port, or with list rows in Cassandra."""

import secrets

from bench import fill_cassandra
from bench.fill import fill
from bench.keys import key_of
from cassandra_keyspaces import WORKER
from cassandra_store import make_schema, store_of, url_of

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


async def test_a_bucket_in_cassandra_lists_every_key_across_ranges_and_is_filled_again(cassandra, shared_keyspace, monkeypatch):
    monkeypatch.setattr(fill_cassandra, "TOGETHER", 300)
    monkeypatch.setattr("dolmen.gateway.metadata.cassandra.fresh_ranges.ROWS", 500)
    url = url_of(cassandra, shared_keyspace(make_schema, WORKER))
    store = store_of(url, SystemClock())
    await store.open()
    try:
        name = f"bench-{secrets.token_hex(4)}"
        bucket = BucketRecord(name=name, bucket_id=secrets.token_bytes(16), owner="1" * 12, region="us-east-1", created_us=1)
        await store.create_bucket(bucket)
        for _ in range(2):
            await fill_cassandra.fill(url, name, 1000)
            rows = await store.scan(bucket.bucket_id, b"", None, 2000)
            assert [row.key.decode() for row in rows] == [key_of(index, 1000) for index in range(1000)]
            assert {(row.size, row.owner, row.etag) for row in rows} == {(0, "1" * 12, fill_cassandra.EMPTY_MD5)}
        assert len(await store._parts.shard_map.shards(bucket.bucket_id)) == 2
    finally:
        await store.close()
