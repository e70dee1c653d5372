"""Splits, merges and changes of the fanout, with writers and lists running: no key is lost, none is a ghost, none comes twice."""

import asyncio
import random

import pytest
from cassandra_parts import LOSE_AFTER, LOSE_BEFORE, REFUSE, Counting, Losing
from cassandra_splits import (
    FAST,
    BeforeBatch,
    Died,
    Dying,
    Process,
    Splitting,
    Traffic,
    check_quiet,
    create_bucket,
    mark_bucket,
    marks_of,
    raw_intents,
    raw_keys,
)

from dolmen.gateway.metadata.cassandra.load import load_of
from dolmen.gateway.metadata.cassandra.shards import ACTIVE
from dolmen.gateway.metadata.cassandra.split import BucketGoing, LeaseLost, decode_note
from dolmen.gateway.metadata.cassandra.split_intents import SplitIntents
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import MetadataUnavailable

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
    """Two writers and a lister on a bucket of some keys."""
    running = Traffic(bucket, [processes(), processes()], [processes()], keys_of(60), seed)
    await running.fill()
    return running


async def shards_of(splitting, bucket):
    return await splitting.process.shard_map.shards(bucket.bucket_id)


async def settled(splitting, bucket, traffic):
    """Nothing was lost on the way, and nothing is half done now."""
    assert traffic.violations == [], traffic.violations
    assert traffic.lists and traffic.changes
    assert all(shard.state == ACTIVE for shard in await shards_of(splitting, bucket))
    await check_quiet(splitting, bucket, traffic.keys)


# ---- with writers and lists running --------------------------------------------------------------------------------------


async def test_a_split_cuts_a_range_in_two(cql, fresh, bucket, traffic):
    splitting = Splitting(cql, fresh)
    async with traffic:
        split = await splitting.split_at(bucket)
        await splitting.splitter.run(split)
        await asyncio.sleep(0.1)
    await settled(splitting, bucket, traffic)
    left, right = await shards_of(splitting, bucket)
    assert (left.lo, left.hi, right.lo, right.hi) == (b"", split.reshape.split_key, split.reshape.split_key, None)
    assert traffic.keys[10] < right.lo < traffic.keys[-10]


@pytest.mark.campaign  # the next test comes by all of these in one go
@pytest.mark.parametrize("until", range(len(STEPS) + 1))
async def test_a_splitter_that_dies_after_a_step_has_a_successor(cql, fresh, bucket, traffic, until):
    first, second = Splitting(cql, fresh), Splitting(cql, fresh)
    async with traffic:
        split = await first.split_at(bucket)
        await first.splitter.begin(split)
        for step in STEPS[:until]:
            await getattr(first.splitter, step)(split)
        await second.later(90)
        await asyncio.sleep(0.05)
    await settled(second, bucket, traffic)
    assert len(await shards_of(second, bucket)) == 2


async def test_splitters_that_die_between_any_two_statements_have_successors(cql, fresh, bucket, traffic, seed):
    """One after the other, each comes a little further than the one before; the last one comes to the end."""
    chosen = random.Random(seed)
    first = Splitting(cql, fresh)
    split = await first.split_at(bucket)
    deaths = left = 0
    async with traffic:
        await first.splitter.begin(split)
        while len(await shards_of(first, bucket)) == 1:
            left += chosen.randrange(1, 12)
            successor = Splitting(Dying(cql, left), fresh)
            successor.clock.added_seconds = 90
            try:
                await successor.duty.run_once()
            except Died:
                deaths += 1
    await settled(first, bucket, traffic)
    assert deaths >= 5


async def test_the_fanout_of_a_range_goes_up_and_down(cql, fresh, bucket, traffic):
    splitting = Splitting(cql, fresh)
    async with traffic:
        for fanout in (3, 2, 1):
            row = await splitting.splitter.rows.covering(bucket.bucket_id, b"")
            await splitting.splitter.run(splitting.splitter.propose_fanout(bucket.name, bucket.bucket_id, row, fanout))
            (shard,) = await shards_of(splitting, bucket)
            assert shard.fanout == fanout
    await settled(splitting, bucket, traffic)


async def test_neighbours_merge(cql, fresh, bucket, traffic):
    splitting = Splitting(cql, fresh)
    rows = splitting.splitter.rows
    async with traffic:
        split = await splitting.split_at(bucket)
        await splitting.splitter.run(split)
        left = await rows.read(bucket.bucket_id, b"")
        right = await rows.after(bucket.bucket_id, b"")
        await splitting.splitter.run(splitting.splitter.propose_merge(bucket.name, bucket.bucket_id, left, right))
        await asyncio.sleep(0.05)
    await settled(splitting, bucket, traffic)
    (shard,) = await shards_of(splitting, bucket)
    assert (shard.lo, shard.hi) == (b"", None)


