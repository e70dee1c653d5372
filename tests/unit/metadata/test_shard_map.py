"""The range map of a bucket: what is cached, what is read together, and what happens to a map that was found to be old."""

import asyncio
from itertools import pairwise

import pytest

from dolmen.gateway.metadata.cassandra import shards as shards_module
from dolmen.gateway.metadata.cassandra.shards import AHEAD, MERGING, SPLITTING, Place, Shard, ShardMap, first_shard, sub_of
from dolmen.gateway.metadata.store import MetadataUnavailable

BUCKET = b"B" * 16
OTHER = b"O" * 16


class MapTable:
    """``bucket_shards`` in memory, for the two statements of the map."""

    def __init__(self, rows=None):
        self.rows = {BUCKET: rows or {}}
        self.reads = 0
        self.before_read = None  # called before each read
        self.after_read = None  # called when its answer is on its way

    async def run(self, statement, bucket_id, lo, limit=1):
        self.reads += 1
        if self.before_read is not None:
            await self.before_read()
        await asyncio.sleep(0)
        answer = self._answer(statement, self.rows.get(bucket_id, {}), lo, limit)
        if self.after_read is not None:
            await self.after_read()
        return answer

    def _answer(self, statement, rows, lo, limit):
        if "DESC" in statement.text:
            below = [key for key in rows if key <= lo]
            return [(max(below),)] if below else []
        return [(key, *rows[key]) for key in sorted(rows) if key >= lo][:limit]


def row(shard_id, fanout=1, state=0, split_key=None, child_a=None, child_b=None, child_fanout=1):
    return shard_id, fanout, state, split_key, child_a, child_b, child_fanout, 1, 0


def many(count):
    return {(b"" if number == 0 else b"%06d" % number): row(b"S%06d" % number) for number in range(count)}


async def test_a_bucket_without_rows_is_one_shard_named_as_the_bucket():
    table = MapTable()
    shard_map = ShardMap(table)
    assert await shard_map.shard_at(BUCKET, b"anything") == first_shard(BUCKET)
    assert await shard_map.places(BUCKET, b"x") == (Place(BUCKET, 0),)
    assert await shard_map.shards(BUCKET) == [first_shard(BUCKET)]
    assert table.reads == 2  # the second was cached, the whole map never is


async def test_ranges_end_where_the_next_ones_begin_and_neighbours_are_cached_with_the_one_asked_for():
    table = MapTable(many(1000))
    shard_map = ShardMap(table)
    shard = await shard_map.shard_at(BUCKET, b"000500")
    assert (shard.lo, shard.hi, shard.shard_id) == (b"000500", b"000501", b"S000500")
    assert table.reads == 2
    for number in range(500, 500 + AHEAD):
        assert (await shard_map.shard_at(BUCKET, b"%06d!" % number)).shard_id == b"S%06d" % number
    assert table.reads == 2
    assert (await shard_map.shard_at(BUCKET, b"999999")).hi is None
    whole = await shard_map.shards(BUCKET)
    assert [found.lo for found in whole] == sorted(table.rows[BUCKET])
    assert [found.hi for found in whole] == [*sorted(table.rows[BUCKET])[1:], None]


async def test_a_whole_map_of_several_pages_fits_together():
    table = MapTable(many(2500))
    whole = await ShardMap(table).shards(BUCKET)
    assert [shard.shard_id for shard in whole] == [b"S%06d" % number for number in range(2500)]
    assert all(left.hi == right.lo for left, right in pairwise(whole))


async def test_a_whole_map_is_read_again_when_a_range_was_merged_away_between_its_pages():
    table = MapTable(many(1500))

    async def merge():
        if table.reads == 2:
            del table.rows[BUCKET][b"001000"]  # where the second page begins

    table.before_read = merge
    whole = await ShardMap(table).shards(BUCKET)
    assert [shard.hi for shard in whole if shard.lo == b"000999"] == [b"001001"]
    assert len(whole) == 1499


async def test_a_map_that_changes_with_every_read_is_unavailable():
    table = MapTable(many(1200))

    async def change():
        rows = table.rows[BUCKET]
        if table.reads % 2 == 0:
            del rows[sorted(rows)[1000]]

    table.before_read = change
    with pytest.raises(MetadataUnavailable):
        await ShardMap(table).shards(BUCKET)


async def test_many_who_miss_the_same_range_wait_for_one_read():
    table = MapTable(many(10))
    shard_map = ShardMap(table)
    found = await asyncio.gather(*(shard_map.shard_at(BUCKET, b"%06d" % (number % 10)) for number in range(100)))
    assert {shard.shard_id for shard in found} == {b"S%06d" % number for number in range(10)}
    assert table.reads <= 4  # one load for a key of the middle may not reach the first ones


