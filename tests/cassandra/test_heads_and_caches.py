"""What is left of deleted keys goes when its time has come; buckets are cached as long as every process agrees on."""

import asyncio

import msgspec
import pytest
import pytest_asyncio
from cassandra_parts import address_of, session_in
from cassandra_store import url_of
from lossy_world import DONE, World, told_of
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Kind, Statement
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import NoSuchBucket

CACHE_SECONDS = 0.3
_ROWS = Statement("SELECT head_seq, pending FROM objects WHERE bucket_id = ? AND key = ?", Kind.READ)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def world(session, cassandra, parts_keyspace):
    made = await World(session, address_of(cassandra, parts_keyspace), SettableClock()).open()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def cached(session, cassandra, parts_keyspace):
    address = parse_address(url_of(cassandra, parts_keyspace, cache_seconds=CACHE_SECONDS))
    made = await World(session, address, SettableClock()).open()
    yield made
    await made.close()


async def forget_what_is_due(world, *stores):
    async def one(store):
        sweeper = store.parts.sweeper
        return await sweeper._each(sweeper._heads.queue, sweeper._heads.forget)

    return await asyncio.gather(*map(one, stores))


async def rows_of(world, key):
    return await world.session.run(_ROWS, world.bucket.bucket_id, key)


async def test_the_head_of_a_deleted_key_goes_after_its_time_and_not_before(world):
    await world.put(world.mine, b"k")
    await world.delete(world.mine, b"k")
    await world.put(world.mine, b"kept")
    await world.quiet()
    world.clock.added_seconds = 48 * 3600 - 60
    assert await forget_what_is_due(world, world.other) == [0]
    assert (await rows_of(world, b"k"))[0][1]  # with its notes
    world.clock.added_seconds = 48 * 3600 + 60
    await forget_what_is_due(world, world.mine, world.other)  # two at once
    await forget_what_is_due(world, world.other)
    assert await rows_of(world, b"k") == []
    assert len(await rows_of(world, b"kept")) == 1
    await world.check_all()
    await world.put(world.mine, b"k", "n" * 32)
    await world.check_all()
    assert await world.holders("n" * 32) == [b"k"]


async def test_a_key_that_was_written_again_keeps_its_head(world):
    await world.put(world.mine, b"k")
    await world.delete(world.mine, b"k")
    await world.put(world.other, b"k", "n" * 32)
    await world.quiet()
    world.clock.added_seconds = 49 * 3600
    await forget_what_is_due(world, world.other)
    assert await world.holders("n" * 32) == [b"k"]
    await world.check_all()


async def test_what_renames_and_settled_doubts_leave_goes_too(world):
    await world.put(world.mine, b"a")
    await world.rename(world.mine, b"a", b"b")
    head = await world.other.parts.truth.head(world.bucket.bucket_id, b"never")
    settled = await world.other.parts.commits.settle(world.bucket.bucket_id, b"never", head, b"12345678")
    assert settled.applied is False
    await world.quiet()
    assert await rows_of(world, b"never") != []
    world.clock.added_seconds = 49 * 3600
    await forget_what_is_due(world, world.mine, world.other)
    assert await rows_of(world, b"a") == await rows_of(world, b"never") == []
    await world.check_all()


async def test_any_number_of_burns_leaves_it_to_be_told_what_became_of_a_change(world):
    await world.put(world.mine, b"k")
    commits, bucket_id = world.other.parts.commits, world.bucket.bucket_id
    head = await world.other.parts.truth.head(bucket_id, b"k")
    for _ in range(3):
        await commits.burn(bucket_id, b"k")
    assert (await commits.settle(bucket_id, b"k", head, b"never-in")).applied is False
    await world.put(world.mine, b"k")
    applied = (await world.other.parts.truth.head(bucket_id, b"k")).op
    for _ in range(3):
        await commits.burn(bucket_id, b"k")
    assert (await commits.settle(bucket_id, b"k", head, applied)).applied is True


async def test_a_change_of_a_bucket_acts_with_the_next_request_in_every_process(cached):
    bucket = await cached.mine.get_bucket(cached.bucket.name)
    assert await cached.other.get_bucket(bucket.name) == bucket
    await cached.other.update_bucket(msgspec.structs.replace(bucket, versioning=Versioning.ENABLED))
    assert (await cached.mine.get_bucket(bucket.name)).versioning is Versioning.ENABLED
    first = await cached.put(cached.mine, b"k")
    assert first.version_id != "null"
    await cached.check_all()


async def test_a_deleted_bucket_is_gone_for_every_process_once_that_is_told(cached):
    bucket = await cached.mine.get_bucket(cached.bucket.name)
    intent = await cached.mine.begin(bucket, b"k")
    await cached.other.delete_bucket(bucket.name, bucket.bucket_id)
    assert await cached.mine.get_bucket(bucket.name) is None
    told, error = await told_of(cached.put(cached.mine, b"new"))
    assert told != DONE and isinstance(error, NoSuchBucket)
    await cached.mine.abort(intent, cached.layout("aborted"))
    told, error = await told_of(cached.create(cached.mine, b"k"))
    assert told != DONE and isinstance(error, NoSuchBucket)
    await cached.quiet()
    assert await cached.intents() == []
