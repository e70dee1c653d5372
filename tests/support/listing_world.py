"""A bucket in real Cassandra tables: a test puts list rows, intents and range map into any state, and knows what lists must say."""

import secrets
from typing import NamedTuple

import msgspec

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.cassandra.cql import Bound, Kind, Statement
from dolmen.gateway.metadata.cassandra.listing import Listing
from dolmen.gateway.metadata.cassandra.scan import Scanner
from dolmen.gateway.metadata.cassandra.shards import MERGING, SPLITTING, Shard, ShardMap
from dolmen.gateway.metadata.cassandra.truth import Truth, Update, new_op
from dolmen.gateway.metadata.decide import current_of, decide_delete, decide_delete_version, decide_put
from dolmen.gateway.metadata.records import Attributes, ListRow, NewVersion, Versioning
from dolmen.gateway.metadata.rows import list_row, slot_of

OWNER = "123456789012"

_MAP_ROW = Statement(
    "INSERT INTO bucket_shards (bucket_id, lo, shard_id, fanout, state, split_key, child_a, child_b, child_fanout, rev) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
    Kind.WRITE,
)
_DROP_MAP_ROW = Statement("DELETE FROM bucket_shards WHERE bucket_id = ? AND lo = ?", Kind.WRITE)
_MARKS = Statement(
    "UPDATE listing_intents SET fence = ?, moved = ? WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.WRITE
)
_INTENT = Statement(
    "INSERT INTO listing_intents (bucket_id, shard_id, sub, key, worker, op, begun_us) VALUES (?, ?, ?, ?, ?, ?, ?)", Kind.WRITE
)
_DROP_INTENT = Statement(
    "DELETE FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ? AND key = ? AND worker = ?", Kind.WRITE
)
_ROWS = Statement(
    "SELECT key, summary, WRITETIME(summary) FROM listing WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ
)
_VERSION_ROWS = Statement(
    "SELECT key, seq, summary, WRITETIME(summary) FROM listing_versions WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ
)
_INTENT_ROWS = Statement(
    "SELECT key, worker, op, begun_us FROM listing_intents WHERE bucket_id = ? AND shard_id = ? AND sub = ?", Kind.READ
)
_COPY = Statement(
    "INSERT INTO listing (bucket_id, shard_id, sub, key, summary) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?", Kind.WRITE
)
_COPY_VERSION = Statement(
    "INSERT INTO listing_versions (bucket_id, shard_id, sub, key, seq, summary) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    Kind.WRITE,
)


class CountingCql:
    """Counts statements (a batch is one) and the rows that they brought."""

    def __init__(self, cql):
        self._cql = cql
        self.sent = []  # Statements
        self.row_count = 0

    async def run(self, statement, *values):
        self.sent.append(statement)
        rows = await self._cql.run(statement, *values)
        self.row_count += len(rows)
        return rows

    async def cas(self, bound):
        self.sent.append(bound[0].statement)
        return await self._cql.cas(bound)

    async def batch(self, bound):
        self.sent.append(bound[0].statement)
        await self._cql.batch(bound)


class HeldCql:
    """Reads at once; holds writes back until ``release``, which is given them by whoever wants them late or never."""

    def __init__(self, cql):
        self._cql = cql
        self.held = []

    async def run(self, statement, *values):
        if statement.kind is Kind.WRITE:
            self.held.append([Bound(statement, values)])
            return []
        return await self._cql.run(statement, *values)

    async def batch(self, bound):
        self.held.append(list(bound))

    async def release(self, bound):
        if len(bound) == 1:
            await self._cql.run(bound[0].statement, *bound[0].values)
        else:
            await self._cql.batch(bound)


class Pending(NamedTuple):
    """A change of a key whose list rows may be missing."""

    key: bytes
    change: object
    seq: int
    versioned: bool
    places: tuple
    worker: int