async def test_of_two_splitters_one_wins(cql, fresh, bucket, traffic):
    both = [Splitting(cql, fresh), Splitting(cql, fresh)]
    async with traffic:
        splits = [await each.split_at(bucket) for each in both]
        outcomes = await asyncio.gather(
            *(each.splitter.run(split) for each, split in zip(both, splits, strict=True)), return_exceptions=True
        )
    assert {*map(type, outcomes)} == {LeaseLost, type(None)}
    await settled(both[0], bucket, traffic)
    assert len(await shards_of(both[0], bucket)) == 2


async def test_a_splitter_that_only_seemed_dead_does_no_harm(cql, fresh, bucket, traffic):
    """It goes on behind the back of its successor, who is at every step in turn."""
    first, second = Splitting(cql, fresh, FAST._replace(lease_seconds=3600.0)), Splitting(cql, fresh)
    async with traffic:
        split = await first.split_at(bucket)
        await first.splitter.begin(split)
        (note,) = await second.notes.due(1 << 62, 10)
        second.clock.added_seconds = 1
        taken = await second.splitter.take_over(decode_note(note.body))
        for step in STEPS[:-2]:
            await getattr(second.splitter, step)(taken)
            await getattr(first.splitter, step)(split)
        with pytest.raises(LeaseLost):
            await first.splitter.mark_moved(split)
        await second.splitter.mark_moved(taken)
        with pytest.raises(LeaseLost):
            await first.splitter.cut_over(split)
        await second.splitter.cut_over(taken)
        await first.splitter.carry_intents(split)
        await first.splitter.copy_rows(split)
    await settled(second, bucket, traffic)


async def test_a_bucket_with_versions_is_split(cql, fresh, processes, seed):
    bucket = await create_bucket(cql, Versioning.ENABLED)
    traffic = Traffic(bucket, [processes(), processes()], [processes()], keys_of(40), seed)
    await traffic.fill()
    for _ in range(12):  # more versions of one key than a page has
        await traffic.writers[0].put(bucket, traffic.keys[0])
    traffic.settled[traffic.keys[0]] = (1, True)
    splitting = Splitting(cql, fresh)
    async with traffic:
        await splitting.splitter.run(await splitting.split_at(bucket))
    await settled(splitting, bucket, traffic)
    reader = processes()
    rows = await reader.version_rows(bucket)
    for key in traffic.keys:
        state = await reader.truth.state(bucket.bucket_id, key)
        assert [row.seq for row in rows if row.key == key] == [row.seq for row in state.versions]


# ---- rules of the protocol, one by one -----------------------------------------------------------------------------------


async def test_a_write_that_began_before_the_split_is_listed_when_it_ends_after_it(cql, fresh, bucket, processes):
    """Its writer knows of no child: the copied intent makes lists ask the truth, until the rows have been made anew."""
    writer, lister, splitting = processes(), processes(), Splitting(cql, fresh)
    keys = keys_of(20)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    old_key, new_key = keys[15], b"k00015-new"
    announced = [await writer.intents.announce(bucket.bucket_id, key, bytes(8)) for key in (old_key, new_key)]
    split = await splitting.split_at(bucket)
    await splitting.splitter.run(split)
    child = split.reshape.child_b
    assert split.reshape.split_key <= old_key
    # Nothing may be taken away while the writes are under way.
    await splitting.later(61)
    assert {key for key, worker in await raw_intents(cql, bucket, child) if worker < 0} == {old_key, new_key}
    written = [await writer.put(bucket, key, each) for key, each in zip((old_key, new_key), announced, strict=True)]
    shown = {row.key: row.seq for row in await lister.rows(bucket)}
    assert [shown[old_key], shown[new_key]] == [each.seq for each in written]
    await writer.follow.idle()
    await splitting.later(61)
    assert await raw_intents(cql, bucket, child) == []
    assert new_key in await raw_keys(cql, bucket, child)
    await check_quiet(splitting, bucket, [*keys, new_key])


async def test_a_key_that_is_deleted_during_the_copy_does_not_come_back(cql, fresh, bucket, processes):
    writer = processes()
    keys = keys_of(20)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()

    async def delete():
        await writer.delete(bucket, keys[3])
        await writer.follow.idle()

    between = BeforeBatch(cql)
    splitting = Splitting(between, fresh)
    split = await splitting.split_at(bucket)
    await splitting.splitter.begin(split)
    await splitting.splitter.fence(split)
    await splitting.splitter.carry_intents(split)
    between.first = delete  # the page with the key has been read, and is written after the delete
    await splitting.splitter.copy_rows(split)
    assert between.first is None
    assert keys[3] not in await raw_keys(cql, bucket, split.reshape.child_a)
    await splitting.splitter.verify(split)
    assert split.differences == 0
    await splitting.splitter.mark_moved(split)
    await splitting.splitter.cut_over(split)
    await check_quiet(splitting, bucket, keys)


