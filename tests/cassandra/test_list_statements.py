"""What lists cost, and what they do when a range is split under them."""

import random

import msgspec
import pytest
import pytest_asyncio
from cassandra_parts import session_in
from listing_world import Bucket, CountingCql

from dolmen.gateway.metadata.cassandra import dirty_keys, old_intents
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.shards import Shard, sub_of
from dolmen.gateway.metadata.delimiter import after_key, list_page
from dolmen.gateway.metadata.records import ListRow, Versioning
from dolmen.gateway.metadata.rows import encode
from dolmen.gateway.metadata.store import SCAN_ROWS_MAX, MetadataUnavailable, ScanMemo

OFF, ENABLED = Versioning.OFF, Versioning.ENABLED
_PUT = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1", Kind.WRITE
)

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


async def fill(bucket, keys):
    """Rows of ``listing`` alone: for counting, not for comparing with the truth."""
    by_place = {}
    for key in keys:
        row = ListRow(key, 1, "e" * 32, 1, "STANDARD", "123456789012", "", "", "null", 1)
        place = (await bucket.map.places(bucket.bucket_id, key))[0]
        by_place.setdefault(place, []).append(Bound(_PUT, (bucket.bucket_id, *place, key, encode(row))))
    for bound in by_place.values():
        for at in range(0, len(bound), BATCH_STATEMENTS_MAX):
            await bucket.cql.batch(bound[at : at + BATCH_STATEMENTS_MAX])


class Spent:
    """Statements and rows since it was made."""

    def __init__(self, cql):
        self._cql, self._sent, self._rows = cql, len(cql.sent), cql.row_count

    @property
    def statements(self):
        return len(self._cql.sent) - self._sent

    @property
    def rows(self):
        return self._cql.row_count - self._rows


async def test_a_page_of_1000_keys_costs_no_more_than_4_statements(cql, bucket):
    keys = [b"key-%05d" % number for number in range(1500)]
    await fill(bucket, keys)
    scanner, memo = bucket.scanner(), ScanMemo()
    spent = Spent(cql)
    rows = await scanner.scan(bucket.bucket_id, b"", None, 1001, memo)
    assert [row.key for row in rows] == keys[:1001]
    assert spent.statements == 3  # map, intents, rows
    spent = Spent(cql)
    assert len(await scanner.scan(bucket.bucket_id, rows[-1].key, None, 1001, memo)) == 500
    assert spent.statements == 1  # the memo knows the intents
    spent = Spent(cql)
    assert len(await scanner.scan(bucket.bucket_id, b"", None, 1001)) == 1001
    assert spent.statements == 2
    spent = Spent(cql)
    assert len(await scanner.scan_versions(bucket.bucket_id, b"", None, None, 1001)) == 1001
    assert spent.statements == 3
    spent = Spent(cql)
    assert len(await scanner.scan(bucket.bucket_id, b"key-00100", None, 4, memo)) == 4
    assert spent.statements == 1 and spent.rows == 4


async def test_a_page_over_the_end_of_a_range_costs_no_more_than_4_statements(cql, bucket):
    await bucket.lay_out([b"key-00300", b"key-00700"], fanouts=(1,))
    await fill(bucket, [b"key-%05d" % number for number in range(1000)])
    scanner = bucket.scanner()
    await scanner.scan(bucket.bucket_id, b"", None, 1)
    spent = Spent(cql)
    rows = await scanner.scan(bucket.bucket_id, b"key-00100", None, 400)
    assert [row.key for row in rows] == [b"key-%05d" % number for number in range(100, 500)]
    assert spent.statements == 4


async def test_1000_common_prefixes_cost_no_more_than_1100_statements(cql, bucket):
    await bucket.lay_out([b"p0250/", b"p0500/0", b"p0750/1"], fanouts=(1,))
    await fill(bucket, [b"p%04d/%d" % (number, at) for number in range(1010) for at in range(5)])
    scanner, memo = bucket.scanner(), ScanMemo()
    spent = Spent(cql)
    page = await list_page(
        lambda start, end, rows: scanner.scan(bucket.bucket_id, start.key, end, rows, memo),
        prefix=b"",
        delimiter=b"/",
        marker=None,
        max_items=1000,
        position_after=lambda row: after_key(row.key),
    )
    assert page.common_prefixes == [b"p%04d/" % number for number in range(1000)]
    assert spent.statements <= 1100
    assert spent.rows <= 5 * 1000


