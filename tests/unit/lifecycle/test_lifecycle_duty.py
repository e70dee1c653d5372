"""The duty: every bucket with rules once a day, again when the rules change, and trouble with one holds up no other."""

import asyncio

import msgspec
import pytest
from metadata_builders import bucket_of, put

from dolmen.gateway.lifecycle.plan import Kind
from dolmen.gateway.lifecycle.records import CONFIGURATION, Lifecycle, Rule
from dolmen.gateway.maintenance import lifecycle as duties
from dolmen.gateway.maintenance.lifecycle import LifecycleDuty
from dolmen.gateway.metadata.store import MetadataUnavailable

DAY = 86_400_000_000
replace = msgspec.structs.replace


def rules_of(days, identifier="r"):
    return msgspec.msgpack.encode(Lifecycle(rules=(Rule(id=identifier, is_enabled=True, expire_days=days),)))


async def bucket_with(store, name, raw):
    bucket = await bucket_of(store, name)
    return await store.update_bucket(replace(bucket, config={CONFIGURATION: raw}))


class Counting:
    """A store that counts the walks, and is away for some buckets."""

    def __init__(self, store):
        self._store = store
        self.walked = []
        self.away = set()
        self.slow = None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def scan_versions(self, bucket_id, *arguments):
        self.walked.append(bucket_id)
        if bucket_id in self.away:
            raise MetadataUnavailable("away")
        if self.slow is not None:
            await self.slow.wait()
        return await self._store.scan_versions(bucket_id, *arguments)


@pytest.fixture
def counting(store):
    return Counting(store)


def duty_of(counting, clock):
    return LifecycleDuty(counting, clock, day_us=DAY)


async def keys(store, bucket):
    return [row.key for row in await store.scan(bucket.bucket_id, b"", None, 9)]


async def test_once_a_day(store, counting, clock):
    bucket = await bucket_with(store, "with", rules_of(1))
    await bucket_of(store, "without")
    await put(store, bucket, b"k")
    duty = duty_of(counting, clock)
    for _ in range(3):
        assert (await duty.step()).done == {}
    assert counting.walked == [bucket.bucket_id]
    clock.now += 2 * DAY
    assert (await duty.step()).done == {Kind.EXPIRE: 1}
    await duty.step()
    assert len(counting.walked) == 2
    assert await keys(store, bucket) == []


async def test_again_when_the_rules_change(store, counting, clock):
    bucket = await bucket_with(store, "b", rules_of(9))
    await put(store, bucket, b"k")
    clock.now += 3 * DAY
    duty = duty_of(counting, clock)
    await duty.step()
    await store.update_bucket(replace(bucket, config={CONFIGURATION: rules_of(1)}))
    assert (await duty.step()).done == {Kind.EXPIRE: 1}


async def test_rules_that_went_do_nothing(store, counting, clock):
    bucket = await bucket_with(store, "b", rules_of(1))
    await put(store, bucket, b"k")
    duty = duty_of(counting, clock)
    await duty.step()
    await store.update_bucket(replace(bucket, config={}))
    clock.now += 3 * DAY
    await duty.step()
    assert await keys(store, bucket) == [b"k"]


async def test_one_bucket_holds_up_no_other(store, counting, clock):
    names = ["a", "b", "broken", "c", "d", "e"]
    buckets = [await bucket_with(store, name, b"\xc1" if name == "broken" else rules_of(1)) for name in names]
    for bucket in buckets:
        await put(store, bucket, b"k")
    clock.now += 3 * DAY
    counting.away = {buckets[0].bucket_id}
    duty = duty_of(counting, clock)
    assert (await duty.step()).done == {Kind.EXPIRE: 4}
    assert [name for name, bucket in zip(names, buckets, strict=True) if await keys(store, bucket)] == ["a", "broken"]
    assert (duty.report.buckets, duty.report.failed) == (6, 2)
    counting.away = set()
    assert (await duty.step()).done == {Kind.EXPIRE: 1}  # it was not forgotten, and the others are not walked again
    assert (duty.report.buckets, duty.report.failed) == (6, 1)


async def test_more_buckets_than_a_page(store, counting, clock, monkeypatch):
    monkeypatch.setattr(duties, "BUCKETS_PAGE", 2)
    buckets = [await bucket_with(store, name, rules_of(1)) for name in "abcde"]
    await duty_of(counting, clock).step()
    assert set(counting.walked) == {bucket.bucket_id for bucket in buckets}


async def checkpoint(store, bucket):
    found = await store.get_document(f"bucket/{bucket.bucket_id.hex()}", "lifecycle-walk", "position")
    return None if found is None else msgspec.msgpack.decode(found.raw)


async def test_a_long_pass_leaves_checkpoints_and_takes_them_away(store, counting, clock, monkeypatch):
    monkeypatch.setattr(duties, "CHECKPOINT_SECONDS", 0.01)
    bucket = await bucket_with(store, "b", rules_of(1))
    counting.slow = asyncio.Event()
    running = asyncio.create_task(duty_of(counting, clock).step())
    async with asyncio.timeout(5):
        while await checkpoint(store, bucket) is None:
            await asyncio.sleep(0.005)
    counting.slow.set()
    await running
    assert await checkpoint(store, bucket) is None


async def test_rules_that_go_during_a_long_pass_end_it(store, counting, clock, monkeypatch):
    monkeypatch.setattr(duties, "CHECKPOINT_SECONDS", 0.01)
    bucket = await bucket_with(store, "b", rules_of(1))
    await put(store, bucket, b"k")
    clock.now += 3 * DAY
    counting.slow = asyncio.Event()
    running = asyncio.create_task(duty_of(counting, clock).step())
    while not counting.walked:
        await asyncio.sleep(0)
    await store.update_bucket(replace(bucket, config={}))
    async with asyncio.timeout(5):
        await running
    assert await keys(store, bucket) == [b"k"]


async def test_another_leader_goes_on_where_the_last_one_was(store, counting, clock, monkeypatch):
    bucket = await bucket_with(store, "b", rules_of(1))
    for key in (b"a", b"b", b"c"):
        await put(store, bucket, key)
    clock.now += 3 * DAY
    duty = duty_of(counting, clock)
    wanted = duty._wanted(bucket)
    await duty._keep(bucket, duties._Checkpoint(*wanted, b"b"))
    assert (await duty_of(counting, clock).step()).done == {Kind.EXPIRE: 2}
    assert await keys(store, bucket) == [b"a"]
    clock.now += DAY  # a checkpoint of yesterday is none
    await duty._keep(bucket, duties._Checkpoint(*wanted, b"b"))
    assert (await duty_of(counting, clock).step()).done == {Kind.EXPIRE: 1}


@pytest.mark.parametrize(("day_seconds", "rest"), [(1, 0.25), (2, 0.5), (0.1, 0.2), (86_400, 10.0)])
def test_short_days_are_looked_at_often(store, clock, day_seconds, rest):
    assert LifecycleDuty(store, clock, day_us=int(day_seconds * 1e6)).rest_seconds == rest
