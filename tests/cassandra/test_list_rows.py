"""Rows of the listing tables: what each change costs, and that no order of writers can lose or keep a row wrongly."""

import asyncio
import random

import pytest
import pytest_asyncio
from cassandra_parts import session_in
from listing_world import Bucket, CountingCql, HeldCql

from dolmen.gateway.metadata.cassandra import key_versions
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.records import Versioning

OFF, ENABLED, SUSPENDED = Versioning.OFF, Versioning.ENABLED, Versioning.SUSPENDED
EVERYTHING = 10_000

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest.fixture
def cql(session):
    return CountingCql(session)


@pytest.fixture
def bucket(cql):
    return Bucket(cql, random.Random(1))


async def sent_by(cql, work):
    before = len(cql.sent)
    await work
    return len(cql.sent) - before


async def assert_lists_are_true(bucket, scanner=None):
    scanner = scanner or bucket.scanner()
    assert await scanner.scan(bucket.bucket_id, b"", None, EVERYTHING) == bucket.objects()
    assert await scanner.scan_versions(bucket.bucket_id, b"", None, None, EVERYTHING) == bucket.all_versions()


@pytest.mark.parametrize(
    ("history", "statements"),
    [
        ([("put", OFF)], 1),
        ([("put", OFF), ("put", OFF)], 1),
        ([("put", OFF), ("delete", OFF)], 1),
        ([("put", ENABLED)], 2),  # the rows of versions are one batch
        ([("put", OFF), ("put", ENABLED)], 2),
        ([("put", ENABLED), ("delete", ENABLED)], 2),
        ([("put", SUSPENDED)], 1),  # a null version that is the current object is in ``listing`` alone
        ([("delete", ENABLED), ("delete", ENABLED)], 1),  # a marker upon a marker
        ([("put", ENABLED), ("remove", ENABLED)], 2),
        ([("put", SUSPENDED), ("delete", SUSPENDED)], 2),
    ],
)
async def test_statements_that_follow_a_change(cql, bucket, history, statements):
    *before, (what, versioning) = history
    for each in before:
        await bucket.done(b"k", *each)
    pending = await bucket.change(b"k", what, versioning)
    assert await sent_by(cql, bucket.follow(pending, withdraw=False)) == statements
    assert await sent_by(cql, bucket.follow(pending, withdraw=False)) == statements  # again is the same
    await bucket.withdraw(b"k", pending.places, pending.worker)
    await assert_lists_are_true(bucket)


async def test_a_change_is_written_in_every_place_of_its_intent(cql, bucket):
    await bucket.write_shard((await bucket.map.shards(bucket.bucket_id))[0])
    changed = await bucket.begin_reshape(b"", "split", b"m")
    pending = await bucket.change(b"k", "put", OFF)
    assert await sent_by(cql, bucket.follow(pending)) == 2 + 2  # rows and intents of two places
    await bucket.mark_moved(changed)
    await bucket.cut_over(changed)
    await assert_lists_are_true(bucket)


async def held_changes(bucket, key, rng):
    """A history of the key, and the writes of each step: (of the change itself, of a ``reindex`` at that moment), not yet sent."""
    steps = []
    for _ in range(rng.randrange(1, 7)):
        pending = await bucket.change(key, rng.choice(("put", "put", "delete", "remove")), rng.choice((ENABLED, SUSPENDED)))
        await bucket.withdraw(key, pending.places, pending.worker)  # lists believe the rows alone
        ours, anew = HeldCql(bucket.cql), HeldCql(bucket.cql)
        await Listing(ours, bucket.map, bucket.truth).write_change(
            bucket.bucket_id, key, pending.places, pending.change, pending.seq, pending.versioned
        )
        listing = Listing(anew, ShardMap(bucket.cql), bucket.truth)
        listing._versions = key_versions.KeyVersions(bucket.cql, bucket.truth)
        await listing.reindex(bucket.bucket_id, key)
        steps.append((ours.held, anew.held))
    return steps