async def test_rows_that_a_copy_lost_are_found_by_the_comparison(cql, fresh, bucket, processes):
    writer, splitting = processes(), Splitting(cql, fresh)
    keys = keys_of(30)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    split = await splitting.split_at(bucket)
    await splitting.splitter.begin(split)
    for step in (splitting.splitter.fence, splitting.splitter.carry_intents, splitting.splitter.verify):
        await step(split)
    assert split.differences == len(keys)
    assert {*await raw_keys(cql, bucket, split.reshape.child_a), *await raw_keys(cql, bucket, split.reshape.child_b)} == {*keys}


@pytest.mark.parametrize("fate", [LOSE_AFTER, LOSE_BEFORE])
async def test_answers_about_the_map_that_are_lost_change_nothing(cql, fresh, bucket, processes, fate):
    writer = processes()
    keys = keys_of(20)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    losing = Losing(cql)
    splitting = Splitting(losing, fresh)
    split = await splitting.split_at(bucket)
    losing.plan = [REFUSE]
    with pytest.raises(MetadataUnavailable):
        await splitting.splitter.begin(split)
    losing.plan = [fate, fate, fate]
    await splitting.splitter.begin(split)
    for step in STEPS[:-1]:
        await getattr(splitting.splitter, step)(split)
    losing.plan = [fate, fate]
    await splitting.splitter.cut_over(split)
    assert not any(await losing.arrive())  # what was lost on its way finds that its time is over
    assert len(await shards_of(splitting, bucket)) == 2
    await check_quiet(splitting, bucket, keys)


async def test_a_range_of_one_key_is_not_split(cql, fresh, bucket, processes):
    writer, splitting = processes(), Splitting(cql, fresh)
    row = await splitting.splitter.rows.covering(bucket.bucket_id, b"")
    assert await splitting.splitter.propose_split(bucket.name, bucket.bucket_id, row) is None
    await writer.put(bucket, b"only")
    await writer.follow.idle()
    assert await splitting.splitter.propose_split(bucket.name, bucket.bucket_id, row) is None
    await writer.put(bucket, b"other")
    await writer.follow.idle()
    split = await splitting.splitter.propose_split(bucket.name, bucket.bucket_id, row)
    assert split.reshape.split_key == b"other"


# ---- buckets that are deleted --------------------------------------------------------------------------------------------


async def test_a_bucket_that_is_being_deleted_is_not_split(cql, fresh, bucket, traffic):
    splitting = Splitting(cql, fresh)
    split = await splitting.split_at(bucket)
    await mark_bucket(cql, bucket, 1)
    async with traffic:
        with pytest.raises(BucketGoing):
            await splitting.splitter.run(split)
    (shard,) = await shards_of(splitting, bucket)
    assert (shard.state, shard.shard_id) == (ACTIVE, bucket.bucket_id)
    assert await marks_of(cql, bucket, bucket.bucket_id) == (0, 0)
    await mark_bucket(cql, bucket, 0)  # the deleter found objects
    await splitting.splitter.run(await splitting.split_at(bucket))
    assert len(await shards_of(splitting, bucket)) == 2
    await settled(splitting, bucket, traffic)


async def test_a_successor_gives_the_split_of_a_bucket_up_that_is_being_deleted(cql, fresh, bucket, processes):
    """Marks that its predecessor sets later than that do not count any more; and the range can be split again."""
    writer = processes()
    keys = keys_of(20)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    first, second = Splitting(cql, fresh), Splitting(cql, fresh)
    split = await first.split_at(bucket)
    await first.splitter.begin(split)
    for step in STEPS[:-2]:
        await getattr(first.splitter, step)(split)
    await mark_bucket(cql, bucket, 1)
    await second.later(90)
    late = SplitIntents(cql, first.process.shard_map, first.process.listing, first.process.stamps)
    await late.fence(bucket.bucket_id, split.reshape)
    await late.mark_moved(bucket.bucket_id, split.reshape)
    assert await marks_of(cql, bucket, bucket.bucket_id) == (0, 0)
    with pytest.raises(LeaseLost):
        await first.splitter.cut_over(split)
    (shard,) = await shards_of(second, bucket)
    assert shard.state == ACTIVE
    assert await raw_keys(cql, bucket, split.reshape.child_a) == [key for key in keys if key < split.reshape.split_key]
    # A day later nobody can come back to these children.
    await second.later(90_000)
    assert await raw_keys(cql, bucket, split.reshape.child_a) == []
    assert len(await raw_keys(cql, bucket, bucket.bucket_id)) == 20
    assert await second.notes.count() == 0
    await mark_bucket(cql, bucket, 0)
    await second.splitter.run(await second.split_at(bucket))
    assert await marks_of(cql, bucket, bucket.bucket_id) == (1, 1)
    await check_quiet(second, bucket, keys)


