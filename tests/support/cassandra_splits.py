"""Processes that write and list a bucket in Cassandra while its ranges are split, and what must hold meanwhile and afterwards."""

import asyncio
import os
import random
import secrets

from cassandra_parts import Between
from metadata_builders import SettableClock, version_of

from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra import objects
from dolmen.gateway.metadata.cassandra.commits import Commits
from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.follow import FollowUps
from dolmen.gateway.metadata.cassandra.intents import Intents
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.load import LoadCounters, LoadLimits
from dolmen.gateway.metadata.cassandra.notes import NoteBook
from dolmen.gateway.metadata.cassandra.queues import TimeQueue
from dolmen.gateway.metadata.cassandra.repairs import Repairs
from dolmen.gateway.metadata.cassandra.scan import Scanner
from dolmen.gateway.metadata.cassandra.shards import ShardMap
from dolmen.gateway.metadata.cassandra.split import SplitSettings, Splitter
from dolmen.gateway.metadata.cassandra.split_copy import RowCopier
from dolmen.gateway.metadata.cassandra.split_duty import SplitDuty
from dolmen.gateway.metadata.cassandra.stamps import Stamps
from dolmen.gateway.metadata.cassandra.truth import Truth
from dolmen.gateway.metadata.records import NO_CONDITION, BucketRecord, DeleteRequest, Versioning
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

CREATE_BUCKET = Statement(
    "INSERT INTO buckets (name, bucket_id, owner, state, state_us, rev, record) VALUES (?, ?, ?, 0, 0, 1, ?) IF NOT EXISTS",
    Kind.GLOBAL_CAS,
)
MARK_BUCKET = Statement("UPDATE buckets SET state = ? WHERE name = ? IF bucket_id = ?", Kind.GLOBAL_CAS)
PAUSE_SECONDS = 0.02  # between the requests of one writer or lister, at most: a split has some hundred statements
FAST = SplitSettings(lease_seconds=0.0, page_rows=16, copy_rows_per_second=1e9, compare_rows_per_second=1e9)
SMALL = LoadLimits(rows=100, size_bytes=100_000, writes_per_second=1e9, check_rows=1)


async def create_bucket(cql, versioning=Versioning.OFF):
    """A bucket of its own for a test."""
    bucket = BucketRecord(
        name=f"b{secrets.token_hex(8)}",
        bucket_id=os.urandom(16),
        owner="1" * 12,
        region="us-east-1",
        created_us=1,
        versioning=versioning,
    )
    reply = await cql.cas([Bound(CREATE_BUCKET, (bucket.name, bucket.bucket_id, bucket.owner, b""))])
    assert reply.applied
    return bucket


async def mark_bucket(cql, bucket, state):
    """As who deletes it does first."""
    assert (await cql.cas([Bound(MARK_BUCKET, (state, bucket.name, bucket.bucket_id))])).applied


class Process:
    """One process as far as objects and their lists go."""

    def __init__(self, cql, clock=None):
        clock = clock or SettableClock()
        self.cql = cql
        self.clock = clock
        self.stamps = Stamps(clock)
        self.shard_map = ShardMap(cql)
        self.truth = Truth(cql)
        self.listing = Listing(cql, self.shard_map, self.truth)
        self.scanner = Scanner(cql, self.shard_map, self.truth, self.listing, clock)
        self.intents = Intents(cql, self.shard_map, secrets.randbits(62) + 1, clock, self.stamps)
        book = NoteBook(TimeQueue(cql, "garbage", clock), TimeQueue(cql, "events", clock), Repairs(cql, clock), clock)
        self.noted = []
        self.follow = FollowUps(self.listing, self.intents, book, clock, self.noted.append)
        self.commits = Commits(self.truth, self.intents, book, self.follow, clock, 0)
        self.follow.settle = self.commits.settle

    async def put(self, bucket, key, announced=None):
        version = version_of(etag=secrets.token_hex(16), layout=ObjectLayout())

        async def decide(head):
            return objects.put(bucket, key, head, version, NO_CONDITION, self.clock.now_us())

        return await self.commits.apply(bucket.bucket_id, key, decide, announced)

    async def delete(self, bucket, key):
        async def decide(head):
            return await objects.delete(self.truth, bucket, DeleteRequest(key=key), head, self.clock.now_us())

        return await self.commits.apply(bucket.bucket_id, key, decide)

    async def rows(self, bucket, limit=50):
        """Every row of the bucket, page by page."""
        found, start = [], b""
        while True:
            page = await self.scanner.scan(bucket.bucket_id, start, None, limit)
            found += page
            if len(page) < limit:
                return found
            start = page[-1].key + b"\0"

    async def version_rows(self, bucket):
        return await self.scanner.scan_versions(bucket.bucket_id, b"", None, None, 10_000)

    async def close(self):
        await self.commits.close()
        await self.follow.idle()
        await self.follow.close()


