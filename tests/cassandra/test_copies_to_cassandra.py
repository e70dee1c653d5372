"""A store moves to Cassandra and back while it changes, and arrives exactly; answers that are lost change nothing about that."""

import asyncio
import contextlib
import os
import random

import msgspec
import pytest
from cassandra_parts import Between, address_of, make_schema, session_in
from metadata_builders import SettableClock, layout_of
from store_scribbler import Scribbler, everything, lists, usages

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.cql import Kind, Statement
from dolmen.gateway.metadata.cassandra.load import load_of
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.cassandra.store import CassandraStore
from dolmen.gateway.metadata.cassandra.transfer import CassandraTransfer
from dolmen.gateway.metadata.comparing import compare
from dolmen.gateway.metadata.copying import Copy
from dolmen.gateway.metadata.embedded.follow import FollowedFile
from dolmen.gateway.metadata.listcheck import check_lists
from dolmen.gateway.metadata.records import BucketRecord, VersionRecord
from dolmen.gateway.metadata.rows import encode, list_row
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown
from dolmen.gateway.metadata.transfer import (
    BucketItem,
    ItemKind,
    Page,
    Position,
    SpaceItem,
    VersionItem,
    kind_of,
    place_of,
    walk,
)
from dolmen.gateway.metadata.versions import new_version_id

SEED = random.randrange(1 << 32)


class Unsure(Between):
    """Answers of conditional changes are lost now and then: after the change, or before it."""

    def __init__(self, inner, chance):
        super().__init__(inner)
        self.chance = chance
        self.share = 0.0

    async def cas(self, bound):
        drawn = self.chance.random()
        if drawn < self.share / 2:
            await super().cas(bound)
            raise MetadataUnknown("the answer was lost")
        if drawn < self.share:
            raise MetadataUnknown("the question was lost")
        return await super().cas(bound)


def quiet(*_):
    pass


@pytest.fixture
async def file_of(tmp_path):
    made = []

    async def make(name):
        made.append(FollowedFile(str(tmp_path / name), SettableClock(), garbage_grace_seconds=900))
        await made[-1].open()
        return made[-1]

    yield make
    for store in made:
        await store.close()


async def same_everywhere(first, second):
    assert await everything(first) == await everything(second)
    for walk_first in (True, False):
        assert (await compare(first, second, quiet, walk_first=walk_first)).different == 0


async def clean_lists(tool):
    checked = await check_lists(tool, [], SettableClock(), quiet, heal=False, keys_per_second=0)
    assert (checked.wrong, checked.told) == (0, [])


async def until_done(copy_once, scribbler):
    """Again and again, with changes in between and in the middle; the last round alone is undisturbed."""
    for _ in range(4):
        try:
            await copy_once(final=False)
        except (MetadataUnknown, MetadataUnavailable):
            continue
        await scribbler.write(15)


class Mine:
    """What one test has loaded, of a keyspace that others use too; the cluster map, of which there is one, stays here."""

    def __init__(self, tool):
        self.tool = tool
        self.places = {kind: set() for kind in ItemKind}
        self.map = {}

    async def dump(self, kind, after, limit):
        if kind is ItemKind.MAP:
            return Page(list(self.map.values()), None)
        page = await self.tool.dump(kind, after, limit)
        return Page([item for item in page.items if place_of(item) in self.places[kind]], page.after)

    async def fetch(self, kind, places):
        if kind is ItemKind.MAP:
            return [self.map[place] for place in places if place in self.map]
        return await self.tool.fetch(kind, places)

    async def slots(self, bucket_id, key):
        return await self.tool.slots(bucket_id, key)

    async def load(self, items):
        if items and kind_of(items[0]) is ItemKind.MAP:
            self.map = {place_of(item): item for item in items}
            return
        for item in items:
            self.places[kind_of(item)].add(place_of(item))
        await self.tool.load(items)

    async def forget(self, kind, places):
        if kind is not ItemKind.MAP:
            await self.tool.forget(kind, places)

    async def count(self, kind):
        return len([item async for _, items, _ in walk(self, Position(kind), (kind,)) for item in items])


