"""Deletion of a bucket in Cassandra against writers on their way, splits, deleters that die, and answers that are lost."""

import asyncio
import contextlib
import os
import random

import pytest
from cassandra_parts import LOSE_AFTER, LOSE_BEFORE, REFUSE, Between, Losing
from cassandra_store import url_of
from metadata_builders import SettableClock, layout_of, put, version_of

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra import bucket_delete
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.bucket_delete import DELETING_SECONDS_MAX
from dolmen.gateway.metadata.cassandra.bucket_rows import DELETING
from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.parts import Parts
from dolmen.gateway.metadata.cassandra.store import CassandraStore
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    BucketRecord,
    DeleteRequest,
    DocumentChange,
    UploadRecord,
)
from dolmen.gateway.metadata.store import BucketNotEmpty, MetadataUnavailable, MetadataUnknown, NoSuchBucket
from dolmen.gateway.metadata.versions import new_upload_id

_RANGE = Statement(
    "INSERT INTO bucket_shards (bucket_id, lo, shard_id, fanout, state, rev) VALUES (?, ?, ?, ?, ?, 1) IF NOT EXISTS", Kind.CAS
)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    """Dead deletions do not end by themselves here."""
    monkeypatch.setattr(bucket_delete, "END_SECONDS", 0.3)


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
async def store_on(cassandra, parts_keyspace, clock):
    """``store_on(cql)``: a store of another process, on a double."""
    opened = []

    def make(cql, cache_seconds=0.0):
        address = parse_address(url_of(cassandra, parts_keyspace, cache_seconds=cache_seconds))
        made = CassandraStore(address, clock, garbage_grace_seconds=0)
        made._parts = Parts(cql, address, clock, random.getrandbits(63), 0)
        opened.append(made)
        return made

    yield make
    for made in opened:
        await made._parts.close()


async def bucket_in(store, name):
    bucket = BucketRecord(name=name, bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)
    await store.create_bucket(bucket)
    return bucket


async def is_open(store, bucket):
    await put(store, bucket, b"probe")
    await store.delete(bucket, DeleteRequest(key=b"probe"))


async def outcome_of(work):
    return (await asyncio.gather(work, return_exceptions=True))[0]


async def state_of(store, bucket):
    row = await store._parts.buckets._rows.read(bucket.name)
    return None if row is None else row.state


async def die_while_deleting(store, bucket):
    """What a deleter leaves that is killed after it has closed the ranges."""
    deletion = store._parts.buckets._deletion
    row = await deletion._turned(await deletion._rows.read(bucket.name), DELETING)
    with contextlib.suppress(BucketNotEmpty):
        await deletion._require_empty(row)


async def test_a_deleted_bucket_is_gone_with_all_that_belongs_to_it(cql, store_on, fresh):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    space = f"bucket/{bucket.bucket_id.hex()}"
    await store.write_documents(space, [DocumentChange(kind="k", name="n", raw=b"")])
    upload = UploadRecord(
        bucket_id=bucket.bucket_id,
        key=b"u",
        upload_id=new_upload_id(1),
        initiated_us=1,
        owner="1" * 12,
        initiator="1" * 12,
        attributes=version_of().attributes,
    )
    await store.create_upload(upload)
    await other.delete_bucket(fresh, bucket.bucket_id)
    assert await store.get_bucket(fresh) is None
    assert await store.list_buckets(bucket.owner, fresh, "", 9) == []
    assert await store.list_documents(space, "k", "", "", 9) == []
    assert await store.get_upload(bucket.bucket_id, b"u", upload.upload_id) is None
    with pytest.raises(NoSuchBucket):
        await other.delete_bucket(fresh, bucket.bucket_id)
    again = await bucket_in(other, fresh)
    with pytest.raises(NoSuchBucket):
        await store.delete_bucket(fresh, bucket.bucket_id)
    with pytest.raises(NoSuchBucket):
        await store.begin(bucket, b"k")
    await is_open(store, again)


async def test_a_bucket_that_is_not_empty_stays_open(cql, store_on, fresh):
    store = store_on(cql)
    bucket = await bucket_in(store, fresh)
    await put(store, bucket, b"k")
    deletion = store._parts.buckets._deletion
    with pytest.raises(BucketNotEmpty):
        await store.delete_bucket(fresh, bucket.bucket_id)
    deletion.contents = deletion.contents._replace(occupied=_first_says_no(deletion.contents.occupied))
    with pytest.raises(BucketNotEmpty):  # found only behind the marks
        await store.delete_bucket(fresh, bucket.bucket_id)
    await is_open(store, bucket)
    assert await store.list_buckets(bucket.owner, fresh, "", 9) == [bucket]


def _first_says_no(occupied):
    asked = []

    async def says(bucket_id):
        asked.append(bucket_id)
        return len(asked) > 1 and await occupied(bucket_id)

    return says