class Splitting:
    """A process that splits, with queues of its test's own."""

    def __init__(self, cql, label, settings=FAST, limits=SMALL, drop_seconds=86_400.0):
        self.process = Process(cql)
        self.clock = self.process.clock
        self.notes = TimeQueue(cql, f"shards-{label}", self.clock)
        self.triggers = TimeQueue(cql, f"splits-{label}", self.clock)
        self.splitter = Splitter(
            cql,
            self.process.shard_map,
            self.process.listing,
            self.notes,
            self.clock,
            self.process.stamps,
            settings,
        )
        self.duty = SplitDuty(
            cql, self.splitter, self.triggers, self.notes, self.clock, limits, drop_seconds, young_seconds=0.0
        )
        self.copier = RowCopier(cql, self.clock, 1000, 1e9, 1e9)

    async def split_at(self, bucket, key=b""):
        """A proposal for the range that ``key`` is in."""
        row = await self.splitter.rows.covering(bucket.bucket_id, key)
        split = await self.splitter.propose_split(bucket.name, bucket.bucket_id, row)
        assert split is not None
        return split

    def counters(self, process, bucket):
        """Of that process."""
        name_of = {bucket.bucket_id: bucket.name}.get
        worker = process.intents.worker
        return LoadCounters(self.process.cql, process.shard_map, self.triggers, worker, self.clock, process.stamps, name_of, SMALL)

    async def later(self, seconds):
        """Time passes, and what is due is done."""
        self.clock.added_seconds += seconds
        return await self.duty.run_once()


class Died(Exception):
    """The process is no more."""


class Dying(Between):
    """Sends ``left`` statements, and then nothing any more."""

    def __init__(self, inner, left=10**9):
        super().__init__(inner)
        self.left = left
        self.sent = 0

    def _step(self):
        if self.sent >= self.left:
            raise Died
        self.sent += 1

    async def run(self, statement, *values):
        self._step()
        return await super().run(statement, *values)

    async def cas(self, bound):
        self._step()
        return await super().cas(bound)

    async def batch(self, bound):
        self._step()
        return await super().batch(bound)


class BeforeBatch(Between):
    """``first`` happens once, before the next batch is sent."""

    first = None

    async def batch(self, bound):
        first, self.first = self.first, None
        if first is not None:
            await first()
        await super().batch(bound)


