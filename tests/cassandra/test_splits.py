"""Splits, merges and changes of the fanout, with writers and lists running: no key is lost, none is a ghost, none comes twice."""

import asyncio
import random

import pytest
from cassandra_splits import (
    Died,
    Dying,
    Process,
    Splitting,
    Traffic,
    check_quiet,
    create_bucket,
    mark_bucket,
    raw_intents,
    raw_keys,
)

from dolmen.gateway.metadata.cassandra.shards import ACTIVE
from dolmen.gateway.metadata.cassandra.split import BucketGoing, LeaseLost
from dolmen.gateway.metadata.records import Versioning

STEPS = ("fence", "carry_intents", "copy_rows", "verify", "mark_moved", "cut_over")


def keys_of(count, prefix=b"k"):
    return [prefix + b"%05d" % number for number in range(count)]


@pytest.fixture
def seed():
    chosen = random.randrange(1 << 32)
    print("seed", chosen)
    return chosen


@pytest.fixture
async def bucket(cql):
    return await create_bucket(cql)


@pytest.fixture
async def processes(cql):
    """Makes processes, and ends them."""
    made = []

    def make():
        made.append(Process(cql))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
async def traffic(bucket, processes, seed):
    """Two writers and a lister on a bucket of 120 keys."""
    running = Traffic(bucket, [processes(), processes()], [processes()], keys_of(120), seed)
    await running.fill()
    return running


async def shards_of(splitting, bucket):
    return await splitting.process.shard_map.shards(bucket.bucket_id)


async def test_a_split_with_writers_and_lists_running(cql, fresh, bucket, traffic):
    splitting = Splitting(cql, fresh)
    async with traffic:
        split = await splitting.split_at(bucket)
        await splitting.splitter.run(split)
        await asyncio.sleep(0.2)
    assert traffic.violations == []
    assert traffic.lists and traffic.changes
    left, right = await shards_of(splitting, bucket)
    assert (left.lo, left.hi, right.lo, right.hi) == (b"", split.reshape.split_key, split.reshape.split_key, None)
    assert left.state == right.state == ACTIVE
    await check_quiet(splitting, bucket, traffic.keys)


@pytest.mark.parametrize("until", range(len(STEPS) + 1))
async def test_a_splitter_that_dies_after_a_step_has_a_successor(cql, fresh, bucket, traffic, until):
    first, second = Splitting(cql, fresh), Splitting(cql, fresh)
    async with traffic:
        split = await first.split_at(bucket)
        await first.splitter.begin(split)
        for step in STEPS[:until]:
            await getattr(first.splitter, step)(split)
        await asyncio.sleep(0.05)
        await second.later(90)
        await asyncio.sleep(0.05)
    assert traffic.violations == []
    assert [shard.state for shard in await shards_of(second, bucket)] == [ACTIVE, ACTIVE]
    await check_quiet(second, bucket, traffic.keys)
