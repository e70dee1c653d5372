"""The split of a full range, at the speed at which it is done in production, beside writers who are measured."""

import asyncio
import secrets
import statistics
import time

import pytest
from cassandra_splits import SMALL, Process, Splitting, create_bucket

from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.split import SplitSettings
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import encode

ROWS = 100_000
SPLIT_SECONDS_MAX = 60.0
SLOWER_MAX = 1.5
WRITERS = 4
PAUSE_SECONDS = 0.02
BATCH = 100
SEED_ROW = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, 0, ?, ?) USING TIMESTAMP 1", Kind.WRITE
)

pytestmark = pytest.mark.cassandra_cluster


async def fill(cql, bucket, keys):
    """List rows alone: what a split moves."""
    batches = []
    for at in range(0, len(keys), BATCH):
        rows = [(key, ListRow(key, 10, "a" * 32, 1, "STANDARD", "1" * 12, "", "", "null", 1)) for key in keys[at : at + BATCH]]
        batches.append([Bound(SEED_ROW, (bucket.bucket_id, bucket.bucket_id, key, encode(row))) for key, row in rows])
    for at in range(0, len(batches), 8):
        await asyncio.gather(*map(cql.batch, batches[at : at + 8]))


class MeasuredWriters:
    """Put new keys all over the range; ``seconds`` holds how long each took."""

    def __init__(self, cql, bucket):
        self.process = Process(cql)
        self.bucket = bucket
        self.seconds = []
        self.written = []
        self._tasks = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        self._stopping = False

    async def _write(self):
        while not self._stopping:
            key = b"key-" + secrets.token_hex(8).encode()
            began = time.perf_counter()
            await self.process.put(self.bucket, key)
            self.seconds.append(time.perf_counter() - began)
            self.written.append(key)
            await asyncio.sleep(PAUSE_SECONDS)

    def take(self):
        """(median, p99, how many) since the last call."""
        seconds, self.seconds = sorted(self.seconds), []
        return statistics.median(seconds), seconds[int(len(seconds) * 0.99)], len(seconds)

    async def stop(self):
        self._stopping = True
        await asyncio.gather(*self._tasks)
        await self.process.close()


async def test_a_full_range_is_split_within_a_minute_and_writers_hardly_notice(cql, fresh):
    bucket = await create_bucket(cql)
    keys = sorted(b"key-" + secrets.token_hex(8).encode() for _ in range(ROWS))
    await fill(cql, bucket, keys)
    splitting = Splitting(cql, fresh, SplitSettings(), SMALL)
    writers = MeasuredWriters(cql, bucket)
    try:
        await asyncio.sleep(5)
        writers.take()
        await asyncio.sleep(20)
        before = writers.take()
        assert before[2] > 200
        began = time.perf_counter()
        split = await splitting.split_at(bucket)
        found_seconds = time.perf_counter() - began
        await splitting.splitter.run(split)
        split_seconds = time.perf_counter() - began
        during = writers.take()
    finally:
        await writers.stop()
    print(f"split {split_seconds:.1f} s (of them {found_seconds:.1f} s for its place), {split.differences} differences")
    print(f"PUT before: p50 {before[0] * 1e3:.1f} p99 {before[1] * 1e3:.1f} ms of {before[2]}")
    print(f"PUT during: p50 {during[0] * 1e3:.1f} p99 {during[1] * 1e3:.1f} ms of {during[2]}")
    lister = Process(cql)
    found = [row.key for row in await lister.rows(bucket, 5000)]
    await lister.close()
    assert found == sorted([*keys, *writers.written])
    counts = [count.rows for count in split.counts.values()]
    assert max(counts) < 0.55 * sum(counts)
    assert split_seconds <= SPLIT_SECONDS_MAX
    assert during[1] <= SLOWER_MAX * before[1]