async def test_a_waiter_that_goes_away_leaves_the_read_to_the_others():
    table = MapTable(many(3))
    shard_map = ShardMap(table)
    first = asyncio.create_task(shard_map.shard_at(BUCKET, b"000001"))
    second = asyncio.create_task(shard_map.shard_at(BUCKET, b"000001"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).shard_id == b"S000001"
    assert table.reads == 2


async def test_a_failed_read_is_told_to_all_who_wait_and_not_remembered():
    table = MapTable(many(3))

    async def fail():
        raise MetadataUnavailable("no answer")

    table.before_read = fail
    shard_map = ShardMap(table)
    outcomes = await asyncio.gather(*(shard_map.shard_at(BUCKET, b"x") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, MetadataUnavailable) for outcome in outcomes)
    table.before_read = None
    assert (await shard_map.shard_at(BUCKET, b"x")).shard_id == b"S000002"


async def test_one_range_is_read_again_by_one_statement_and_the_others_stay_cached():
    table = MapTable(many(10))
    shard_map = ShardMap(table)
    await shard_map.shard_at(BUCKET, b"000003x")
    table.rows[BUCKET][b"000003"] = row(b"S000003", state=SPLITTING, split_key=b"000003m", child_a=b"A", child_b=b"Z")
    reads = table.reads
    assert (await shard_map.reread(BUCKET, b"000003x")).state == SPLITTING
    assert table.reads == reads + 1
    assert (await shard_map.shard_at(BUCKET, b"000003x")).child_b == b"Z"
    assert (await shard_map.shard_at(BUCKET, b"000004x")).shard_id == b"S000004"
    assert table.reads == reads + 1
    # Split at last: the cached range begins where it did, and does not reach as far any more.
    table.rows[BUCKET] |= {b"000003": row(b"A"), b"000003m": row(b"Z")}
    assert (await shard_map.reread(BUCKET, b"000003x")).shard_id == b"Z"


async def test_what_is_read_again_is_not_cached_when_the_map_is_forgotten_meanwhile():
    table = MapTable({b"": row(b"old")})
    shard_map = ShardMap(table)
    await shard_map.shard_at(BUCKET, b"z")

    async def newer():
        table.after_read = None
        table.rows[BUCKET] = {b"": row(b"new")}
        shard_map.forget(BUCKET)

    table.after_read = newer
    await shard_map.reread(BUCKET, b"z")
    assert (await shard_map.shard_at(BUCKET, b"z")).shard_id == b"new"


async def test_after_forget_nobody_gets_what_was_read_before():
    table = MapTable({b"": row(b"old")})
    shard_map = ShardMap(table)
    going_on = asyncio.Event()

    async def hold():
        if table.reads == 2:
            await going_on.wait()

    table.after_read = hold
    early = asyncio.create_task(shard_map.shard_at(BUCKET, b"z"))
    while table.reads < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    table.rows[BUCKET] = {b"": row(b"A"), b"m": row(b"B")}
    shard_map.forget(BUCKET)
    async with asyncio.timeout(10):
        assert (await shard_map.shard_at(BUCKET, b"z")).shard_id == b"B"
    going_on.set()
    assert (await early).shard_id == b"old"  # it asked before
    assert (await shard_map.shard_at(BUCKET, b"z")).shard_id == b"B"


async def test_forget_drops_one_bucket_only():
    table = MapTable(many(3))
    shard_map = ShardMap(table)
    await shard_map.shard_at(BUCKET, b"x")
    await shard_map.shard_at(OTHER, b"x")
    before = table.reads
    shard_map.forget(BUCKET)
    await shard_map.shard_at(OTHER, b"y")
    assert table.reads == before
    await shard_map.shard_at(BUCKET, b"x")
    assert table.reads == before + 2


async def test_new_ranges_take_the_place_of_all_that_they_overlap():
    table = MapTable({b"": row(b"S"), b"p": row(b"P")})
    shard_map = ShardMap(table)
    assert (await shard_map.shard_at(BUCKET, b"a")).hi == b"p"
    shard_map._keep(BUCKET, [Shard(b"c", b"f", b"X"), Shard(b"f", None, b"Y")])
    before = table.reads
    assert (await shard_map.shard_at(BUCKET, b"d")).shard_id == b"X"
    assert (await shard_map.shard_at(BUCKET, b"q")).shard_id == b"Y"
    assert table.reads == before
    assert (await shard_map.shard_at(BUCKET, b"a")).shard_id == b"S"  # its range was overlapped: read again
    assert table.reads == before + 2


async def test_the_cache_is_bounded_and_keeps_what_was_used_last(monkeypatch):
    monkeypatch.setattr(shards_module, "RANGES_MAX", 100)
    table = MapTable(many(1000))
    shard_map = ShardMap(table)
    for number in range(0, 1000, 7):
        await shard_map.shard_at(BUCKET, b"%06d" % number)
        await shard_map.shard_at(OTHER, b"x")
        assert len(shard_map._ranges) <= 100
    assert sum(map(len, shard_map._los.values())) == len(shard_map._ranges)
    before = table.reads
    await shard_map.shard_at(OTHER, b"y")
    await shard_map.shard_at(BUCKET, b"000994")
    assert table.reads == before


def test_a_range_being_split_is_written_in_both_places():
    split = Shard(b"", None, b"S", 1, SPLITTING, b"m", b"A", b"B", 4)
    assert split.places(b"a") == (Place(b"S", 0), Place(b"A", sub_of(b"a", 4)))
    assert split.places(b"m") == (Place(b"S", 0), Place(b"B", sub_of(b"m", 4)))
    raised = Shard(b"", None, b"S", 2, SPLITTING, None, b"A", None, 8)
    assert raised.places(b"z") == (Place(b"S", sub_of(b"z", 2)), Place(b"A", sub_of(b"z", 8)))
    merged = Shard(b"p", None, b"S", 1, MERGING, None, b"C", None, 1)
    assert merged.places(b"q") == (Place(b"S", 0), Place(b"C", 0))
    assert Shard(b"", None, b"S", 3).own() == (Place(b"S", 0), Place(b"S", 1), Place(b"S", 2))


def test_partitions_of_a_shard_share_its_keys_evenly():
    counts = [0] * 8
    for number in range(8000):
        counts[sub_of(b"key-%08d" % number, 8)] += 1
    assert min(counts) > 850
    assert {sub_of(b"key-%d" % number, 1) for number in range(100)} == {0}