class Bucket:
    """One bucket: its truth is kept here too, as a plain dictionary."""

    def __init__(self, cql, rng):
        self.cql = cql
        self.rng = rng
        self.bucket_id = secrets.token_bytes(16)
        self.map = ShardMap(cql)  # of the writers
        self.truth = Truth(cql)
        self.listing = Listing(cql, self.map, self.truth)
        self.clock = SystemClock()
        self.versions = {}  # key -> list of VersionRecord
        self.workers = 0

    def scanner(self):
        """A gateway of its own, with a cold map."""
        shard_map = ShardMap(self.cql)
        return Scanner(self.cql, shard_map, self.truth, Listing(self.cql, shard_map, self.truth), self.clock)

    # ---- what is true ----------------------------------------------------------------------------------------------

    def objects(self) -> list[ListRow]:
        found = [current_of(versions) for _, versions in sorted(self.versions.items())]
        return [list_row(record) for record in found if record is not None and not record.is_delete_marker]

    def all_versions(self) -> list[ListRow]:
        told = []
        for _, versions in sorted(self.versions.items()):
            newest_first = sorted(versions, key=lambda record: -record.seq)
            rows = [list_row(record) for record in newest_first]
            told += [msgspec.structs.replace(row, is_latest=at == 0) for at, row in enumerate(rows)]
        return told

    # ---- changes ---------------------------------------------------------------------------------------------------

    async def announce(self, key) -> tuple[tuple, int]:
        self.workers += 1
        places = await self.map.places(self.bucket_id, key)
        for place in places:
            await self.cql.run(_INTENT, self.bucket_id, *place, key, self.workers, b"o" * 8, self.clock.now_us())
        return places, self.workers

    async def withdraw(self, key, places, worker):
        for place in places:
            await self.cql.run(_DROP_INTENT, self.bucket_id, *place, key, worker)

    async def change(self, key, what, versioning) -> Pending:
        """Announce and change the truth, not the list rows. ``what``: "put", "delete" or "remove" (a version for good)."""
        places, worker = await self.announce(key)
        head = await self.truth.head(self.bucket_id, key)
        versions = self.versions.get(key, [])
        now_us = self.clock.now_us()
        if what == "put":
            size = self.rng.randrange(1 << 20)
            new = NewVersion(size=size, etag=secrets.token_hex(16), owner=OWNER, attributes=Attributes(), layout=ObjectLayout())
            change = decide_put(versioning, key, versions, new, now_us, head.floor_seq)
        elif what == "delete":
            change, _ = decide_delete(versioning, key, versions, OWNER, now_us, floor_seq=head.floor_seq)
        else:
            change, _ = decide_delete_version(self.rng.choice(versions) if versions else None, versions, now_us)
        seq = change.added.seq if change.added is not None else max(now_us, head.floor_seq)
        drop = (slot_of(change.removed),) if change.removed is not None else ()
        put = (change.added,) if change.added is not None else ()
        reply = await self.truth.change(self.bucket_id, key, head, Update(seq, new_op(), change.after, put, drop))
        assert reply.applied
        kept = [record for record in versions if change.removed is None or record.seq != change.removed.seq]
        self.versions[key] = kept + list(put)
        return Pending(key, change, seq, versioning is not Versioning.OFF, places, worker)

    async def follow(self, pending, places=None, *, withdraw=True):
        """Write the list rows (in all places, or some of them), and withdraw the intent."""
        chosen = pending.places if places is None else places
        await self.listing.write_change(
            self.bucket_id, pending.key, chosen, pending.change, pending.seq, versioned=pending.versioned
        )
        if withdraw:
            await self.withdraw(pending.key, pending.places, pending.worker)

    async def done(self, key, what, versioning):
        await self.follow(await self.change(key, what, versioning))

    # ---- the map ---------------------------------------------------------------------------------------------------

    async def write_shard(self, shard: Shard):
        values = shard.shard_id, shard.fanout, shard.state, shard.split_key, shard.child_a, shard.child_b, shard.child_fanout
        await self.cql.run(_MAP_ROW, self.bucket_id, shard.lo, *values)

    async def lay_out(self, bounds, fanouts=(1, 3)):
        """Ranges between the bounds, before anything is in the bucket."""
        for lo in sorted({b"", *bounds}):
            await self.write_shard(Shard(lo, None, secrets.token_bytes(16), self.rng.choice(fanouts)))
        self.map.forget(self.bucket_id)

    async def mark(self, places, fence, moved):
        for place in places:
            await self.cql.run(_MARKS, fence, moved, self.bucket_id, *place)

    async def begin_reshape(self, lo, kind, split_key=None) -> Shard:
        """Steps 1 and 2 of a split ("split"), another fanout ("fanout"), or a merge with the next range ("merge")."""
        shard = next(found for found in await self.map.shards(self.bucket_id) if found.lo == lo)
        child_b = secrets.token_bytes(16) if kind == "split" else None
        state = MERGING if kind == "merge" else SPLITTING
        changed = msgspec.structs.replace(
            shard,
            state=state,
            split_key=split_key,
            child_a=secrets.token_bytes(16),
            child_b=child_b,
            child_fanout=self.rng.choice((1, 3)),
        )
        sources = [changed]
        if kind == "merge":
            neighbour = next(found for found in await self.map.shards(self.bucket_id) if found.lo == shard.hi)
            sources.append(
                msgspec.structs.replace(
                    neighbour, state=state, child_a=changed.child_a, child_fanout=changed.child_fanout
                )
            )
        for source in sources:
            await self.write_shard(source)
            await self.mark(source.own(), 1, 0)
        self.map.forget(self.bucket_id)
        return changed

    async def sources(self, changed: Shard) -> list[Shard]:
        return [found for found in await self.map.shards(self.bucket_id) if found.child_a == changed.child_a]

    async def copy(self, changed: Shard, part=1.0):
        """Steps 3 to 5: intents, then ``part`` of the rows with their timestamps."""
        for source in await self.sources(changed):
            for place in source.own():
                for key, worker, op, begun_us in await self.cql.run(_INTENT_ROWS, self.bucket_id, *place):
                    if key is not None:
                        child = source.places(key)[1]
                        await self.cql.run(_INTENT, self.bucket_id, *child, key, -worker, op, begun_us)
                for key, summary, stamp in await self.cql.run(_ROWS, self.bucket_id, *place):
                    if self.rng.random() < part:
                        await self.cql.run(_COPY, self.bucket_id, *source.places(key)[1], key, summary, stamp)
                for key, seq, summary, stamp in await self.cql.run(_VERSION_ROWS, self.bucket_id, *place):
                    if self.rng.random() < part:
                        await self.cql.run(_COPY_VERSION, self.bucket_id, *source.places(key)[1], key, seq, summary, stamp)

    async def mark_moved(self, changed: Shard):
        """Step 7."""
        for source in await self.sources(changed):
            await self.mark(source.own(), 1, 1)

    async def cut_over(self, changed: Shard):
        """Step 8."""
        sources = await self.sources(changed)
        lo = sources[0].lo
        for other in sources[1:]:
            await self.cql.run(_DROP_MAP_ROW, self.bucket_id, other.lo)
        await self.write_shard(Shard(lo, None, changed.child_a, changed.child_fanout))
        if changed.child_b is not None:
            await self.write_shard(Shard(changed.split_key, None, changed.child_b, changed.child_fanout))
        self.map.forget(self.bucket_id)


def every_key(rng, count):
    """Keys with shared prefixes, bytes of 0xff, and neighbours that differ by a zero byte."""
    stems = [b"", b"a", b"a/", b"a/b/", b"b\xff", b"b\xff\xff", b"\xc3\xa9/", b"z", b"\xff", b"\xff\xff"]
    keys = set()
    while len(keys) < count:
        key = rng.choice(stems) + bytes(rng.choice(b"/ab\x00\xff1") for _ in range(rng.randrange(4)))
        if key:
            keys.add(key)
            if rng.random() < 0.2:
                keys.add(key + b"\0")
    return sorted(keys)
