"""What a page of a list costs in a small bucket and in a large one. ``DOLMEN_LIST_KEYS=100000,10000000`` is the long form."""

import asyncio
import os
import random
import statistics
import time

import pytest
from cassandra_parts import session_in
from listing_world import Bucket, CountingCql

from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.shards import Shard
from dolmen.gateway.metadata.delimiter import after_key, list_page
from dolmen.gateway.metadata.records import ListRow
from dolmen.gateway.metadata.rows import encode
from dolmen.gateway.metadata.store import ScanMemo

SIZES = tuple(int(size) for size in os.environ.get("DOLMEN_LIST_KEYS", "100000,1000000").split(","))
SHARD_ROWS = 50_000  # as left by splits: between half of 100,000 and all of it
PREFIXES = 1000
PAGES = 200  # of each size, in turns
BATCHES_AT_ONCE = 16
PAGE = 1000
SLOWER_MAX = 1.15

_PUT = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1", Kind.WRITE
)


def key_of(number, size):
    """``PREFIXES`` prefixes with equally many keys each."""
    each = size // PREFIXES
    return b"prefix-%04d/object-%06d" % (number // each, number % each)


def shards_of(size):
    starts = [b"", *(key_of(number, size) for number in range(SHARD_ROWS, size, SHARD_ROWS))]
    ends = [*starts[1:], None]
    return [Shard(lo, hi, random.randbytes(16)) for lo, hi in zip(starts, ends, strict=True)]


async def fill(bucket, size):
    """Rows as ``write_change`` makes them, many at once."""
    turns = asyncio.Semaphore(BATCHES_AT_ONCE)
    shards = shards_of(size)
    for shard in shards:
        await bucket.write_shard(shard)

    async def send(shard, first, last):
        bound = []
        for number in range(first, last):
            key = key_of(number, size)
            row = ListRow(key, number, "0123456789abcdef" * 2, 1_796_000_000_000_000, "STANDARD", "1" * 12, "", "", "null", 1)
            bound.append(Bound(_PUT, (bucket.bucket_id, shard.shard_id, 0, key, encode(row))))
        try:
            await bucket.cql.batch(bound)
        finally:
            turns.release()

    async with asyncio.TaskGroup() as group:
        for at, shard in enumerate(shards):
            end = min((at + 1) * SHARD_ROWS, size)
            for first in range(at * SHARD_ROWS, end, BATCH_STATEMENTS_MAX):
                await turns.acquire()
                group.create_task(send(shard, first, min(first + BATCH_STATEMENTS_MAX, end)))


async def page_at(cql, scanner, bucket, size, number):
    """(seconds, statements) of one page from a key on."""
    sent, began = len(cql.sent), time.perf_counter()
    rows = await scanner.scan(bucket.bucket_id, key_of(number, size), None, PAGE, ScanMemo())
    seconds = time.perf_counter() - began
    assert [row.key for row in rows] == [key_of(at, size) for at in range(number, number + PAGE)]
    return seconds, len(cql.sent) - sent


async def prefixes_of(cql, scanner, bucket, size):
    """(seconds, statements) of a page of all the common prefixes."""
    memo, sent, began = ScanMemo(), len(cql.sent), time.perf_counter()
    page = await list_page(
        lambda start, end, rows: scanner.scan(bucket.bucket_id, start.key, end, rows, memo),
        prefix=b"",
        delimiter=b"/",
        marker=None,
        max_items=PREFIXES,
        position_after=lambda row: after_key(row.key),
    )
    assert page.common_prefixes == [b"prefix-%04d/" % number for number in range(PREFIXES)]
    return time.perf_counter() - began, len(cql.sent) - sent


@pytest.mark.campaign
async def test_pages_cost_the_same_in_a_small_bucket_and_in_a_large_one(cassandra, parts_keyspace):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with session_in(cassandra, parts_keyspace) as session:
        cql = CountingCql(session)
        buckets = {}
        for size in SIZES:
            began = time.perf_counter()
            buckets[size] = Bucket(cql, rng)
            await fill(buckets[size], size)
            print(f"{size} keys filled in {time.perf_counter() - began:.0f} s")
        scanners = {size: bucket.scanner() for size, bucket in buckets.items()}
        seconds = {size: [] for size in SIZES}
        for _ in range(PAGES):
            for size in SIZES:  # in turns: what else the machine does is the same for all
                number = rng.randrange(size - PAGE)
                spent, statements = await page_at(cql, scanners[size], buckets[size], size, number)
                assert statements <= 4
                seconds[size].append(spent)
        medians = {size: statistics.median(each[PAGES // 10 :]) for size, each in seconds.items()}
        for size, median in medians.items():
            print(f"{size} keys: page of {PAGE} in {median * 1000:.1f} ms (p50 of {PAGES})")
        for size in SIZES:
            spent, statements = await prefixes_of(cql, scanners[size], buckets[size], size)
            print(f"{size} keys: {PREFIXES} common prefixes in {spent:.2f} s with {statements} statements")
            assert statements <= 1100
        assert max(medians.values()) <= SLOWER_MAX * medians[SIZES[0]]
