"""Fills a bucket with list rows in Cassandra: what a listing reads, without the truth behind it.

python -m bench.fill_cassandra cassandra://HOST/KEYSPACE BUCKET KEYS    (the bucket exists; the server may be running)

A conditional change for each key would take a hundred times as long. The rows are those of objects of 0 bytes, in ranges as a
store has them that was loaded in the order of its keys. Such keys can only be listed.
"""

from __future__ import annotations

import asyncio
import secrets
import sys

from bench.fill import EMPTY_MD5
from bench.keys import key_of
from bench.statements import FILL_TRIES, PUT_LIST_ROW

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.buckets import Buckets
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound
from dolmen.gateway.metadata.cassandra.driver import CassandraSession
from dolmen.gateway.metadata.cassandra.fresh_ranges import FreshRanges
from dolmen.gateway.metadata.cassandra.shards import Place, ShardMap
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.records import NULL_VERSION, Attributes, BucketRecord, VersionRecord
from dolmen.gateway.metadata.rows import encode, list_row
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

TOGETHER = 16 * BATCH_STATEMENTS_MAX  # rows in flight; a new range begins between two such groups


async def fill(url: str, bucket_name: str, keys: int) -> None:
    """Write every row; again is the same."""
    address, clock = parse_address(url), SystemClock()
    session = CassandraSession(address)
    await session.connect()
    shard_map, stamps = ShardMap(session), Stamps(clock)
    buckets = Buckets(session, shard_map, clock, address.cache_seconds)
    try:
        bucket = await buckets.get(bucket_name)
        if bucket is None:
            raise SystemExit(f"fill: no bucket {bucket_name} in {url}")
        ranges = FreshRanges(session, shard_map, stamps, secrets.randbits(62) + 1)
        for begin in range(0, keys, TOGETHER):
            some = [key_of(index, keys).encode() for index in range(begin, min(keys, begin + TOGETHER))]
            await ranges.begin(bucket.bucket_id, some[0])
            await _write(session, shard_map, bucket, some, stamps.next())
            await ranges.note(bucket.bucket_id, len(some), len(some[0]))
    finally:
        await buckets.close()
        await session.close()


async def _write(session: CassandraSession, shard_map: ShardMap, bucket: BucketRecord, keys: list[bytes], seq: int) -> None:
    partitions: dict[Place, list[Bound]] = {}
    for key in keys:
        record = VersionRecord(
            key=key,
            version_id=NULL_VERSION,
            seq=seq,
            size=0,
            etag=EMPTY_MD5,
            mtime_us=seq,
            owner=bucket.owner,
            attributes=Attributes(content_type="binary/octet-stream"),
        )
        row = encode(list_row(record))
        for place in await shard_map.places(bucket.bucket_id, key):
            bound = Bound(PUT_LIST_ROW, (bucket.bucket_id, place.shard_id, place.sub, key, row, seq))
            partitions.setdefault(place, []).append(bound)
    batches = [
        rows[at : at + BATCH_STATEMENTS_MAX] for rows in partitions.values() for at in range(0, len(rows), BATCH_STATEMENTS_MAX)
    ]
    await asyncio.gather(*(_send(session, batch) for batch in batches))


async def _send(session: CassandraSession, batch: list[Bound]) -> None:
    """Until it is there: nodes that have only just started let some time out."""
    for _ in range(FILL_TRIES):
        try:
            await session.batch(batch)
            return
        except MetadataUnknown:
            continue
    raise MetadataUnavailable("the cluster is too slow to be filled")


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1], sys.argv[2], int(sys.argv[3])))