async def test_what_changes_during_a_copy_arrives_exactly(cassandra, parts_keyspace, cql, file_of, fresh):
    print("seed", SEED)
    chance = random.Random(SEED)
    address, clock = address_of(cassandra, parts_keyspace), SettableClock()
    source = await file_of("source")
    scribbler = Scribbler(source, SEED, prefix=f"{fresh}-")
    await scribbler.write(60)
    await scribbler.one_of_each()
    unsure = Unsure(cql, chance)
    tool = CassandraTransfer(unsure, address, clock)
    target = Mine(tool)

    async def copy_once(*, final):
        return await Copy(source, "there", clock, quiet).from_file(target, final=final)

    unsure.share = 0.05
    await until_done(copy_once, scribbler)
    unsure.share = 0.0
    await copy_once(final=False)
    await scribbler.write(10)
    assert (await copy_once(final=True)).left == 0
    await same_everywhere(source, target)
    buckets = await source.all_buckets("", 100)
    names = [bucket.name for bucket in buckets]
    assert await usages(target.tool, buckets) == await usages(source, buckets)
    checked = await check_lists(tool, names, clock, quiet, heal=False, keys_per_second=0)
    assert (checked.buckets, checked.wrong, checked.told) == (len(names), 0, [])
    await tool.close()


async def test_patience_outlasts_a_cluster_that_is_away_for_a_while(cassandra, parts_keyspace, cql, fresh):
    away = Unsure(cql, random.Random(SEED))
    away.share = 1.0
    item = SpaceItem(f"{fresh}-space", 3)
    hasty = CassandraTransfer(away, address_of(cassandra, parts_keyspace), SettableClock())
    patient = CassandraTransfer(away, address_of(cassandra, parts_keyspace), SettableClock(), patience_seconds=60)
    await hasty.forget(ItemKind.SPACE, [place_of(item)])
    assert not await patient.fetch(ItemKind.SPACE, [place_of(item)])
    loading = asyncio.create_task(patient.load([item]))
    await asyncio.sleep(0.5)
    assert not loading.done()
    away.share = 0.0
    await asyncio.wait_for(loading, 30)
    assert await hasty.fetch(ItemKind.SPACE, [place_of(item)]) == [item]


@pytest.mark.parametrize(("seconds_ago", "is_used"), [(5, True), (600, False)])
async def test_a_store_that_processes_use_is_not_loaded(seconds_ago, is_used):
    clock = SettableClock()

    class Workers:
        async def run(self, statement, *values):
            return [(1, None), (2, clock.now_us() - seconds_ago * 1_000_000)]

    tool = CassandraTransfer(Workers(), address_of(["127.0.0.1"], "none"), clock)
    with pytest.raises(ConfigError, match="stop them first") if is_used else contextlib.nullcontext():
        await tool.require_unused()


