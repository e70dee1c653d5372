"""The split of a full range, at the speed at which it is done in production, beside writers who are measured."""

import asyncio
import contextlib
import secrets
import statistics
import time

import pytest
from cassandra_cluster import CassandraCluster, named_cluster
from cassandra_keyspaces import create_keyspace
from cassandra_parts import session_in
from cassandra_splits import Process, create_bucket
from cassandra_store import make_schema
from split_alone import split_in_a_process

from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import encode

ROWS = 100_000
SPLIT_SECONDS_GOAL = 60.0
SLOWER_GOAL = 1.5  # how much slower the slowest hundredth of writes may be meanwhile
# With node, writers and splitter on two processors, more writers would measure how long they wait for a processor.
WRITERS = 2
PAUSE_SECONDS = 0.04
WARM_ROWS = 20_000  # split before: a node that has just started is busy compiling
BATCH = 100
SEED_ROW = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, 0, ?, ?) USING TIMESTAMP 1", Kind.WRITE
)

pytestmark = pytest.mark.cassandra_cluster


async def filled(cql, rows):
    """A bucket with list rows alone, which are what a split moves; and its keys."""
    bucket = await create_bucket(cql)
    keys = sorted(b"key-" + secrets.token_hex(8).encode() for _ in range(rows))
    batches = []
    for at in range(0, len(keys), BATCH):
        rows = [(key, ListRow(key, 10, "a" * 32, 1, "STANDARD", "1" * 12, "", "", "null", 1)) for key in keys[at : at + BATCH]]
        batches.append([Bound(SEED_ROW, (bucket.bucket_id, bucket.bucket_id, key, encode(row))) for key, row in rows])
    for at in range(0, len(batches), 8):
        await asyncio.gather(*map(cql.batch, batches[at : at + 8]))
    return bucket, keys


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


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Contact points of a node as fast as one is in production (or of the cluster that is named), and a keyspace there."""
    name = f"large_{secrets.token_hex(6)}"
    with contextlib.ExitStack() as stack:
        points = named_cluster()
        if not points:
            folder = tmp_path_factory.mktemp("node")
            points = stack.enter_context(CassandraCluster(folder, nodes=1, commitlog="batch", load_test=True)).contact_points
        create_keyspace(points, name)
        make_schema(points, name)
        yield points, name


async def test_a_full_range_is_split_beside_writers(node):
    points, keyspace = node
    async with session_in(points, keyspace) as cql:
        warm, _ = await filled(cql, WARM_ROWS)
        bucket, keys = await filled(cql, ROWS)
        writers = MeasuredWriters(cql, bucket)
        try:
            await split_in_a_process(points, keyspace, warm)
            writers.take()
            await asyncio.sleep(30)
            before = writers.take()
            assert before[2] > 200
            split = await split_in_a_process(points, keyspace, bucket)
            during = writers.take()
        finally:
            await writers.stop()
        print(f"split {split}, goal {SPLIT_SECONDS_GOAL} s")
        print(f"PUT before: p50 {before[0] * 1e3:.1f} p99 {before[1] * 1e3:.1f} ms of {before[2]}")
        print(f"PUT during: p50 {during[0] * 1e3:.1f} p99 {during[1] * 1e3:.1f} ms of {during[2]}")
        print(f"p99 {during[1] / before[1]:.2f} x, goal {SLOWER_GOAL} x")
        lister = Process(cql)
        found = [row.key for row in await lister.rows(bucket, 5000)]
        await lister.close()
    assert found == sorted([*keys, *writers.written])
    assert max(split["rows"]) < 0.55 * sum(split["rows"])