class Traffic:
    """Writers and listers of one bucket. What a list must show is exact for every key that nobody changed while it was made.

    ``settled``: by key, how often it was changed, and whether it is there (None: a change is on its way).
    """

    def __init__(self, bucket, writers, listers, keys, seed):
        self.bucket = bucket
        self.writers = writers
        self.listers = listers
        self.keys = list(keys)
        self.settled = dict.fromkeys(self.keys, (0, False))
        self.random = random.Random(seed)
        self.lists = self.changes = 0
        self.violations = []
        self._tasks = []
        self._stopping = False

    async def fill(self, share=0.6):
        """Before anything else: some of the keys are there."""
        there = [key for key in self.keys if self.random.random() < share]
        for at in range(0, len(there), 64):
            await asyncio.gather(*(self.writers[0].put(self.bucket, key) for key in there[at : at + 64]))
        await self.writers[0].follow.idle()
        self.settled.update(dict.fromkeys(there, (1, True)))

    async def __aenter__(self):
        # Every key has one writer, so that what is there is known without asking.
        shares = [self.keys[number :: len(self.writers)] for number in range(len(self.writers))]
        self._tasks = [asyncio.create_task(self._write(*each)) for each in zip(self.writers, shares, strict=True)]
        self._tasks += [asyncio.create_task(self._list(lister)) for lister in self.listers]
        return self

    async def __aexit__(self, *_):
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def change(self, writer, key, *, put):
        count, there = self.settled[key]
        self.settled[key] = count + 1, None
        try:
            await (writer.put if put else writer.delete)(self.bucket, key)
        except MetadataUnknown:
            return  # nobody knows: lists may show what they like
        except MetadataUnavailable:
            put = there
        self.settled[key] = count + 2, put
        self.changes += 1

    async def _write(self, writer, keys):
        while not self._stopping:
            key = self.random.choice(keys)
            there = self.settled[key][1]
            await self.change(writer, key, put=not there or self.random.random() < 0.4)
            await asyncio.sleep(self.random.random() * PAUSE_SECONDS)

    async def _list(self, lister):
        while not self._stopping:
            await self.list_once(lister)
            await asyncio.sleep(self.random.random() * PAUSE_SECONDS)

    async def list_once(self, lister):
        before = dict(self.settled)
        try:
            found = [row.key for row in await lister.rows(self.bucket, self.random.choice((7, 1000)))]
        except MetadataUnavailable:
            return  # an overloaded machine; better than a short page
        self.lists += 1
        shown = set(found)
        if found != sorted(shown):
            self.violations.append(f"a key twice, or out of order: {found}")
        for key, (count, there) in before.items():
            if there is not None and self.settled[key] == (count, there) and (key in shown) is not there:
                self.violations.append(f"list {self.lists} of {len(found)}: {key!r} is {'lost' if there else 'a ghost'}")


async def check_quiet(splitting, bucket, keys):
    """Nobody writes: lists, the rows of the map's own partitions, and the truth all say the same."""
    lister = Process(splitting.process.cql)
    found = await lister.rows(bucket, 1000)
    assert [row.key for row in found] == sorted({row.key for row in found})
    true = {}
    for key in keys:
        current = await lister.truth.current(bucket.bucket_id, key)
        if current is not None and not current.is_delete_marker:
            true[key] = current.seq
    assert {row.key: row.seq for row in found} == true
    for shard in await lister.shard_map.shards(bucket.bucket_id):
        wanted = {key for key in true if shard.covers(key)}
        stored = set()
        for place in shard.own():
            rows = [key for key in wanted if await splitting.copier.of_key(bucket.bucket_id, place, key)]
            assert stored.isdisjoint(rows)
            stored |= set(rows)
        assert stored == wanted
    await lister.close()


async def marks_of(cql, bucket, shard_id, sub=0):
    """(fence, moved) of a partition."""
    rows = await cql.run(_RAW_MARKS, bucket.bucket_id, shard_id, sub)
    return (rows[0][0] or 0, rows[0][1] or 0) if rows else (0, 0)


async def raw_keys(cql, bucket, shard_id, sub=0):
    """Keys of one partition of ``listing``, whatever the map says."""
    return [row[0] for row in await cql.run(_RAW, bucket.bucket_id, shard_id, sub)]


async def raw_intents(cql, bucket, shard_id, sub=0):
    """(key, worker) of one partition of ``listing_intents``."""
    rows = await cql.run(_RAW_INTENTS, bucket.bucket_id, shard_id, sub)
    return [(key, worker) for key, worker in rows if key is not None]


_RAW = Statement("SELECT key FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ)
_RAW_MARKS = Statement(
    "SELECT fence, moved FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? LIMIT 1", Kind.READ
)
_RAW_INTENTS = Statement("SELECT key, worker FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ)