async def test_a_bucket_that_is_loaded_in_order_gets_its_ranges_on_the_way(cassandra, parts_keyspace, cql, fresh, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.metadata.cassandra.fresh_ranges.ROWS", 40)
    clock = SettableClock()
    tool = CassandraTransfer(cql, address_of(cassandra, parts_keyspace), clock)
    bucket = BucketRecord(name=f"{fresh}-bucket", bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)
    await tool.load([BucketItem(bucket)])
    keys = [b"%04d" % number for number in range(130)]
    items = [VersionItem(bucket.bucket_id, record_of(key, 1000 + at)) for at, key in enumerate(keys)]
    for at in range(0, len(items), 20):
        await tool.load(items[at : at + 20])
    ranges = ShardMap(cql)
    shards = await ranges.shards(bucket.bucket_id)
    assert [shard.lo for shard in shards] == [b"", b"0040", b"0080", b"0120"]
    loads = [await load_of(cql, bucket.bucket_id, shard.shard_id, clock.now_us()) for shard in shards]
    assert [load.rows for load in loads] == [40, 40, 40, 10]

    again = CassandraTransfer(cql, address_of(cassandra, parts_keyspace), clock)  # cut short, and run from the beginning
    for at in range(0, len(items), 20):
        await again.load(items[at : at + 20])
    assert await ranges.shards(bucket.bucket_id) == shards, "nothing is cut where something is listed"
    checked = await check_lists(tool, [bucket.name], clock, quiet, heal=False, keys_per_second=0)
    assert (checked.keys, checked.wrong) == (260, 0)


async def test_list_rows_that_are_wrong_are_found_and_healed(cassandra, parts_keyspace, cql, fresh, monkeypatch):
    monkeypatch.setattr("dolmen.gateway.metadata.cassandra.listcheck.LOOK_SECONDS", 0.01)
    clock = SettableClock()
    tool = CassandraTransfer(cql, address_of(cassandra, parts_keyspace), clock)
    bucket = BucketRecord(name=f"{fresh}-bucket", bucket_id=os.urandom(16), owner="1" * 12, region="r", created_us=1)
    other = msgspec.structs.replace(bucket, name=f"{fresh}-other", bucket_id=os.urandom(16))
    await tool.load([BucketItem(bucket), BucketItem(other)])
    bucket_id = bucket.bucket_id
    await tool.load([VersionItem(bucket_id, record_of(b"key-%d" % at, 1000 + at)) for at in range(5)])
    await tool.load([VersionItem(other.bucket_id, record_of(b"key", 1000))])
    versions = [record_of(b"versions", at, new_version_id(at)) for at in (7, 8, 9)]
    await tool.load([VersionItem(bucket_id, record) for record in versions])

    async def checked(name, *, heal=False):
        found = await check_lists(tool, [name], clock, quiet, heal=heal, keys_per_second=0)
        assert found.healed == (found.wrong if heal else 0)
        return sorted((row.key, row.what) for row in found.told)

    assert await checked(bucket.name) == []
    where = bucket_id, bucket_id, 0
    put = "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
    drop = "DELETE FROM {} USING TIMESTAMP ? WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ?"
    # Rows lost and left over, by a node that missed writes and came back too late; and some that are newer than the truth.
    await cql.run(Statement(drop.format("listing"), Kind.WRITE), 1500, *where, b"key-0")
    await cql.run(Statement(put, Kind.WRITE), *where, b"key-1", encode(list_row(record_of(b"key-1", 999))), 1600)
    await cql.run(Statement(put, Kind.WRITE), *where, b"ghost", encode(list_row(record_of(b"ghost", 5))), 5)
    await cql.run(Statement(drop.format("listing_versions") + " AND seq = 8", Kind.WRITE), 9, *where, b"versions")
    wrong = [("ghost", "extra"), ("key-0", "missing"), ("key-1", "differs"), ("versions", "missing")]
    assert await checked(bucket.name) == wrong
    assert await checked(other.name) == []
    assert await checked(bucket.name, heal=True) == wrong
    assert await checked(bucket.name) == []


def record_of(key, seq, version_id="null"):
    told = {"size": seq, "etag": "e" * 32, "mtime_us": seq, "owner": "1" * 12}
    return VersionRecord(key=key, version_id=version_id, seq=seq, layout=layout_of(), **told)


@pytest.fixture(scope="module")
def keyspace(shared_keyspace):
    return shared_keyspace(make_schema, "transfer")


@pytest.mark.campaign
async def test_there_and_back_again(cassandra, keyspace, file_of):
    print("seed", SEED)
    chance = random.Random(SEED)
    address = address_of(cassandra, keyspace)
    clock = SettableClock()
    source, back = await file_of("source"), await file_of("back")
    scribbler = Scribbler(source, SEED)
    await scribbler.write(80)
    await scribbler.one_of_each()
    async with session_in(cassandra, keyspace) as session:
        unsure = Unsure(session, chance)
        tool = CassandraTransfer(unsure, address, clock)

        async def there(*, final):
            return await Copy(source, "there", clock, quiet).from_file(tool, final=final)

        unsure.share = 0.05
        await until_done(there, scribbler)
        unsure.share = 0.0
        await there(final=False)
        await there(final=True)
        await same_everywhere(source, tool)
        await clean_lists(tool)

        store = CassandraStore(address, clock, garbage_grace_seconds=900)
        await store.open()
        assert await lists(store) == await lists(source)
        other = Scribbler(store, SEED + 1)
        other.epoch = scribbler.epoch

        async def from_there(*, final):
            return await Copy(back, "from there", clock, quiet).to_file(tool, final=final)

        await from_there(final=False)
        await other.write(25)
        await other.one_of_each()
        await from_there(final=False)
        await other.write(10)
        await store.close()
        copied = await from_there(final=True)
        assert copied.moved.get("version", 0) < len([1 for kind, _ in await everything(back) if kind is ItemKind.VERSION]) + 1
        await same_everywhere(tool, back)
        await tool.close()
