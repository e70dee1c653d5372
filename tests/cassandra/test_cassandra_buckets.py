"""Bucket names, records and lists in Cassandra: races of several processes, lost answers, caches that are never behind."""

import asyncio
import os
import time

import msgspec
import pytest
from cassandra_parts import LOSE_AFTER, LOSE_BEFORE, Counting, Losing
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra import bucket_lists
from dolmen.gateway.metadata.cassandra.buckets import Buckets
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.records import BucketRecord, Versioning
from dolmen.gateway.metadata.store import BucketChanged, BucketExists, MetadataUnknown, NoSuchBucket

OWNER = "1" * 12
FATES = [LOSE_AFTER, LOSE_BEFORE]


@pytest.fixture
def clock():
    return SettableClock()


def buckets_on(cql, clock, cache_seconds=0.0):
    return Buckets(cql, ShardMap(cql), clock, cache_seconds)


@pytest.fixture
def buckets(cql, clock):
    return buckets_on(cql, clock)


def record_of(name, owner=OWNER):
    return BucketRecord(name=name, bucket_id=os.urandom(16), owner=owner, region="r", created_us=1)


def enabled(record):
    return msgspec.structs.replace(record, versioning=Versioning.ENABLED)


async def test_64_creators_of_four_processes_have_one_winner(cql, clock, fresh):
    processes = [buckets_on(cql, clock) for _ in range(4)]
    records = [record_of(fresh, f"{number:012d}") for number in range(64)]
    works = [processes[n % 4].create(record) for n, record in enumerate(records)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    (won,) = [record for record, outcome in zip(records, outcomes, strict=True) if outcome is None]
    assert {outcome.owner for outcome in outcomes if isinstance(outcome, BucketExists)} == {won.owner}
    assert sum(isinstance(outcome, BucketExists) for outcome in outcomes) == 63
    assert await processes[0].get(fresh) == won
    for record in records:
        assert await processes[1].list(record.owner, fresh, "", 10) == ([won] if record is won else [])


async def test_who_comes_too_late_is_told_so_by_one_read(cql, clock, fresh, buckets):
    await buckets.create(record_of(fresh))
    counting = Counting(cql)
    with pytest.raises(BucketExists):
        await buckets_on(counting, clock).create(record_of(fresh))
    assert counting.count == 1


@pytest.mark.parametrize("fate", FATES)
async def test_a_creation_whose_answer_is_lost(cql, clock, fresh, fate, buckets):
    losing = Losing(cql)
    losing.plan = [fate, fate]
    record = record_of(fresh)
    await buckets_on(losing, clock).create(record)
    assert await buckets.get(fresh) == record
    assert not any(await losing.arrive())
    assert await buckets.list(OWNER, fresh, "", 9) == [record]


@pytest.mark.parametrize("fate", FATES)
async def test_a_creation_whose_answer_is_lost_while_another_creates(cql, clock, fresh, fate, buckets):
    losing = Losing(cql)
    losing.plan = [fate]
    ours, theirs = record_of(fresh), record_of(fresh, "2" * 12)
    told = []

    async def meanwhile():
        told.extend(await asyncio.gather(buckets.create(theirs), return_exceptions=True))

    losing.meanwhile = meanwhile
    outcome = (await asyncio.gather(buckets_on(losing, clock).create(ours), return_exceptions=True))[0]
    won, lost = (ours, told[0]) if fate == LOSE_AFTER else (theirs, outcome)
    assert isinstance(lost, BucketExists)
    assert lost.owner == won.owner
    assert (outcome, told[0]).count(None) == 1
    assert await buckets.get(fresh) == won


@pytest.mark.parametrize("fate", FATES)
async def test_an_update_whose_answer_is_lost_is_made_once(cql, clock, fresh, fate, buckets):
    record = record_of(fresh)
    await buckets.create(record)
    losing = Losing(cql)
    losing.plan = [fate, fate]
    changed = await buckets_on(losing, clock).update(enabled(record))
    assert (changed.rev, changed.versioning) == (2, Versioning.ENABLED)
    assert await buckets.get(fresh) == changed
    assert not any(await losing.arrive())


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("others", [1, 2])
async def test_an_update_whose_answer_is_lost_while_others_update(cql, clock, fresh, fate, others, buckets):
    """Also when they make the very same change."""
    record = record_of(fresh)
    await buckets.create(record)
    losing = Losing(cql)
    losing.plan = [fate]

    async def meanwhile():
        for _ in range(others):
            await buckets.update(enabled(await buckets.get(fresh)))

    losing.meanwhile = meanwhile
    outcome = (await asyncio.gather(buckets_on(losing, clock).update(enabled(record)), return_exceptions=True))[0]
    if others == 2:
        assert isinstance(outcome, MetadataUnknown)
    elif fate == LOSE_AFTER:
        assert outcome.rev == 2
    else:
        assert isinstance(outcome, BucketChanged)
    assert (await buckets.get(fresh)).rev == 1 + others + (fate == LOSE_AFTER)


async def test_updates_race_without_losing_one(cql, clock, fresh):
    processes = [buckets_on(cql, clock) for _ in range(4)]
    await processes[0].create(record_of(fresh))

    async def add(number):
        while True:
            record = await processes[number % 4].get(fresh)
            config = {**record.config, str(number): b""}
            try:
                return await processes[number % 4].update(msgspec.structs.replace(record, config=config))
            except BucketChanged:
                continue

    await asyncio.gather(*map(add, range(16)))
    record = await processes[0].get(fresh)
    assert (record.rev, len(record.config)) == (17, 16)


async def test_a_new_owner_has_it_in_the_list_and_the_old_one_has_not(clock, fresh, buckets):
    record = record_of(fresh)
    await buckets.create(record)
    given = await buckets.update(msgspec.structs.replace(record, owner="2" * 12))
    assert await buckets.list("2" * 12, fresh, "", 9) == [given]
    assert await buckets.list(OWNER, fresh, "", 9) == []
    with pytest.raises(NoSuchBucket):
        await buckets.update(record_of(fresh))
    with pytest.raises(NoSuchBucket):
        await buckets.update(record_of(f"{fresh}-never"))


async def test_lists_are_in_the_order_of_bytes_page_by_page(fresh, buckets):
    names = sorted((f"{fresh}{end}" for end in ("b", "a", "ab", "c:d", "a-b", "a.b")), key=str.encode)
    await asyncio.gather(*(buckets.create(record_of(name)) for name in names))
    assert [r.name for r in await buckets.list(OWNER, fresh, "", 1000)] == names
    paged, after = [], ""
    while page := await buckets.list(OWNER, fresh, after, 2):
        paged += [r.name for r in page]
        after = page[-1].name
    assert paged == names
    paged, after = [], fresh
    while len(paged) < len(names):
        page = [r.name for r in await buckets.all(after, 4)]
        paged += [name for name in page if name.startswith(fresh)]
        after = page[-1]
    assert paged == names
    below = [r.name for r in await buckets.list(OWNER, f"{fresh}a", f"{fresh}a", 9)]
    assert below == [f"{fresh}{end}" for end in ("a-b", "a.b", "ab")]


async def test_names_without_a_bucket_are_passed_over_and_old_ones_are_removed(cql, clock, fresh, buckets):
    lists = bucket_lists.BucketLists(cql, buckets._rows, clock)
    alive, dead = record_of(f"{fresh}a"), record_of(f"{fresh}b")
    await buckets.create(alive)
    await lists.put(dead)  # a creation that died before its name was won
    seen = Counting(cql)
    other = buckets_on(seen, clock)

    async def removed():
        seen.texts.clear()
        assert await other.list(OWNER, fresh, "", 9) == [alive]
        assert [r.name for r in await other.all(fresh, 1)] == [alive.name]
        await other.all(alive.name, 1)
        return sum(text.startswith("DELETE") for text in seen.texts)

    assert await removed() == 0, "somebody may still be making it"
    clock.added_seconds += 3601
    assert await removed() == 2
    assert await removed() == 0


async def test_a_clock_that_is_behind_hides_no_new_bucket(cql, clock, fresh, buckets):
    first = record_of(fresh)
    clock.added_seconds = 30
    await buckets.create(first)
    await buckets._lists.remove(first)
    row = await buckets._rows.read(fresh)
    assert await buckets._rows.turn(row, 1, row.state_us + 1)
    assert await buckets._rows.remove(row._replace(state=1, state_us=row.state_us + 1))
    clock.added_seconds = 0
    again = record_of(fresh)
    await buckets_on(cql, clock).create(again)  # another process: its stamps know nothing of the other clock
    assert await buckets.list(OWNER, fresh, "", 9) == [again]
    assert (await buckets.all(fresh[:-1], 1000))[0:1000].count(again) == 1


async def test_a_cached_record_costs_nothing_and_is_refreshed_before_it_is_old(cql, fresh, clock):
    counting = Counting(cql)
    buckets = buckets_on(counting, clock, 10.0)
    record = record_of(fresh)
    await buckets_on(cql, clock).create(record)
    assert await asyncio.gather(*(buckets.get(fresh) for _ in range(50))) == [record] * 50
    assert counting.count == 1, "one read is in flight"
    clock.added_seconds += 4
    assert await buckets.get(fresh) == record
    assert counting.count == 1
    clock.added_seconds += 2
    assert await buckets.get(fresh) == record
    assert counting.count == 1, "told at once from the cache"
    await asyncio.sleep(0.1)
    assert counting.count == 2, "and read meanwhile"
    clock.added_seconds += 4
    assert await buckets.get(fresh) == record
    assert counting.count == 2, "old for the first read, not for the second"
    clock.added_seconds += 60
    assert await buckets.get(f"{fresh}-never") is None
    assert await buckets.get(f"{fresh}-never") is None
    assert counting.count == 4, "absence is never cached"
    await buckets.close()


async def test_a_change_acts_with_the_next_request_in_every_process(cql, fresh, clock):
    seconds = 0.15
    one, two = buckets_on(cql, clock, seconds), buckets_on(cql, clock, seconds)
    record = record_of(fresh)
    await one.create(record)
    stop, seen, done = asyncio.Event(), [], []

    async def ask():
        while not stop.is_set():
            begun = time.monotonic()
            found = await two.get(fresh)
            seen.append((begun, found.rev))
            await asyncio.sleep(0.002)

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    for _ in range(4):
        record = await one.update(enabled(record))
        done.append((time.monotonic(), record.rev))
        assert await one.get(fresh) == record, "at once where it was changed"
    stop.set()
    await asyncio.gather(*asking)
    for at, rev in done:
        late = [found for begun, found in seen if begun > at]
        assert all(found >= rev for found in late)
    assert len({rev for _, rev in seen}) > 2
    await one.close()
    await two.close()


async def test_a_new_bucket_is_seen_by_those_who_join_a_read_that_began_before(cql, fresh, clock):
    class Slow(Counting):
        go = asyncio.Event()

        async def run(self, statement, *values):
            rows = await super().run(statement, *values)
            await self.go.wait()
            return rows

    slow = Slow(cql)
    one, two = buckets_on(slow, clock, 5.0), buckets_on(cql, clock, 0.0)
    before = asyncio.create_task(one.get(fresh))
    await asyncio.sleep(0.2)
    record = record_of(fresh)
    await two.create(record)
    after = asyncio.create_task(one.get(fresh))
    await asyncio.sleep(0.05)
    slow.go.set()
    assert await after == record
    assert await before in (None, record)


async def test_fresh_tells_a_bucket_from_its_namesake(cql, fresh, clock, buckets):
    record = record_of(fresh)
    await buckets.create(record)
    assert await buckets.fresh(fresh, record.bucket_id) == record
    with pytest.raises(NoSuchBucket):
        await buckets.fresh(fresh, os.urandom(16))
    with pytest.raises(NoSuchBucket):
        await buckets.fresh(f"{fresh}-never", record.bucket_id)
    cached = buckets_on(cql, clock, 60.0)
    assert await cached.fresh(fresh, record.bucket_id) == record
    row = await buckets._rows.read(fresh)
    assert await buckets._rows.turn(row, 1, row.state_us + 1)
    assert await buckets._rows.remove(row._replace(state=1, state_us=row.state_us + 1))
    again = record_of(fresh)
    await buckets.create(again)
    assert await cached.fresh(fresh, again.bucket_id) == again, "known from elsewhere, and not what is cached"