async def test_empty_ranges_are_read_side_by_side(cql, bucket):
    bounds = [b"%03d" % number for number in range(1, 60)]
    await bucket.lay_out(bounds, fanouts=(1,))
    await fill(bucket, [b"000", b"059"])
    scanner = bucket.scanner()
    rows = await scanner.scan(bucket.bucket_id, b"", None, 10)
    assert [row.key for row in rows] == [b"000", b"059"]
    assert [row.key for row in await scanner.scan(bucket.bucket_id, b"0", b"058", 10)] == [b"000"]


async def test_partitions_of_a_range_are_merged_without_reading_much_more_than_is_told(cql, bucket):
    await bucket.write_shard(Shard(b"", None, b"S" * 16, 8))
    keys = [b"key-%05d" % number for number in range(2000)]
    await fill(bucket, keys)
    scanner = bucket.scanner()
    await scanner.scan(bucket.bucket_id, b"", None, 1)
    spent = Spent(cql)
    assert [row.key for row in await scanner.scan(bucket.bucket_id, b"", None, 1000)] == keys[:1000]
    assert spent.statements == 8 + 8 and spent.rows <= 1400


async def test_partitions_whose_shares_are_uneven_are_merged_without_gaps(bucket):
    await bucket.write_shard(Shard(b"", None, b"S" * 16, 8))
    uneven = [key for key in (b"a-%05d" % number for number in range(4000)) if sub_of(key, 8) == 3]
    keys = [*uneven, *(b"b-%05d" % number for number in range(1000))]
    await fill(bucket, keys)
    rows = await bucket.scanner().scan(bucket.bucket_id, b"", None, 1000)
    assert [row.key for row in rows] == keys[:1000]


async def test_a_range_whose_split_is_not_known_yet_is_told_whole_among_others_that_are_read_with_it(bucket):
    bounds = [b"%d" % number for number in range(1, 10)]
    await bucket.lay_out(bounds, fanouts=(1,))
    scanner = bucket.scanner()
    await scanner.scan(bucket.bucket_id, b"", None, 10)  # it has a map now
    for key in (b"51", b"58", b"81"):
        await bucket.done(key, "put", OFF)
    changed = await bucket.begin_reshape(b"5", "split", b"55")
    await bucket.copy(changed)
    await bucket.mark_moved(changed)
    await bucket.cut_over(changed)
    assert await scanner.scan(bucket.bucket_id, b"", None, 10) == bucket.objects()


async def test_more_intents_than_a_list_can_hold_make_it_unavailable(monkeypatch, bucket):
    monkeypatch.setattr(dirty_keys, "INTENTS_MAX", 5)
    for number in range(5):
        await bucket.announce(b"k%d" % number)
    assert await bucket.scanner().scan(bucket.bucket_id, b"", None, 10) == []
    await bucket.announce(b"k5")
    with pytest.raises(MetadataUnavailable):
        await bucket.scanner().scan(bucket.bucket_id, b"", None, 10)
    with pytest.raises(MetadataUnavailable):
        await bucket.scanner().scan_versions(bucket.bucket_id, b"zzz", None, None, 10)


async def test_more_rows_than_one_scan_may_hold_are_refused(bucket):
    with pytest.raises(ValueError):
        await bucket.scanner().scan(bucket.bucket_id, b"", None, SCAN_ROWS_MAX + 1)
    assert await bucket.scanner().scan(bucket.bucket_id, b"", None, 0) == []
    assert await bucket.scanner().scan_versions(bucket.bucket_id, b"", 7, None, 0) == []