@pytest.fixture
async def halfway(cql, fresh, bucket, processes):
    """(a splitter with a split that has come as far as its fence, a process that counts its statements and knows the split)."""
    writer = processes()
    await asyncio.gather(*(writer.put(bucket, key) for key in keys_of(20)))
    await writer.follow.idle()
    counting = Counting(cql)
    observer = Process(counting)
    splitting = Splitting(cql, fresh)
    split = await splitting.split_at(bucket)
    await splitting.splitter.begin(split)
    await splitting.splitter.fence(split)
    await observer.put(bucket, b"k00001x")
    await observer.follow.idle()
    yield splitting, split, observer, counting
    await observer.close()


def reads_of_the_map(counting):
    return [text for text in counting.texts if "FROM bucket_shards" in text]


async def test_while_a_range_is_split_its_writers_read_the_map_once(bucket, halfway):
    splitting, split, observer, counting = halfway
    counting.texts.clear()
    await observer.put(bucket, b"k00002x")
    assert reads_of_the_map(counting) == []
    await splitting.splitter.finish(split)
    await observer.follow.idle()
    await observer.put(bucket, b"k00003x")  # finds the range superseded
    assert reads_of_the_map(counting)
    await observer.follow.idle()
    await check_quiet(splitting, bucket, [*keys_of(20), b"k00001x", b"k00002x", b"k00003x"])


async def test_the_fence_of_another_split_is_not_taken_for_the_known_one(cql, fresh, bucket, halfway):
    """The first split is given up, and its range is split again elsewhere; a writer knows only the first."""
    first, split, observer, counting = halfway
    await first.splitter._revert(split)
    second = Splitting(cql, f"{fresh}-2")
    again = await second.split_at(bucket)
    await second.splitter.begin(again)
    await second.splitter.fence(again)
    counting.texts.clear()
    announced = await observer.intents.announce(bucket.bucket_id, b"k00002x", b"o" * 16)
    assert reads_of_the_map(counting)
    assert {place.shard_id for place in announced.places} == {bucket.bucket_id, again.reshape.child_a}
    await observer.intents.withdraw(announced)


# ---- duty ----------------------------------------------------------------------------------------------------------------


async def test_a_range_that_grows_is_reported_split_and_after_a_day_its_rows_go(cql, fresh, bucket, processes):
    writer, splitting = processes(), Splitting(cql, fresh)
    counters = splitting.counters(writer, bucket)
    keys = keys_of(130)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    for made in writer.noted:
        counters.note_change(made.bucket_id, made.key, made.announced.places[0], made.change, versioned=made.versioned)
    await counters.flush()
    assert await splitting.triggers.count() == 1
    assert await splitting.duty.run_once() == 1
    left, right = await shards_of(splitting, bucket)
    assert await splitting.triggers.count() == 0
    loads = [await load_of(cql, bucket.bucket_id, shard.shard_id, splitting.clock.now_us()) for shard in (left, right)]
    assert sum(load.rows for load in loads) == 130
    assert all(50 < load.rows < 80 for load in loads)
    await splitting.later(61)
    assert len(await raw_keys(cql, bucket, bucket.bucket_id)) == 130  # lists that began before may still read them
    await splitting.later(86_400)
    await splitting.later(1)
    assert await raw_keys(cql, bucket, bucket.bucket_id) == []
    assert await marks_of(cql, bucket, bucket.bucket_id) == (1, 1)  # old maps lead here for ever
    assert await splitting.notes.count() == 0
    assert [row.key for row in await writer.rows(bucket)] == keys  # its map is from before the split


async def test_ranges_that_became_nearly_empty_are_merged(cql, fresh, bucket, processes):
    writer, splitting = processes(), Splitting(cql, fresh)
    keys = keys_of(30)
    await asyncio.gather(*(writer.put(bucket, key) for key in keys))
    await writer.follow.idle()
    split = await splitting.split_at(bucket)
    await splitting.splitter.run(split)
    gone = [key for key in keys if key[-1:] not in b"05"]
    writer.noted.clear()
    await asyncio.gather(*(writer.delete(bucket, key) for key in gone))
    await writer.follow.idle()
    counters = splitting.counters(writer, bucket)
    for made in writer.noted:
        counters.note_change(made.bucket_id, made.key, made.announced.places[0], made.change, versioned=made.versioned)
    await counters.flush()
    await splitting.duty.run_once()
    (shard,) = await shards_of(splitting, bucket)
    assert shard.shard_id not in (bucket.bucket_id, split.reshape.child_a, split.reshape.child_b)
    await check_quiet(splitting, bucket, keys)