async def test_deletions_race_with_writers_and_each_other(cql, store_on, fresh):
    """Whoever was told of a success has it: an object stands in a bucket, or the bucket is gone and no object was ever told."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    stores = [store_on(cql) for _ in range(3)]
    ends = set()
    for number in range(12):
        bucket = await bucket_in(stores[0], f"{fresh}-{number}")

        async def write(bucket=bucket):
            await asyncio.sleep(draw.random() * 0.05)
            intent = await stores[1].begin(bucket, b"k")
            await asyncio.sleep(draw.random() * 0.05)
            return await stores[1].commit(intent, version_of(layout=layout_of()), NO_CONDITION)

        async def delete(store, bucket=bucket):
            await asyncio.sleep(draw.random() * 0.05)
            await store.delete_bucket(bucket.name, bucket.bucket_id)

        wrote, *deleted = await asyncio.gather(write(), delete(stores[0]), delete(stores[2]), return_exceptions=True)
        assert isinstance(wrote, NoSuchBucket) or not isinstance(wrote, Exception), repr(wrote)
        assert all(isinstance(each, NoSuchBucket | BucketNotEmpty | None) for each in deleted), deleted
        found = await stores[2].get_bucket(bucket.name)
        if None in deleted:
            assert found is None
            assert isinstance(wrote, Exception)
            assert await stores[2].get_version(bucket.bucket_id, b"k") is None
        else:
            assert found == bucket
            assert (await stores[2].get_version(bucket.bucket_id, b"k") is not None) == (not isinstance(wrote, Exception))
            await is_open(stores[1], bucket)
        ends.add((None in deleted, isinstance(wrote, Exception)))
    assert (True, False) not in ends


class Holding(Between):
    """Stops before a conditional change until it may go on."""

    def __init__(self, inner):
        super().__init__(inner)
        self.holds = False
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def cas(self, bound):
        if self.holds:
            self.holds = False
            self.reached.set()
            await self.go.wait()
        return await super().cas(bound)


async def test_a_write_that_was_decided_before_does_not_land_in_a_bucket_that_is_gone(cql, store_on, fresh):
    holding = Holding(cql)
    slow, other = store_on(holding), store_on(cql)
    bucket = await bucket_in(other, fresh)
    intent = await slow.begin(bucket, b"k")
    holding.holds = True
    writing = asyncio.create_task(slow.commit(intent, version_of(), NO_CONDITION))
    await holding.reached.wait()
    await other.delete_bucket(fresh, bucket.bucket_id)
    holding.go.set()
    with pytest.raises(NoSuchBucket):
        await writing
    assert await other.get_version(bucket.bucket_id, b"k") is None


async def test_a_write_that_landed_before_the_marks_keeps_the_bucket(cql, store_on, fresh):
    """Its list rows are not there yet: the intent tells of it."""
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(other, fresh)
    store._parts.listing.write_change = _never
    await put(store, bucket, b"k")
    with pytest.raises(BucketNotEmpty):
        await other.delete_bucket(fresh, bucket.bucket_id)
    contents = other._parts.buckets._deletion.contents
    other._parts.buckets._deletion.contents = contents._replace(occupied=_first_says_no(contents.occupied))
    with pytest.raises(BucketNotEmpty):
        await other.delete_bucket(fresh, bucket.bucket_id)
    assert await other.get_version(bucket.bucket_id, b"k") is not None
    del store._parts.listing.write_change


async def _never(*_arguments, **_named):
    raise MetadataUnavailable("list rows are not written in this test")


async def test_writers_are_refused_while_the_bucket_is_being_deleted(cql, store_on, fresh):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    intent = await other.begin(bucket, b"before")
    await die_while_deleting(store, bucket)
    assert await other.get_bucket(fresh) == bucket
    with pytest.raises(MetadataUnavailable):
        await other.begin(bucket, b"k")
    with pytest.raises(MetadataUnavailable):
        await other.commit(intent, version_of(), NO_CONDITION)
    with pytest.raises(MetadataUnavailable):
        await other.delete_bucket(fresh, bucket.bucket_id)
    assert await state_of(other, bucket) == DELETING


@pytest.mark.parametrize("who", ["writer", "deleter"])
async def test_a_deletion_that_died_is_taken_over(cql, store_on, clock, fresh, who):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    await die_while_deleting(store, bucket)
    await store._parts.buckets._lists.remove(bucket)  # as far as it comes before the name goes
    clock.added_seconds += int(DELETING_SECONDS_MAX) + 1
    if who == "writer":
        await other.abort(await other.begin(bucket, b"k"), ObjectLayout())
        await is_open(other, bucket)
        assert await other.list_buckets(bucket.owner, fresh, "", 9) == [bucket]
    await other.delete_bucket(fresh, bucket.bucket_id)
    assert await other.get_bucket(fresh) is None


async def test_a_deleter_that_was_taken_for_dead_changes_nothing_any_more(cql, store_on, clock, fresh):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    reached, go = asyncio.Event(), asyncio.Event()
    deletion = store._parts.buckets._deletion

    async def slow(_space):
        reached.set()
        await go.wait()

    deletion.contents = deletion.contents._replace(drop_space=slow)
    deleting = asyncio.create_task(store.delete_bucket(fresh, bucket.bucket_id))
    await reached.wait()
    clock.added_seconds += int(DELETING_SECONDS_MAX) + 1
    await put(other, bucket, b"k")
    go.set()
    with pytest.raises(MetadataUnavailable):
        await deleting
    assert await other.get_bucket(fresh) == bucket
    assert await other.list_buckets(bucket.owner, fresh, "", 9) == [bucket]
    await is_open(other, bucket)


async def test_a_long_deletion_is_renewed(cql, store_on, fresh, monkeypatch):
    monkeypatch.setattr(bucket_delete, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(bucket_delete, "DELETING_SECONDS_MAX", 0.6)
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    deletion = store._parts.buckets._deletion

    async def long(_bucket_id):
        for _ in range(12):
            await asyncio.sleep(0.1)
            assert isinstance(await outcome_of(other.begin(bucket, b"k")), MetadataUnavailable)

    deletion.contents = deletion.contents._replace(end_uploads=long)
    await store.delete_bucket(fresh, bucket.bucket_id)
    assert await other.get_bucket(fresh) is None


async def test_marks_that_a_dead_revert_left_are_lifted_by_the_next_writer(cql, store_on, clock, fresh):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    await die_while_deleting(store, bucket)
    rows = store._parts.buckets._rows
    row = await rows.read(fresh)
    assert await rows.turn(row, 0, row.state_us + 1)  # and no more
    await other.begin(bucket, b"k")
    await is_open(other, bucket)


async def test_a_range_that_is_being_split_holds_the_deletion_up(cql, store_on, fresh):
    store = store_on(cql)
    bucket = await bucket_in(store, fresh)
    await cql.cas([Bound(_RANGE, (bucket.bucket_id, b"", bucket.bucket_id, 1, 1))])
    with pytest.raises(MetadataUnavailable, match="split"):
        await store.delete_bucket(fresh, bucket.bucket_id)
    assert await state_of(store, bucket) == 0


async def test_every_range_is_closed_and_opened_again(cql, store_on, fresh):
    store, other = store_on(cql), store_on(cql)
    bucket = await bucket_in(store, fresh)
    for lo, fanout in ((b"", 1), (b"m", 3)):
        await cql.cas([Bound(_RANGE, (bucket.bucket_id, lo, bucket.bucket_id if not lo else os.urandom(16), fanout, 0))])
    keys = [b"a", *(b"z%d" % number for number in range(12))]
    await die_while_deleting(store, bucket)
    outcomes = await asyncio.gather(*(other.begin(bucket, key) for key in keys), return_exceptions=True)
    assert all(isinstance(outcome, MetadataUnavailable) for outcome in outcomes)
    row = await store._parts.buckets._rows.read(fresh)
    await store._parts.buckets._deletion._revert(row)
    for key in keys:
        await put(other, bucket, key)
    with pytest.raises(BucketNotEmpty):
        await store.delete_bucket(fresh, bucket.bucket_id)


@pytest.mark.parametrize("fate", [LOSE_AFTER, LOSE_BEFORE])
@pytest.mark.parametrize("which", [0, 1])
async def test_a_deletion_whose_answers_are_lost_happens_once(cql, store_on, fresh, fate, which):
    """``which``: that of the closing, or of the removal."""
    losing = Losing(cql)
    store, other = store_on(losing), store_on(cql)
    bucket = await bucket_in(other, fresh)
    if which == 0:
        losing.plan = [fate, fate]
    else:
        deletion = store._parts.buckets._deletion

        async def then(_space):
            losing.plan = [fate, fate]

        deletion.contents = deletion.contents._replace(drop_space=then)
    await store.delete_bucket(fresh, bucket.bucket_id)
    assert losing.plan == []
    assert await other.get_bucket(fresh) is None
    again = await bucket_in(other, fresh)
    assert not any(await losing.arrive())
    assert await other.get_bucket(fresh) == again
    await is_open(other, again)


async def test_a_deletion_that_is_not_answered_is_unknown(cql, store_on, clock, fresh, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.metadata.cassandra.settle.SETTLE_SECONDS", 0.2)
    losing = Losing(cql)
    store, other = store_on(losing), store_on(cql)
    bucket = await bucket_in(other, fresh)
    losing.plan = [LOSE_AFTER, *[REFUSE] * 1000]
    with pytest.raises(MetadataUnknown):
        await store.delete_bucket(fresh, bucket.bucket_id)
    losing.plan = []
    await is_open(other, bucket)  # nothing was closed
    clock.added_seconds += int(DELETING_SECONDS_MAX) + 1
    await store.delete_bucket(fresh, bucket.bucket_id)
    assert await other.get_bucket(fresh) is None


async def test_after_a_deletion_no_process_tells_of_the_bucket(cql, store_on, fresh):
    one, two = store_on(cql, 0.3), store_on(cql, 0.3)
    bucket = await bucket_in(one, fresh)
    assert await two.get_bucket(fresh) == bucket
    await one.delete_bucket(fresh, bucket.bucket_id)
    assert await two.get_bucket(fresh) is None
    assert await one.get_bucket(fresh) is None