async def test_a_list_goes_on_while_a_split_stands_still_between_its_last_two_steps(bucket):
    await bucket.write_shard(Shard(b"", None, b"S" * 16))
    for key in (b"a", b"b", b"x"):
        await bucket.done(key, "put", OFF)
    changed = await bucket.begin_reshape(b"", "split", b"m")
    await bucket.copy(changed)
    await bucket.mark_moved(changed)
    await bucket.done(b"c", "put", OFF)
    scanner = bucket.scanner()
    assert await scanner.scan(bucket.bucket_id, b"", None, 10) == bucket.objects()
    await bucket.cut_over(changed)
    await bucket.done(b"y", "put", OFF)
    assert await scanner.scan(bucket.bucket_id, b"", None, 10) == bucket.objects()


async def test_a_range_that_is_superseded_again_and_again_is_unavailable(cql, bucket):
    scanner = bucket.scanner()
    inner = cql.run

    async def run(statement, *values):
        if "listing_intents" in statement.text:  # by the time its marks are read, it has another name
            await bucket.write_shard(Shard(b"", None, random.randbytes(16)))
            return [(1, None, None)]
        return await inner(statement, *values)

    cql.run = run
    with pytest.raises(MetadataUnavailable):
        await scanner.scan(bucket.bucket_id, b"", None, 10)


@pytest.mark.parametrize("map_is_old", [True, False])
async def test_a_page_tells_each_key_once_when_its_range_is_split_between_two_of_its_reads(bucket, map_is_old):
    await bucket.write_shard(Shard(b"", None, b"S" * 16))
    keys = [b"%02d" % number for number in range(20)]
    for key in keys:
        await bucket.done(key, "put", OFF)
    at_first = {row.key: row for row in bucket.objects()}
    half = await bucket.change(b"13", "put", OFF)  # its intent is in the memo
    during = {row.key: row for row in bucket.objects()}
    scanner, memo = bucket.scanner(), ScanMemo()
    page = await scanner.scan(bucket.bucket_id, b"", None, 8, memo)
    changed = await bucket.begin_reshape(b"", "split", b"10")
    await bucket.copy(changed)
    await bucket.mark_moved(changed)
    await bucket.cut_over(changed)
    await bucket.follow(half)
    for key, what in ((b"02", "delete"), (b"12", "put"), (b"15", "remove"), (b"17x", "put")):
        await bucket.done(key, what, OFF)  # in the children alone
    if not map_is_old:
        await scanner.scan(bucket.bucket_id, b"", None, 100)  # another page found the new map
    while rows := await scanner.scan(bucket.bucket_id, after_key(page[-1].key).key, None, 8, memo):
        page += rows
    told = {row.key: row for row in page}
    assert len(told) == len(page) and [row.key for row in page] == sorted(told)
    at_last = {row.key: row for row in bucket.objects()}
    for key in {*at_first, *at_last}:
        assert told.get(key) in (at_first.get(key), during.get(key), at_last.get(key)), key
    assert told[b"13"].seq == during[b"13"].seq
    assert await scanner.scan(bucket.bucket_id, b"", None, 100) == bucket.objects()  # a page of its own


async def test_old_intents_are_brought_up_to_date_in_passing_and_stay(monkeypatch, cql, bucket):
    await bucket.change(b"k", "put", ENABLED)
    monkeypatch.setattr(old_intents, "OLD_SECONDS", -1)
    scanner = bucket.scanner()
    assert await scanner.scan(bucket.bucket_id, b"", None, 10) == bucket.objects()
    spent = Spent(cql)
    await scanner.scan(bucket.bucket_id, b"", None, 10)
    assert spent.statements == 3  # the intent is still there, and the key is not made anew again: intents, rows, truth
    (place,) = await bucket.map.places(bucket.bucket_id, b"k")
    await bucket.withdraw(b"k", (place,), 1)
    assert await scanner.scan(bucket.bucket_id, b"", None, 10) == bucket.objects()
    assert await scanner.scan_versions(bucket.bucket_id, b"", None, None, 10) == bucket.all_versions()