def chosen(steps, rng):
    """Each change is followed up by its writer, or by a ``reindex`` at it or later; some by both, some twice."""
    writes, lost = [], False
    followed, made_anew = rng.choice(((1.0, 0.0), (0.6, 0.3), (0.3, 0.6)))
    for ours, anew in steps:
        if rng.random() < followed:
            writes += ours
        else:
            lost = True
        if rng.random() < made_anew:
            writes += anew
            lost = False
    if lost:
        writes += steps[-1][1]
    writes += rng.sample(writes, len(writes) // 4)
    rng.shuffle(writes)
    return writes


async def test_whatever_the_order_in_which_writers_arrive_the_rows_are_what_the_truth_says(cql):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    bucket = Bucket(cql, rng)
    release = HeldCql(cql).release

    async def one(key):
        for write in chosen(await held_changes(bucket, key, rng), rng):
            await release(write)

    await asyncio.gather(*(one(b"key-%02d" % number) for number in range(24)))
    await assert_lists_are_true(bucket)


async def test_a_late_writer_does_not_bring_back_a_version_that_was_removed(cql, bucket):
    """Its row was never there when the key was made anew, so nothing but the range below the sequence can hold it back."""
    await bucket.done(b"k", "put", ENABLED)
    late = await bucket.change(b"k", "put", ENABLED)
    await bucket.withdraw(b"k", late.places, late.worker)
    bucket.rng = random.Random(3)
    while len(bucket.versions[b"k"]) > 1:
        await bucket.change(b"k", "remove", ENABLED)
    await bucket.listing.reindex(bucket.bucket_id, b"k")
    await bucket.follow(late)
    for number in range(1, bucket.workers + 1):
        await bucket.withdraw(b"k", late.places, number)
    await assert_lists_are_true(bucket)


async def test_versions_of_a_key_are_made_anew_in_pages(monkeypatch, cql, bucket):
    monkeypatch.setattr(key_versions, "PAGE_ROWS", 3)
    for _ in range(10):
        pending = await bucket.change(b"k", "put", ENABLED)
        await bucket.withdraw(b"k", pending.places, pending.worker)
    pending = await bucket.change(b"k", "put", SUSPENDED)
    await bucket.withdraw(b"k", pending.places, pending.worker)
    await bucket.listing.reindex(bucket.bucket_id, b"k")
    await assert_lists_are_true(bucket)
    for _ in range(4):
        pending = await bucket.change(b"k", "remove", SUSPENDED)
        await bucket.withdraw(b"k", pending.places, pending.worker)
    await bucket.listing.reindex(bucket.bucket_id, b"k")
    await assert_lists_are_true(bucket)


@pytest.mark.parametrize("stage", ["begun", "moved", "cut over"])
async def test_a_key_is_made_anew_in_the_places_of_the_map_as_it_is_now(cql, bucket, stage):
    """The writer's cached map is older than the split."""
    shards = await bucket.map.shards(bucket.bucket_id)
    await bucket.write_shard(shards[0])
    old_map = ShardMap(cql)
    await old_map.places(bucket.bucket_id, b"k")
    pending = await bucket.change(b"k", "put", ENABLED)
    changed = await bucket.begin_reshape(b"", "split", b"c")
    await bucket.copy(changed)
    if stage != "begun":
        await bucket.mark_moved(changed)
    if stage == "cut over":
        await bucket.cut_over(changed)
    await Listing(cql, old_map, bucket.truth).reindex(bucket.bucket_id, b"k")
    await bucket.withdraw(b"k", pending.places, pending.worker)
    if stage != "cut over":
        await bucket.mark_moved(changed)
        await bucket.cut_over(changed)
    places = await ShardMap(cql).places(bucket.bucket_id, b"k")
    await bucket.withdraw(b"k", places, -pending.worker)  # the copy that the splitter made
    await assert_lists_are_true(bucket)


@pytest.mark.parametrize("versioning", [OFF, ENABLED])
async def test_rows_of_a_key_that_the_truth_has_forgotten_are_dropped_and_newer_ones_are_not(cql, bucket, versioning):
    pending = await bucket.change(b"k", "put", versioning)
    await bucket.follow(pending)
    gone = await bucket.change(b"k", "remove", versioning)  # no follow-up: rows are left
    await bucket.withdraw(b"k", gone.places, gone.worker)
    assert await bucket.truth.forget(bucket.bucket_id, b"k", gone.seq)
    assert await bucket.scanner().scan(bucket.bucket_id, b"", None, 9) != []
    await bucket.listing.reindex(bucket.bucket_id, b"k")
    await assert_lists_are_true(bucket)
    await bucket.done(b"k", "put", versioning)
    await assert_lists_are_true(bucket)