async def test_what_is_seen_of_a_key_in_half_is_settled_by_the_truth(bucket):
    """Rows as a list may find them between the writes of somebody whose intent it could not see."""
    await bucket.done(b"k", "put", OFF)
    over = await bucket.change(b"k", "put", ENABLED)
    await bucket.follow(over)
    (current,) = bucket.objects()
    drop = Statement(
        "DELETE FROM listing_versions WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ?", Kind.WRITE
    )
    await bucket.cql.run(drop, bucket.bucket_id, *over.places[0], b"k")
    rows = await bucket.scanner().scan_versions(bucket.bucket_id, b"", None, None, 10)
    assert rows == bucket.all_versions() and rows[0] == current


def between_the_reads(cql, work):
    """Do ``work`` once after the next read of ``listing``."""
    inner = cql.run

    async def run(statement, *values):
        rows = await inner(statement, *values)
        if statement.kind is Kind.READ and " FROM listing WHERE" in statement.text:
            cql.run = inner
            await work()
        return rows

    cql.run = run


@pytest.mark.parametrize("what", ["put", "delete"])
async def test_a_version_that_stops_being_current_while_a_list_reads_is_told(cql, bucket, what):
    await bucket.done(b"k", "put", OFF)
    (before,) = bucket.all_versions()
    between_the_reads(cql, lambda: bucket.done(b"k", what, ENABLED))
    rows = await bucket.scanner().scan_versions(bucket.bucket_id, b"", None, None, 10)
    assert before.seq in [row.seq for row in rows]


@pytest.mark.parametrize("what", ["put", "delete"])
async def test_a_version_that_stops_being_current_is_told_while_its_rows_are_written(cql, bucket, what):
    await bucket.done(b"k", "put", OFF)
    (before,) = bucket.all_versions()
    scanner, memo, told = bucket.scanner(), ScanMemo(), []
    await scanner.scan(bucket.bucket_id, b"", None, 1, memo)  # before there is an intent
    pending = await bucket.change(b"k", what, ENABLED)

    async def look(*given):
        await send(*given)
        told.append(await scanner.scan_versions(bucket.bucket_id, b"", None, None, 10, memo))

    send, cql.batch = cql.batch, look
    await bucket.follow(pending)
    assert told and all(before.seq in [row.seq for row in rows] for rows in told)


async def test_of_two_null_versions_the_newer_one_is_told(bucket):
    await bucket.done(b"k", "put", OFF)
    older = bucket.objects()[0]
    await bucket.done(b"k", "put", OFF)
    (place,) = await bucket.map.places(bucket.bucket_id, b"k")
    put = Statement(
        "INSERT INTO listing_versions (bucket_id, shard_id, sub, key, seq, summary) VALUES (?, ?, ?, ?, ?, ?)", Kind.WRITE
    )
    await bucket.cql.run(put, bucket.bucket_id, *place, b"k", older.seq, encode(older))
    rows = await bucket.scanner().scan_versions(bucket.bucket_id, b"", None, None, 10)
    assert rows == [msgspec.structs.replace(bucket.objects()[0], is_latest=True)]


@pytest.mark.parametrize("fanout", [1, 3])
async def test_keys_with_more_versions_than_a_page_are_told_whole(bucket, fanout):
    await bucket.write_shard(Shard(b"", None, b"S" * 16, fanout))
    await bucket.done(b"long", "put", OFF)
    for _ in range(6):
        await bucket.done(b"long", "put", ENABLED)
    await bucket.done(b"long", "delete", ENABLED)
    for key in (b"a", b"longer", b"z"):
        await bucket.done(key, "put", OFF)
        await bucket.done(key, "put", ENABLED)
    versions, scanner = bucket.all_versions(), bucket.scanner()
    assert len(versions) == 14
    for limit in (1, 2, 3, 5, 8, 14):
        start, seq, told = b"", None, []
        while rows := await scanner.scan_versions(bucket.bucket_id, start, seq, None, limit):
            assert len(rows) <= limit
            told += rows
            start, seq = rows[-1].key, rows[-1].seq
        assert told == versions, limit
        for at in (b"a", b"long", b"longer", b"z"):
            rows = await scanner.scan_versions(bucket.bucket_id, at, None, None, limit)
            assert rows == [row for row in versions if row.key >= at][:limit]
